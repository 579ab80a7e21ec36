"""Models as classes of nn.Module: one a distinct layer, whose state_dict has the spec's names.

A call of a layer that owns its parameters is an application of a submodule; what else it is given
are arguments. A state belongs to the layer that moves it. Writes no training loop.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from specc.backends.names import expression
from specc.backends.torch import composites
from specc.backends.torch.attributes import Tree, apart, assigned, path_of
from specc.backends.torch.initial import initial_lines
from specc.backends.torch.modes import Key, Merged, Pair, key_of
from specc.backends.torch.pieces import carried
from specc.backends.torch.value import Value
from specc.backends.torch.write import (
    Block,
    BodyWriter,
    Source,
    comment_of,
    missing_axes,
    plain,
    reading,
)
from specc.ir import Graph, Node, Output, Type, toposort
from specc.ir.model import Model, Variable
from specc.ir.size import axes as axes_of
from specc.version import __version__

HELD = ("parameter", "state")  # roles of what a module may hold


@dataclass(frozen=True, slots=True)
class Layer:
    """A class that the source has, and how it is made and applied."""

    name: str
    shapes: tuple[str, ...]  # what its constructor is told, in the order of its parameters
    holds: frozenset[str]  # by their names in it
    arguments: tuple[Key, ...]
    axes: tuple[str, ...]
    results: tuple[Value, ...]  # those of its body but the states that it holds
    kept: tuple[int, ...]  # the places of these among the body's results


def assembled(source: Source, last: str, doc: str = "") -> str:
    """The whole text: imports, the pieces that the functions need, they, and the last of them."""
    pieces = carried(source.helpers)
    texts = [*source.texts, last]
    text = "\n".join([*pieces, *texts])
    lines = [f'"""{doc}"""', ""] if doc else []
    lines += ["from __future__ import annotations", ""]
    if "math." in text:
        lines.append("import math")
    if _says(text, "Callable", "Sequence"):
        lines.append("from collections.abc import Callable, Sequence")
    if _says(text, "copysign", "inf", "nan"):
        lines.append("from math import copysign, inf, nan")
    if _says(text, "Any"):
        lines.append("from typing import Any")
    lines += [] if lines[-1] == "" else [""]
    lines += ["import torch"] if _says(text, "torch") else []
    lines += ["import torch.nn.functional as F"] if _says(text, "F") else []
    used = [name for name in ("Tensor", "nn") if _says(text, name)]
    lines += [f"from torch import {', '.join(used)}"] if used else []
    return "\n\n\n".join(["\n".join(lines), *pieces, *texts]) + "\n"


def _says(text: str, *words: str) -> bool:
    return re.search(rf"\b({'|'.join(words)})\b", text) is not None


@dataclass(slots=True)
class Classes:
    """The classes of a source, by what they are of."""

    source: Source
    layer_of: dict[tuple[int, int, frozenset[str]], Layer] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)  # a class's text without name → its name

    def layer(self, pair: Pair, held: frozenset[str]) -> Layer:
        key = (id(pair.training), id(pair.inference), held)
        if key not in self.layer_of:
            self.source.kept.append(pair)
            self.layer_of[key] = self._layer(pair, held)
        return self.layer_of[key]

    def _layer(self, pair: Pair, held: frozenset[str]) -> Layer:
        writer = ModuleWriter.of(self, pair, held, [])
        lines, results = writer.body()
        shapes, made = writer.tree.constructor(writer.children, self.source.local_names())
        heading = [
            f"    def __init__({', '.join(['self', *shapes])}):",
            "        super().__init__()",
        ]
        heading += [f"        {line}" for line in made]
        taken = ", ".join(["self", *writer.taken])
        text = "\n".join(
            [
                f"class {{}}(nn.Module):{comment_of(pair.training)}",
                *heading,
                "",
                f"    def forward({taken}):",
                *(f"        {line}" for line in lines),
            ]
        )
        if text not in self.named:
            self.named[text] = self.source.global_name(pair.training.name)
            self.source.texts.append(text.replace("{}", self.named[text], 1))
        return Layer(
            self.named[text],
            tuple(f"{name}={shape}" for name, shape in shapes.items()),
            frozenset(writer.tree.held),
            tuple(key for key in writer.keys if key not in writer.own),
            writer.extra,
            tuple(results),
            writer.kept,
        )


def _held(pair: Pair, held: frozenset[str]) -> dict[str, tuple[str, Type]]:
    """The names that a module holds, with role and type, in the order of the body's inputs."""
    found: dict[str, tuple[str, Type]] = {}
    for node in pair.inputs:
        role, name = key_of(node)
        if role in HELD and name in held:
            found[name] = (role, node.type)
    return found


def _scopes(graph: Graph) -> set[str]:
    """The scopes in a body, and in what it applies."""
    found: set[str] = set()
    for node in toposort(graph.results):
        scope = node.origin.scope
        found.add(scope)
        if isinstance(body := node.attributes.get("body"), Graph):
            found |= {f"{scope}.{inner}" if scope else inner for inner in _scopes(body)}
    return found


@dataclass(slots=True)
class ModuleWriter(BodyWriter):
    """The lines of a method of a module."""

    classes: Classes = None  # type: ignore[assignment]
    tree: Tree = None  # type: ignore[assignment]
    own: dict[Key, str] = field(default_factory=dict)  # what the module holds, by its attribute
    children: dict[str, Layer] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    taken: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    kept: tuple[int, ...] = ()
    by_name: bool = False  # results in a dictionary, but for a single output

    @classmethod
    def of(
        cls, classes: Classes, pair: Pair, held: frozenset[str], defaults: Sequence[str],
        children: dict[str, Layer] | None = None,
    ) -> ModuleWriter:  # fmt: skip
        holds = _held(pair, held)
        scopes = {scope for graph in pair.graphs for scope in _scopes(graph)}
        tree = Tree.of({name: type for name, (_, type) in holds.items()}, holds, scopes)
        local = classes.source.local_names()
        keys = tuple(key_of(node) for node in pair.inputs if key_of(node)[0] != "key")
        types = {key_of(node): node.shape for node in pair.inputs}
        own = {(role, name): path_of(tree.attribute(name)) for name, (role, _) in holds.items()}
        env: dict[Key, Value] = {}
        taken: list[str] = []
        for key in keys:
            if key in own:
                env[key] = Value(own[key], types[key])
                continue
            host = key[0] in ("step", "draw") and not types[key]
            text = local.new("draw" if key[0] == "draw" else key[1])
            taken.append(text)
            env[key] = Value(text, () if host else types[key], host)
        host_of = [env[key].host for key in keys]
        extra = missing_axes(pair, host_of, classes.source)
        lengths = {name: local.new(name) for name in extra}
        writer = cls(
            classes.source, pair, env, lengths, local, "self.training", False, False, classes,
            tree, own, {} if children is None else children, keys,
            (*taken, *lengths.values()), extra,
        )  # fmt: skip
        outputs = pair.training.outputs
        writer.kept = tuple(
            place
            for place, output in enumerate(outputs)
            if output.role != "state" or ("state", output.name.rstrip("'")) not in own
        )
        return writer

    def body(self) -> tuple[list[str], list[Value]]:
        row = composites.layer_row_of(self.pair, self.own)
        if row is not None:
            texts = {name: value.text for (_, name), value in self.env.items()}
            return row(self.pair, texts), [Value("", self.pair.training.results[0].shape)]
        return self.lines()

    def block(self, body: Merged) -> Block:
        return ModuleBlock(self, body)


class ModuleBlock(Block):
    """A method's statements: calls of layers that hold their parameters are submodules'."""

    writer: ModuleWriter

    def __init__(self, writer: BodyWriter, body: Merged) -> None:
        self.by_function: set[str] = set()  # layers whose states this block moves for them
        super().__init__(writer, body)

    def apply(
        self,
        node: Node,
        pair: Pair,
        given: Mapping[Key, Node],
        values: Mapping[Key, Value],
    ) -> None:
        layer = self.submodule(node, pair, given)
        if layer is None:
            super().apply(node, pair, given, values)
            return
        texts = [
            values[key].text if values[key].host and not given[key].rank
            else self.whole(given[key], values[key])
            for key in layer.arguments
        ]  # fmt: skip
        texts += [self.extent_of(name) for name in layer.axes]
        path = path_of(self.writer.tree.place(node.origin.scope))
        call = f"{path}({', '.join(texts)})"
        if len(layer.kept) == 1 and self.is_tuple(node):
            result = layer.results[0]
            value = self.keep(node, Value(call, result.shape, result.host))
            if value.text == call and node.origin.scope in self.stateful:
                value = self.assign(node, value)  # applied once, whatever reads it
            self.results_of[node] = [value] * len(node.type.items)
            return
        self.finish(node, call, list(layer.results))
        if self.is_tuple(node):
            results = dict(zip(layer.kept, self.results_of[node], strict=True))
            none = Value("None")
            self.results_of[node] = [results.get(n, none) for n in range(len(node.type.items))]

    @staticmethod
    def is_tuple(node: Node) -> bool:
        return not isinstance(node.type, Type)

    def extent_of(self, name: str) -> str:
        return self.length(name)

    @property
    def stateful(self) -> set[str]:
        return {scope for scope, layer in self.writer.children.items() if layer.kept}

    def finish(self, node: Node, text: str, results: Sequence[Value]) -> None:
        if self.is_tuple(node) and len(results) != len(node.type.items):
            self.comment(node)
            names = [self.names.new(node.origin.name or "y") for _ in results]
            self.lines.append(f"{', '.join(names)} = {text}" if names else text)
            self.results_of[node] = [
                Value(name, result.shape, result.host)
                for name, result in zip(names, results, strict=True)
            ]
            return
        super().finish(node, text, results)

    def submodule(self, node: Node, pair: Pair, given: Mapping[Key, Node]) -> Layer | None:
        """The class of the layer that is applied here, if it holds its parameters itself."""
        scope = node.origin.scope
        if not scope:
            return None
        held = frozenset(
            name
            for (role, name), each in given.items()
            if role in HELD
            and each.op.name == "input"
            and key_of(each) == (role, f"{scope}.{name}")
            and key_of(each) in self.writer.own
        )
        if any(role == "state" and name in held for role, name in given):
            held -= self.shared_states(node, scope, held, given)
        if not held:
            return None
        layer = self.writer.classes.layer(pair, held)
        if scope not in self.writer.children and not apart(scope, layer, self.writer.children):
            return None
        known = self.writer.children.setdefault(scope, layer)
        if (known.name, known.shapes) != (layer.name, layer.shapes):
            self.by_function.add(scope)  # applied elsewhere in another way: by its function, then
            return None
        return layer

    def shared_states(
        self, node: Node, scope: str, held: frozenset[str], given: Mapping[Key, Node]
    ) -> frozenset[str]:
        """The states that the layer can't hold: another application or an expression reads them."""
        states = frozenset(name for role, name in given if role == "state" and name in held)
        others = [n for n in self.order if n.op.name == "call" and n.origin.scope == scope]
        if len(others) > 1:
            return states
        places = {
            output.name.rstrip("'"): place
            for place, output in enumerate(node.attributes["body"].outputs)
            if output.role == "state"
        }
        read: set[str] = set()
        for name in states:
            target = ("state", f"{scope}.{name}")
            for item in self.order:
                if item.op.name == "item" and item.inputs[0] is node:
                    if item.attributes["index"] != places.get(name):
                        continue
                    ends = [o for o in self.outputs if o.node is item]
                    used = self.uses[id(item)] - len(ends)
                    if used or any((o.role, o.name) != target for o in ends):
                        read.add(name)
        return frozenset(read)

    def returned(self, whole: bool = False) -> tuple[list[str], list[Value]]:
        given = self.given()
        outputs = self.writer.pair.training.outputs
        moved: dict[str, str] = {}  # the attribute of a state → its next value
        for output, (node, value) in zip(outputs, given, strict=True):
            key = ("state", output.name.rstrip("'"))
            if output.role != "state" or key not in self.writer.own or value.text == "None":
                continue
            target = self.writer.own[key]
            if value.text == target or self.held_below(key[1]):
                continue
            text = self.whole(node, value)
            moved[target] = text if value.host else f"({text}).detach()"
        kept = [given[place] for place in self.writer.kept]
        values = [value for _, value in kept]
        if whole or self.writer.by_name:
            values = [Value(self.whole(node, value), node.shape) for node, value in kept]
        lines: list[str] = []
        for place, value in enumerate(values):
            if any(_reads(value.text, target) for target in moved):
                name = self.names.new(
                    kept[place][0].origin.name or "y"
                )  # of the states as they were
                lines.append(f"{name} = {value.text}")
                values[place] = replace(value, text=name)
        lines += self.assigned(moved)
        if self.writer.by_name:
            names = [outputs[place].name for place in self.writer.kept]
            return [*lines, *_by_name(names, values)], values
        texts = ", ".join(value.text for value in values)
        results = [Value("", value.shape, value.host) for value in values]
        return [*lines, f"return {texts or '()'}"], results

    def assigned(self, moved: Mapping[str, str]) -> list[str]:
        """All next values, each computed from the states as they were."""
        targets, texts = list(moved), list(moved.values())
        lines: list[str] = []
        if any(_reads(text, each) for at, text in enumerate(texts) for each in targets[:at]):
            names = [self.names.new("state") for _ in targets]
            lines, texts = [f"{', '.join(names)} = {', '.join(texts)}"], names
        return [*lines, *map(assigned, targets, texts)]

    def held_below(self, name: str) -> bool:
        """Whether a submodule moves this state itself."""
        scope = self.writer.tree.child_of(name, self.writer.children)
        return scope is not None and scope not in self.by_function


def _reads(text: str, target: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(target)}(?!\w)", text) is not None


def _by_name(names: Sequence[str], values: Sequence[Value]) -> list[str]:
    items = [f"{name!r}: {value.text}" for name, value in zip(names, values, strict=True)]
    line = f"return {{{', '.join(items)}}}"
    if len(line) <= 88:
        return [line]
    return ["return {", *(f"    {item}," for item in items), "}"]


# ── a model ──────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Written:
    """A model's module: its text, the name of its class, and the spec's names of the arguments."""

    text: str
    name: str
    forward: tuple[str, ...]
    measure: tuple[str, ...]


def module_source(model: Model, measured: Pair, dtype: str = "float32") -> Written:
    """A model's source.

    `forward` takes the model's inputs and gives its output, or a dictionary of several. `measure`
    takes targets too and gives what `measured` has: losses, metrics, the next values of what it
    takes beside them.
    """
    source = Source(dtype, trainable=True)
    for output in (*model.inference.outputs, *model.training.outputs):
        if output.role in ("output", "loss", "metric"):
            source.hints[id(output.node)] = output.name
    classes = Classes(source)
    held = frozenset(each.name for each in (*model.parameters, *model.states))
    outputs = Pair(_outputs(model.training), _outputs(model.inference))
    children: dict[str, Layer] = {}
    every = Pair(_all(model, measured))
    writers: list[tuple[str, ModuleWriter]] = []
    for method, pair in (("forward", outputs), ("measure", measured)):
        writer = ModuleWriter.of(classes, pair, held, [], children)
        whole = ModuleWriter.of(classes, every, held, [], children)
        writer.tree = whole.tree
        writer.own = whole.own
        writer.env = {
            key: Value(whole.own[key], value.shape) if key in whole.own else value
            for key, value in writer.env.items()
        }
        writer.kept = tuple(
            place
            for place, output in enumerate(pair.training.outputs)
            if output.role != "state" or ("state", output.name) not in whole.own
        )
        writer.by_name = method == "measure" or len(writer.kept) > 1
        writers.append((method, writer))
    carried_on = {each.name: each for each in model.streams}
    carried_on |= {state.name: state for metric in model.metrics for state in metric.states}
    methods: list[str] = []
    takes: dict[str, tuple[str, ...]] = {}
    for method, writer in writers:
        lines, _ = writer.lines()
        if not writer.by_name and method == "forward" and lines[-1] == "return ()":
            lines[-1] = "return None"
        said = {text: key for key in writer.keys if (text := writer.env[key].text) in writer.taken}
        begun = _begun(writer, [key for key in said.values() if key[1] in carried_on], carried_on)
        checks = [*begun.values(), _checks(writer)]
        usual = {text: "None" for text, key in said.items() if key in begun}
        usual |= {text: "0.0" for text, key in said.items() if key[0] == "step"}
        order = sorted(writer.taken, key=lambda text: text in usual)
        takes[method] = tuple(said[text][1] if text in said else text for text in order)
        ordered = [f"{text}={usual[text]}" if text in usual else text for text in order]
        methods += ["", f"    def {method}({', '.join(['self', *ordered])}):"]
        methods += [f"        {line}" for line in [*chain(*checks), *lines]]
    name = source.global_name(model.name)
    tree = writers[0][1].tree
    _, made = tree.constructor(children)
    names = tree.renamed()
    if names:
        source.use("renamed")
        made = [*made, f"renamed(self, {names!r})"]
    resets = initial_lines(model, source, {key[1]: text for key, text in writers[0][1].own.items()})
    text = [
        f"class {name}(nn.Module):{comment_of(model.training)}",
        "    def __init__(self):",
        "        super().__init__()",
        *(f"        {line}" for line in made),
        "        self.reset()",
        "",
        "    @torch.no_grad()",
        "    def reset(self):",
        *(f"        {line}" for line in resets or ["pass"]),
        *methods,
    ]
    span = model.span
    file = f" of {plain(span.source.path)}" if span is not None else ""
    doc = f"The model {plain(model.name)}{file}, as specc {__version__} writes it for torch."
    return Written(
        assembled(source, "\n".join(text), doc), name, takes["forward"], takes["measure"]
    )


def _outputs(graph: Graph) -> Graph:
    """What forward gives, with the states that move on the way."""
    outputs = tuple(each for each in graph.outputs if each.role == "output")
    reached = set(toposort(each.node for each in outputs))
    moved = tuple(
        each
        for each in graph.outputs
        if each.role == "state" and each.node.op.name == "item" and each.node.inputs[0] in reached
    )
    return pruned(graph, (*outputs, *moved))


def pruned(graph: Graph, outputs: Sequence[Output]) -> Graph:
    """The graph with these outputs, and no input that they don't reach."""
    reached = set(toposort(output.node for output in outputs))
    inputs = tuple(node for node in graph.inputs if node in reached)
    return replace(graph, inputs=inputs, outputs=tuple(outputs))


def _all(model: Model, measured: Pair) -> Graph:
    """A graph that takes all that the model holds, with the scopes of both methods."""
    return model.training


def _begun(
    writer: ModuleWriter, keys: Sequence[Key], variables: Mapping[str, Variable]
) -> dict[Key, list[str]]:
    """By the key of each carried state, the lines that begin it as the spec does if it is None."""
    inputs = tuple(node for node in writer.pair.inputs if key_of(node) not in keys)
    env = {key: value for key, value in writer.env.items() if key not in keys}
    lines: dict[Key, list[str]] = {}
    for key in keys:
        variable = variables[key[1]]
        if variable.init.inputs:
            continue  # drawn: torch's numbers would be others
        pair = Pair(replace(variable.init, inputs=inputs))
        block = replace(writer, pair=pair, env=env).block(Merged(variable.init))
        ((node, value),) = block.given()
        type = variable.type
        whole = block.filled(type.shape, value, type.dtype)
        text = whole if value.host else block.whole(node, value)
        name = writer.env[key].text
        made = [*block.head, *block.lines, f"{name} = {text}"]
        lines[key] = [f"if {name} is None:", *(f"    {line}" for line in made)]
    return lines


def _checks(writer: ModuleWriter) -> list[str]:
    """The graph's requirements of its dynamic axes, where they can be read."""
    lines: list[str] = []
    block = writer.block(Merged(Graph("checks", (), ())))
    told = {
        name
        for value in writer.env.values()
        for extent in ([] if value.host else value.shape)
        if not isinstance(extent, int)
        for name in axes_of(extent)
        if reading(name, extent) is not None
    }
    training, inference = (set(graph.requires) for graph in (writer.pair.graphs * 2)[:2])
    every = dict.fromkeys(each for graph in writer.pair.graphs for each in graph.requires)
    for requirement in every:
        if isinstance(requirement.extent, int) or not axes_of(requirement.extent):
            continue
        if not told.issuperset(axes_of(requirement.extent)):
            continue  # of an axis that this method never meets
        mode = "" if requirement in inference else f"{writer.training} and "
        mode = mode if requirement in training else f"not {writer.training} and "
        text = expression(requirement.extent, block.length)
        lines.append(f"if {mode}not {text} {requirement.relation} 0:")
        lines.append(f"    raise ValueError({requirement.message!r})")
    return [*block.head, *lines]
