"""The lines of a scan: a loop that runs the body's function on views of each step. Plans nothing.

A state lives in the memory of its last value, and each step writes over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from specc.backends.numpy.kernel import Site
from specc.ir import Graph, Node

WIDTH = 84  # of a line, before what it stands in is indented


def scan(s: Site) -> list[str]:
    """Operands: what the scan takes, then its items but the last, which is the result."""
    (node,) = s.node.inputs
    body: Graph = node.attributes["body"]
    states: int = node.attributes["states"]
    end: int = states + node.attributes["scanned"]
    count = len(node.inputs)
    given = [
        text if s.operands[at].rank else f"{s.dtype(s.operands[at].dtype)}({text})"
        for at, text in enumerate(s.inputs[:count])
    ]
    made = [*s.inputs[count:], s.out]
    place_of = {each: at for at, each in enumerate(body.inputs[:states])}
    before = {at: place_of.get(body.results[at]) for at in range(states, len(made))}
    kept = [at for at, output in enumerate(body.outputs) if before.get(at) is None]
    outputs = tuple(body.outputs[at] for at in kept)
    function = s.function(replace(body, outputs=outputs), states)
    stacked = [at for at, of in before.items() if of is None]
    direct = [kept[place] for place in function.direct]
    back = [at for at in stacked if at not in direct]
    names = [s.name(body.outputs[at].name) for at in back]
    arguments = [
        *made[:states],
        *[f"{text}[t]" for text in given[states:end]],
        *given[end:],
        *[_at(made[at], body.results[at]) for at in direct],
    ]
    steps = f"range({s.extent(node.inputs[states].shape[0])})"
    result = f"{', '.join(names)} = " if names else ""
    return [
        *[f"np.copyto({made[at]}, {given[at]})" for at in range(states)],
        f"for t in {f'reversed({steps})' if node.attributes['reverse'] else steps}:",
        *[
            f"    np.copyto({made[at]}[t], {made[of]})"
            for at, of in before.items()
            if of is not None
        ],
        *wrapped(f"    {result}{function.name}(", arguments),
        *[
            f"    np.copyto({_at(made[at], body.results[at])}, {name})"
            for at, name in zip(back, names, strict=True)
        ],
    ]


def wrapped(before: str, items: Sequence[str], after: str = ")") -> list[str]:
    """A call on one line, or its arguments on lines of their own."""
    line = f"{before}{', '.join(items)}{after}"
    if len(line) <= WIDTH:
        return [line]
    indent = before[: len(before) - len(before.lstrip())]
    return [before, *[f"{indent}    {item}," for item in items], f"{indent}{after}"]


def _at(stacked: str, node: Node) -> str:
    return f"{stacked}[t]" if node.rank else f"{stacked}[t, ...]"
