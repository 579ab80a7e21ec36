"""A body in training and in inference, as one where they do the same. Writes no source.

Where two bodies differ only in the bodies that they call, they are one text whose calls are pairs
again; so `if training` stands in the innermost body that differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from specc.ir import Graph, Node, Tuple

Key = tuple[str, str]  # an input's role and name


def key_of(node: Node) -> Key:
    return node.attributes["role"], node.attributes["name"]


@dataclass(frozen=True, eq=False)
class Pair:
    """A body for training and, where it is another, for inference."""

    training: Graph
    inference: Graph | None = None

    @property
    def differs(self) -> bool:
        return self.inference is not None and self.inference is not self.training

    @property
    def graphs(self) -> tuple[Graph, ...]:
        if self.inference is None or self.inference is self.training:
            return (self.training,)
        return (self.training, self.inference)

    @cached_property
    def inputs(self) -> tuple[Node, ...]:
        """The inputs of both, those of training first."""
        found: dict[Key, Node] = {}
        for graph in self.graphs:
            for node in graph.inputs:
                found.setdefault(key_of(node), node)
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Merged:
    """A body as it is written: `inner` are the counterparts of its calls in inference."""

    graph: Graph
    inner: Mapping[Node, Node] = field(default_factory=dict[Node, Node])

    def pair_of(self, node: Node) -> Pair:
        body: Graph = node.attributes["body"]
        other = self.inner.get(node)
        return Pair(body, other.attributes["body"] if other is not None else None)

    def arguments(self, node: Node, pair: Pair) -> dict[Key, Node]:
        """What a call is given, by the input of its body; what only inference reads is last."""
        given = dict(zip(map(key_of, node.attributes["body"].inputs), node.inputs, strict=True))
        other = self.inner.get(node)
        if other is not None:
            bodys: Graph = other.attributes["body"]
            for key, each in zip(map(key_of, bodys.inputs), other.inputs, strict=True):
                given.setdefault(key, each)
        return given


def merged(pair: Pair) -> Merged | None:
    """One text for both modes, or None where they differ in more than the bodies they call."""
    if not pair.differs or pair.inference is None:
        return Merged(pair.training)
    return _Merging(pair.training, pair.inference).merged()


class _Merging:
    def __init__(self, training: Graph, inference: Graph) -> None:
        self.training, self.inference = training, inference
        self.inner: dict[Node, Node] = {}
        self.matched: dict[Node, Node] = {}

    def merged(self) -> Merged | None:
        given = {(o.role, o.name): o.node for o in self.inference.outputs}
        wanted = {(o.role, o.name): o.node for o in self.training.outputs}
        states = {key for key in wanted if key[0] == "state"}
        if wanted.keys() - states != given.keys() - states:
            return None
        stack = [(node, given[key]) for key, node in wanted.items() if key in given]
        while stack:
            one, other = stack.pop()
            if one in self.matched:
                if self.matched[one] is not other:
                    return None
                continue
            self.matched[one] = other
            more = self.match(one, other)
            if more is None:
                return None
            stack += more
        extra = [o.node for o in self.training.outputs if (o.role, o.name) not in given]
        if not all(self.is_next_state(node) for node in extra):
            return None
        return Merged(self.training, self.inner)

    def is_next_state(self, node: Node) -> bool:
        """Of a layer that is matched: its text says when the state moves."""
        return node.op.name == "item" and node.inputs[0] in self.matched

    def match(self, one: Node, other: Node) -> list[tuple[Node, Node]] | None:
        """The pairs that must match for these to, or None."""
        if one.op.name == "input" or other.op.name == "input":
            same = one.op is other.op and key_of(one) == key_of(other)
            return [] if same else None
        if one.op.name == "item" and other.op.name == "call":  # training gives states beside it
            return [(one.inputs[0], other)] if one.attributes["index"] == 0 else None
        if one.op is not other.op:
            return None
        if one.op.name == "scan":
            if _steps(one) != _steps(other) or one.type != other.type:
                return None
            return self.match_calls(one, other)
        if one.op.name != "call":
            if one.attributes != other.attributes or one.type != other.type:
                return None
            return list(zip(one.inputs, other.inputs, strict=True))
        return self.match_calls(one, other)

    def match_calls(self, one: Node, other: Node) -> list[tuple[Node, Node]] | None:
        first, second = one.attributes["body"], other.attributes["body"]
        same = first is second
        if not same and (first.name != second.name or first.definition != second.definition):
            return None
        if one.origin.scope != other.origin.scope or _results(one)[0] != _results(other)[0]:
            return None
        given = dict(zip(map(key_of, first.inputs), one.inputs, strict=True))
        others = dict(zip(map(key_of, second.inputs), other.inputs, strict=True))
        for key in given.keys() ^ others.keys():
            node = given.get(key) or others[key]
            if node.op.name not in ("input", "constant"):
                return None
        if not same:
            self.inner[one] = other
        return [(given[key], others[key]) for key in given if key in others]


def _steps(scan: Node) -> dict[str, Any]:
    """How it goes, but for its body."""
    return {name: value for name, value in scan.attributes.items() if name != "body"}


def _results(node: Node) -> tuple[Any, ...]:
    return node.type.items if isinstance(node.type, Tuple) else (node.type,)
