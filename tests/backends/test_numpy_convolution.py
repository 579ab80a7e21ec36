"""Convolutions and their gradients against sums over windows; halves change no number."""

from __future__ import annotations

import numpy as np
import pytest

from specc import language, pipeline
from specc.backends.numpy import (
    Program,
    compile,
    convolution,
    keep,
    runtime,
    window_kernels,
)
from specc.backends.numpy.halve import halve
from specc.backends.numpy.operations import apply, convolve, convolve_filters, convolve_input
from specc.backends.numpy.rewrite import rewrite
from specc.ir import Graph, emit, toposort
from specc.ir.size import evaluate
from specc.training.initial import stored
from tests.backends.graphs import BATCH, given, graph_of
from tests.backends.test_numpy_training import assert_agree
from tests.check import assert_close
from tests.evaluate import Array

# extents, sizes, strides, dilations: one to three axes, rows apart and near, one tap a row
CASES = [
    ((9, 8), (3, 3), (1, 1), (1, 1)),
    ((9, 8), (2, 3), (1, 2), (1, 2)),
    ((9, 12), (3, 2), (2, 1), (1, 1)),
    ((9, 12), (3, 2), (1, 2), (2, 3)),
    ((9, 12), (2, 3), (3, 4), (1, 1)),
    ((5, 6), (1, 1), (1, 1), (1, 1)),
    ((5, 6), (1, 1), (2, 2), (1, 1)),
    ((7, 8), (7, 1), (1, 1), (1, 1)),
    ((12,), (3,), (1,), (1,)),
    ((12,), (3,), (2,), (2,)),
    ((5, 6, 6), (3, 2, 3), (1, 1, 1), (1, 1, 1)),
    ((5, 6, 6), (2, 2, 3), (2, 1, 2), (1, 2, 1)),
]
CHANNELS, FILTERS = 3, 5


@pytest.fixture(params=[None, 1], ids=["whole", "a row at a time"])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setattr(window_kernels, "WORK", request.param)
        monkeypatch.setattr(window_kernels, "SHARES", request.param)


def sums(x: Array, w: Array, g: Array, case: tuple[tuple[int, ...], ...]) -> list[Array]:
    """Of y, and of what g says of x and of w, each over all windows."""
    n = w.ndim - 2
    axes, (_, sizes, strides, dilations) = tuple(range(2, 2 + n)), case
    seen = runtime.windows(x, axes, sizes, strides, dilations)
    taps = tuple(range(2 + n, 2 + 2 * n))
    y = np.moveaxis(np.tensordot(seen, w, ((1, *taps), (1, *axes))), -1, 1)
    shares = np.moveaxis(np.tensordot(g, w, ((1,), (0,))), 1 + n, 1)
    back = np.empty_like(x)
    runtime.overlap_add(shares, axes, strides, dilations, back)
    filters = np.tensordot(g, seen, ((0, *axes), (0, *axes)))
    return [y, back, filters]


def columns(case: tuple[tuple[int, ...], ...]) -> int:
    extent, size, stride, step = (each[-1] for each in case)
    return (extent - step * (size - 1) - 1) // stride + 1


HALVED = [(case, True) for case in CASES if len(case[0]) > 1 and columns(case) % 2 == 0]


def halves(y: Array) -> Array:
    return np.stack([y[..., ::2], y[..., 1::2]], -2)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_convolution_and_its_gradients(case: tuple[tuple[int, ...], ...], batch: int) -> None:
    extents, sizes, strides, dilations = case
    draw = np.random.default_rng(0)
    counts = [
        (extent - step * (size - 1) - 1) // stride + 1
        for extent, size, stride, step in zip(*case, strict=True)
    ]
    x, w = given("x", BATCH, CHANNELS, *extents), given("w", FILTERS, CHANNELS, *sizes)
    feeds = {
        "x": draw.normal(size=(batch, CHANNELS, *extents)),
        "w": draw.normal(size=(FILTERS, CHANNELS, *sizes)),
        "g": draw.normal(size=(batch, FILTERS, *counts)),
    }
    y, back, filters = sums(feeds["x"], feeds["w"], feeds["g"], case)
    low = tuple(int(extent > 3) for extent in extents)
    less = tuple(extent - 2 * start for extent, start in zip(extents, low, strict=True))
    inside = (..., *(slice(s, s + n) for s, n in zip(low, less, strict=True)))
    for halved in (False, True) if counts[-1] % 2 == 0 and len(counts) > 1 else (False,):
        columns = (2, counts[-1] // 2) if halved else (counts[-1],)
        g = given("g", BATCH, FILTERS, *counts[:-1], *columns)
        if halved:
            feeds["g"], y = halves(feeds["g"]), halves(y)
        at = {"strides": strides, "dilations": dilations, "halved": halved}
        none = (0,) * len(low)
        graph = graph_of(
            [x, w, g],
            y=apply(convolve, x, w, **at),
            back=apply(convolve_input, g, w, extents=extents, low=none, **at),
            less=apply(convolve_input, g, w, extents=less, low=low, **at),
            filters=apply(convolve_filters, x, g, sizes=sizes, **at),
        )
        found = compile(graph, "float64")(feeds)
        wanted = {"y": y, "back": back, "less": back[inside], "filters": filters}
        for name, array in wanted.items():
            assert_close(found[name], np.ascontiguousarray(array), what=name, times=10)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize(("case", "halved"), [*((c, False) for c in CASES), *HALVED], ids=str)
def test_patches_that_are_kept_are_those_that_would_be_copied_anew(
    case: tuple[tuple[int, ...], ...], halved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    extents, sizes, strides, dilations = case
    x, w = given("x", BATCH, CHANNELS, *extents), given("w", FILTERS, CHANNELS, *sizes)
    at = {"strides": strides, "dilations": dilations}
    y = apply(convolve, x, w, **at, halved=halved)
    made = apply(convolve_filters, x, emit("tanh", y), sizes=sizes, **at, halved=halved)
    graph = graph_of([x, w], y=y, filters=made)
    kept, copied = compile(graph, "float64"), without_room(graph, monkeypatch)
    near = dilations[0] == 1 and strides[0] <= sizes[0] and max(sizes[1:], default=1) > 1
    assert ("kept_bands(*steps" in kept.source and "at_once=" in kept.source) is near
    draw = np.random.default_rng(0)
    filters = draw.normal(size=(FILTERS, CHANNELS, *sizes))
    for batch in (4, 1, 4):
        feeds = {"x": draw.normal(size=(batch, CHANNELS, *extents)), "w": filters}
        wanted = copied(feeds)
        for name, array in kept(feeds).items():
            assert_close(array, wanted[name], what=name)


def without_room(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> Program:
    with monkeypatch.context() as patch:
        patch.setattr(keep, "KEPT", 0)
        return compile(graph, "float64")


@pytest.mark.parametrize("lying", ["plain", "stored"])
@pytest.mark.parametrize("wired", [False, True])
def test_filters_and_their_gradient_may_lie_in_any_order(lying: str, wired: bool) -> None:
    """As their products read them, nothing is copied; any other is right too."""
    x = given("x", BATCH, CHANNELS, 6, 8)
    w = given("w", FILTERS, CHANNELS, 2, 3, role="parameter")
    at = {"strides": (1, 1), "dilations": (1, 1), "halved": False}
    y = emit("tanh", apply(convolve, x, w, **at))
    made = {"gradient.w": apply(convolve_filters, x, y, sizes=(2, 3), **at)}
    back = apply(convolve_input, y, w, extents=(6, 8), low=(0, 0), **at)
    graph = graph_of([x, w], y=y, back=back, **made)
    program = compile(graph, "float64")
    assert program.stored == {"w": (2, 3, 1, 0), "gradient.w": (2, 3, 1, 0)}
    draw = np.random.default_rng(0)
    feeds = {
        "x": draw.normal(size=(4, CHANNELS, 6, 8)),
        "w": draw.normal(size=(FILTERS, CHANNELS, 2, 3)),
    }
    wanted = compile(graph, "float64", without=("layout",))(feeds)
    if lying == "stored":
        feeds["w"] = stored(feeds["w"], program.stored["w"])
    out = {name: np.zeros_like(feeds["w"]) for name in made}
    fixed = {"w": feeds.pop("w")}
    found = program.wired(fixed, out)(feeds) if wired else program.run({**fixed, **feeds}, out)
    for name, array in ({**found, **out}).items():
        assert_close(array, wanted[name], what=name)


def test_patches_are_kept_for_what_comes_after_them_alone() -> None:
    """A gradient that doesn't read the convolution's result might be made before its patches."""
    x, w, g = given("x", BATCH, 2, 6, 6), given("w", 3, 2, 3, 3), given("g", BATCH, 3, 4, 4)
    at = {"strides": (1, 1), "dilations": (1, 1), "halved": False}
    y = apply(convolve, x, w, **at)
    graph = graph_of([x, w, g], y=y, filters=apply(convolve_filters, x, g, sizes=(3, 3), **at))
    assert keep.keep(graph) is graph


def test_parts_are_narrow_enough_and_cover_all() -> None:
    for columns in (1, 7, 640, 1792, 14336, 4099):
        matrices = np.arange(2.0 * 3 * columns).reshape(2, 3, columns)
        for factors in (1, 2400, 36_864):
            parts = convolution.in_parts(matrices, factors)
            np.testing.assert_array_equal(parts.swapaxes(1, 2).reshape(matrices.shape), matrices)
            assert np.shares_memory(parts, matrices)
    assert convolution.in_parts(np.empty((1, 1, 640)), 2400).shape == (1, 2, 1, 320)
    assert convolution.in_parts(np.empty((1, 1, 14336)), 36_864).shape == (1, 7, 1, 2048)


SPEC = """
model Small {{
    input  image: float[batch, 2, 8, 8]
    target label: int[batch]
    x = image -> Conv2d(4, 3, padding = 1) as conv {between} -> max_pool2d(2)
    logits = x -> flatten -> Linear(3) as fc
    output logits
    loss   cross_entropy(logits, label)
}}
train {{
    optimizer sgd(lr = 0.1)
    batch     4
    steps     1
}}
"""


def halved(between: str) -> tuple[Graph, set[bool]]:
    """The step with this after its convolution; whether that and its gradient are in halves."""
    (train,) = language.loads(SPEC.format(between=between)).trains
    graph = pipeline.training_graph(train)
    made = halve(rewrite(graph))
    nodes = toposort(made.results)
    return graph, {n.attributes["halved"] for n in nodes if "halved" in n.attributes}


@pytest.mark.parametrize(
    ("between", "wanted"),
    [
        ("", True),
        ("-> relu", True),
        ("-> BatchNorm as norm -> relu", True),
        ("-> tanh", True),
        ("-> Conv2d(4, 3, padding = 1) as next -> relu", None),  # the next alone
        ("-> LayerNorm as norm", False),  # along the columns
    ],
)
def test_columns_are_in_halves_between_a_convolution_and_its_pooling(
    between: str, wanted: bool | None
) -> None:
    graph, found = halved(between)
    assert found == ({wanted} if wanted is not None else {False, True})
    draw = np.random.default_rng(0)
    feeds = {
        node.attributes["name"]: draw.normal(size=[evaluate(n, {"batch": 3}) for n in node.shape])
        for node in graph.inputs
        if node.dtype == "float"
    }
    feeds = {name: np.abs(each) if "var" in name else each for name, each in feeds.items()}
    feeds["label"] = draw.integers(0, 3, 3)
    together = compile(graph, "float64")(feeds)
    apart = compile(graph, "float64", without=("halve",))(feeds)
    assert_agree(together, apart, 1e-11)


def test_inference_folds_batch_norm_into_the_filters() -> None:
    """Biases and means too: pooled images are shifted once, and nothing else is done to images."""
    spec = language.loads(SPEC.format(between="-> BatchNorm as norm -> relu"))
    (model,) = spec.models.values()
    graph = pipeline.lower(pipeline.forward(model))
    draw = np.random.default_rng(0)
    feeds = {
        node.attributes["name"]: draw.normal(size=[evaluate(n, {"batch": 3}) for n in node.shape])
        for node in graph.inputs
    }
    feeds = {name: np.abs(each) if "var" in name else each for name, each in feeds.items()}
    found, wanted = (compile(graph, "float64", without=w)(feeds) for w in ((), ("rewrite",)))
    assert_close(found["logits"], wanted["logits"], what="logits", times=10)
    images = [n.op.name for n in toposort(rewrite(graph).results) if n.rank == 4 and n.inputs]
    assert [name for name in images if name not in ("broadcast", "reshape")] == [
        "pad", "multiply", "convolve", "max_pool", "add", "maximum",
    ]  # fmt: skip


def test_what_is_read_before_its_norm_is_not_folded() -> None:
    text = SPEC.format(between="\n    plain = x\n    x = x -> BatchNorm as norm")
    text = text.replace("output logits", "output logits\n    output plain")
    (model,) = language.loads(text).models.values()
    graph = pipeline.lower(pipeline.forward(model))
    filters = [n.inputs[1] for n in toposort(rewrite(graph).results) if n.op.name == "convolve"]
    assert [node.op.name for node in filters] == ["input"]


@pytest.mark.parametrize("bias", ["", ", bias = false"])
def test_a_bias_before_batch_norm_costs_nothing(bias: str) -> None:
    """The norm is of what is not shifted, and the bias's gradient, 0, is no sum over images."""
    text = SPEC.format(between="-> BatchNorm as norm -> relu")
    (train,) = language.loads(text.replace("padding = 1", f"padding = 1{bias}")).trains
    nodes = toposort(rewrite(pipeline.training_graph(train)).results)
    large = [n.op.name for n in nodes if n.shape[1:] == (4, 8, 8) and n.op.name != "broadcast"]
    assert large == [
        "convolve", "subtract", "multiply", "max_pool_gradient", "multiply", "add", "add",
    ]  # fmt: skip
    sums = [n for n in nodes if n.op.name in ("sum", "dot") and n.inputs[0].shape[1:] == (4, 8, 8)]
    assert len(sums) == 2


@pytest.mark.parametrize("scale", [1.0, -0.5, 0.0, 1e-30, -1e-8])
def test_the_scale_of_a_norm_before_pooling_has_its_gradient(scale: float) -> None:
    """It is told by what was pooled, unless the scale is nearly 0."""
    (train,) = language.loads(SPEC.format(between="-> BatchNorm as norm")).trains
    graph = pipeline.training_graph(train)
    assert [n for n in toposort(rewrite(graph).results) if n.op.name == "routed_dot"]
    draw = np.random.default_rng(0)
    feeds: dict[str, np.ndarray] = {
        node.attributes["name"]: draw.normal(size=[evaluate(n, {"batch": 3}) for n in node.shape])
        for node in graph.inputs
        if node.dtype == "float"
    }
    feeds["norm.weight"][1] = scale
    feeds["norm.bias"][1] = 0.0  # beside another one numbers near 0 are all alike
    feeds["label"] = draw.integers(0, 3, 3)
    found, wanted = (compile(graph, "float64", without=w)(feeds) for w in ((), ("rewrite",)))
    assert abs(wanted["gradient.norm.weight"][1]) > 1e-4
    assert_agree(found, wanted, 1e-11)
