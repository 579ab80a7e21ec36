"""Scans on every backend, forward and backward, against torch: its own layers, or a loop."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

import specc
from specc import language, passes, pipeline
from specc.backends import numpy as on_numpy
from specc.backends import onnx as on_onnx
from specc.backends import torch as on_torch
from specc.backends.numpy.rewrite import rewrite
from specc.diagnostics import SpecError
from specc.ir import Graph, Output, emit, toposort
from specc.ir.verify import verify
from tests import evaluate

Arrays = Mapping[str, Any]
Run = Callable[[Graph, Arrays], Arrays]
FORWARD, BACKWARD = 1e-12, 1e-11

RUNS: dict[str, Run] = {
    "meaning": lambda graph, feeds: evaluate.run(graph, feeds),
    "numpy": lambda graph, feeds: on_numpy.compile(pipeline.lower(graph), "float64")(feeds),
    "numpy, poisoned": lambda graph, feeds: on_numpy.compile(
        pipeline.lower(graph), "float64", poison=True
    )(feeds),
    "numpy, as written": lambda graph, feeds: on_numpy.compile(
        pipeline.lower(graph), "float64", without=("rewrite",)
    )(feeds),
    "onnx": lambda graph, feeds: on_onnx.compile(graph, "float64")(feeds),
    "torch": lambda graph, feeds: on_torch.compile(graph, "float64")(feeds),
}
on_each = pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)


def training(text: str) -> Graph:
    """The model's graph with the gradients of its parameters and float inputs."""
    graph = language.loads(text).models["M"].training
    wanted = [n.attributes["name"] for n in graph.inputs if n.dtype == "float"]
    made = passes.differentiate(graph, [("loss", [name for name in wanted if name[:2] != "g_"])])
    return verify(made)


def random_feeds(graph: Graph, seed: int = 0, **length_of: int) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    return {
        n.attributes["name"]: draw.normal(
            size=[e if isinstance(e, int) else length_of[str(e)] for e in n.shape]
        )
        for n in graph.inputs
        if n.dtype == "float"
    }


def tensors(feeds: Arrays) -> dict[str, Tensor]:
    made = {name: torch.tensor(array) for name, array in feeds.items()}
    for each in made.values():
        each.requires_grad_(each.is_floating_point())
    return made


def agree(found: Arrays, wanted: Mapping[str, Tensor], loss: Tensor, given: Arrays) -> None:
    """Results and gradients, each relative to its own size; `wanted` may leave results out."""
    for name, array in {**wanted, "loss": loss}.items():
        close(found[name], array.detach().numpy(), FORWARD, name)
    gradients = {n.removeprefix("gradient."): a for n, a in found.items() if n[:9] == "gradient."}
    assert gradients
    names = list(gradients)
    exact = torch.autograd.grad(loss, [given[name] for name in names], allow_unused=True)
    for name, each in zip(names, exact, strict=True):
        array = np.zeros(given[name].shape) if each is None else each.numpy()
        close(gradients[name], array, BACKWARD, f"gradient.{name}")


def close(found: Any, wanted: Any, tolerance: float, name: str) -> None:
    assert found.shape == wanted.shape, name
    error = np.linalg.norm(found - wanted)
    assert error <= tolerance * max(np.linalg.norm(wanted), 1e-3), f"{name}: {error}"


# ── torch's recurrent layers ─────────────────────────────────────────────────────────────────────
CELLS = {
    "RNNCell": (nn.RNN, "h"),
    "GRUCell": (nn.GRU, "h"),
    "LSTMCell": (nn.LSTM, "h c"),
}


def cell_model(cell: str, options: str = "") -> str:
    """The cell with the parameters of torch's layer; the loss weighs each result as it is told."""
    states = CELLS[cell][1].split()
    last = {s: f"last.{s}" if len(states) > 1 else "last" for s in states}
    stage = ", ".join([f'{cell}(3, tag = "_l0")', *(f"{s} = {s}0" for s in states)])
    lines = [
        "input xs: float[batch, time, 4]",
        "input g_ys: float[batch, time, 3]",
        *[f"input {s}0: float[batch, 3]" for s in states],
        *[f"input g_{s}: float[batch, 3]" for s in states],
        *(["input n: int[batch]"] if "length" in options else []),
        f'ys, last = xs -> scan({stage}{options}) as ""',
        *[f"{s}n = {last[s]}" for s in states],
        f"output ys, {', '.join(f'{s}n' for s in states)}",
        f"loss sum(ys * g_ys) + {' + '.join(f'sum({s}n * g_{s})' for s in states)}",
    ]
    return "\n    ".join(["model M {", *lines]) + "\n}\n"


def layer(cell: str, given: Mapping[str, Tensor]) -> Callable[..., Any]:
    made = CELLS[cell][0](4, 3, batch_first=True, dtype=torch.float64)
    weights = {name: given[name] for name, _ in made.named_parameters()}
    return lambda *inputs: torch.func.functional_call(made, weights, inputs)


def stepped(
    cell: str, given: Mapping[str, Tensor], reverse: bool = False, lengths: Any = None
) -> tuple[dict[str, Tensor], Tensor]:
    states = CELLS[cell][1].split()
    first = tuple(given[f"{s}0"][None] for s in states)
    xs = given["xs"].flip(1) if reverse else given["xs"]
    if lengths is not None:
        xs = nn.utils.rnn.pack_padded_sequence(xs, lengths, True, False)
    ys, last = layer(cell, given)(xs, first if len(states) > 1 else first[0])
    if lengths is not None:
        total = given["xs"].shape[1]
        ys, _ = nn.utils.rnn.pad_packed_sequence(ys, True, total_length=total)
    ys = ys.flip(1) if reverse else ys
    ends = dict(zip(states, last if len(states) > 1 else (last,), strict=True))
    results = {"ys": ys, **{f"{s}n": each[0] for s, each in ends.items()}}
    loss = (ys * given["g_ys"]).sum()
    for s in states:
        loss = loss + (results[f"{s}n"] * given[f"g_{s}"]).sum()
    return results, loss


@on_each
@pytest.mark.parametrize("steps", [1, 7, 200])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_library_cell_is_torchs_layer(cell: str, reverse: bool, steps: int, run: Run) -> None:
    options = ", reverse = true" if reverse else ""
    graph = training(cell_model(cell, options))
    feeds = random_feeds(graph, batch=3, time=steps)
    given = tensors(feeds)
    agree(run(graph, feeds), *stepped(cell, given, reverse), given)


@on_each
@pytest.mark.parametrize(("cell", "last"), [("GRUCell", "last"), ("LSTMCell", "last.c")])
def test_rows_end_along_the_first_axis_too(cell: str, last: str, run: Run) -> None:
    """Rows are what is first of a step: where time is the first axis, the second one."""

    def model(shape: str, axis: int) -> Graph:
        lines = f"y, last = scan({cell}(2), x, axis = {axis}, length = n)\n output y, z = {last}"
        text = f"model M {{\n input x: float[{shape}, 3], n: int[batch]\n {lines}\n}}\n"
        return language.loads(text).models["M"].inference

    usual, turned = model("batch, time", 1), model("time, batch", 0)
    feeds = random_feeds(usual, batch=4, time=6) | {"n": np.array([2, 6, 1, 5])}
    right = run(usual, feeds)
    made = run(turned, {**feeds, "x": np.ascontiguousarray(np.swapaxes(feeds["x"], 0, 1))})
    np.testing.assert_allclose(np.swapaxes(made["y"], 0, 1), right["y"], atol=FORWARD)
    np.testing.assert_allclose(made["z"], right["z"], atol=FORWARD)


@on_each
@pytest.mark.parametrize("cell", ["RNNCell", "GRUCell", "LSTMCell"])
def test_rows_end_where_their_length_says(cell: str, run: Run) -> None:
    graph = training(cell_model(cell, ", length = n"))
    lengths = torch.tensor([2, 6, 1, 5])
    feeds = random_feeds(graph, batch=4, time=6)
    given = tensors(feeds)
    agree(run(graph, {**feeds, "n": lengths.numpy()}), *stepped(cell, given, False, lengths), given)


@on_each
def test_a_row_of_no_steps_keeps_its_states_and_gives_zeros(run: Run) -> None:
    graph = training(cell_model("LSTMCell", ", length = n"))
    feeds = random_feeds(graph, batch=2, time=5)
    found = run(graph, {**feeds, "n": np.array([0, 5])})
    assert np.array_equal(found["hn"][0], feeds["h0"][0])
    assert np.array_equal(found["cn"][0], feeds["c0"][0])
    assert not found["ys"][0].any()
    assert not found["gradient.xs"][0].any()
    assert np.array_equal(found["gradient.h0"][0], feeds["g_h"][0])
    assert found["gradient.xs"][1].all()


def test_a_sequence_of_no_steps_leaves_the_states() -> None:
    graph = training(cell_model("LSTMCell"))
    feeds = random_feeds(graph, batch=2, time=0)
    with pytest.raises(SpecError, match="R106"):
        RUNS["onnx"](graph, feeds)
    for name in ("numpy", "torch"):
        found = RUNS[name](graph, feeds)
        assert found["ys"].shape == (2, 0, 3)
        assert np.array_equal(found["hn"], feeds["h0"])
        assert np.array_equal(found["gradient.h0"], feeds["g_h"])
        assert not found["gradient.weight_ih_l0"].any()


# ── cells of one's own ───────────────────────────────────────────────────────────────────────────
OWN = """
cell Own(n: int) {
    input x: float[batch, f]
    given k: float[n]
    given memory: float[batch, places, n]
    state a: float[batch, n] = 0.5
    state b: float[batch, n] = 0
    state sum_: float[] = 0
    state count: int[batch] = 1
    p = x -> Linear(n, bias = false) as p
    near = softmax(sum(memory * rearrange(a, "b n -> b 1 n"), axis = 2), axis = 1)
    read = sum(rearrange(near, "b p -> b p 1") * memory, axis = 1)
    a' = b
    b' = tanh(p + a * k + read) * float(rearrange(count, "b -> b 1"))
    sum_' = sum_ + mean(a * b)
    count' = count + 1
    return a * 2, sum_ * k, b
}
model M {
    input xs: float[time, batch, 4]
    input k: float[3]
    input memory: float[batch, places, 3]
    input g_y: float[time, batch, 3]
    input g_z: float[time, 3]
    y, z, b, last = xs -> scan(Own(3), k = k, memory = memory, axis = 0) as own
    total = last.sum_
    output y, z, total
    loss sum(y * g_y) + sum(z * g_z) + total + sum(last.b * b[0]) + 0.1 * sum(float(last.count))
}
"""


@on_each
def test_givens_numbers_and_counts_are_carried(run: Run) -> None:
    graph = training(OWN)
    feeds = random_feeds(graph, batch=3, time=4, places=5)
    given = tensors(feeds)
    a, b = torch.full((3, 3), 0.5, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    total, ys, zs, firsts = torch.zeros((), dtype=torch.float64), [], [], []
    for t, x in enumerate(given["xs"]):
        ys.append(a * 2)
        zs.append(total * given["k"])
        firsts.append(b)
        near = torch.einsum("bpn, bn -> bp", given["memory"], a).softmax(1)
        read = torch.einsum("bp, bpn -> bn", near, given["memory"])
        new = torch.tanh(x @ given["own.p.weight"].T + a * given["k"] + read) * (t + 1)
        a, b, total = b, new, total + (a * b).mean()
    y, z = torch.stack(ys), torch.stack(zs)
    loss = (y * given["g_y"]).sum() + (z * given["g_z"]).sum() + total + (b * firsts[0]).sum()
    agree(run(graph, feeds), {"y": y, "z": z, "total": total}, loss + 0.1 * 3 * 5, given)


NESTED = """
cell Leaky(n: int) {
    input x: float[batch, n]
    state h: float[batch, n] = 0
    if training {
        h' = 0.5 * h + tanh(Linear(n)(x))
    } else {
        h' = 0.5 * h + Linear(n)(x)
    }
    return h'
}
layer Both(n: int) {
    input xs: float[batch, time, n]
    one, last = xs -> scan(Leaky(n)) as one
    two, first = xs -> scan(Leaky(n), reverse = true) as two
    return one + two + rearrange(last * first, "b n -> b 1 n")
}
model M {
    input xs: float[batch, time, 3]
    input g_ys: float[batch, time, 3]
    repeat 2 as block {
        xs = xs -> Both(3) as ""
    }
    output xs
    loss sum(xs * g_ys)
}
"""


@on_each
def test_scans_stand_in_layers_that_repeat(run: Run) -> None:
    graph = training(NESTED)
    feeds = random_feeds(graph, batch=2, time=4)
    given = tensors(feeds)
    xs = given["xs"]
    for block in range(2):
        parts, ends = [], []
        for name in ("one", "two"):
            weight, bias = (given[f"block.{block}.{name}.linear.{w}"] for w in ("weight", "bias"))
            h, ys = torch.zeros(2, 3, dtype=torch.float64), []
            for x in xs.flip(1).unbind(1) if name == "two" else xs.unbind(1):
                h = 0.5 * h + torch.tanh(x @ weight.T + bias)
                ys.append(h)
            parts.append(torch.stack(ys[::-1] if name == "two" else ys, 1))
            ends.append(h)
        xs = parts[0] + parts[1] + (ends[0] * ends[1])[:, None]
    agree(run(graph, feeds), {"xs": xs}, (xs * given["g_ys"]).sum(), given)


LOSSES = """
layer Small {
    input x: float[batch, f]
    loss 0.5 * mean(x^2)
    return sin(x)
}
cell Leaky(n: int) {
    input x: float[batch, f]
    state h: float[batch, n] = 0
    h' = Small()(x -> Linear(n)) + 0.5 * h
    loss mean(abs(h'))
    return h'
}
cell Twice(n: int) {
    input xs: float[batch, places, f]
    state k: float[batch, n] = 0
    ys, last = scan(Leaky(n), xs)
    k' = 0.5 * k + last
    return k'
}
model M {
    input xs: float[batch, time, places, 3]
    input g_ks: float[batch, time, 2]
    ks, last = xs -> scan(Twice(2), reverse = true) as twice
    output ks
    loss sum(ks * g_ks)
}
"""


@on_each
def test_each_step_s_losses_count_in_the_model_s(run: Run) -> None:
    """A cell's own and those of its layers, in a scan within a scan."""
    graph = training(LOSSES)
    feeds = random_feeds(graph, batch=2, time=3, places=4)
    given = tensors(feeds)
    weight, bias = (given[f"twice.leaky.linear.{each}"] for each in ("weight", "bias"))
    k, ks, loss = torch.zeros(2, 2, dtype=torch.float64), [], torch.zeros((), dtype=torch.float64)
    for xs in given["xs"].flip(1).unbind(1):
        h = torch.zeros(2, 2, dtype=torch.float64)
        for x in xs.unbind(1):
            z = x @ weight.T + bias
            h = torch.sin(z) + 0.5 * h
            loss = loss + 0.5 * (z * z).mean() + h.abs().mean()
        k = 0.5 * k + h
        ks.append(k)
    stacked = torch.stack(ks[::-1], 1)
    agree(run(graph, feeds), {"ks": stacked}, loss + (stacked * given["g_ks"]).sum(), given)


KEEPING = """
layer Counted {
    input x: float[batch, f]
    state k: float[] = 1
    state mean_: float[f] = 0
    k' = k + 0.5
    mean_' = 0.5 * mean_ + 0.5 * mean(x, axis = batch)
    loss 0.1 * mean(x * mean_')
    return x * k' + mean_
}
layer Smooth {
    input x: float[batch, f]
    state s: float[batch, f] = 0
    s' = 0.5 * s + x
    return s'
}
cell Inner(n: int) {
    input x: float[batch, f]
    state a: float[batch, n] = 0.25
    a' = 0.5 * a + tanh(x -> Smooth() -> Linear(n))
    return a'
}
cell Keeps(n: int) {
    input x: float[batch, f]
    state h: float[batch, n] = 0
    y = x -> Counted() -> BatchNorm() as norm
    STEP
    return h'
}
model M {
    input xs: float[batch, 3, 4]
    input h0: float[batch, 2]
    input g_ys: float[batch, 3, 2]
    keeps = Keeps(2)
    WAY
    output ys, last
    loss sum(ys * g_ys)
}
"""
OWN_STEP = "h' = tanh(Smooth()(Linear(n)(y)) + Linear(n)(h))"
SCANNED = "ys, last = scan(keeps, xs, h = h0)"
APPLIED = """y0, h1 = keeps(xs[:, 0], h = h0)
    y1, h2 = keeps(xs[:, 1], h = h1)
    y2, last = keeps(xs[:, 2], h = h2)
    ys = concat([y0[:, none], y1[:, none], y2[:, none]], axis = 1)"""


@on_each
@pytest.mark.parametrize("mode", ["training", "inference"])
def test_a_layer_s_state_goes_through_the_steps_as_through_applications(
    run: Run, mode: str
) -> None:
    """Model state, a stream's and batch norm's: the next values too, and what a loss reads."""
    graphs: list[Graph] = []
    for way in (SCANNED, APPLIED):
        text = KEEPING.replace("STEP", OWN_STEP).replace("WAY", way)
        made = training(text) if mode == "training" else language.loads(text).models["M"].inference
        graphs.append(made)
    feeds = random_feeds(graphs[0], batch=5)
    feeds["keeps.norm.running_var"] = np.abs(feeds["keeps.norm.running_var"]) + 0.1
    scanned, applied = (run(graph, feeds) for graph in graphs)
    assert set(scanned) == set(applied)
    states = {"keeps.counted.k", "keeps.counted.mean_", "keeps.smooth.s"}
    statistics = {"keeps.norm.running_mean", "keeps.norm.running_var"}
    assert states <= set(scanned)
    assert (statistics <= set(scanned)) is (mode == "training")  # inference leaves them alone
    assert ("gradient.keeps.linear.weight" in scanned) is (mode == "training")
    for name, wanted in applied.items():
        close(scanned[name], wanted, BACKWARD, name)


@on_each
def test_an_inner_cell_lives_for_the_scan_and_its_layers_for_the_run(run: Run) -> None:
    text = KEEPING.replace("STEP", "h' = 0.5 * h + Inner(n)(y)")
    two = "one, mid = scan(keeps, xs, h = h0)\n    ys, last = scan(keeps, xs, h = mid)"
    graph = language.loads(text.replace("WAY", two)).models["M"].inference
    feeds = random_feeds(graph, batch=2)
    feeds["keeps.norm.running_var"] = np.abs(feeds["keeps.norm.running_var"]) + 0.1
    assert not any(name.endswith(".a") for name in feeds)
    found = run(graph, feeds)
    weight, bias, scale, shift, mean, var = (
        feeds[f"keeps.{name}"]
        for name in ("inner.linear.weight", "inner.linear.bias", "norm.weight", "norm.bias",
                     "norm.running_mean", "norm.running_var")
    )  # fmt: skip
    k, m, s, h = (feeds[n] for n in ("keeps.counted.k", "keeps.counted.mean_",
                                     "keeps.inner.smooth.s", "h0"))  # fmt: skip
    ys: list[Any] = []
    for _ in range(2):
        a, ys = np.full((2, 2), 0.25), []
        for x in feeds["xs"].swapaxes(0, 1):
            k = k + 0.5
            y = (x * k + m - mean) / np.sqrt(var + 1e-5) * scale + shift
            m = 0.5 * m + 0.5 * x.mean(0)
            s = 0.5 * s + y
            a = 0.5 * a + np.tanh(s @ weight.T + bias)
            h = 0.5 * h + a
            ys.append(h)
    close(found["ys"], np.stack(ys, 1), FORWARD, "ys")
    close(found["keeps.inner.smooth.s"], s, FORWARD, "s")
    close(found["keeps.counted.k"], k, FORWARD, "k")


def test_a_gradient_of_a_gradient_goes_through_a_scan() -> None:
    graph = training(cell_model("GRUCell"))
    feeds = random_feeds(graph, batch=2, time=3)
    (inner,) = [o.node for o in graph.outputs if o.name == "gradient.h0"]
    norm = emit("sum", inner * inner, axes=(0, 1))
    outputs = (Output("norm", "loss", norm),)
    second = passes.differentiate(
        replace(graph, outputs=outputs), [("norm", ["h0", "weight_hh_l0", "xs"])]
    )
    given = tensors(feeds)
    _, loss = stepped("GRUCell", given)
    (first,) = torch.autograd.grad(loss, given["h0"], create_graph=True)
    wanted = (first * first).sum()
    for name in ("meaning", "numpy", "onnx", "torch"):
        found = RUNS[name](second, feeds)
        names = ["h0", "weight_hh_l0", "xs"]
        exact = torch.autograd.grad(wanted, [given[n] for n in names], retain_graph=True)
        for each, array in zip(names, exact, strict=True):
            close(found[f"gradient.{each}"], array.numpy(), BACKWARD, each)


# ── what NumPy's programs are like ───────────────────────────────────────────────────────────────
def test_the_source_is_one_loop_each_way_and_memory_does_not_grow_with_steps_but_for_results() -> (
    None
):
    graph = pipeline.lower(training(cell_model("LSTMCell")))
    program = on_numpy.compile(graph)
    assert program.source.count("for t in range(time):") == 1
    assert program.source.count("for t in reversed(range(time)):") == 1
    feeds = {n: a.astype("float32") for n, a in random_feeds(graph, batch=8, time=100).items()}
    program.run(feeds)
    slots = [slot.ctypes.data for slot in program.slots]
    program.run({n: a.astype("float32") for n, a in random_feeds(graph, batch=5, time=60).items()})
    assert [slot.ctypes.data for slot in program.slots] == slots
    tracemalloc.start()
    try:
        program.run(feeds)
        tracemalloc.reset_peak()
        began, _ = tracemalloc.get_traced_memory()
        program.run(feeds)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # a step's views, and no array; NumPy repeats a bias of all steps in a buffer of 32 KB
    assert peak - began < 16_000 + 32_768


def test_numpy_multiplies_all_steps_at_once_where_it_can() -> None:
    graph = rewrite(pipeline.lower(training(cell_model("LSTMCell"))))
    scans = [node for node in toposort(graph.results) if node.op.name == "scan"]
    kinds = [[n.op.name for n in toposort(s.attributes["body"].results)] for s in scans]
    assert [names.count("matmul") for names in kinds] == [1, 1]  # by the state, and its gradient's
    assert [scan.attributes["states"] for scan in scans] == [2, 2]  # no sum is carried
    # Nothing is computed again for the gradient, turned at each step, or a gate at a time.
    assert [names.count("tanh") for names in kinds] == [2, 0]
    assert not any({"sigmoid", "permute"} & {*names} for names in kinds)
    # The half of what a sigmoid takes is in the weights.
    first = next(n for n in toposort(scans[0].attributes["body"].results) if n.op.name == "tanh")
    assert first.inputs[0].op.name == "add"


GATED = """
cell Gated(n: int) {
    input x: float[batch, 3 * n]
    state h: float[batch, n] = 0
    a, b, c = split(x + Linear(3 * n)(h), 3)
    h' = sigmoid(a) * tanh(b) + READ
    return h'
}
model M {
    input xs: float[batch, time, 9]
    ys, last = xs -> scan(Gated(3))
    output ys
}
"""


@pytest.mark.parametrize(
    ("read", "tanhs"),
    [("sigmoid(c)", 1), ("tanh(c)", 2), ("log(sigmoid(c))", 1), ("sigmoid(c) * c", 1)],
    ids=["gates", "one gate", "a gate's digits", "not a gate alone"],
)
def test_gates_side_by_side_are_one_tanh(read: str, tanhs: int) -> None:
    graph = pipeline.lower(language.loads(GATED.replace("READ", read)).models["M"].inference)
    (scan,) = [n for n in toposort(rewrite(graph).results) if n.op.name == "scan"]
    kinds = [node.op.name for node in toposort(scan.attributes["body"].results)]
    assert kinds.count("tanh") == tanhs
    assert ("sigmoid" in kinds) is (read != "sigmoid(c)")
    feeds = random_feeds(graph, batch=2, time=5)
    close(RUNS["numpy"](graph, feeds)["ys"], evaluate.run(graph, feeds)["ys"], FORWARD, "ys")


# ── what ONNX models are like ────────────────────────────────────────────────────────────────────
LOOKUP = """
cell Words(n: int) {
    input word: int[batch]
    state h: float[batch, n] = 0
    h' = tanh(h + Embedding(9, n)(word))
    return h'
}
model M {
    input words: int[batch, time]
    ys, last = words -> scan(Words(3))
    output ys
}
"""


def test_an_onnx_gradient_computes_nothing_again() -> None:
    graph = on_onnx.lower(training(cell_model("LSTMCell")))
    scans = [node for node in toposort(graph.results) if node.op.name == "scan"]
    forth, back = [{n.op.name for n in toposort(s.attributes["body"].results)} for s in scans]
    assert {"sigmoid", "tanh"} <= forth
    assert not {"sigmoid", "tanh"} & back


@pytest.mark.parametrize("name", ["numpy", "torch", "onnx"])
def test_an_index_that_goes_into_a_scan_is_checked(name: str) -> None:
    graph = language.loads(LOOKUP, path="words.nn").models["M"].inference
    feeds = {n.attributes["name"]: np.ones((9, 3)) for n in graph.inputs}
    feeds["words"] = np.array([[1, 8, 0]])
    one = np.tanh(1)
    two = np.tanh(one + 1)
    made = RUNS[name](graph, feeds)["ys"]
    np.testing.assert_allclose(made[0, :, 0], [one, two, np.tanh(two + 1)], rtol=1e-12)
    for wrong in (9, -1):
        feeds["words"] = np.array([[1, 8, wrong]])
        with pytest.raises(SpecError, match="R107"):
            RUNS[name](graph, feeds)


DECODER = """
cell Decoder(vocab: int, dim: int) {
    given memory: float[batch, source, dim], keep: bool[batch, source]
    input token: int[batch]
    state h: float[batch, dim] = 0
    context = attention(h[:, none, :], memory, memory, keep[:, none, :])[:, 0, :]
    y, h' = GRUCell(dim)(concat([token -> Embedding(vocab, dim), context], axis = -1), h = h)
    return concat([y, context], axis = -1) -> Linear(vocab)
}
model M {
    input words: int[batch, source]
    input previous: int[batch, time]
    target label: int[batch, time]
    memory = words -> Embedding(11, 6) as read
    logits, last = scan(Decoder(11, 6), previous, memory = memory, keep = words != 0)
    output logits
    loss   cross_entropy(logits, label)
}
train {
    optimizer adam(lr = 0.01)
    steps     5
}
"""


def test_a_decoder_that_looks_up_its_tokens_learns_alike() -> None:
    spec = specc.loads(DECODER)
    random = np.random.default_rng(0)
    batch = {"words": (4, 5), "previous": (4, 7), "label": (4, 7)}
    trainers = [spec.trainer(backend=each, dtype="float64") for each in ("numpy", "torch", "onnx")]
    for _ in range(5):
        fed = {name: random.integers(0, 11, shape) for name, shape in batch.items()}
        ours, *others = (each.step(**fed)["loss"] for each in trainers)
        assert others == pytest.approx([ours, ours], rel=1e-12)


GREEDY = """
cell Greedy(n: int) {
    input pace: float[batch]
    state token: int[batch] = 1
    state h: float[batch, n] = 0
    h' = tanh(h + Embedding(9, n)(token) + pace[:, none])
    logits = Linear(9)(h')
    token' = STEP
    return logits
}
model M {
    input pace: float[batch, time]
    ys, last = scan(Greedy(3), pace)
    output ys
    output last.token
}
"""


def test_an_index_that_each_step_finds_by_argmax_is_in_range() -> None:
    model = specc.loads(GREEDY.replace("STEP", "argmax(logits, axis = -1)")).model()
    pace = np.random.default_rng(0).standard_normal((4, 6))
    ours, *others = (
        model.compile(each, dtype="float64", seed=2)(pace=pace)
        for each in ("numpy", "torch", "onnx")
    )
    for made in others:
        for name, values in ours.items():
            np.testing.assert_allclose(made[name], values, rtol=1e-12)


def test_onnx_refuses_an_index_that_a_step_computes() -> None:
    graph = (
        language.loads(GREEDY.replace("STEP", "token + 1"), path="words.nn").models["M"].inference
    )
    with pytest.raises(SpecError, match=r"words.nn:13:\d+: error\[B001\]"):
        on_onnx.compile(graph, "float64")


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "bare"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("cell", ["GRUCell", "LSTMCell", "RNNCell"])
def test_a_standard_layer_is_one_operator_in_inference(
    cell: str, reverse: bool, bias: bool
) -> None:
    spec = f"""
model M {{
    input xs: float[batch, time, 4]
    input h0: float[batch, 3]
    ys, last = xs -> scan({cell}(3, tag = "_l0", bias_ih = {str(bias).lower()},
        bias_hh = {str(bias).lower()}), h = h0, reverse = {str(reverse).lower()}) as ""
    h = {"last.h" if cell == "LSTMCell" else "last"}
    output ys, h
}}
"""
    graph = language.loads(spec).models["M"].inference
    model = on_onnx.model_of(on_onnx.lower(graph), on_onnx.Form())
    kinds = [node.op_type for node in model.graph.node]
    assert cell.removesuffix("Cell") in kinds
    assert "Scan" not in kinds
    program = on_onnx.compile(graph)
    empty = random_feeds(graph, batch=0, time=5)
    with pytest.raises(SpecError, match="empty batch"):
        program({name: array.astype(np.float32) for name, array in empty.items()})
    for batch, time in ((1, 5), (3, 1)):
        feeds = {
            name: array.astype(np.float32)
            for name, array in random_feeds(graph, batch=batch, time=time).items()
        }
        wanted = evaluate.run(
            graph, {name: each.astype(np.float64) for name, each in feeds.items()}
        )
        evaluated = ReferenceEvaluator(model).run(["ys", "h"], feeds)
        for found in (program(feeds), dict(zip(("ys", "h"), evaluated, strict=True))):
            for name in ("ys", "h"):
                close(np.asarray(found[name]), wanted[name], 1e-6, name)


@pytest.mark.parametrize(
    ("scan", "precision"),
    [
        ("LSTMCell(3), length = n", "float32"),
        ("LSTMCell(3)", "float64"),
        ("RNNCell(3, act = relu)", "float32"),
        ("GRUCell(3, bias_ih = false)", "float32"),
        ("TextbookGRUCell(3)", "float32"),
    ],
)
def test_a_scan_that_no_operator_means_stays_one(scan: str, precision: str) -> None:
    spec = f"""
model M {{
    input xs: float[batch, time, 4]
    input n: int[batch]
    ys, last = xs -> scan({scan})
    output ys
}}
"""
    graph = language.loads(spec).models["M"].inference
    model = on_onnx.model_of(on_onnx.lower(graph, precision), on_onnx.Form(precision))
    assert [n.op_type for n in model.graph.node if n.op_type in ("Scan", "LSTM")] == ["Scan"]


def test_a_step_s_scan_that_gives_its_gradient_the_states_stays_one() -> None:
    graph = training(cell_model("LSTMCell"))
    model = on_onnx.model_of(on_onnx.lower(graph), on_onnx.Form())
    assert [n.op_type for n in model.graph.node if n.op_type in ("Scan", "LSTM")] == ["Scan"] * 2


def test_a_model_scans_forwards_by_the_standard_s_own_text() -> None:
    graph = training(cell_model("GRUCell", ", length = n"))
    model = on_onnx.model_of(on_onnx.lower(graph, "float64"), on_onnx.Form("float64"))
    scans = [node for node in model.graph.node if node.op_type == "Scan"]
    assert len(scans) == 2
    attributes = {each.name for node in scans for each in node.attribute}
    assert attributes == {"body", "num_scan_inputs"}
    feeds = {**random_feeds(graph, batch=2, time=5), "n": np.array([2, 5])}
    found = ReferenceEvaluator(model).run(None, feeds)
    wanted = RUNS["meaning"](graph, feeds)
    for output, array in zip(graph.outputs, found, strict=True):
        close(np.asarray(array), wanted[output.name], BACKWARD, output.name)
