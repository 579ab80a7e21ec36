"""How a model's parameters and states begin, as lines of torch: for files that run alone."""

from __future__ import annotations

from collections.abc import Mapping

from specc.backends.torch.modes import Merged, Pair, key_of
from specc.backends.torch.value import Value, number
from specc.backends.torch.write import BodyWriter, Source
from specc.ir import Graph, Node
from specc.ir.model import Model, Variable


def initial_lines(model: Model, source: Source, attribute_of: Mapping[str, str]) -> list[str]:
    """One line a parameter and state, which fills it in place."""
    lines: list[str] = []
    for variable in (*model.parameters, *model.states):
        if variable.name in attribute_of:
            lines += _line(variable, attribute_of[variable.name], source)
    return lines


def _line(variable: Variable, target: str, source: Source) -> list[str]:
    plain = _plain(variable.init)
    if plain is not None:
        function, first, second = plain
        numbers = f"{number(first, 'float')}, {number(second, 'float')}"
        return [f"{target}.{function}({numbers})"]
    pair = Pair(variable.init)
    env = {
        key_of(node): Value(repr(variable.draws[node.attributes["name"]]), (), True)
        for node in variable.init.inputs
        if node.attributes["role"] != "key"
    }
    block = BodyWriter(source, pair, env, {}, source.local_names(), "True").block(
        Merged(variable.init)
    )
    ((node, value),) = block.given()
    fill = f"fill_({value.text})" if value.host else f"copy_({block.whole(node, value)})"
    return [*block.lines, f"{target}.{fill}"]


def _plain(graph: Graph) -> tuple[str, float, float] | None:
    """(a method, its two numbers) of an init that is uniform or normal in the end."""
    node: Node = graph.results[0]
    while node.op.name == "call":
        body: Graph = node.attributes["body"]
        for name, method, keys in (
            ("uniform", "uniform_", ("low", "high")),
            ("normal", "normal_", ("mean", "std")),
        ):
            numbers = [body.hypers.get(key) for key in keys]
            if body.definition == ("std", name) and all(
                isinstance(each, (int, float)) for each in numbers
            ):
                return method, float(numbers[0] or 0), float(numbers[1] or 0)
        node = body.results[0]
    return None
