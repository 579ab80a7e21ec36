"""What the language means, on numbers that were worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from specc.diagnostics import SpecError
from specc.ir import toposort
from specc.passes import expand
from tests.specs.values import gradients, initial, model_of, run


def check(body: str, expected: Any, name: str = "y", **given: Any) -> None:
    np.testing.assert_array_equal(run(body, **given)[name], expected)


def names(body: str) -> list[str]:
    return [variable.name for variable in model_of(body).parameters]


# ── expressions ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("-2^2", -4),
        ("2^3^2", 512),
        ("2^-1", 0.5),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("7 / 2", 3.5),
        ("1 + 2 * 3 - 4 / 2", 5),
        ("10 - 3 - 2", 5),
        ("1 if 1 < 2 and not 3 < 2 else 0", 1),
        ("1 if false or 2 == 2 else 0", 1),
        ('3 if "mean" == "sum" else 4', 4),
        ("[5, 6, 7][1]", 6),
        ("([1] + [2, 3])[2]", 3),
        ('5 if "_l" + 2 + "b" == "_l2b" else 4', 5),
        ("[n * n for n in range(4)][3]", 9),
        ("4 -> maximum(7)", 7),
        ("9 -> sqrt", 3),
        ("minimum(maximum(3, 5), 4)", 4),
        ("1 if none == none else 0", 1),
        ("float(int(2.7))", 2),
        ("1_000 + .5", 1000.5),
    ],
)
def test_numbers(expression: str, value: float) -> None:
    check(f"input x: float[1]\ny = x * 0 + ({expression})\noutput y", [value], x=[1.0])


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("i // 2", [-4, 3]),
        ("i % 3", [2, 1]),
        ("int(x)", [-1, 2]),
        ("float(i) / 2", [-3.5, 3.5]),
        ("i / 2", [-3.5, 3.5]),
        ("int(b)", [1, 0]),
        ("int(bool(x))", [1, 1]),
        ("where(b, x, 0)", [-1.5, 0]),
        ("int(not b and x > 0)", [0, 1]),
        ("int(i != 7)", [1, 0]),
        ("floor(x)", [-2, 2]),
        ("round(x)", [-2, 2]),
        ("sign(x)", [-1, 1]),
        ("x^2", [2.25, 6.25]),
        ("x -> maximum(0) -> minimum(1)", [0, 1]),
        ("cumulative_sum(i, axis = 0)", [-7, 0]),
        ("i + x", [-8.5, 9.5]),
        ("one_hot(int(b), 2)[:, 1]", [True, False]),
        ("arange(2) * 10", [0, 10]),
    ],
)
def test_tensors(expression: str, value: list[float]) -> None:
    body = f"input x: float[2], i: int[2], b: bool[2]\ny = {expression}\noutput y"
    check(body, value, x=[-1.5, 2.5], i=[-7, 7], b=[True, False])


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("x[1]", [4, 5, 6]),
        ("x[-1, 0]", 4),
        ("x[:, 1]", [2, 5]),
        ("x[..., ::2]", [[1, 3], [4, 6]]),
        ("x[:, none, 1:]", [[[2, 3]], [[5, 6]]]),
        ("x[:, :-1]", [[1, 2], [4, 5]]),
        ("sum(x)", 21),
        ("sum(x, axis = rows)", [5, 7, 9]),
        ("sum(x, axis = [rows, columns])", 21),
        ("max(x, axis = 1, keepdims = true)", [[3], [6]]),
        ("argmax(x, axis = 0)", [1, 1, 1]),
        ("mean(x, axis = columns)", [2, 5]),
        ('rearrange(x, "r c -> c r")', [[1, 4], [2, 5], [3, 6]]),
        ('rearrange(x, "r c -> (c r)")', [1, 4, 2, 5, 3, 6]),
        ('rearrange(x, "r (c two) -> r two c", c = 1)', [[[1], [2], [3]], [[4], [5], [6]]]),
        ('einsum("r c, s c -> r s", x, x)', [[14, 32], [32, 77]]),
        ('einsum("r c -> c", x)', [5, 7, 9]),
        ("x @ [1, 0, 2]", [7, 16]),
        ("concat([x, x], axis = 1)[0]", [1, 2, 3, 1, 2, 3]),
        ("pad(x, [0, 1], [1, 0], value = 9)", [[9, 1, 2, 3], [9, 4, 5, 6], [9, 9, 9, 9]]),
        ("take(x, [1, 0, 1])[:, 0]", [4, 1, 4]),
        ("take_along_axis(x, [[2], [0]], axis = 1)", [[3], [4]]),
        ("reshape(x, [columns, rows])", [[1, 2], [3, 4], [5, 6]]),
        ("broadcast([1.5], [2, 3])", [[1.5] * 3] * 2),
        ("align(x[:, 0], x)", [[1], [4]]),
        ("x * align(x[:, 0], x)", [[1, 2, 3], [16, 20, 24]]),
        ("size(x, axis = columns) + 0 * sum(x)", 3),
        ("windows(x, axis = [1], kernel = 2, stride = 1)[0]", [[1, 2], [2, 3]]),
    ],
)
def test_axes(expression: str, value: Any) -> None:
    body = f"input x: float[rows, columns]\ny = {expression}\noutput y"
    if any(word in expression for word in ("(c two)", "take_along", "@")):
        body = body.replace("rows, columns", "2, 3")
    check(body, value, x=[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def test_split_gives_several_results() -> None:
    body = "input x: float[2, 3]\na, y = split(x, [1, 2], axis = 1)\noutput y, a"
    check(body, [[2, 3], [5, 6]], x=[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def test_an_exact_scalar_is_rounded_once() -> None:
    made = run("input x: float[1]\ny = x * (0.1 + 0.6)\noutput y", dtype="float32", x=[1.0])["y"]
    assert made[0] == np.float32(0.1 + 0.6)
    assert made[0] != np.float32(0.1) + np.float32(0.6)


# ── names ────────────────────────────────────────────────────────────────────────────────────────
def test_a_later_binding_holds() -> None:
    check("input x: float[1]\ny = x + 1\ny = y * 2\noutput y", [4], x=[1.0])


def test_bodies_share_the_enclosing_names() -> None:
    body = """
        input x: float[1]
        y = x
        repeat i in range(3) {
            y = y + i
            last = i
        }
        if last == 2 {
            z = y * 10
        } else {
            z = y
        }
        output z
    """
    check(body, [40], "z", x=[1.0])


def test_a_function_sees_its_own_names_only() -> None:
    text = "function f(a) = a + y\nmodel M {\n input x: float[1]\n y = x\n output f(x)\n}\n"
    with pytest.raises(SpecError, match="`y` is not defined"):
        model_of(text)


def test_unnamed_layers_are_counted() -> None:
    body = """
        input x: float[batch, 1, 4, 4]
        h = x -> Conv2d(1, 1, bias = false) -> flatten -> Linear(2, bias = false)
        output h -> Linear(2, bias = false) -> Linear(2, bias = false) as head
    """
    found = ["conv2d.weight", "linear.weight", "linear_2.weight", "head.weight"]
    assert names(body) == found


def test_scopes() -> None:
    text = """
layer Twice(d: int) {
    input x: float[..., d]
    return x -> Linear(d, bias = false) -> Linear(d, bias = false) as out
}
model M {
    input x: float[batch, 3]
    y = x
    repeat 2 as block { y = y -> Twice(3) as inner }
    repeat w in [3, 3] as "wide{w}" { y = y -> Linear(w, bias = false) as "" }
    output y
}
"""
    with pytest.raises(SpecError, match="made twice"):
        model_of(text)
    text = text.replace('w in [3, 3] as "wide{w}"', 'i in range(2) as "wide{i + 1}"')
    text = text.replace("Linear(w,", "Linear(3,")
    assert names(text) == [
        "block.0.inner.linear.weight", "block.0.inner.out.weight",
        "block.1.inner.linear.weight", "block.1.inner.out.weight",
        "wide1.weight", "wide2.weight",
    ]  # fmt: skip


def test_a_comprehension_of_layers() -> None:
    body = """
        input x: float[batch, 3]
        ws = [Linear(n, bias = false) for n in [4, 5]]
        output ws.1(ws.0(x))
    """
    assert names(body) == ["ws.0.weight", "ws.1.weight"]


# ── layers ───────────────────────────────────────────────────────────────────────────────────────
def test_a_layer_used_twice_shares_its_weights() -> None:
    body = """
        input x: float[1, 1]
        double = Linear(1, weight = constant(2), bias = constant(1))
        y = double(double(x))
        output y
        loss sum(y)
    """
    made = gradients(body, "double.weight", "double.bias", "x", x=[[3.0]])
    assert made["y"] == 15  # 2 (2 · 3 + 1) + 1
    assert made["gradient.double.weight"] == 2 * 3 + 7
    assert made["gradient.double.bias"] == 3
    assert made["gradient.x"] == 4


def test_tied_weights() -> None:
    body = """
        input token: int[batch]
        h = token -> Embedding(3, 2, weight = constant(0.5)) as embed
        y = h -> Linear(3, weight = embed.weight, bias = false)
        output y
        loss sum(y)
    """
    assert names(body) == ["embed.weight"]
    made = gradients(body, "embed.weight", token=[0])
    assert (made["y"] == 0.5).all()
    # Once for the row looked up, and once for each row as a weight.
    np.testing.assert_array_equal(made["gradient.embed.weight"], [[2, 2], [0.5, 0.5], [0.5, 0.5]])


def test_batch_norm() -> None:
    body = "input x: float[batch, 1]\ny = x -> BatchNorm(eps = 0) as n\noutput y"
    made = run(body, training=True, x=[[1.0], [3.0]])
    np.testing.assert_array_equal(made["y"], [[-1], [1]])
    states = {name.rstrip("'"): value for name, value in made.items()}
    np.testing.assert_allclose(states["n.running_mean"], [0.2], rtol=1e-15)  # 0.1 · 2
    np.testing.assert_allclose(states["n.running_var"], [1.1], rtol=1e-15)  # 0.9 + 0.1 · 2 / 1
    np.testing.assert_array_equal(run(body, x=[[1.0], [3.0]])["y"], [[1], [3]])


# ── states ───────────────────────────────────────────────────────────────────────────────────────
COUNTER = """
layer Counter() {
    input x: float[1]
    state n: float[1] = 5
    n' = n + x
    return n' * 100 + n
}
model M {
    input x: float[1]
    count = Counter()
    a = count(x)
    b = count(2 * x)
    output a, b
}
"""


def test_each_application_reads_what_the_one_before_it_left() -> None:
    made = run(COUNTER, training=True, x=[1.0])
    assert made["a"] == 605
    assert made["b"] == 806
    states = {name.rstrip("'"): value for name, value in made.items()}
    assert states["count.n"] == 8


def test_an_unassigned_state_stays() -> None:
    body = """
layer Kept() {
    input x: float[1]
    state n: float[1] = 5
    if training {
        n' = n + 1
    }
    return x + n
}
model M {
    input x: float[1]
    output y = x -> Kept()
}
"""
    assert run(body, training=True, x=[1.0])["y"] == 6
    assert run(body, x=[1.0])["y"] == 6
    assert not [output for output in model_of(body).inference.outputs if output.role == "state"]


def test_a_state_is_cut_from_the_gradient_between_steps_only() -> None:
    text = COUNTER.replace("output a, b", "output a, b\n    loss sum(a + b)")
    made = gradients(text, "x", x=[1.0])
    # a = 100 (5 + x) + 5, b = 100 (5 + x + 2 x) + (5 + x)
    assert made["gradient.x"] == 100 + 300 + 1


LEARNED = """
cell C(n: int) {
    input x: float[batch, f]
    PARAM
    state h: float[batch, n] = BEGIN
    h' = h + x
    return h'
}
model M {
    input x: float[batch, time, 2]
    MORE
    ys, last = scan(C(2), xHERE)
    output last
}
"""


def test_the_help_for_a_learned_first_state_works() -> None:
    """What M026 says to do, done: the parameter where the scan is, spread over the rows."""
    words = {"PARAM": "param start: float[n] = 3", "BEGIN": "start", "MORE": "", "HERE": ""}
    refused = LEARNED
    for word, text in words.items():
        refused = refused.replace(word, text)
    with pytest.raises(SpecError, match=r"scan\(cell, xs, h = \.\.\.\)"):
        model_of(refused)
    words = {"PARAM": "", "BEGIN": "0", "MORE": "param start: float[2] = 3",
             "HERE": ", h = broadcast(start, [size(x, axis = batch), 2])"}  # fmt: skip
    followed = LEARNED
    for word, text in words.items():
        followed = followed.replace(word, text)
    check(followed, [[7, 9]], "last", x=[[[1.0, 2], [3, 4]]], start=[3.0, 3])


@pytest.mark.parametrize("cell", ["GRUCell(2)", "LSTMCell(2)", "Pair(2)"])
def test_the_help_for_one_step_works(cell: str) -> None:
    """M004 says a line; it is that line that is built, with the cell in place of `cell`."""
    text = """
cell Pair(n: int) {
    given memory: float[batch, n]
    input mask: bool[batch]?
    input x: float[batch, n]
    state h: float[batch, n] = 0
    state c: float[batch, n] = 0
    h' = h + x
    c' = c + memory
    return h', c'
}
model M {
    input x: float[batch, 2], memory: float[batch, 2], h: float[batch, 2], c: float[batch, 2]
    built = CELL
    LINE
    output h_next
}
"""
    given = "memory = memory, x = x" if cell == "Pair(2)" else "x"
    with pytest.raises(SpecError) as refused:
        model_of(text.replace("CELL", cell).replace("LINE", f"h_next = built({given})"))
    (told,) = refused.value.diagnostics
    assert told.code == "M004"
    line = told.help.split("`")[3]
    assert " = cell(" in line
    made = model_of(text.replace("CELL", cell).replace("LINE", line.replace("cell(", "built(")))
    assert [output.name for output in made.inference.outputs] == ["h_next"]


# ── gradients at kinks ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("expression", "slopes"),
    [
        ("maximum(x, 1)", [0.5, 1, 0]),
        ("minimum(x, 1)", [0.5, 0, 1]),
        ("abs(x - 1)", [0, 1, -1]),
        ("relu(x - 1)", [0, 1, 0]),
        ("x^2", [2, 4, 0]),
        ("detach(x) * x", [1, 2, 0]),
        ("where(x > 0, x, 0)", [1, 1, 0]),
        ("max(concat([x, x, x]))", [0, 1, 0]),
        ("floor(x)", [0, 0, 0]),
    ],
)
def test_slopes(expression: str, slopes: list[float]) -> None:
    body = f"input x: float[3]\nloss sum({expression})\noutput x"
    np.testing.assert_array_equal(gradients(body, "x", x=[1.0, 2.0, 0.0])["gradient.x"], slopes)


def test_max_gives_its_gradient_to_the_first() -> None:
    body = "input x: float[2, 3]\nloss sum(max(x, axis = 1))\noutput x"
    made = gradients(body, "x", x=[[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
    np.testing.assert_array_equal(made["gradient.x"], [[0, 1, 0], [1, 0, 0]])


def test_softmax_of_nothing() -> None:
    body = """
        input x: float[2, 2]
        y = softmax(x)
        output y
        loss sum(y * [[1, 2], [3, 4]])
    """
    made = gradients(body, "x", x=[[-np.inf, -np.inf], [0.0, 0.0]])
    np.testing.assert_array_equal(made["y"], [[0, 0], [0.5, 0.5]])
    np.testing.assert_array_equal(made["gradient.x"], [[0, 0], [-0.25, 0.25]])


def test_a_stated_gradient_is_used() -> None:
    text = """
function twice(x) {
    return 2 * x
    gradient x = 7 * g
}
model M {
    input x: float[2]
    loss sum(twice(x) * [1, 10])
    output x
}
"""
    np.testing.assert_array_equal(gradients(text, "x", x=[1.0, 2.0])["gradient.x"], [7, 70])


# ── metrics and losses ───────────────────────────────────────────────────────────────────────────
def test_losses_add_up() -> None:
    body = "input x: float[2]\noutput x\nloss sum(x)\nloss extra = 10 * sum(x)"
    model = model_of(body)
    assert [loss.name for loss in model.losses] == ["loss", "extra"]


def test_two_uses_of_a_metric_keep_their_own_states() -> None:
    body = """
        input x: float[2, 2], label: int[2]
        output x
        metric a = perplexity(x, label)
        metric b = perplexity(2 * x, label)
    """
    model = model_of(body)
    states = [each.name for metric in model.metrics for each in metric.states]
    assert len(states) == len(set(states)) == 4
    made = run(body, x=[[0.0, np.log(3)], [0.0, 0.0]], label=[1, 0])
    assert made["a"] == pytest.approx(np.exp(np.mean([-np.log(0.75), np.log(2)])))
    assert made["b"] == pytest.approx(np.exp(np.mean([-np.log(0.9), np.log(2)])))


def test_initial_values() -> None:
    body = """
        param a: float[2, 2] = constant(1 / 4)
        param b: float[2] = zeros()
        input x: float[batch, 2]
        output x @ a + b
    """
    a, b = model_of(body).parameters
    assert (initial(a) == 0.25).all()
    assert (initial(b) == 0).all()


def test_batch_norm_over_one_value_is_an_error() -> None:
    body = "input x: float[{}, 3]\ny = x -> BatchNorm()\noutput y\nloss sum(y)"
    with pytest.raises(SpecError, match="needs two values"):
        model_of(body.format(1))
    with pytest.raises(SpecError, match="needs two values"):
        run(body.format("batch"), training=True, x=np.ones((1, 3)))
    assert run(body.format("batch"), x=np.ones((1, 3)))["y"].shape == (1, 3)


def test_initial_values_and_draws_have_purposes_of_their_own() -> None:
    model = model_of("input x: float[batch, 3]\noutput x -> Linear(2) -> dropout")
    found = [
        {
            node.attributes["purpose"]
            for node in toposort(expand(graph).results)
            if node.op.name == "random_bits"
        }
        for graph in (model.training, *(variable.init for variable in model.parameters))
    ]
    assert found == [{0}, {1}, {1}]


# ── axes ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "body",
    [
        # An axis that happens to be as long as another is not that axis.
        "input x: float[batch, time], w: float[other]\noutput x * w",
        # An axis of a dynamic length is never taken to be 1.
        "input x: float[batch, time], w: float[one]\noutput x + w",
        "input x: float[batch, 3], y: float[3, batch]\noutput x + y",
        "input x: float[batch, 3], y: float[batch]\noutput x + y",
        # What a signature says of its arguments holds for lengths that are not known yet.
        "input x: float[batch, time], w: float[2, other]\noutput linear(x, w)",
        "input x: float[batch, time], w: float[2, 3]\noutput linear(x, w)",
        "input x: float[batch, time], y: float[batch, other]\noutput mse(x, y)",
        "input x: float[batch, time], y: float[other, time]\noutput mse(x, y)",
        "function both(x: float[n], y: float[n]) = sum(x) + sum(y)\n"
        "model M {\n    input x: float[batch], y: float[other]\n    output both(x, y)\n}\n",
        "function all_of(x: float[...], y: float[...]) = sum(x) + sum(y)\n"
        "model M {\n    input x: float[batch], y: float[other]\n    output all_of(x, y)\n}\n",
        "input x: float[batch], y: float[other]\nz: float[batch] = y\noutput sum(x) + sum(z)",
    ],
)
def test_axes_that_do_not_agree(body: str) -> None:
    with pytest.raises(SpecError, match="axes do not agree"):
        model_of(body)


def test_a_literal_1_and_missing_leading_axes_broadcast() -> None:
    body = """
        input x: float[batch, time], row: float[time], column: float[batch, 1]
        y = x + row + column
        output y
    """
    made = run(body, x=np.zeros((2, 3)), row=[1.0, 2.0, 3.0], column=[[10.0], [20.0]])["y"]
    np.testing.assert_array_equal(made, [[11, 12, 13], [21, 22, 23]])


def test_a_typed_binding_names_axes() -> None:
    body = """
        input q: float[batch, query, 2], k: float[batch, key, 2]
        scores: float[batch, asked, seen] = einsum("b q e, b k e -> b q k", q, k)
        y = sum(scores, axis = seen)
        output y
    """
    made = run(body, q=np.ones((1, 2, 2)), k=np.ones((1, 3, 2)))["y"]
    np.testing.assert_array_equal(made, [[6, 6]])


def test_dynamic_axes_follow_what_is_fed() -> None:
    body = "input x: float[batch, time]\ny = mean(x, axis = time)\noutput y"
    for shape in ((1, 1), (2, 5), (4, 3)):
        assert (run(body, x=np.ones(shape))["y"] == np.ones(shape[0])).all()


def test_what_cannot_be_divided_is_refused_when_it_is_fed() -> None:
    body = (
        'input x: float[batch, time]\ny = rearrange(x, "b (t two) -> b t two", two = 2)\noutput y'
    )
    assert run(body, x=np.ones((1, 4)))["y"].shape == (1, 2, 2)
    with pytest.raises(SpecError, match="not divisible by 2"):
        run(body, x=np.ones((1, 3)))


def test_an_axis_of_a_signature_divides_what_is_fed() -> None:
    body = """
function halves(x: float[batch, 2 * n]) = sum(x) / n
model M {
    input x: float[batch, time]
    y = halves(x)
    output y
}
"""
    assert run(body, x=np.ones((1, 6)))["y"] == 2
    with pytest.raises(SpecError, match="divisible by 2"):
        run(body, x=np.ones((1, 5)))


def test_a_comparison_with_nan_is_false() -> None:
    body = (
        "input x: float[3]\na = float(x >= 1)\nb = float(x <= 1)\nc = float(x > 1)\noutput a, b, c"
    )
    made = run(body, x=[np.nan, 1.0, 2.0])
    for name, right in {"a": [0, 1, 1], "b": [0, 1, 0], "c": [0, 0, 1]}.items():
        np.testing.assert_array_equal(made[name], right)


def test_an_index_lies_on_its_axis() -> None:
    body = "input x: float[batch, time]\ny = x[:, 2]\noutput y"
    np.testing.assert_array_equal(run(body, x=[[1.0, 2.0, 3.0]])["y"], [3])
    with pytest.raises(SpecError, match="lies outside"):
        run(body, x=np.ones((1, 2)))
