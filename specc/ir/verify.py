"""What holds of every graph between two passes, or the pass is wrong. Blames no user."""

from __future__ import annotations

from specc.ir.graph import Graph, Node, bodies, toposort
from specc.ir.op import TypeFault, registry
from specc.ir.types import Tuple, Type


def verify(graph: Graph) -> Graph:
    """The graph itself, whose every body is closed and well typed; else an AssertionError."""
    for body in bodies(graph):
        _verify_body(body)
    return graph


def _verify_body(graph: Graph) -> None:
    inputs = {id(node) for node in graph.inputs}
    assert len(inputs) == len(graph.inputs), f"{graph} takes an input twice"
    for node in toposort([*graph.inputs, *graph.results]):
        where = f"{node} of {graph}, from {node.origin.span} {node.origin.name}"
        assert registry.get(node.op.name) is node.op, f"{where}: not the registered primitive"
        if node.op.name == "input":
            assert id(node) in inputs, f"{where}: {node.attributes} is not among the inputs"
            assert isinstance(node.type, Type), f"{where}: an input is no tuple"
        else:
            assert id(node) not in inputs, f"{where}: an input is made by make_input"
            _verify_type(node, where)
        for name, value in node.attributes.items():
            _verify_hashable(value, f"{where}: {name}")
    _verify_names(graph)
    for place, gradient in graph.gradients.items():
        assert place in range(len(graph.inputs)), f"{graph} has no input {place}"
        (result,) = gradient.results
        wanted = graph.inputs[place].type
        assert result.type == wanted, f"the gradient of {graph} for {wanted} is {result.type}"


def _verify_type(node: Node, where: str) -> None:
    if node.op.name != "item":
        for each in node.inputs:
            assert isinstance(each.type, Type), f"{where} reads a tuple; only item may"
    try:
        found = node.op.infer([each.type for each in node.inputs], node.attributes)
    except TypeFault as fault:
        raise AssertionError(f"{where}: {fault}; found {fault.found}") from fault
    assert found == node.type, f"{where}: its inputs give {found}"


def _verify_hashable(value: object, where: str) -> None:
    try:
        hash(value)
    except TypeError as error:
        raise AssertionError(f"{where}: {error}") from error


def _verify_names(graph: Graph) -> None:
    taken: set[tuple[str, str]] = set()
    for node in graph.inputs:
        key = (node.attributes["role"], node.attributes["name"])
        assert key not in taken, f"{graph} has two inputs {key}"
        taken.add(key)
    given: set[tuple[str, str]] = set()
    for output in graph.outputs:
        key = (output.role, output.name)
        assert key not in given, f"{graph} has two outputs {key}"
        assert not isinstance(output.node.type, Tuple), f"{graph} gives a tuple as {key}"
        given.add(key)
