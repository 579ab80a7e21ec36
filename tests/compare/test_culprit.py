"""A fault planted in a party is found where it is, and noise is not taken for one."""

from __future__ import annotations

from specc.compare.compare import compared
from specc.compare.culprit import points_of
from specc.compare.parties import PARTIES, Party
from specc.passes import objective
from tests.compare.parties import SPEC, Careless, Faulty, Hasty, cut, off, subject


def test_parties_that_are_one_agree() -> None:
    found = compared(subject(), [Party("float64"), Party("float64", "again")], [])
    assert found.status == 0
    assert all(row.relative == 0 for row in found.pairs[0].rows)


def test_the_culprit_is_the_first_call_whose_own_error_is_too_large() -> None:
    (pair,) = compared(subject(), [Party("float64"), Faulty("tanh", off)], []).pairs
    assert pair.differs
    assert pair.culprit is not None
    assert str(pair.culprit) == "first.tanh"
    assert pair.culprit.line == "return tanh(y)"
    assert abs(pair.culprit.local - 1e-3) < 1e-9


def test_a_fault_later_on_is_not_blamed_on_what_came_before() -> None:
    (pair,) = compared(subject(), [Party("float64"), Faulty("sigmoid", off)], []).pairs
    assert pair.culprit is not None
    assert str(pair.culprit) == "sigmoid"
    assert pair.culprit.line.startswith("y = sigmoid(b)")
    growth = dict(pair.growth)
    assert growth["first"] == growth["second"] == 0
    assert growth["last"] > 1e-5


def test_what_follows_a_fault_has_no_error_of_its_own() -> None:
    found = subject()
    graph = objective(found.train)
    points = points_of(
        "training", graph, found, Party("float64"), Faulty("tanh", off), "float64"
    )  # fmt: skip
    wrong = [str(point) for point in points if point.is_wrong]
    assert wrong == ["first.tanh", "second.tanh"]
    assert all(p.accumulated > 1e-6 for p in points if str(p).startswith(("second", "last")))


def test_a_gradient_is_looked_at_call_by_call() -> None:
    (pair,) = compared(subject(), [Party("float64"), Careless("sigmoid", cut)], []).pairs
    kinds = {row.kind for row in pair.rows if row.verdict == "differs"}
    assert kinds == {"gradient"}
    assert pair.culprit is not None
    assert (pair.culprit.stage, str(pair.culprit)) == ("gradient", "sigmoid")


def test_an_update_that_is_wrong_is_the_optimizers() -> None:
    (pair,) = compared(subject(), [Party("float64"), Hasty("float64", "hasty")], []).pairs
    assert {row.kind for row in pair.rows if row.verdict == "differs"} <= {"trained"}
    tight = [row for row in pair.rows if row.kind == "trained"]
    assert max(row.relative for row in tight) > 1e-6
    assert pair.culprit is not None
    assert (pair.culprit.stage, pair.culprit.name) == ("update", "sgd")
    assert pair.culprit.line == "optimizer sgd(lr = 0.1)"


def test_float32_against_float64() -> None:
    found = compared(subject(precision="float32"), [Party("float32"), Party("float64", "wide")], [])
    assert found.status == 0
    assert found.pairs[0].precision == "float32"
    assert any(row.relative > 1e-9 for row in found.pairs[0].rows)


def test_states_that_are_given_are_where_every_backend_begins() -> None:
    text = SPEC.replace("-> Linear(2) as last", "-> BatchNorm() as norm -> Linear(2) as last")
    found = subject(text)
    found.weights["norm.running_mean"] = found.weights["norm.running_mean"] + 3
    parties = [kind("float64") for kind in PARTIES.values()]
    compared_ = compared(found, parties, [])
    wrong = [row for pair in compared_.pairs for row in pair.rows if row.verdict == "differs"]
    assert not wrong


NORMALISED = SPEC.replace("Block(4) as first", "Linear(4) as fc -> BatchNorm()").replace(
    "sgd(lr = 0.1)", "adam()"
)


def test_a_gradient_that_only_rounding_makes_is_undetermined() -> None:
    """A bias before batch norm: NumPy finds 0, others noise, of which Adam makes whole steps."""
    one = subject(NORMALISED, steps=20, precision="float32")
    found = compared(one, [Party("float32"), PARTIES["onnx"]("float32", "onnx")], [])
    (pair,) = found.pairs
    assert found.status == 0
    assert [row.name for row in pair.rows if row.verdict == "undetermined"] == [
        "fc.bias", "batch_norm.running_mean",
    ]  # fmt: skip


def test_noise_hides_no_fault_beside_it() -> None:
    one = subject(NORMALISED, steps=20, precision="float32")
    (pair,) = compared(one, [Party("float32"), Hasty("float32", "hasty")], []).pairs
    assert [row.name for row in pair.rows if row.verdict == "differs"] == ["batch_norm.bias"]
    assert pair.culprit is not None
    assert (pair.culprit.stage, pair.culprit.name) == ("update", "adam")
    assert pair.culprit.scope == "batch_norm.bias"
