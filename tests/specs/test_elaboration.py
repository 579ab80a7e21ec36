"""What is built once for many uses: which bodies are shared, what each draws, whose names hold."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from specc.diagnostics import SpecError
from specc.ir import toposort
from specc.passes import expand
from tests.specs.values import gradients, initial, model_of, run

X = np.arange(1.0, 7.0).reshape(2, 3)


# ── one body for equal uses, another for any that differ ─────────────────────────────────────────
USES = {
    "Scale({})(x)": "layer Scale(k: float) {\n    input x: float[...]\n    return k * x\n}",
    "Weighed({})(x)": "layer Weighed(k: float) {\n    input x: float[batch, n]\n"
    "    param w: float[n] = constant(k)\n    return w * x\n}",
    "scale(x, {})": "function scale(x, k: float) = k * x",
}


@pytest.mark.parametrize("use", USES)
def test_a_hyper_parameter_makes_another_body(use: str) -> None:
    a, b, c = map(use.format, (2, 3, 2))
    lines = f"    input x: float[batch, 3]\n    output a = {a}, b = {b}, c = {c}\n"
    made = run(f"{USES[use]}\nmodel M {{\n{lines}}}\n", x=X)
    for name, k in {"a": 2, "b": 3, "c": 2}.items():
        np.testing.assert_array_equal(made[name], k * X)


def test_what_is_given_for_a_parameter_makes_another_body() -> None:
    body = """
        input x: float[batch, 3]
        param v: float[2, 3] = constant(7)
        a = x -> Linear(2, weight = ones(), bias = false)
        b = x -> Linear(2, weight = constant(2), bias = ones())
        c = x -> Linear(2, weight = v, bias = false)
        d = x -> Linear(2, weight = ones(), bias = constant(5))
        output a, b, c, d
    """
    made = run(body, x=X)
    total = X.sum(1, keepdims=True) * np.ones((1, 2))
    right = {"a": total, "b": 2 * total + 1, "c": 7 * total, "d": total + 5}
    for name, each in right.items():
        np.testing.assert_array_equal(made[name], each)


@pytest.mark.parametrize(("bias", "shift"), [("true", 3), ("false", 0)])
def test_a_choice_of_what_is_given_is_made_when_compiled(bias: str, shift: int) -> None:
    body = f"""
layer Chosen(bias: bool) {{
    input x: float[batch, 3]
    return x -> Linear(2, weight = ones(), bias = constant(3) if bias else none)
}}
model M {{
    input x: float[batch, 3]
    output y = x -> Chosen({bias})
}}
"""
    made = run(body, x=X)
    right = X.sum(1, keepdims=True) + shift * np.ones((1, 2))
    np.testing.assert_array_equal(made["y"], right)
    assert len(model_of(body).parameters) == (2 if shift else 1)


DROPPING = [
    "y = dropout(x, 0.5)",
    "y = outer(x)",
    "y = x -> Outer()",
    "y = x -> Outermost()",
]


@pytest.mark.parametrize("line", DROPPING)
def test_training_is_read_at_any_depth(line: str) -> None:
    made = {
        mode: run(_dropping(line), training=mode, x=np.ones((40, 50))) for mode in (True, False)
    }
    np.testing.assert_array_equal(made[False]["y"], np.ones((40, 50)))
    assert set(np.unique(made[True]["y"])) == {0, 2}


@pytest.mark.parametrize("line", DROPPING)
def test_every_application_draws_its_own(line: str) -> None:
    twice = line.replace("y =", "z =") + "\n    " + line + "\n    output z"
    made = run(_dropping(twice), training=True, x=np.ones((40, 50)))
    assert 0.4 < (made["y"] == made["z"]).mean() < 0.6


def test_applications_within_a_body_draw_their_own() -> None:
    body = """
layer Pair() {
    input x: float[...]
    return dropout(x), dropout(x)
}
function pair(x) {
    return dropout(x), dropout(x)
}
model M {
    input x: float[40, 50]
    a, b = Pair()(x)
    c, d = pair(x)
    e, f = Pair()(x)
    output a, b, c, d, e, f
}
"""
    made = run(body, training=True, x=np.ones((40, 50)))
    for one in "abcdef":
        for other in "abcdef":
            if one < other:
                assert 0.4 < (made[one] == made[other]).mean() < 0.6, (one, other)


def test_parameters_of_one_type_begin_differently() -> None:
    body = "input x: float[batch, 3]\noutput x -> Linear(3) -> Linear(3) -> Linear(3)"
    values = [initial(each).tobytes() for each in model_of(body).parameters]
    assert len(set(values)) == 6


def test_one_init_serves_parameters_and_draws_by_their_own_purposes() -> None:
    body = """
        input x: float[3]
        param w: float[3] = uniform()
        z: float[3] = uniform()
        output y = x + w + z
    """
    model = model_of(body)
    (w,) = model.parameters
    found = [
        {
            n.attributes["purpose"]
            for n in toposort(expand(graph).results)
            if n.op.name == "random_bits"
        }
        for graph in (model.training, w.init)
    ]
    assert found == [{0}, {1}]


def test_two_uses_of_a_metric_in_one_expression_keep_their_own_states() -> None:
    body = """
        input x: float[2], y: float[2]
        output x
        metric both = root_mean_squared_error(x, y) + 10 * root_mean_squared_error(x, 0 * y)
    """
    model = model_of(body)
    (metric,) = model.metrics
    assert len({state.name for state in metric.states}) == 4
    assert run(body, x=[3.0, 3.0], y=[1.0, 1.0])["both"] == 2 + 10 * 3


def test_losses_without_a_name_are_added() -> None:
    body = "input x: float[2]\noutput x\nloss sum(x)\nloss 10 * sum(x)\nloss 100 * sum(x)"
    made = gradients(body, "x", x=[1.0, 2.0])
    assert made["loss"] == 333
    np.testing.assert_array_equal(made["gradient.x"], [111, 111])


def _dropping(lines: str) -> str:
    return f"""
function outer(x) = dropout(x, 0.5)
layer Outer() {{
    input x: float[...]
    return outer(x)
}}
layer Outermost() {{
    input x: float[...]
    return 1 * Outer()(x)
}}
model M {{
    input x: float[40, 50]
    {lines}
    output y
}}
"""


# ── names of axes ────────────────────────────────────────────────────────────────────────────────
def _named(lines: str) -> str:
    return f"""
model M(rows: int = 3, columns: int = 3) {{
    input x: float[batch, rows, columns], t: float[batch, columns, rows]
    {lines}
    output y
}}
"""


SQUARE = np.arange(9.0).reshape(1, 3, 3)


@pytest.mark.parametrize(
    "line",
    [
        "y = sum(relu(x), axis = rows)",
        "y = sum(layer_norm(x) * 0 + x, axis = rows)",
        "y = sum(-x, axis = rows) * -1",
        "y = sum(x * x[:, :1, :] * 0 + x, axis = rows)",
    ],
)
def test_a_result_has_the_names_of_its_arguments_axes(line: str) -> None:
    np.testing.assert_array_equal(run(_named(line), x=SQUARE, t=SQUARE)["y"], SQUARE.sum(1))


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_an_axis_of_two_names_has_none(axis: str) -> None:
    with pytest.raises(SpecError, match=axis):
        model_of(_named(f"y = sum(x + t, axis = {axis})"))


# ── exact scalars ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "expression",
    ["sum(i) * 1.0 - 16777216.0", "(sum(i) + 0.5) - 16777216.5", "sum(i) / 1 - 16777216"],
)
def test_scalars_are_exact_until_they_meet_a_tensor(expression: str) -> None:
    body = f"input x: float[1], i: int[2]\ny = x * ({expression})\noutput y"
    made = run(body, dtype="float32", x=[1.0], i=[16777216, 1])["y"]
    np.testing.assert_array_equal(made, [1])


def test_a_metrics_sums_are_exact() -> None:
    body = """
metric seen(x: float[...]) {
    state total = 0
    total' = total + sum(x)
    return total' - 16777216
}
model M {
    input x: float[batch]
    output x
    metric s = seen(x)
}
"""
    (metric,) = model_of(body).metrics
    (state,) = metric.states
    before: dict[str, Any] = {state.name: 16777216.0}
    made = run(body, dtype="float32", x=[1.0], **before)
    assert made["s"] == 1


# ── patterns ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_rearrange_turns_axes_as_the_pattern_says(order: tuple[int, ...]) -> None:
    x = np.arange(2.0 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    right = " ".join("abcd"[each] for each in order)
    body = f'input x: float[2, 3, 4, 5]\ny = rearrange(x, "a b c d -> {right}")\noutput y'
    np.testing.assert_array_equal(run(body, x=x)["y"], x.transpose(order))


@pytest.mark.parametrize(
    "pattern",
    ["ab,bc,b->ac", "ab,bc,cd->ad", "ab,ab,b->a", "abc,b,cd->da", "ab,bc,ac->abc", "ab,b,b,a->b"],
)
def test_einsum_of_several_tensors(pattern: str) -> None:
    sizes = {"a": 2, "b": 3, "c": 4, "d": 5}
    left, right = pattern.split("->")
    shapes = [[sizes[name] for name in term] for term in left.split(",")]
    random = np.random.default_rng(0)
    given: dict[str, Any] = {
        f"t{at}": random.integers(-4, 5, shape) * 1.0 for at, shape in enumerate(shapes)
    }
    spaced = f"{', '.join(map(' '.join, left.split(',')))} -> {' '.join(right)}"
    inputs = ", ".join(f"t{at}: float{shape}" for at, shape in enumerate(shapes))
    body = f'input {inputs}\ny = einsum("{spaced}", {", ".join(given)})\noutput y'
    np.testing.assert_array_equal(run(body, **given)["y"], np.einsum(pattern, *given.values()))
