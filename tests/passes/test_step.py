"""The objective, its gradients and the update, against torch's and against arithmetic by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from specc.diagnostics import SpecError
from specc.ir import Graph, Node, Origin, Output, Type, constant, emit, make_input, origin
from specc.ir.graph import toposort
from specc.ir.model import Loss, Model, Optimizer, Penalty, Train, Update, Variable
from specc.ir.size import axis
from specc.ir.verify import verify
from specc.passes import (
    differentiate,
    expand,
    gradient_pairs,
    gradients,
    matches,
    objective,
    simplify,
    step,
    update,
)
from tests.check import assert_close
from tests.evaluate import Array, run
from tests.passes.graphs import body, parameter, total, transpose

F64 = Type("float64")
BATCH = axis("batch")
ZERO = Graph("zeros", (), (Output("init", "result", constant(0.0, "float")),))
FEEDS_SEED = 3
LEARNING_RATE = 0.1


# ── a model by hand: two linear layers, two losses ───────────────────────────────────────────────
def model(losses: tuple[Loss, ...] = (Loss("loss"),)) -> Model:
    shapes = {"fc1.weight": (5, 4), "fc1.bias": (5,), "fc2.weight": (2, 5)}
    parameters = {name: parameter(name, *shape) for name, shape in shapes.items()}
    x = make_input("x", "input", Type("float", (BATCH, 4)))
    hidden = x @ transpose(parameters["fc1.weight"])
    bias = emit("broadcast", parameters["fc1.bias"], shape=(BATCH, 5))
    with origin(Origin(None, "hidden", "fc1")):
        hidden = emit("tanh", hidden + bias)
    y = hidden @ transpose(parameters["fc2.weight"])
    values = [total(y * y), total(emit("abs", hidden))]
    outputs = [
        Output("y", "output", y),
        *(Output(loss.name, "loss", value) for loss, value in zip(losses, values, strict=False)),
        Output("spread", "metric", total(y)),
    ]
    graph = verify(Graph("Net", (x, *parameters.values()), tuple(outputs)))
    variables = tuple(
        Variable(name, node.type, ZERO) for name, node in parameters.items()
    )  # fmt: skip
    return Model("Net", graph, graph, variables, (), (), losses, (), {})


@cache
def momentum_of(type: Type) -> Update:
    """theta' = theta - lr (m' + step), m' = m / 2 + grad; the average is of theta' and theta."""
    roles = {"theta": type, "grad": type, "lr": F64, "step": F64}
    given = {role: make_input(role, role, t) for role, t in roles.items()}
    m = make_input("m", "moment", type)

    def across(node: Node) -> Node:
        return emit("broadcast", emit("cast", node, dtype="float"), shape=type.shape)

    next_m = m * 0.5 + given["grad"]
    theta = given["theta"] - across(given["lr"]) * (next_m + across(given["step"]))
    outputs = (
        Output("theta", "theta", theta),
        Output("m", "moment", next_m),
        Output("average", "average", (theta + given["theta"]) * 0.5),
    )
    return Update(Graph("momentum", (*given.values(), m), outputs), (Variable("m", type, ZERO),),
                  True)  # fmt: skip


@cache
def plain_of(type: Type) -> Update:
    theta, grad = make_input("theta", "theta", type), make_input("grad", "grad", type)
    lr = make_input("lr", "lr", F64)
    move = emit("broadcast", emit("cast", lr, dtype="float"), shape=type.shape) * grad
    outputs = (Output("theta", "theta", theta - move),)
    return Update(Graph("plain", (lr, theta, grad), outputs), (), True)


def optimizer(rule: Callable[[Type], Update] = plain_of, *on: str, lr: float = 0.1) -> Optimizer:
    return Optimizer(rule.__name__, None, lr, {}, rule, on)


def penalty(*on: str, factor: float = 0.5) -> Penalty:
    """factor / 2 · Σ w²."""
    return Penalty(cache(lambda t: body("l2", lambda w: total(w * w) * (factor / 2), t)), on)


def train(of: Model | None = None, **clauses: Any) -> Train:
    settled: dict[str, Any] = {
        "optimizers": (optimizer(),), "schedule": None, "clip": None, "penalties": (),
        "freeze": (), **clauses,
    }  # fmt: skip
    return Train(
        name="train", model=of or model(), data=None, origin=None, plateaus=(), batch=8,
        epochs=1, steps=None, seed=0, stop=None, keep=None, **settled,
    )  # fmt: skip


def feeds_of(graph: Graph) -> dict[str, Array]:
    random = np.random.default_rng(FEEDS_SEED)
    special = {"step": np.array(6.0), "scale": np.array(0.5)}

    def feed(node: Node) -> Array:
        name = node.attributes["name"]
        shape = [7 if extent == BATCH else int(str(extent)) for extent in node.shape]
        return special.get(name, random.standard_normal(shape))

    return {node.attributes["name"]: feed(node) for node in graph.inputs}


def flat(graph: Graph) -> Graph:
    return verify(simplify(expand(simplify(verify(graph)))))


# ── objective ────────────────────────────────────────────────────────────────────────────────────
def test_the_loss_is_the_sum_and_the_objective_has_the_penalties():
    two = model((Loss("loss"), Loss("critic")))
    graph = objective(train(two, penalties=(penalty("*.weight"),), freeze=("fc2.*",)))
    feeds = feeds_of(graph)
    made = run(graph, feeds)
    y = made["y"]
    assert list(made) == ["loss", "critic", "objective", "y", "spread"]
    assert_close(made["loss"], np.sum(y * y) + made["critic"], what="loss")
    assert_close(
        made["objective"], made["loss"] + np.sum(feeds["fc1.weight"] ** 2) / 4, what="objective"
    )
    assert [output.role for output in graph.outputs] == [*["loss"] * 3, "output", "metric"]


def test_gradients_agree_with_torch():
    block = train(penalties=(penalty("*.weight", factor=0.3),))
    graph = flat(gradients(block))
    feeds = feeds_of(graph)
    leaves = {n: torch.tensor(a, requires_grad=n != "x") for n, a in feeds.items()}
    hidden = torch.tanh(leaves["x"] @ leaves["fc1.weight"].T + leaves["fc1.bias"])
    y = hidden @ leaves["fc2.weight"].T
    weights = (leaves["fc1.weight"], leaves["fc2.weight"])
    ((y**2).sum() + sum((w**2).sum() for w in weights) * 0.15).backward()
    made = run(graph, feeds)
    for name in ("fc1.weight", "fc1.bias", "fc2.weight"):
        assert_close(
            made[f"gradient.{name}"], np.asarray(leaves[name].grad), what=name, tolerance=1e-11
        )


def test_frozen_parameters_have_no_gradient_and_no_penalty():
    block = train(freeze=("fc1.*",), penalties=(penalty(),))
    assert gradient_pairs(block) == [("objective", ["fc2.weight"])]
    assert [o.name for o in gradients(block).outputs if o.role == "gradient"] == [
        "gradient.fc2.weight"
    ]
    assert list(update(block).taking("parameter")) == ["fc2.weight"]


def test_a_loss_reaches_what_it_is_limited_to():
    both = (Loss("loss", ("fc2.*",)), Loss("critic", ("fc1.weight",)))
    graph = gradients(train(model(both)))
    feeds = feeds_of(graph)
    made = run(flat(graph), feeds)
    whole = run(flat(differentiate(objective(train(model((Loss("loss"), Loss("critic"))))),
                                   [("loss", ["fc2.weight"]), ("critic", ["fc1.weight"])])),
                feeds)  # fmt: skip
    for name in ("gradient.fc2.weight", "gradient.fc1.weight"):
        assert_close(made[name], whole[name], what=name)
    np.testing.assert_array_equal(made["gradient.fc1.bias"], np.zeros(5))


def test_penalties_reach_all_that_they_name_when_losses_are_limited():
    block = train(model((Loss("loss", ("fc2.*",)),)), penalties=(penalty("fc1.bias"),))
    graph = gradients(block)
    feeds = feeds_of(graph)
    made = run(flat(graph), feeds)
    assert_close(made["gradient.fc1.bias"], feeds["fc1.bias"] / 2, what="bias")


@pytest.mark.parametrize(
    ("name", "globs", "expected"),
    [
        ("enc.layer.0.weight", ("enc.*",), True),
        ("enc.layer.0.weight", ("*.weight",), True),
        ("enc.layer.0.weight", ("*.bias", "enc.*.weight"), True),
        ("encoder.weight", ("enc.*",), False),
        ("Enc.weight", ("enc.*",), False),
        ("enc.weight", (), True),
    ],
)
def test_globs(name: str, globs: tuple[str, ...], expected: bool):
    assert matches(name, globs) is expected


# ── update ───────────────────────────────────────────────────────────────────────────────────────
def test_what_an_optimizer_sees():
    schedule = body("decay", lambda count: 1.0 / (count + 1.0), F64)
    block = train(optimizers=(optimizer(momentum_of),), schedule=schedule)
    graph = update(block)
    feeds = feeds_of(graph)
    made = run(flat(graph), feeds)
    for name in ("fc1.weight", "fc1.bias", "fc2.weight"):
        theta, gradient, m = (feeds[n] for n in (name, f"gradient.{name}", f"{name}:m"))
        next_m = m / 2 + gradient
        rate = 0.1 * (1 / 7) * 0.5  # its own, the schedule's at 6 updates made, the plateaus'
        moved = theta - rate * (next_m + 7)  # the optimizer counts from 1
        assert_close(made[f"{name}:m"], next_m, what=name)
        assert_close(made[name], moved, what=name)
        assert_close(made[f"average.{name}"], (theta + moved) / 2, what=name)


def test_the_first_group_that_matches_takes_a_parameter():
    block = train(
        optimizers=(
            optimizer(lr=0.0),
            optimizer(momentum_of, "fc1.*"),
            optimizer(plain_of, "*.weight", lr=2.0),
        )
    )
    graph = update(block)
    assert list(graph.taking("moment")) == ["fc1.weight:m", "fc1.bias:m"]
    feeds = feeds_of(graph)
    made = run(flat(graph), feeds)
    moved = feeds["fc2.weight"] - 2.0 * 0.5 * feeds["gradient.fc2.weight"]
    assert_close(made["fc2.weight"], moved, what="second group")


def test_the_one_without_globs_takes_the_rest():
    block = train(optimizers=(optimizer(lr=0.0), optimizer(momentum_of, "fc1.*")))
    made = run(flat(update(block)), feeds := feeds_of(update(block)))
    np.testing.assert_array_equal(made["fc2.weight"], feeds["fc2.weight"])


def test_a_parameter_without_optimizer_is_a_fault():
    with pytest.raises(SpecError) as caught:
        update(train(optimizers=(optimizer(plain_of, "fc1.weight"),), freeze=("fc1.bias",)))
    assert [each.code for each in caught.value.diagnostics] == ["M090"]
    assert "`fc2.weight`" in str(caught.value)


@pytest.mark.parametrize("bound", [0.1, 1.0, 1e6])
def test_clipping_by_norm_is_torchs(bound: float):
    graph = update(train(optimizers=(optimizer(lr=1.0),), clip=("norm", bound)))
    feeds = {**feeds_of(graph), "scale": np.array(1.0)}
    made = run(flat(graph), feeds)
    names = ["fc1.weight", "fc1.bias", "fc2.weight"]
    leaves = [torch.zeros(feeds[name].shape, dtype=torch.float64) for name in names]
    for leaf, name in zip(leaves, names, strict=True):
        leaf.grad = torch.tensor(feeds[f"gradient.{name}"])
    norm = torch.nn.utils.clip_grad_norm_(leaves, bound)
    assert_close(made["norm"], norm.numpy(), what="norm")
    for leaf, name in zip(leaves, names, strict=True):
        assert_close(feeds[name] - made[name], np.asarray(leaf.grad), what=name, tolerance=1e-11)


def test_the_norm_is_over_unfrozen_parameters_of_all_groups():
    groups = (optimizer(plain_of, "fc1.*"), optimizer())
    graph = update(train(optimizers=groups, freeze=("fc1.bias",), clip=("norm", 1.0)))
    feeds = feeds_of(graph)
    parts = [feeds["gradient.fc1.weight"].ravel(), feeds["gradient.fc2.weight"].ravel()]
    assert_close(run(graph, feeds)["norm"], np.linalg.norm(np.concatenate(parts)), what="norm")


def test_clipping_by_value_is_torchs():
    graph = update(train(optimizers=(optimizer(lr=1.0),), clip=("value", 0.4)))
    feeds = {**feeds_of(graph), "scale": np.array(1.0)}
    made = run(flat(graph), feeds)
    leaf = torch.zeros(5, dtype=torch.float64)
    leaf.grad = torch.tensor(feeds["gradient.fc1.bias"])
    torch.nn.utils.clip_grad_value_([leaf], 0.4)
    moved = feeds["fc1.bias"] - made["fc1.bias"]
    assert_close(moved, np.asarray(leaf.grad), what="bias", tolerance=1e-11)
    every = np.concatenate([g.ravel() for n, g in feeds.items() if n.startswith("gradient.")])
    assert_close(made["norm"], np.linalg.norm(every), what="the norm before clipping")


def test_one_body_serves_equal_types():
    calls = [n for n in toposort(update(train()).results) if n.op.name == "call"]
    assert len({n.attributes["body"] for n in calls if n.attributes["body"].name == "plain"}) == 3
    assert {n.origin.scope for n in calls} == {"fc1.weight", "fc1.bias", "fc2.weight"}


def test_nothing_to_train_has_a_norm_of_zero():
    made = run(update(train(freeze=("*",))), {"step": np.array(0.0), "scale": np.array(1.0)})
    assert made == {"norm": 0.0}


# ── the whole step ───────────────────────────────────────────────────────────────────────────────
def test_the_step_is_the_gradients_and_the_update():
    block = train(
        optimizers=(optimizer(momentum_of, "*.weight"), optimizer()),
        penalties=(penalty("*.weight"),),
        clip=("norm", 0.5),
        freeze=("fc1.bias",),
    )
    whole = step(block)
    feeds = feeds_of(whole)
    made = run(flat(whole), feeds)
    found = run(gradients(block), feeds)
    apart = run(update(block), {**feeds, **found})
    for name, array in apart.items():
        assert_close(made[name], array, what=name)
    assert_close(made["objective"], found["objective"], what="objective")
    assert {o.role for o in whole.outputs} == {
        "loss", "output", "metric", "parameter", "moment", "average", "norm",
    }  # fmt: skip


def test_the_step_counts_with_the_models_own_step():
    made = model()
    count = make_input("step", "step", F64)
    scaled = emit("cast", count, dtype="float")
    first, *others = made.training.outputs
    graph = replace(
        made.training,
        inputs=(*made.training.inputs, count),
        outputs=(first, replace(others[0], node=others[0].node * scaled), *others[1:]),
    )
    whole = step(train(replace(made, training=graph)))
    assert [i.attributes["name"] for i in whole.inputs].count("step") == 1
