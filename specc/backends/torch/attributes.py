"""A spec's names as attributes of modules: a tree of scopes. Knows no graph.

A name that torch allows as an attribute stays; any other gets a `_`, and a table of names has
state_dict say the spec's.
"""

from __future__ import annotations

import keyword
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from specc.backends.names import Names
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
    """A layer's class, what its constructor is told, and the names that it holds."""

    @property
    def name(self) -> str: ...
    @property
    def shapes(self) -> tuple[str, ...]: ...
    @property
    def holds(self) -> frozenset[str]: ...


def safe(name: str) -> str:
    """The attribute for one part of a path."""
    return f"{name}_" if name.rstrip("_") in TAKEN or name.startswith("_") else name


def path_of(parts: list[tuple[str, bool]]) -> str:
    """How the source says the attribute at a path; True marks a place in a list."""
    text = "self"
    for part, in_list in parts:
        if in_list:
            text = f"{text}[{part}]"
        elif part.isidentifier() and part.isascii() and not _mangled(part):
            text = f"{text}.{part}"
        else:
            text = f"getattr({text}, {part!r})"
    return text


def _mangled(part: str) -> bool:
    """Whether Python takes a name after a dot, in a class, for another."""
    return keyword.iskeyword(part) or part.startswith("__")


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
        """The path of what is held by this name."""
        scope, _, own = name.rpartition(".")
        return [*self.place(scope), (safe(own), False)]

    def place(self, scope: str) -> list[tuple[str, bool]]:
        """The path of the module at a scope; one that is called as a parameter is set apart."""
        parts = scope.split(".") if scope else []
        steps: list[tuple[str, bool]] = []
        for at, part in enumerate(parts):
            if ".".join(parts[:at]) in self.lists:
                steps.append((part, True))
            elif ".".join(parts[: at + 1]) in self.held:
                steps.append((f"_{part}_scope", False))
            else:
                steps.append((safe(part), False))
        return steps

    def renamed(self) -> dict[str, str]:
        """Whole names as attributes → as the spec has them, where they differ."""
        own_of = {".".join(part for part, _ in self.attribute(n)): n for n in self.held}
        return {own: name for own, name in own_of.items() if own != name}

    def child_of(self, name: str, children: Mapping[str, Child]) -> str | None:
        """The scope of the child that holds what has this name."""
        for scope, child in children.items():
            if name.startswith(f"{scope}.") and name.removeprefix(f"{scope}.") in child.holds:
                return scope
        return None

    def constructor(
        self, children: Mapping[str, Child], local: Names | None = None
    ) -> tuple[dict[str, str], list[str]]:
        """The shapes that a constructor takes by `local` names, or writes, and its lines."""
        shapes: dict[str, str] = {}
        lines: list[str] = []
        made: set[str] = set()
        for name, (role, type) in self.held.items():
            scope = self.child_of(name, children)
            if scope is not None:
                lines += self._module(scope, children, made)
                continue
            shape = str(tuple(type.shape))
            if local is not None and "." not in name:
                argument = local.new(safe(name))
                shapes[argument] = shape
                shape = argument
            lines += self._module(name.rpartition(".")[0], children, made)
            lines.append(self._leaf(name, role, type, shape))
        return shapes, lines

    def _module(self, scope: str, children: Mapping[str, Child], made: set[str]) -> list[str]:
        """The lines that make the module at a scope, after those that it lies in."""
        if not scope or scope in made:
            return []
        lines = self._module(scope.rpartition(".")[0], children, made)
        if scope in made or any(_brings(s, each, scope) for s, each in children.items()):
            return lines  # as an item of a list, or by the child that it lies in
        return [*lines, assigned(path_of(self.place(scope)), self._made(scope, children, made))]

    def _made(self, scope: str, children: Mapping[str, Child], made: set[str]) -> str:
        """The expression that makes a module, and the items of a list in it."""
        made.add(scope)
        if scope in children:
            return f"{children[scope].name}({', '.join(children[scope].shapes)})"
        if scope not in self.lists:
            return "nn.Module()"
        inside = [f"{scope}.{number}" for number in range(self.lists[scope])]
        texts = [self._made(each, children, made) for each in inside]
        if len(texts) > 1 and len(set(texts)) == 1:
            return f"nn.ModuleList([{texts[0]} for _ in range({len(texts)})])"
        return f"nn.ModuleList([{', '.join(texts)}])"

    def _leaf(self, name: str, role: str, type: Type, shape: str) -> str:
        dtype = DTYPES.get(type.dtype, "")
        if role == "parameter":
            return assigned(
                path_of(self.attribute(name)), f"nn.Parameter(torch.empty({shape}{dtype}))"
            )
        *scopes, (own, _) = self.attribute(name)
        return f"{path_of(scopes)}.register_buffer({own!r}, torch.zeros({shape}{dtype}))"


def _brings(scope: str, child: Child, other: str) -> bool:
    """Whether a child's own constructor makes the module at another scope, in it."""
    inner = f"{other}.".removeprefix(f"{scope}.")
    return other.startswith(f"{scope}.") and any(name.startswith(inner) for name in child.holds)


def apart(scope: str, child: Child, others: Mapping[str, Child]) -> bool:
    """Whether no other child makes the module that this one is, nor this one another's."""
    return not any(
        _brings(scope, child, other) or _brings(other, each, scope)
        for other, each in others.items()
    )


def assigned(path: str, value: str) -> str:
    """The line that puts a value at a path, as path_of says it."""
    if path.endswith(")"):  # getattr(module, name)
        return f"s{path[1:-1]}, {value})"
    return f"{path} = {value}"


DTYPES = {"int": ", dtype=torch.int64", "bool": ", dtype=torch.bool",
          "float64": ", dtype=torch.float64"}  # fmt: skip
