"""From a graph to the source of a module that runs it with NumPy alone. Runs nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from specc.backends.entrance import dynamic_axes, reading
from specc.backends.names import Names
from specc.backends.numpy.halve import halve
from specc.backends.numpy.layout import Order, layout, needed, stored
from specc.backends.numpy.plan import Plan, Value, make_plan
from specc.backends.numpy.rewrite import rewrite
from specc.backends.numpy.write import DTYPES, WIDTH, Module, Scope, Writer, plain
from specc.ir import Graph, Node, Size

# What the module says itself, beside the pieces that it carries.
SPOKEN = ("F", "I", "Any", "Iterator", "Mapping", "Sequence", "product", "math", "np",
          "annotations", "inputs", "outputs", "slots", "run", "slot", "INPUTS", "OUTPUTS", "AXES",
          "ORDERS", "BEGINS", "shapes", "capacities", "bind",
          "start", "side", "at", "t")  # fmt: skip


PASSES = ("rewrite", "halve", "layout", "fuse", "plan")  # each can be left out
STEPS = 200  # of a function, in programs that have more than twice as many
FILES = {"runtime": ("runtime", "convolution")}  # where the pieces are
PIECE = r"^(?=def |class |[A-Z_]+\b.* = )"
CARRIED = "# what a module carries\n"  # in frame.py, what stands above is only its form


@dataclass(frozen=True, slots=True)
class Generated:
    """A module's source in parts, and what only specc needs beside it."""

    heading: str
    carried: tuple[str, ...]  # what other modules have too, word for word
    own: str
    frame: str  # for whoever runs it without specc
    axes: tuple[str, ...]  # the dynamic axes, in the order in which the module takes their lengths
    outputs: tuple[int, ...]  # the outputs that are written straight into arrays of the caller's
    operations: Sequence[Node]  # what a run-time fault's number means
    stored: Mapping[str, Order]  # inputs and outputs that best lie in another order than the plain

    @property
    def text(self) -> str:
        """The whole module."""
        carried = [f"\n\n{text}" for text in self.carried]
        return "\n".join([self.heading, *carried, self.own, self.frame]) + "\n"


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the steps, as a function of its own."""

    name: str
    run: str  # what its binding is called where it is run
    scope: Scope


def generate(
    graph: Graph,
    dtype: str,
    updates: Mapping[str, str] | None = None,
    *,
    without: Collection[str] = (),
    reuse: bool = True,
    poison: bool = False,
    threads: int = 0,
    begins: Mapping[str, float] | None = None,
) -> Generated:
    """The module for a graph without calls.

    Args:
        dtype: "float32" or "float64", what the graph's "float" is.
        updates: an output's name → the input that it is written over.
        without: names of passes that are left out.
        reuse: False gives each value memory of its own.
        poison: True fills memory with NaN as soon as its value is no longer needed.
        threads: those that NumPy has for a product, 0 where that isn't known.
        begins: states that are carried from call to call, with their numbers before the first.
    """
    if "rewrite" not in without:
        graph = rewrite(graph)
    if "halve" not in without:
        graph = halve(graph)
    laid = "layout" not in without
    wanted = stored(graph) if laid else {}
    orders = layout(graph, wanted) if laid else needed(graph)
    loops, reuse = "fuse" not in without, reuse and "plan" not in without
    place_of = {node.attributes["name"]: place for place, node in enumerate(graph.inputs)}
    named = dict(updates or {})
    written = {
        place: place_of[named[output.name]]
        for place, output in enumerate(graph.outputs)
        if output.name in named
    }
    plan = make_plan(graph, dtype, written, orders=orders, stored=wanted, loops=loops, reuse=reuse)
    names = Names([*SPOKEN, *pieces("runtime"), *pieces("frame")])
    dynamic = tuple(dynamic_axes(graph))
    axis_names = {name: names.new(name) for name in dynamic}
    module = Module(dtype, names, axis_names, list(plan.slots), loops, reuse, poison, threads)
    write = Writer(module)
    direct = [value for place, value in enumerate(plan.outputs) if value.output == place]
    write.main.body += _entry(graph, plan, direct, write)
    if poison:
        write.main.body += ["for slot in slots:", f"    {write.use('poison')}(slot)"]
    parts = _parts(plan, write, poison)
    end = len(write.main.body)
    for value, feed in plan.copies:
        target = write.read(feed) if feed.node.rank else f"{write.read(feed)}_array"
        write.main.body.append(f"np.copyto({target}, {write.read(value)})")
    results = [_result(value, write) for value in plan.outputs]
    write.main.body[end:end] = [_call(part) for part in parts]  # now it is known what they give
    homes = [write.buffer(v.slot, DTYPES[v.node.dtype], v.node.shape, v.order) for v in direct]
    arguments = "".join(f", {name}" for name in axis_names.values())
    own = [
        *(["", "", *module.tables] if module.tables else [""]),
        *_tables(graph, write, arguments[2:], dynamic, wanted, begins or {}),
        *_capacities(module, write, arguments[2:]),
        *module.texts,
        *[line for part in parts for line in _part(part, arguments)],
        *_bind(graph, write, arguments, parts, results, homes),
    ]
    return Generated(
        "\n".join(_top(graph, dtype)),
        tuple(_carried("runtime", [*module.functions, "Bindings"])),
        "\n".join(own),
        "\n".join(f"\n\n{text}" for text in _carried("frame", ["Program", "predict"])),
        dynamic,
        tuple(value.output for value in direct),
        module.operations,
        wanted,
    )


# ── the parts of the module ──────────────────────────────────────────────────────────────────────
def _top(graph: Graph, dtype: str) -> list[str]:
    bits = "int32" if dtype == "float32" else "int64"
    return [
        f'"""{plain(graph.name)} in {dtype}, written by specc. Needs NumPy alone.',
        "",
        "`Program(weights)(**inputs)` gives the outputs by name; `weights` holds an array for each",
        "name in `Program.parameters`, as an opened .npz does. The steps are in `run`. Buffers of",
        "one number, such as b3 and b3_2, are the same memory.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "import math",
        "from collections.abc import Iterator, Mapping, Sequence",
        "from itertools import product",
        "from typing import Any",
        "",
        "import numpy as np",
        "",
        f"F = np.{dtype}",
        f"I = np.{bits}  # an F's bits",
    ]


def _tables(
    graph: Graph,
    write: Writer,
    arguments: str,
    dynamic: Sequence[str],
    stored: Mapping[str, Order],
    begins: Mapping[str, float],
) -> list[str]:
    inputs = [
        f"({i.attributes['name']!r}, {_role(i)!r}, {DTYPES[i.dtype]}, {i.rank!r})"
        for i in graph.inputs
    ]
    found = [repr(reading(graph, name)) for name in dynamic]
    names = [node.attributes["name"] for node in graph.inputs]
    orders = [f"{name!r}: {stored[name]!r}" for name in names if name in stored]
    return [
        "",
        *_long("INPUTS = ", inputs, ""),
        *_long("OUTPUTS = ", [repr(output.name) for output in graph.outputs], ""),
        f"AXES = {_tuple(found)}  # an input, its axis, offset, factor",
        "# The weights that lie in memory as their products read them: axes, the outermost first.",
        *_lines("ORDERS = {", orders, "}"),
        "# What is carried from call to call: its numbers where it isn't given.",
        *_lines("BEGINS = {", [f"{name!r}: {value!r}" for name, value in begins.items()], "}"),
        "",
        "",
        f"def shapes({arguments}):",
        '    """The inputs\' shapes for these sizes."""',
        *_long("return ", [write.shape(node.shape) for node in graph.inputs], "    "),
        "",
        "",
    ]


def _role(node: Node) -> str:
    """A state of any size goes with the batch: it is no weight."""
    role: str = node.attributes["role"]
    fixed = all(isinstance(extent, int) for extent in node.shape)
    return role if role != "state" or fixed else "carried"


def _capacities(module: Module, write: Writer, arguments: str) -> list[str]:
    sizes: list[str] = []
    for slot in module.slots:
        known = max((each for each in slot if isinstance(each, int)), default=0)
        parts = [write.extent(each) for each in slot if isinstance(each, Size)]
        if known or not parts:
            parts.append(repr(known))
        sizes.append(parts[0] if len(parts) == 1 else f"max({', '.join(parts)})")
    return [
        f"def capacities({arguments}):",
        '    """How many bytes each slot needs for these sizes."""',
        *_long("return ", sizes, "    "),
        "",
        "",
    ]


def _parts(plan: Plan, write: Writer, poison: bool) -> list[Part]:
    """Writes the steps: into the main scope, or many of them into scopes of their own.

    Python compiles a function in more than linear time, so a deep model's step is several.
    """
    many = len(plan.steps) > 2 * STEPS
    parts: list[Part] = []
    begun = -STEPS
    for place, step in enumerate(plan.steps):
        if step.loop and place != step.loop.last:
            continue
        if many and place - begun >= STEPS:
            begun, write.scope = place, Scope()
            name = write.names.new(f"part_{len(parts) + 1}")
            parts.append(Part(name, write.names.new(f"run_{name}"), write.scope))
        if step.loop:
            write.loop(step.loop)
        else:
            write.step(step)
        if poison:
            write.poison(step)
    write.scope = write.main
    return parts


def _call(part: Part) -> str:
    given = f"{', '.join(part.scope.gives)}{',' if len(part.scope.gives) == 1 else ''}"
    return f"{f'{given} = ' if given else ''}{part.run}({', '.join(part.scope.takes)})"


def _part(part: Part, arguments: str) -> list[str]:
    """A function that cuts the buffers of some steps, and gives the function that runs them."""
    scope, indent = part.scope, "    "
    fixed = "".join(f", {name}" for name in scope.fixed)
    return [
        f"def {part.name}(slots{arguments}{fixed}):",
        *[indent + line for line in scope.head],
        "",
        f"    def run({', '.join(scope.takes)}):",
        *[indent * 2 + line for line in scope.body],
        *([f"        return {_tuple(list(scope.gives))}"] if scope.gives else []),
        "",
        "    return run",
        "",
        "",
    ]


def _bind(
    graph: Graph,
    write: Writer,
    arguments: str,
    parts: Sequence[Part],
    results: Sequence[str],
    homes: Sequence[str],
) -> list[str]:
    needs: list[str] = []
    for requirement in graph.requires:
        holds = f"{write.extent(requirement.extent)} {requirement.relation} 0"
        message = plain(requirement.message)
        needs += [f"    if not {holds}:", f"        raise ValueError({message!r})"]
    indent = "    "
    return [
        '@np.errstate(all="ignore")',
        f"def bind(slots{arguments}):",
        '    """Cuts the buffers for these sizes; gives `run` and the arrays of its outputs."""',
        *needs,
        *[indent + line for line in write.main.head],
        *[f"    {p.run} = {p.name}({_handed(p, arguments)})" for p in parts],
        "",
        '    @np.errstate(all="ignore")',
        "    def run(inputs, outputs):",
        *[indent * 2 + line for line in write.main.body],
        *_long("return ", results, indent * 2),
        "",
        f"    return run, {_tuple(homes)}",
    ]


def _handed(part: Part, arguments: str) -> str:
    return f"slots{arguments}{''.join(f', {name}' for name in part.scope.fixed)}"


def _entry(graph: Graph, plan: Plan, direct: Sequence[Value], write: Writer) -> list[str]:
    """Names for what is given: inputs, and the arrays that outputs are written into."""
    lines: list[str] = []
    given: list[str] = []
    for node in graph.inputs:
        name = write.names.new(node.attributes["name"])
        write.give(plan.feeds[id(node)], name)
        given.append(name if node.rank else f"{name}_array")
        if not node.rank:
            lines.append(f"{name} = {name}_array[()]")
    wanted: list[str] = []
    for value in direct:
        wanted.append(write.names.new(graph.outputs[value.output].name))
        write.give(value, wanted[-1])
    unpack = _unpack(given, "inputs") + _unpack(wanted, "outputs")
    return unpack + lines


def _unpack(names: Sequence[str], source: str) -> list[str]:
    if not names:
        return []
    lines = _long("", names, "        ")
    lines[-1] += f" = {source}"
    return [line.removeprefix("        ") for line in lines]


def _result(value: Value, write: Writer) -> str:
    text = write.read(value)
    return f"{DTYPES[value.node.dtype]}({text})" if value.kind == "literal" else text


def _tuple(items: Sequence[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def _long(before: str, items: Sequence[str], indent: str) -> list[str]:
    """A tuple on one line, or one item a line."""
    line = f"{indent}{before}{_tuple(items)}"
    if len(line) <= WIDTH:
        return [line]
    return [f"{indent}{before}(", *[f"{indent}    {item}," for item in items], f"{indent})"]


def _lines(before: str, items: Sequence[str], after: str) -> list[str]:
    """Items on one line, or each on its own."""
    line = f"{before}{', '.join(items)}{after}"
    return [line] if len(line) <= WIDTH else [before, *[f"    {item}," for item in items], after]


# ── pieces of specc's own source ─────────────────────────────────────────────────────────────────
@cache
def pieces(module: str) -> dict[str, str]:
    """Each function, class and table at the top level of a module's files, as it stands."""
    files = FILES.get(module, (module,))
    texts = [(Path(__file__).parent / f"{file}.py").read_text("utf-8") for file in files]
    found: dict[str, str] = {}
    parts = [
        part
        for text in texts
        for part in re.split(PIECE, text.split(CARRIED)[-1], flags=re.MULTILINE)
    ]
    for part in parts:
        if match := re.match(r"(?:def |class )?(\w+)", part):
            found[match[1]] = re.split(r"^# ──", part, flags=re.MULTILINE)[0].rstrip()
    return found


@cache
def _needs(module: str, name: str) -> tuple[str, ...]:
    words = re.findall(r"\w+", pieces(module)[name])
    return tuple(dict.fromkeys(word for word in words if word in pieces(module)))


def _carried(module: str, wanted: Sequence[str]) -> list[str]:
    """These pieces and those that they use, in the file's order."""
    found: dict[str, None] = {}
    open_ = list(wanted)
    while open_:
        name = open_.pop()
        if name not in found:
            found[name] = None
            open_ += _needs(module, name)
    return [text for name, text in pieces(module).items() if name in found]
