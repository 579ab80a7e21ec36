"""A spec's names as attributes of modules: a tree of scopes. Knows no graph.

A name that torch allows as an attribute stays; any other gets a `_`, and a table of names has
state_dict say the spec's.
"""

from __future__ import annotations

import keyword
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from specc.ir import Type

# What every nn.Module has already, and what the generated classes define.
TAKEN = frozenset(
    """
    training T_destination call_super_init dump_patches add_module apply bfloat16 buffers children
    compile cpu cuda double eval extra_repr float forward get_buffer get_extra_state get_parameter
    get_submodule half ipu load_state_dict modules mtia named_buffers named_children named_modules
    named_parameters parameters register_backward_hook register_buffer register_forward_hook
    register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
    register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
    set_extra_state set_submodule share_memory state_dict to to_empty train type xpu zero_grad
    measure reset
    """.split()
)


class Child(Protocol):
    """A layer's class, and what its constructor is told."""

    @property
    def name(self) -> str: ...
    @property
    def shapes(self) -> tuple[str, ...]: ...


def safe(name: str) -> str:
    """The attribute for one part of a path."""
    return f"{name}_" if name.rstrip("_") in TAKEN or name.startswith("_") else name


def path_of(parts: list[tuple[str, bool]]) -> str:
    """How the source says the attribute at a path; True marks a place in a list."""
    text = "self"
    for part, in_list in parts:
        if in_list:
            text = f"{text}[{part}]"
        elif part.isidentifier() and part.isascii() and not keyword.iskeyword(part):
            text = f"{text}.{part}"
        else:
            text = f"getattr({text}, {part!r})"
    return text


@dataclass(slots=True)
class Tree:
    """What a module holds, by path, and which scopes are lists, of how many."""

    held: dict[str, tuple[str, Type]]  # (role, type) by name
    lists: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        types: Mapping[str, Type],
        holds: Mapping[str, tuple[str, Type]],
        scopes: Collection[str],
    ) -> Tree:
        below: dict[str, list[str]] = {}
        leaves: set[str] = set(types)
        for name in types:
            parts = name.split(".")
            for at in range(1, len(parts)):
                known = below.setdefault(".".join(parts[:at]), [])
                if parts[at] not in known:
                    known.append(parts[at])
        lists = {
            prefix: len(names)
            for prefix, names in below.items()
            if names == [str(number) for number in range(len(names))]
            and prefix not in scopes
            and not any(f"{prefix}.{name}" in leaves for name in names)
        }
        return cls(dict(holds), lists)

    def attribute(self, name: str) -> list[tuple[str, bool]]:
        parts = name.split(".")
        return [
            (part, True) if ".".join(parts[:at]) in self.lists else (safe(part), False)
            for at, part in enumerate(parts)
        ]

    def renamed(self) -> dict[str, str]:
        """Whole names as attributes → as the spec has them, where they differ."""
        own_of = {".".join(map(safe, name.split("."))): name for name in self.held}
        return {own: name for own, name in own_of.items() if own != name}

    def holds_below(self, scope: str, name: str, _: Child) -> bool:
        return name.startswith(f"{scope}.")

    def constructor(
        self, children: Mapping[str, Child], inline: bool = False
    ) -> tuple[dict[str, str], list[str]]:
        """The shapes that a constructor takes, and its lines; `inline` writes them as numbers."""
        shapes: dict[str, str] = {}
        lines: list[str] = []
        made: set[str] = set()
        for name, (role, type) in self.held.items():
            scope = next((s for s in children if name.startswith(f"{s}.")), None)
            if scope is not None:
                lines += self._child(scope, children, made)
                continue
            shape = str(tuple(type.shape))
            if not inline and "." not in name:
                shapes[safe(name)] = shape
                shape = safe(name)
            lines += self._leaf(name, role, type, shape, made)
        return shapes, lines

    def _child(self, scope: str, children: Mapping[str, Child], made: set[str]) -> list[str]:
        if scope in made:
            return []
        list_ = scope.rpartition(".")[0]
        inside = [f"{list_}.{n}" for n in range(self.lists.get(list_, 0))]
        if inside and list_ not in made and all(each in children for each in inside):
            made.update([list_, *inside])
            texts = [_construct(children[each]) for each in inside]
            alike = len(set(texts)) == 1 and len(texts) > 1
            items = f"{texts[0]} for _ in range({len(texts)})" if alike else ", ".join(texts)
            return [*self._parents(list_, made), self._put(list_, f"nn.ModuleList([{items}])")]
        parents = self._parents(scope, made)
        made.add(scope)
        return [*parents, self._put(scope, _construct(children[scope]))]

    def _leaf(self, name: str, role: str, type: Type, shape: str, made: set[str]) -> list[str]:
        dtype = DTYPES.get(type.dtype, "")
        parents = self._parents(name, made)
        if role == "parameter":
            return [*parents, self._put(name, f"nn.Parameter(torch.empty({shape}{dtype}))")]
        *scopes, (own, _) = self.attribute(name)
        value = f"torch.zeros({shape}{dtype})"
        return [*parents, f"{path_of(scopes)}.register_buffer({own!r}, {value})"]

    def _parents(self, name: str, made: set[str]) -> list[str]:
        """The lines that make the modules between the module and what has this name."""
        lines: list[str] = []
        parts = name.split(".")
        for at in range(1, len(parts)):
            scope = ".".join(parts[:at])
            if scope in made:
                continue
            made.add(scope)
            count = self.lists.get(scope)
            if count is None:
                lines.append(self._put(scope, "nn.Module()"))
            else:
                made.update(f"{scope}.{place}" for place in range(count))
                items = f"[nn.Module() for _ in range({count})]"
                lines.append(self._put(scope, f"nn.ModuleList({items})"))
        return lines

    def _put(self, name: str, value: str) -> str:
        parts = self.attribute(name)
        text = path_of(parts)
        if not text.endswith(")"):
            return f"{text} = {value}"
        return f"setattr({path_of(parts[:-1])}, {parts[-1][0]!r}, {value})"


def _construct(child: Child) -> str:
    return f"{child.name}({', '.join(child.shapes)})"


DTYPES = {"int": ", dtype=torch.int64", "bool": ", dtype=torch.bool",
          "float64": ", dtype=torch.float64"}  # fmt: skip
