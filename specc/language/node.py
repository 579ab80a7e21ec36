"""The base of the syntax tree's classes: frozen dataclasses with slots, made in little time.

Knows nothing of the language. `dataclasses.dataclass(frozen=True, slots=True)` compiles eight
methods a class, and builds each class twice: 0.4 ms for each of the tree's forty classes, which
every command would pay. Here a class is built once, one method is compiled, and the others are
shared. `dataclasses.fields`, `replace` and `match` work as they do on any dataclass.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, Field, FrozenInstanceError
from typing import Any, NoReturn, dataclass_transform

from specc.diagnostics import Source, Span

NOWHERE = Span(Source("", ""), 0, 0)
Break = bool  # whether a line broke here: how a thing was written, not what it says
_NEVER_COMPARED = ("Span", "Break")


@dataclass_transform(frozen_default=True)
class NodeType(type):
    """Turns annotated names into slots and arguments. Spans and Breaks are never compared."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> NodeType:
        annotations: dict[str, str] = namespace.get("__annotations__", {})
        defaults = {each: namespace.pop(each) for each in annotations if each in namespace}
        names = tuple(annotations)
        namespace["__slots__"] = names
        if names:
            namespace["__match_args__"] = names
            namespace["_compared"] = tuple(
                each for each in names if annotations[each] not in _NEVER_COMPARED
            )
        made = super().__new__(cls, name, bases, namespace)
        if names:
            setattr(made, "__dataclass_fields__", _fields(annotations, defaults))
            setattr(made, "__init__", _initializer(made, names, defaults))
        return made


def _fields(annotations: dict[str, str], defaults: dict[str, Any]) -> dict[str, Field[Any]]:
    """What the functions of the module `dataclasses` look for."""
    made: dict[str, Field[Any]] = {}
    for name, type in annotations.items():
        told = type not in _NEVER_COMPARED
        each = _Field(defaults.get(name, MISSING), MISSING, True, told, None, told, None, False)
        each.name, each.type, each._field_type = name, type, _ORDINARY
        made[name] = each
    return made


_Field: Any = Field  # its constructor is not public, but has been the same since Python 3.10
_ORDINARY = getattr(dataclasses, "_FIELD")


def _initializer(made: type, names: tuple[str, ...], defaults: dict[str, Any]) -> Any:
    """`__init__` that fills the slots; past `__setattr__`, which refuses."""
    scope = {f"_set_{name}": made.__dict__[name].__set__ for name in names}
    scope |= {f"_default_{name}": value for name, value in defaults.items()}
    arguments = (f"{name}=_default_{name}" if name in defaults else name for name in names)
    body = "; ".join(f"_set_{name}(self, {name})" for name in names)
    exec(f"def __init__(self, {', '.join(arguments)}): {body}", scope)  # noqa: S102 (our own text)
    return scope["__init__"]


class Node(metaclass=NodeType):
    """A part of a tree: compared by what it says, not by where it stands."""

    _compared = tuple[str, ...]()  # each class has its own, as it has __match_args__
    __match_args__ = tuple[str, ...]()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, each) == getattr(other, each) for each in self._compared)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, each) for each in self._compared)))

    def __repr__(self) -> str:
        inner = ", ".join(f"{each}={getattr(self, each)!r}" for each in self._compared)
        return f"{type(self).__name__}({inner})"

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), tuple(getattr(self, each) for each in type(self).__match_args__)
