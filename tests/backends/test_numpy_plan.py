"""The plan's promises: values that live at once share no memory, and what dies is used again."""

from __future__ import annotations

import re

import numpy as np
import pytest

from specc.backends.numpy import compile, fuse, generate, runtime
from specc.backends.numpy.plan import make_plan
from specc.backends.numpy.rewrite import rewrite
from specc.ir import Extent, Graph, Node, Output, constant, emit, toposort
from specc.ir.size import evaluate
from specc.ops.rules import broadcast, cut, swap_last
from tests.backends.graphs import (
    BATCH,
    TIME,
    feeds_for,
    given,
    graph_of,
    mixed,
    network,
    sgd,
    total,
)
from tests.check import assert_close
from tests.evaluate import run

SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_sharing_memory_changes_no_bit(seed: int) -> None:
    """Against memory of its own for each value, and with what has died filled with NaN."""
    graph = mixed(seed)
    shared = compile(graph)
    apart = compile(graph, reuse=False)
    poisoned = compile(graph, poison=True)
    for batch in (5, 2, 7, 1, 5):
        feeds = feeds_for(graph, batch, batch=batch)
        wanted = apart(feeds)
        for program in (shared, poisoned):
            found = program(feeds)
            for name, array in wanted.items():
                np.testing.assert_array_equal(found[name], array, err_msg=f"{seed} {name}")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_program_means_what_the_graph_means(seed: int) -> None:
    graph = mixed(seed)
    feeds = feeds_for(graph, seed, batch=4)
    wanted = run(graph, feeds)
    for name, array in compile(graph, "float64")(feeds).items():
        assert_close(array, wanted[name], what=f"{name} of mixed({seed})", times=100)


@pytest.mark.parametrize("seed", range(20))
def test_a_program_in_parts_is_the_same_program(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = mixed(seed)
    feeds = feeds_for(graph, seed, batch=4)
    wanted = compile(graph)(feeds)
    monkeypatch.setattr(generate, "STEPS", 2)
    for poison in (False, True):
        program = compile(graph, poison=poison)
        assert "part_3(slots" in program.source
        for name, array in program(feeds).items():
            np.testing.assert_array_equal(array, wanted[name], err_msg=f"{seed} {name}")


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_change_no_bit(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """But of sums of products over all elements, which are added up block by block."""
    graph = mixed(seed)
    sums = any(node.op.name == "dot" and not node.rank for node in toposort(rewrite(graph).results))
    rounding = 1e-5 if sums else 0.0
    whole = compile(graph, without=("fuse",))
    monkeypatch.setattr(fuse, "BLOCK", 4)
    programs = [compile(graph), compile(graph, reuse=False), compile(graph, poison=True)]
    for batch in (5, 1, 4):
        feeds = feeds_for(graph, batch, batch=batch)
        wanted = whole(feeds)
        for program in programs:
            for name, array in program(feeds).items():
                what = f"{seed} {name}"
                np.testing.assert_allclose(array, wanted[name], rounding, rounding, err_msg=what)


def softmax_and_norm(*shape: Extent) -> Graph:
    """A cross-entropy with its gradient, and a norm: rows are reduced and what is read of that."""
    x, label = given("x", *shape), given("label", *shape[:-1], 1, dtype="int")
    last, small = len(shape) - 1, (*shape[:-1], 1)

    def rows(node: Node) -> Node:
        return broadcast(emit("reshape", node, shape=small), shape)

    shifted = x - rows(emit("max", x, axis=last))
    e = emit("exp", shifted)
    sums = emit("sum", e, axes=(last,))
    chosen = emit("take_along_axis", shifted, label, axis=last)
    loss = total(emit("log", sums)) - total(chosen)
    g = e / rows(sums)
    mean = emit("sum", g, axes=(last,)) / broadcast(constant(7.0, "float"), shape[:-1])
    centred = g - rows(mean)
    square = emit("sum", centred * centred, axes=(last,))
    normed = centred * rows(1.0 / emit("sqrt", square))
    return graph_of([x, label], loss=loss, g=g, normed=normed, mean=mean)


@pytest.mark.parametrize("block", [1, 60, 1 << 16])
@pytest.mark.parametrize("shape", [(BATCH, 300), (BATCH, TIME, 300), (3, BATCH, 9)])
def test_rows_go_along_with_their_blocks(
    shape: tuple[Extent, ...], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = softmax_and_norm(*shape)
    made = feeds_for(graph, 0, batch=5, time=3)
    feeds = {**made, "label": abs(made["label"]) % 9}
    wanted = run(graph, feeds)
    plain = compile(graph, "float64", without=("fuse",))(feeds)
    monkeypatch.setattr(fuse, "BLOCK", block)
    for poison in (False, True):
        found = compile(graph, "float64", poison=poison)(feeds)
        for name, array in found.items():
            assert_close(array, wanted[name], what=name)
            assert np.array_equal(array, plain[name]), name


def test_a_softmax_is_one_loop_in_place_and_what_its_loss_reads_waits() -> None:
    source = compile(softmax_and_norm(BATCH, 5000), "float32").source
    before, *loops = source.split("def run(inputs")[1].split("for at, ")
    (loop,) = loops
    assert ".take(" in before  # of what the loop is about to write over
    inside, after = loop.split("\n        np.log(")
    for name in ("np.maximum.reduce", "np.exp", "np.vecdot", "normed_part"):
        assert name in inside
    assert "_part" not in after


def test_poison_is_seen() -> None:
    """The test of the test: a value read after its death would be NaN."""
    x = given("x", BATCH)
    program = compile(graph_of([x], y=emit("sin", emit("exp", x))), poison=True)
    assert "poison(b0)" in compile(graph_of([x], y=total(emit("exp", x))), poison=True).source
    assert np.isfinite(program({"x": np.ones(3)})["y"]).all()


def capacity(graph: Graph, dtype: str = "float32", **sizes: int) -> int:
    plan = make_plan(graph, dtype)
    return sum(max(evaluate(each, sizes) for each in slot) for slot in plan.slots)


def test_a_chain_of_layers_takes_the_memory_of_one() -> None:
    """Two activations and a mask: what comes in, what goes out, where it is positive."""
    few, many = (capacity(network(layers), batch=64) for layers in (3, 300))
    assert few == many
    assert many <= 64 * 8 * (4 + 4 + 4)


def test_elementwise_results_are_written_over_what_they_read() -> None:
    x = node = given("x", BATCH, 3)
    for _ in range(10):
        node = emit("tanh", node + 1.0)
    assert len(make_plan(graph_of([x], y=node), "float32").slots) == 1


def test_a_value_read_by_another_shape_of_itself_is_not_overwritten() -> None:
    """x + xᵀ over x's memory would read what it has just written."""
    x = given("x", 3, 3)
    a = emit("exp", x)
    program = compile(graph_of([x], y=a + swap_last(a)))
    array = np.arange(9.0).reshape(3, 3)
    np.testing.assert_allclose(program({"x": array})["y"], np.exp(array) + np.exp(array).T, 1e-6)
    assert len(make_plan(graph_of([x], y=a + swap_last(a)), "float32").slots) == 2


def test_a_select_of_one_value_twice_is_not_overwritten() -> None:
    x = given("x", 4)
    a = emit("exp", x)
    chosen = emit("where", emit("less", x, a), a, a)
    found = compile(graph_of([x], y=chosen))({"x": np.ones(4)})["y"]
    np.testing.assert_allclose(found, np.full(4, np.e), 1e-6)


def test_a_view_keeps_what_it_shows_alive() -> None:
    x = given("x", BATCH, 4)
    a = emit("exp", x)
    part = emit("slice", swap_last(a), starts=(1, 0), stops=(2, BATCH), steps=(1, 1))
    node = emit("sin", a)
    for _ in range(5):
        node = emit("tanh", node) * emit("cos", node)
    late = total(part) + total(node)
    graph = graph_of([x], y=late)
    feeds = feeds_for(graph, 0, batch=3)
    np.testing.assert_allclose(
        compile(graph, "float64", poison=True)(feeds)["y"], run(graph, feeds)["y"]
    )


def test_a_smaller_batch_uses_the_larger_one_s_memory() -> None:
    graph = network(3)
    program = compile(graph)
    program.run(feeds_for(graph, 0, batch=64))
    large = [slot.ctypes.data for slot in program.slots]
    program.run(feeds_for(graph, 0, batch=10))
    assert [slot.ctypes.data for slot in program.slots] == large
    program.run(feeds_for(graph, 0, batch=65))
    assert [slot.ctypes.data for slot in program.slots] != large
    small = feeds_for(graph, 1, batch=10)
    np.testing.assert_array_equal(program(small)["y"], compile(graph)(small)["y"])


def test_a_feed_is_never_written() -> None:
    for seed in SEEDS:
        graph = mixed(seed)
        feeds = {n: a.astype("f") for n, a in feeds_for(graph, 1, batch=3).items() if n != "scale"}
        feeds["scale"] = np.array(0.5)
        for array in feeds.values():
            array.flags.writeable = False
        compile(graph).run(feeds)


# ── updates ──────────────────────────────────────────────────────────────────────────────────────
UPDATES = {"theta": "theta", "theta:m": "theta:m"}


def test_an_update_goes_straight_into_the_fed_array() -> None:
    graph = sgd(3, 4)
    feeds = {name: array.astype("f") for name, array in feeds_for(graph, 0).items()}
    wanted = compile(graph)(feeds)
    program = compile(graph, updates=UPDATES)
    fed = {name: array.copy() for name, array in feeds.items()}
    results = program.run(fed)
    for name in UPDATES:
        assert results[name] is fed[name]
        np.testing.assert_array_equal(fed[name], wanted[name])
    np.testing.assert_array_equal(fed["gradient.theta"], feeds["gradient.theta"])
    assert "out=theta)" in program.source
    assert "copyto" not in program.source


def swapped() -> Graph:
    a, b = given("a", 3), given("b", 3)
    outputs = [Output("a", "result", b), Output("b", "result", a), Output("old", "result", a)]
    return Graph("swap", (a, b), tuple(outputs))


def test_values_that_change_places_are_saved_first() -> None:
    program = compile(swapped(), updates={"a": "a", "b": "b"})
    a, b = np.arange(3, dtype="f"), np.arange(3, 6, dtype="f")
    results = {name: array.copy() for name, array in program.run({"a": a, "b": b}).items()}
    assert a.tolist() == [3, 4, 5]
    assert b.tolist() == [0, 1, 2]
    assert results["old"].tolist() == [0, 1, 2]


def test_what_is_read_after_its_update_is_read_before() -> None:
    """An output reads the old value where toposort puts it after the new one."""
    w, x = given("w", 3, 3), given("x", 3, 3)
    new = w * 0.5
    for late in (emit("sin", w), new @ w, emit("where", emit("less", w, x), x, new) + swap_last(w)):
        graph = Graph("g", (w, x), (Output("w", "parameter", new), Output("y", "output", late)))
        feeds = {n: a.astype("f") for n, a in feeds_for(graph, 3).items()}
        wanted = compile(graph)(feeds)
        found = compile(graph, updates={"w": "w"}, poison=True)(feeds)
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array)
        np.testing.assert_array_equal(feeds["w"], wanted["w"])


def test_a_scalar_is_updated_too() -> None:
    step = given("step", dtype="float64")
    graph = graph_of([step], step=step + 1.0)
    program, count = compile(graph, updates={"step": "step"}), np.zeros(())
    for _ in range(3):
        program.run({"step": count})
    assert count == 3


def test_an_unchanged_update_is_left_alone() -> None:
    w = given("w", 3)
    array = np.ones(3, "f")
    assert compile(graph_of([w], w=w), updates={"w": "w"}).run({"w": array})["w"] is array


# ── outputs ──────────────────────────────────────────────────────────────────────────────────────
def some_outputs(node: Node) -> dict[str, Node]:
    return {
        "whole": node,
        "again": node,
        "view": swap_last(node),
        "spread": broadcast(constant(2.0, "float"), (3, 2)),
        "flags": broadcast(constant(True, "bool"), (2,)),
        "number": constant(0.5, "float"),
        "true": constant(True, "bool"),
        "table": constant(((1, 2), (3, 4)), "int"),
        "count": emit("iota", length=BATCH),
        "size": emit("size", extent=BATCH * 2),
    }


def test_every_kind_of_output_comes_out() -> None:
    x = given("x", BATCH, 2)
    graph = graph_of([x], input=x, **some_outputs(emit("exp", x)))
    array = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    found = compile(graph)({"x": array})
    np.testing.assert_array_equal(found["input"], array)
    np.testing.assert_allclose(found["whole"], np.exp(array), 1e-6)
    np.testing.assert_array_equal(found["again"], found["whole"])
    np.testing.assert_array_equal(found["view"], found["whole"].T)
    assert found["spread"].tolist() == [[2, 2], [2, 2], [2, 2]]
    assert found["table"].tolist() == [[1, 2], [3, 4]]
    assert found["count"].tolist() == [0, 1, 2]
    assert (found["number"], found["true"], found["size"]) == (0.5, True, 6)
    dtypes = {"number": "float32", "true": "bool", "size": "int64", "spread": "float32"}
    assert {name: found[name].dtype.name for name in dtypes} == dtypes
    before = {name: array.copy() for name, array in found.items()}
    compile(graph)({"x": array * 2})
    for name, array in found.items():
        np.testing.assert_array_equal(array, before[name])
        assert array.flags.writeable
        assert array.flags.owndata


def test_results_go_where_the_caller_wants_them() -> None:
    x = given("x", BATCH, 2)
    graph = graph_of([x], loss=total(x), **some_outputs(emit("exp", x)))
    program = compile(graph)
    feeds = {"x": np.ones((3, 2), "f")}
    wanted = program(feeds)
    homes = {name: np.zeros_like(array) for name, array in wanted.items()}
    results = program.run(feeds, homes)
    for name, array in wanted.items():
        assert results[name] is homes[name]
        np.testing.assert_array_equal(homes[name], array)


def test_arrays_without_elements() -> None:
    x = given("x", BATCH, 4)
    graph = graph_of([x], y=emit("sigmoid", x) @ swap_last(x), s=emit("sum", x, axes=(0,)))
    found = compile(graph)({"x": np.zeros((0, 4))})
    assert found["y"].shape == (0, 0)
    assert found["s"].tolist() == [0, 0, 0, 0]


def momentum(read_late: bool) -> Graph:
    m, g = (given(name, 8) for name in "mg")
    after = broadcast(constant(0.9, "float"), (8,)) * m + g
    return graph_of([m, g], y=after + m if read_late else after * g, m=after)


@pytest.mark.parametrize("read_late", [False, True])
def test_an_update_is_made_where_it_goes_once_the_old_is_read(read_late: bool) -> None:
    program = compile(momentum(read_late), updates={"m": "m"})
    assert ("np.multiply(0.9, m, out=m)" in program.source) is not read_late
    draw = np.random.default_rng(0)
    m, g = (draw.normal(size=8).astype("f") for _ in range(2))
    wanted = compile(momentum(read_late))({"m": m, "g": g})
    found = program.run({"m": m, "g": g})
    np.testing.assert_array_equal(m, wanted["m"])
    np.testing.assert_array_equal(found["y"], wanted["y"])


@pytest.mark.parametrize("rows", [0, 1, 32, 37, 64, 200])
def test_products_in_strips_are_those_of_the_whole(rows: int) -> None:
    """Rows of a result, of a gradient, and of one that lies turned; 37 rows can't be cut."""
    x, d = given("x", BATCH, 256), given("d", BATCH, 128)
    w, v = given("w", 128, 256, role="parameter"), given("v", 256, 128, role="parameter")
    results = {"y": x @ swap_last(w), "z": x @ v, "gradient.w": swap_last(d) @ x}
    graph = graph_of([x, d, w, v], **results, gradient=swap_last(x) @ d)
    feeds = feeds_for(graph, 0, batch=rows)
    whole, cut = compile(graph, "float64"), compile(graph, "float64", threads=1)
    assert "strips(" not in whole.source
    assert cut.source.count(" = strips(") == 2  # of the batch's rows and of the weights'
    assert not re.search(r"matmul\((x|x_T|d_T), ", cut.source)
    assert len(re.findall(r"matmul\((x|x_T|d_T), ", whole.source)) == 4
    wanted = whole(feeds)
    for name, array in cut(feeds).items():
        assert_close(array, wanted[name], what=name)


@pytest.mark.parametrize(
    ("rows", "factors", "count"),
    [(64, 784 * 128, 8), (784, 64 * 128, 7), (63, 784 * 128, 7), (64, 128 * 64, 1),
     (256, 1024 * 1024, 1), (61, 784 * 128, 1), (0, 784 * 128, 1)],
)  # fmt: skip
def test_strips_are_few_and_small(rows: int, factors: int, count: int) -> None:
    assert runtime.strips(rows, factors) == count


@pytest.mark.parametrize("rows", [1, 3, 200])
def test_logits_by_columns_and_weights_turned_change_no_more_than_rounding(rows: int) -> None:
    """A softmax's short rows, the loss's pick from them, and its gradient."""
    x, w = given("x", BATCH, 6), given("w", 5, 6, role="parameter")
    index = given("index", BATCH, 1, dtype="int")
    z = x @ swap_last(w)
    top = broadcast(emit("max", z, axis=1), (5, BATCH))
    e = emit("exp", z - swap_last(top))
    picked = emit("take_along_axis", z, index, axis=1)
    ones = broadcast(constant(1.0, "float"), (BATCH, 1))
    marked = e + emit("add_along", index, ones, axis=1, length=5)
    graph = graph_of([x, w, index], e=emit("sum", e, axes=(1,)), picked=picked, marked=marked)
    program = compile(graph, "float64")
    assert program.stored == {"w": (1, 0)}
    assert ".transpose" in program.source
    feeds = feeds_for(graph, 0, batch=rows)
    wanted = run(graph, feeds)
    for laid in (np.ascontiguousarray, np.asfortranarray):
        found = program({**feeds, "w": laid(feeds["w"])})
        for name, array in found.items():
            assert_close(array, wanted[name], what=name)


def test_a_label_s_share_is_added_into_the_softmax_itself() -> None:
    """Whatever order the index, a view with an axis of 1, might suggest."""
    x, label = given("x", BATCH, 3, 7), given("label", BATCH, 3, dtype="int")
    index = emit("reshape", label, shape=(BATCH, 3, 1))
    ones = broadcast(constant(-1.0, "float"), (BATCH, 3, 1))
    marked = emit("exp", x) + emit("add_along", index, ones, axis=2, length=7)
    graph = graph_of([x, label], y=emit("sin", marked))
    program = compile(graph, "float64")
    assert "copyto" not in program.source.split("def run(inputs")[1].split("return run")[0]
    feeds = feeds_for(graph, 0, batch=4)
    assert_close(program(feeds)["y"], run(graph, feeds)["y"], what="y")


def test_heads_are_read_and_written_where_they_lie() -> None:
    """Parts of one product, cut into heads, their products and what is made of them: no copy."""
    x, w = given("x", BATCH, TIME, 6), given("w", 6, 24, role="parameter")
    whole = x @ broadcast(w, (BATCH, 6, 24))
    q, k, v = (
        emit("permute", emit("reshape", cut(whole, 2, at, at + 8), shape=(BATCH, TIME, 2, 4)),
             axes=(0, 2, 1, 3))
        for at in (0, 8, 16)
    )  # fmt: skip
    mixed_ = (q @ swap_last(k) @ v) * broadcast(constant(0.5, "float"), (BATCH, 2, TIME, 4))
    merged = emit("permute", mixed_, axes=(0, 2, 1, 3))
    turned = emit("permute", swap_last(q) @ v, axes=(0, 2, 1, 3))  # heads within features
    graph = graph_of(
        [x, w],
        y=emit("sin", emit("reshape", merged, shape=(BATCH, TIME, 8))),
        z=emit("sin", emit("reshape", turned, shape=(BATCH, 4, 8))),
    )
    program = compile(graph, "float64")
    assert "copyto" not in program.source.split("def bind(")[1].split("return run")[0]
    for batch in (1, 5):
        feeds = feeds_for(graph, 0, batch=batch, time=3)
        wanted = run(graph, feeds)
        for name, array in program(feeds).items():
            assert_close(array, wanted[name], what=name)


def test_what_is_read_after_a_loop_is_made_where_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in a block first, though u, which is kept too, is not written over."""
    monkeypatch.setattr(fuse, "BLOCK", 60)
    x, w = given("x", BATCH, 300), given("w", 300, 300, role="parameter")
    u = emit("sin", x)
    y = u * broadcast(constant(3.0, "float"), x.shape) + broadcast(constant(1.0, "float"), x.shape)
    graph = graph_of([x, w], z=y @ w, v=u @ w)
    program = compile(graph, "float64")
    (made,) = re.findall(r"np.multiply\(\w+, 3.0, out=(\w+)\)", program.source)
    assert f"np.add({made}, 1.0, out={made})" in program.source
    for batch in (1, 7):
        feeds = feeds_for(graph, 0, batch=batch)
        wanted = run(graph, feeds)
        for name, array in program(feeds).items():
            assert_close(array, wanted[name], what=name)
