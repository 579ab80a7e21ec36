"""This backend's passes as stages to look at: each one's result as text. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from specc.backends.numpy.generate import PASSES
from specc.backends.numpy.halve import halve
from specc.backends.numpy.kernel import ROOM
from specc.backends.numpy.layout import Order, layout, plain, stored
from specc.backends.numpy.plan import Plan, make_plan
from specc.backends.numpy.rewrite import rewrite
from specc.backends.numpy.steps import Step, Value
from specc.ir import Graph, Node, toposort
from specc.ir.text import write

STAGES = tuple(f"numpy.{name}" for name in PASSES)


def stages(graph: Graph, dtype: str) -> Iterator[tuple[str, Graph | str]]:
    """(name, result) of each pass over a graph without calls: a graph, then text."""
    graph = rewrite(graph)
    yield "numpy.rewrite", graph
    graph = halve(graph)
    yield "numpy.halve", graph
    wanted = stored(graph)
    orders = layout(graph, wanted)
    yield "numpy.layout", _layout(graph, orders)
    plan = make_plan(graph, dtype, orders=orders, stored=wanted)
    yield "numpy.fuse", _steps(graph, plan, False)
    yield "numpy.plan", _steps(graph, plan, True)


def _numbers(graph: Graph) -> dict[int, str]:
    """What `write` calls each node."""
    nodes = toposort([*graph.inputs, *graph.results])
    return {id(node): f"%{number}" for number, node in enumerate(nodes)}


def _layout(graph: Graph, orders: dict[int, Order]) -> str:
    """The graph, and the axes of what doesn't lie plainly, from the outermost to the innermost."""
    number = _numbers(graph)
    nodes = [node for node in toposort([*graph.inputs, *graph.results]) if id(node) in orders]
    lines = [
        f"    {number[id(node)]}: {node.type} lies as {list(orders[id(node)])}"
        for node in nodes
        if orders[id(node)] != plain(node.rank)
    ]
    return "\n".join([write(graph).rstrip(), *lines, ""])


def _steps(graph: Graph, plan: Plan, memory: bool) -> str:
    number = _numbers(graph)
    lines: list[str] = []
    for step in plan.steps:
        if step.loop and step is step.loop.steps[0]:
            lines.append(f"blocks of {step.loop.shape} along axis {step.loop.axis}:")
        lines.append(("    " if step.loop else "") + _step(step, number, memory))
    if memory:
        lines += [
            f"slot {place}: {' or '.join(str(size) for size in sizes)} bytes"
            for place, sizes in enumerate(plan.slots)
        ]
    return "\n".join([*lines, ""])


def _step(step: Step, number: dict[int, str], memory: bool) -> str:
    node = step.value.node
    operands = ", ".join(_number(operand.node, number) for operand in step.operands)
    copied = any(operand.node is node for operand in step.operands)
    name = "copy" if copied else node.op.name
    if step.kernel is ROOM and name in ("item", "concat"):  # filled part by part
        name = "room"
    elif name == "item":  # of a scan, which fills its items in the last one's step
        name = "scan"
    made = f"{_number(node, number)}: {node.type} = {name}({operands})"
    if not memory:
        return made
    scratch = "".join(f", scratch {slot}" for slot, _ in step.scratch)
    return f"{made}  # {_home(step.value, number)}{scratch}"


def _number(node: Node, number: dict[int, str]) -> str:
    """A scan's last state has a place even where nothing reads it."""
    return number.get(id(node)) or f"{number[id(node.inputs[0])]}.{node.attributes['index']}"


def _home(value: Value, number: dict[int, str]) -> str:
    if value.static:
        return "when bound"
    if value.kind == "scalar":
        return "a number"
    if value.feed:
        return "over its input"
    if value.part:
        return f"part of {number[id(value.part.whole.node)]}, from {value.part.start}"
    direct = ", or the caller's array" if value.output >= 0 else ""
    return f"{'block in ' if value.block else ''}slot {value.slot}{direct}"
