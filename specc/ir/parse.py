"""From a graph's text back to the graph: what `text` writes, and nothing else. Blames no user."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from specc.diagnostics import Source, Span
from specc.ir.graph import Graph, Node, Origin, Output, Requirement, emit, make_input, origin
from specc.ir.size import Extent, axis, floor_divide, maximum, remainder
from specc.ir.types import Tuple, Type

COMMENT = re.compile(
    r"(?: (?P<path>.*?):(?P<line>\d+))?(?: as (?P<name>.+?))?(?: in (?P<scope>\S+))?"
)
TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<float>\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+))
    |(?P<int>\d+)
    |(?P<node>%\d+)
    |(?P<body>@[\w.]+)
    |(?P<name>[^\W\d][\w.']*)
    |(?P<comment>\#.*)
    |(?P<mark>//|==|>=|[-+*^%()\[\]{},:;=]))""",
    re.VERBOSE,
)


def parse(text: str) -> Graph:
    """The last graph of a text that `write` made; a ValueError names the line that isn't one."""
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), 1):
        try:
            reader.read(line)
        except (ValueError, KeyError, IndexError, AssertionError) as error:
            raise ValueError(f"line {number} of a graph's text: {error}: {line.strip()}") from error
    if reader.last is None:
        raise ValueError("a graph's text ends with a graph")
    return reader.last


class _Reader:
    """Reads a line at a time into the graph that is open."""

    def __init__(self) -> None:
        self.last: Graph | None = None
        self.bodies: dict[str, Graph] = {}
        self.sources: dict[str, Source] = {}
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        self.open("", "", {})

    def open(self, key: str, name: str, hypers: Mapping[str, Any]) -> None:
        self.key, self.name, self.hypers = key, name, hypers
        self.nodes: list[Node] = []
        self.outputs: list[Output] = []
        self.gradients: dict[int, Graph] = {}
        self.requires: list[Requirement] = []

    def read(self, line: str) -> None:
        comment = self.tokenize(line)
        if not self.tokens:
            return
        kind, word = self.next()
        if kind == "node":
            self.node(comment)
        elif word in ("body", "graph"):
            self.head(word)
        elif word == "out":
            role, name = self.next()[1], self.string()
            self.expect("=")
            self.outputs.append(Output(name, role, self.operand()))
        elif word == "gradient":
            place = int(self.next()[1])
            self.expect("=")
            self.gradients[place] = self.bodies[self.next()[1][1:]]
        elif word == "require":
            extent, relation = self.sum(), self.next()[1]
            self.expect("0", ",")
            self.requires.append(Requirement(extent, relation, self.string(), comment.span))
        elif word == "}":
            self.close()
        else:
            raise ValueError(f"`{word}` begins no line")
        if self.at < len(self.tokens):
            raise ValueError(f"`{self.tokens[self.at][1]}` is left over")

    def head(self, word: str) -> None:
        key = ""
        if word == "body":
            key = self.next()[1][1:]
            self.expect("=")
        name, hypers = self.string(), dict[str, Any]()
        if self.take("("):
            hypers = self.settings()
            self.expect(")")
        self.expect("{")
        self.open(key, name, hypers)

    def close(self) -> None:
        inputs = tuple(node for node in self.nodes if node.op.name == "input")
        graph = Graph(
            self.name,
            inputs,
            tuple(self.outputs),
            None,
            self.hypers,
            self.gradients,
            tuple(self.requires),
        )
        if self.key:
            self.bodies[self.key] = graph
        self.last = graph

    def node(self, comment: Origin) -> None:
        self.expect(":")
        declared = self.type()
        self.expect("=")
        op = self.next()[1]
        self.expect("(")
        inputs: list[Node] = []
        while self.peek("node"):
            inputs.append(self.operand())
            self.take(",")
        self.take(";")
        attributes = self.settings()
        self.expect(")")
        if op == "input":
            assert isinstance(declared, Type), "an input is no tuple"
            made = make_input(attributes["name"], attributes["role"], declared, comment)
        else:
            with origin(comment):
                made = emit(op, *inputs, **attributes)
        assert made.type == declared, f"the type is {made.type}"
        self.nodes.append(made)

    # ── pieces of a line ─────────────────────────────────────────────────────────────────────────
    def tokenize(self, line: str) -> Origin:
        """Sets the tokens, and gives the comment's origin."""
        self.tokens, self.at = [], 0
        at, end = 0, len(line.rstrip())
        while at < end:
            match = TOKEN.match(line, at)
            if match is None:
                raise ValueError(f"`{line[at:].strip()}` is no token")
            kind = match.lastgroup or ""
            if kind == "comment":
                return self.origin(match["comment"][1:].rstrip("\r"))
            self.tokens.append((kind, match[kind]))
            at = match.end()
        return Origin()

    def origin(self, comment: str) -> Origin:
        match = COMMENT.fullmatch(comment)
        if match is None:
            raise ValueError(f"`{comment}` is no origin")
        span = None
        if match["line"]:
            source = self.sources.setdefault(match["path"], Source(match["path"], ""))
            before = int(match["line"]) - 1
            if len(source.text) < before:  # a stand-in for the file: lines, without what they hold
                source = self.sources[match["path"]] = Source(match["path"], "\n" * (2 * before))
            span = Span(source, before, before)
        return Origin(span, match["name"] or "", match["scope"] or "")

    def next(self) -> tuple[str, str]:
        self.at += 1
        return self.tokens[self.at - 1]

    def peek(self, kind: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at][0] == kind

    def take(self, *marks: str) -> str:
        """The next token if it is one of these marks."""
        if self.at < len(self.tokens) and self.tokens[self.at][1] in marks:
            return self.next()[1]
        return ""

    def expect(self, *marks: str) -> None:
        for mark in marks:
            if not self.take(mark):
                raise ValueError(f"`{mark}` is missing")

    def string(self) -> str:
        kind, word = self.next()
        if kind != "string":
            raise ValueError(f"`{word}` is no string")
        return json.loads(word)

    def operand(self) -> Node:
        return self.nodes[int(self.next()[1][1:])]

    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.peek("name"):
            name = self.next()[1]
            self.expect("=")
            found[name] = self.value()
            self.take(",")
        return found

    def type(self) -> Type | Tuple:
        if self.take("("):
            items: list[Type] = []
            while not self.take(")"):
                item = self.type()
                assert isinstance(item, Type), "a tuple in a tuple"
                items.append(item)
                self.take(",")
            return Tuple(tuple(items))
        dtype = self.next()[1]
        self.expect("[")
        shape: list[Extent] = []
        while not self.take("]"):
            shape.append(self.sum())
            self.take(",")
        return Type(dtype, tuple(shape))

    # ── values: literals, tuples, and the arithmetic of sizes ────────────────────────────────────
    def value(self) -> Any:
        if self.peek("string"):
            return self.string()
        if self.peek("body"):
            return self.bodies[self.next()[1][1:]]
        return self.sum()

    def sum(self) -> Any:
        total = -self.product() if self.take("-") else self.product()
        while mark := self.take("+", "-"):
            other = self.product()
            total = total + other if mark == "+" else total - other
        return total

    def product(self) -> Any:
        total = self.power()
        while self.take("*"):
            total = total * self.power()
        return total

    def power(self) -> Any:
        base = self.base()
        if self.take("^"):
            base = math.prod([base] * int(self.next()[1]))
        return base

    def base(self) -> Any:
        kind, word = self.next()
        if kind == "int":
            return int(word)
        if kind == "float":
            return float(word)
        if word == "(":
            return self.bracket()
        if kind != "name":
            raise ValueError(f"`{word}` is no value")
        if word in ("true", "false", "none", "inf"):
            return {"true": True, "false": False, "none": None, "inf": math.inf}[word]
        if self.take("("):
            if self.take(")"):
                return math.nan
            left = self.sum()
            self.expect(",")
            right = self.sum()
            self.expect(")")
            return maximum(left, right)
        return axis(word)

    def bracket(self) -> Any:
        """A tuple, a floor, a mod, or what is only bracketed."""
        if self.take(")"):
            return ()
        first = self.value()
        mark = self.take("//", "%", ",")
        if mark in ("//", "%"):
            second = self.sum()
            self.expect(")")
            return floor_divide(first, second) if mark == "//" else remainder(first, second)
        if not mark:
            self.expect(")")
            return first
        items = [first]
        while not self.take(")"):
            items.append(self.value())
            self.take(",")
        return tuple(items)
