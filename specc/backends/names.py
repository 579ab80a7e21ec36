"""Names of a spec as names of Python, and extents as Python expressions. Knows no operation."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable, Iterable
from unicodedata import normalize

from specc.ir.size import Axis, Derived, Extent

RESERVED = frozenset([*keyword.kwlist, *keyword.softkwlist, *dir(builtins)])


class Names:
    """Hands out identifiers: each is valid Python, and none is given twice."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {*RESERVED, *taken}
        self._next: dict[str, int] = {}

    def has(self, name: str) -> bool:
        return name in self._taken

    def new(self, wanted: str) -> str:
        """An identifier as near to `wanted` as Python and the names given before allow."""
        name = identifier(wanted)
        if name not in self._taken:
            self._taken.add(name)
            return name
        number = self._next.get(name, 2)
        while f"{name}_{number}" in self._taken:
            number += 1
        self._next[name] = number + 1
        self._taken.add(f"{name}_{number}")
        return f"{name}_{number}"


def identifier(wanted: str) -> str:
    """Letters, digits and single inner underscores: never a dunder, never empty."""
    # Python compares identifiers after NFKC, so names that differ before it may be one after.
    name = re.sub(r"\W+|_+", "_", normalize("NFKC", wanted)).strip("_")[:60]
    if not name.isidentifier():
        name = f"v_{name}"
    return name if name.isidentifier() else "v"


def expression(extent: Extent, name_of: Callable[[str], str]) -> str:
    """An extent as Python over the axes' identifiers."""
    if isinstance(extent, int):
        return repr(extent)
    parts: list[str] = []
    for monomial, factor in extent.terms:
        factors = [] if factor == 1 and monomial else [repr(factor)]
        for atom, power in monomial:
            factors += [_atom(atom, name_of)] * power
        parts.append(" * ".join(factors))
    return " + ".join(parts)


def _atom(atom: object, name_of: Callable[[str], str]) -> str:
    if isinstance(atom, Axis):
        return name_of(atom.name)
    assert isinstance(atom, Derived), f"{atom} is bound before a program is made"
    left, right = expression(atom.left, name_of), expression(atom.right, name_of)
    if atom.function == "max":
        return f"max({left}, {right})"
    return f"(({left}) {atom.function} ({right}))"
