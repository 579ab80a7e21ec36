"""The stages from a spec to a program, top to bottom. Each has one name, and does one thing.

    text → parse → check → build → objective → differentiate → step → simplify → expand → compile

Backends are reached by name and imported when they are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specc import language, passes
from specc.collector import undisturbed
from specc.diagnostics import Source, did_you_mean, fault
from specc.ir.graph import Graph, Node, Output, toposort
from specc.ir.model import Model, Spec, Train
from specc.ir.size import Size, axes
from specc.ir.types import Tuple
from specc.version import __version__

if TYPE_CHECKING:
    from specc.backends.numpy import Program
    from specc.training.results import Result

BACKENDS = ("numpy", "torch", "onnx")
DTYPES = ("float32", "float64")
# In their order; a file with a train block has objective to step, one with a model alone forward.
STAGES = (
    "parse", "build", "objective", "differentiate", "step", "forward", "simplify", "expand",
    "simplify.expanded", "numpy.rewrite", "numpy.halve", "numpy.layout", "numpy.fuse",
    "numpy.plan", "compile",
)  # fmt: skip
PRECISIONS = ("bf16", "fp16", "tf32")
DEVICE = re.compile(r"cpu|cuda(:\d+)?")
THREADS = 256  # more than any machine's cores would serve
SEED_LIMIT = 2**32  # a seed is one word of Philox's key


# ── the stages ───────────────────────────────────────────────────────────────────────────────────
@undisturbed
def build(path: str | Path, overrides: Mapping[str, str] | None = None) -> Spec:
    """parse, check, build: a file's models, data and train blocks, as graphs."""
    return language.load(str(path), dict(overrides or {}))


def objective(train: Train) -> Graph:
    """The loss of a batch with the penalties, its metrics and the next states."""
    return passes.objective(train)


def differentiate(train: Train, graph: Graph) -> Graph:
    """The objective with the gradient of each parameter that isn't frozen."""
    return passes.differentiate(graph, passes.gradient_pairs(train))


def step(train: Train) -> Graph:
    """What the gradients do to the parameters: clipping, schedules, the optimizers' updates."""
    return passes.update(train)


def simplify(graph: Graph) -> Graph:
    return passes.simplify(graph)


def expand(graph: Graph) -> Graph:
    """The NumPy backend keeps no call: every body goes in its place."""
    return passes.expand(graph)


@undisturbed
def compile(
    graph: Graph,
    dtype: str = "float32",
    *,
    updates: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    threads: int = 0,
) -> Program:
    """A graph without calls as a NumPy program; `updates` are results written into feeds.

    `without` names passes of the NumPy backend to leave out, to find which one is at fault;
    `threads` are those that a product has, 0 where that isn't known.
    """
    from specc.backends import numpy

    return numpy.compile(
        graph, dtype, updates=dict(updates or {}), without=without, threads=threads
    )


def source_of(
    graph: Graph, dtype: str = "float32", begins: Mapping[str, float] | None = None
) -> str:
    """What `compile` would run, as a module that needs NumPy alone; `begins` is as in `export`."""
    from specc.backends import numpy

    return numpy.export(graph, dtype, begins=begins or {})


@undisturbed
def lower(graph: Graph) -> Graph:
    """simplify, expand, simplify: from bodies and calls to one flat graph of what is needed."""
    return pruned(simplify(expand(simplify(graph))), lambda _: True)


# ── what a model or a train block compiles ───────────────────────────────────────────────────────
def forward(model: Model, roles: Sequence[str] = ("output",)) -> Graph:
    """A model's inference graph, of its outputs only, with the inputs that those depend on."""
    return pruned(model.inference, lambda output: output.role in roles)


@undisturbed
def training_graph(train: Train) -> Graph:
    """objective, differentiate and lower: what a step computes of a batch."""
    graph = differentiate(train, objective(train))
    roles = ("loss", "metric", "metric_state", "state", "gradient")
    return lower(pruned(graph, lambda output: output.role in roles))


@undisturbed
def update_graph(train: Train) -> Graph:
    return lower(step(train))


def divide(graph: Graph, axis: str) -> passes.Division:
    """A step's graph over a part of its examples, whose results add up to the whole's."""
    division = passes.divide(graph, axis)
    drawn = division.drawn and pruned(division.drawn, lambda _: True)
    return replace(division, graph=pruned(simplify(division.graph), lambda _: True), drawn=drawn)


def pruned(graph: Graph, wanted: Callable[[Output], bool]) -> Graph:
    """The graph with the wanted outputs, and no input that they don't depend on.

    They depend on a value that they read, and on one that alone tells the length of an axis.
    """
    outputs = tuple(output for output in graph.outputs if wanted(output))
    nodes = toposort(output.node for output in outputs)
    reached = {id(node) for node in nodes}
    told = {name for node in graph.inputs if id(node) in reached for name in _axes(node)}
    untold = {name for node in nodes for name in _axes(node)} - told
    for node in graph.inputs:
        if untold and id(node) not in reached and untold & set(_axes(node)):
            reached.add(id(node))
            untold -= set(_axes(node))
    inputs = tuple(node for node in graph.inputs if id(node) in reached)
    return replace(graph, inputs=inputs, outputs=outputs)


def _axes(node: Node) -> set[str]:
    types = node.type.items if isinstance(node.type, Tuple) else (node.type,)
    extents = [*(extent for each in types for extent in each.shape), node.attributes.get("extent")]
    return {name for extent in extents if isinstance(extent, Size) for name in axes(extent)}


def stages(
    path: str | Path, overrides: Mapping[str, str] | None = None, dtype: str = "float32"
) -> Iterator[tuple[str, Any]]:
    """(name, what it gives) of each stage of a file, in order, computed as it is asked for.

    parse gives syntax, build a Spec, compile a Program, the others graphs: of the file's last train
    block, or without one of its last model's inference.
    """
    text = Path(path).read_text(encoding="utf-8")
    yield "parse", language.parse(Source(str(path), text))
    spec = build(path, overrides)
    yield "build", spec
    if spec.trains:
        train = spec.trains[-1]
        graph = objective(train)
        yield "objective", graph
        graph = differentiate(train, graph)
        yield "differentiate", graph
        yield "step", step(train)
    elif spec.models:
        graph = forward(list(spec.models.values())[-1])
        yield "forward", graph
    else:
        return
    graph = simplify(graph)
    yield "simplify", graph
    graph = expand(graph)
    yield "expand", graph
    graph = simplify(graph)
    yield "simplify.expanded", graph
    from specc.backends import numpy

    yield from numpy.stages(graph, dtype)
    yield "compile", compile(graph, dtype)


# ── checks that every entrance shares ────────────────────────────────────────────────────────────
def check_options(backend: str, dtype: str, seed: int | None) -> None:
    if backend not in BACKENDS:
        raise fault(
            "B101",
            f"specc {__version__} can't run on `{backend}`",
            expected=" or ".join(BACKENDS),
            found=backend,
        )
    if dtype not in DTYPES:
        raise fault("B102", "not a precision to run in", expected=" or ".join(DTYPES), found=dtype)
    if seed is not None and not 0 <= seed < SEED_LIMIT:
        raise fault(
            "H101",
            "a seed is a whole number below 2^32",
            expected="0 to 4294967295",
            found=str(seed),
        )


def check_how(backend: str, how: Mapping[str, Any]) -> None:
    """Whether the backend takes these choices, and they mean something."""
    for name, value in how.items():
        if name == "without":
            _check_passes(backend, value)
            continue
        if name == "threads":
            _check_threads(value)
            continue
        if backend != "torch":
            raise fault("B103", f"`{option(name)}` is torch's", found=f"backend {backend}")
        if name == "precision" and value not in PRECISIONS:
            expected = " or ".join(PRECISIONS)
            raise fault("B103", "no such precision", expected=expected, found=str(value))
        if name == "device" and not DEVICE.fullmatch(str(value)):
            raise fault("B103", "no such device", expected="cpu, cuda or cuda:1", found=str(value))
    device = str(how.get("device", "cpu"))
    if how.get("precision") == "tf32" and not device.startswith("cuda"):
        raise fault("B103", "only CUDA rounds to tf32", expected="--device cuda", found=device)


def option(name: str) -> str:
    """A choice as the command line has it."""
    return "--compile" if name == "compiled" else f"--{name}"


def _check_threads(value: Any) -> None:
    if type(value) is not int or not 1 <= value <= THREADS:
        raise fault("B103", "no number of threads", expected=f"1 to {THREADS}", found=repr(value))


def _check_passes(backend: str, without: Collection[str]) -> None:
    passes = [name.removeprefix("numpy.") for name in STAGES if name.startswith("numpy.")]
    if backend != "numpy":
        raise fault("B103", "`--without` is NumPy's", found=f"backend {backend}")
    for name in without:
        if name not in passes:
            raise fault(
                "B103",
                f"`{name}` is no pass of the NumPy backend",
                expected=", ".join(passes),
                help=did_you_mean(name, passes),
            )


# ── the entrances ────────────────────────────────────────────────────────────────────────────────
def run(path: str | Path, **options: Any) -> Result:
    """Trains a file's blocks in order, or runs its model forward. See training.run for options."""
    from specc.training.run import run as run_spec

    return run_spec(path, **options)


def predict(path: str | Path, **options: Any) -> Mapping[str, Any]:
    """A model's outputs for the arrays of a file. See training.predict for options."""
    from specc.training.predict import predict as predict_file

    return predict_file(path, **options)


def export(path: str | Path, **options: Any) -> Path:
    """Writes a model as a program that runs without specc. See training.exports for options."""
    from specc.training.exports import export as export_file

    return export_file(path, **options)
