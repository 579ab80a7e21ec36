"""The text of a graph, to read and to parse back: SSA, each body once. Knows no primitive.

    body @linear = "linear" {
        %0: float[batch, 4] = input(name="x", role="input")
        %1: float[4, 2] = input(name="w", role="input")
        %2: float[batch, 2] = matmul(%0, %1)  # digits.nn:7 as y
        out result "y" = %2
    }

What stands in a file comes back: types, attributes, roles, requirements, the origins' lines, names
and scopes. A definition's identity, columns, and hyper-parameters that aren't plain values don't.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from specc.ir.graph import Graph, Origin, bodies, toposort
from specc.ir.parse import parse
from specc.ir.size import Size

__all__ = ["parse", "write"]


def write(graph: Graph) -> str:
    """The bodies, inner ones first, then the graph itself."""
    every = bodies(graph)
    names = _names(every[:-1])
    blocks = [_block(f"body @{names[id(each)]} = ", each, names) for each in every[:-1]]
    return "\n".join([*blocks, _block("graph ", graph, names)])


def _names(every: Sequence[Graph]) -> dict[int, str]:
    """A name for each body, told apart by a number where two share one."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for each in every:
        plain = re.sub(r"[^\w.]+", "_", each.name) or "_"
        name, number = plain, 1
        while name in taken:
            number += 1
            name = f"{plain}.{number}"
        taken.add(name)
        names[id(each)] = name
    return names


def _block(head: str, graph: Graph, names: Mapping[int, str]) -> str:
    hypers = {key: value for key, value in graph.hypers.items() if _plain(value)}
    settings = f"({_settings(hypers, names)})" if hypers else ""
    lines = [f"{head}{_quoted(graph.name)}{settings} {{"]
    number: dict[int, int] = {}
    for node in toposort([*graph.inputs, *graph.results]):
        number[id(node)] = len(number)
        operands = ", ".join(f"%{number[id(each)]}" for each in node.inputs)
        attributes = _settings(node.attributes, names)
        between = "; " if operands and attributes else ""
        lines.append(
            f"    %{number[id(node)]}: {node.type} = "
            f"{node.op.name}({operands}{between}{attributes}){_comment(node.origin)}"
        )
    for output in graph.outputs:
        lines.append(f"    out {output.role} {_quoted(output.name)} = %{number[id(output.node)]}")
    for place, body in graph.gradients.items():
        lines.append(f"    gradient {place} = @{names[id(body)]}")
    for each in graph.requires:
        claim = f"{each.extent} {each.relation} 0, {_quoted(each.message)}"
        lines.append(f"    require {claim}{_comment(Origin(each.span))}")
    return "\n".join([*lines, "}\n"])


def _settings(attributes: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return ", ".join(f"{key}={_value(value, names)}" for key, value in attributes.items())


def _value(value: Any, names: Mapping[int, str]) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float):
        return "nan()" if math.isnan(value) else repr(value)  # an axis may be called nan
    if isinstance(value, tuple):
        items = [_value(each, names) for each in cast("tuple[Any, ...]", value)]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if isinstance(value, Graph):
        return f"@{names[id(value)]}"
    assert isinstance(value, (int, Size)), f"an attribute holds {value!r}"
    return str(value)


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_plain(each) for each in cast("tuple[Any, ...]", value))
    return value is None or isinstance(value, (bool, int, float, str, Size))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _comment(origin: Origin) -> str:
    place = name = ""
    if origin.span is not None:
        source = origin.span.source
        path = "".join(each if each.isprintable() else "?" for each in source.path)
        place = f" {path}:{source.position(origin.span.start)[0]}"
    if origin.name:
        name = f" as {origin.name}"
    scope = f" in {origin.scope}" if origin.scope else ""
    return f"  #{place}{name}{scope}" if place or name or scope else ""
