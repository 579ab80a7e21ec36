"""Who is compared: each backend computing the same subject in its own way. Judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from specc import passes, pipeline
from specc.compare.numbers import Value
from specc.compare.subject import Arrays, Subject
from specc.diagnostics import did_you_mean, fault
from specc.ir import Graph, Node
from specc.ir.model import Train
from specc.training.engines import engine
from specc.training.initial import Initials, array_dtype, arrays_of
from specc.training.learner import Learner, Streams
from specc.training.run import load_into

Results = dict[str, np.ndarray]
Run = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
MEASURED = ("loss", "metric", "state")


@dataclass(slots=True)
class Trained:
    """What training made: the weights after the last step, and each step's losses and metrics."""

    values: dict[Value, np.ndarray] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)


class Party:
    """A backend in a precision. `numpy` is one itself; others say where they differ."""

    backend = "numpy"
    gradient = "differentiate"  # where its gradients come from

    def __init__(self, dtype: str, label: str = "") -> None:
        self.dtype, self.label = dtype, label or self.backend

    def compile(self, graph: Graph) -> Run:
        """Any graph, calls and all, as a program of this backend."""
        return reading(pipeline.compile(pipeline.lower(graph), self.dtype))

    def measure(self, subject: Subject) -> dict[Value, np.ndarray]:
        """Outputs in inference; losses, metrics, next states and gradients in training."""
        found: dict[Value, np.ndarray] = {}
        outputs = pipeline.forward(subject.model)
        if outputs.outputs:
            results = self.compile(outputs)(self.feeds(outputs, subject))
            found |= {("output", name): np.array(value) for name, value in results.items()}
        return found | self.trained_once(subject)

    def trained_once(self, subject: Subject) -> dict[Value, np.ndarray]:
        graph = training_graph(subject)
        results = self.compile(graph)(self.feeds(graph, subject))
        return {
            (output.role, output.name.removeprefix("gradient.")): np.array(results[output.name])
            for output in graph.outputs
        }

    def train(self, subject: Subject) -> Trained:
        """The subject's steps, one batch each."""
        learner, _ = engine(
            subject.train, self.backend, seed=subject.seed, dtype=self.dtype
        )  # fmt: skip
        load_into(learner, subject.weights)
        return stepped(subject, learner)

    def local_gradients(self, graph: Graph, total: str, names: Sequence[str]) -> Run:
        """A program of the gradients `gradient.<name>` of one scalar result of the graph."""
        made = passes.differentiate(graph, [(total, names)])
        return self.compile(pipeline.pruned(made, lambda output: output.role == "gradient"))

    def feeds(self, graph: Graph, subject: Subject, batch: int = 0) -> Results:
        return feeds_of(graph, subject, self.dtype, batch)


class Shaken(Party):
    """NumPy whose every result is rounded up or down at random: how far rounding alone goes."""

    def __init__(self, dtype: str, seed: int) -> None:
        super().__init__(dtype)
        self.seed, self.unit = seed, float(np.finfo(dtype).eps) / 2

    def compile(self, graph: Graph) -> Run:
        return reading(pipeline.compile(self.rounded(graph), self.dtype))

    def rounded(self, graph: Graph) -> Graph:
        return passes.shake(pipeline.lower(graph), self.unit, self.seed)

    def train(self, subject: Subject) -> Trained:
        """The subject's steps, their gradients rounded otherwise too."""
        train, seed, dtype = subject.train, subject.seed, self.dtype
        learner = ShakenLearner(train, seed=seed, dtype=dtype, rounded=self.rounded)
        load_into(learner, subject.weights)
        return stepped(subject, learner)


class ShakenLearner(Learner):
    """A learner whose gradients are rounded otherwise."""

    def __init__(
        self, train: Train, *, seed: int, dtype: str, rounded: Callable[[Graph], Graph]
    ) -> None:
        self._rounded = rounded
        super().__init__(train, seed=seed, dtype=dtype)

    def _make_programs(self, update: Graph) -> None:
        self.graph = self._rounded(self.graph)
        super()._make_programs(update)


class Torch(Party):
    """Gradients are torch.autograd's, through the module that an export would hold."""

    backend, gradient = "torch", "torch.autograd"

    def compile(self, graph: Graph) -> Run:
        from specc.backends import torch

        return reading(torch.compile(graph, self.dtype))

    def trained_once(self, subject: Subject) -> dict[Value, np.ndarray]:
        from specc.backends import torch
        from specc.training.torch import measured

        graphs = measured(subject.train)
        trainer = torch.Trainer(subject.model, graphs, self.dtype, torch.How(), None)
        held = {
            name: np.array(value, self._dtype_of(value))
            for name, value in subject.weights.items()
            if name in trainer.tensor_of
        }
        trainer.bind(held)
        feeds = self.feeds(graphs[0], subject)
        rest = {name: value for name, value in feeds.items() if name not in held}
        key = rest.pop("key", np.zeros(2, np.int64))
        given = {n: float(v) if n == "step" else trainer.tensor(v) for n, v in rest.items()}
        results = trainer.measure([int(word) for word in key], given)
        names = [each.name for each in passes.trained(subject.train)]
        pairs = [(results[name], on) for name, on in passes.gradient_pairs(subject.train)]
        trainer.gradients(pairs, names)
        found: dict[Value, np.ndarray] = {}
        for output in graphs[0].outputs:
            if output.role in MEASURED:
                inside = output.role == "state" and output.name in held
                value = trainer.held([output.name])[output.name] if inside else results[output.name]
                found[output.role, output.name] = np.array(trainer.array(value))
        for name in names:
            found["gradient", name] = np.array(trainer.gradient(name))
        return found

    def _dtype_of(self, values: np.ndarray) -> str:
        return self.dtype if values.dtype.kind == "f" else values.dtype.name

    def local_gradients(self, graph: Graph, total: str, names: Sequence[str]) -> Run:
        from specc.backends.torch.autograd import Gradients

        return Gradients(graph, self.dtype, total, names)


class Onnx(Party):
    """The file that an export would hold, run by onnxruntime."""

    backend = "onnx"

    def compile(self, graph: Graph) -> Run:
        from specc.backends import onnx

        kept = passes.expand(pipeline.simplify(graph), onnx.can_run(self.dtype, onnx.OPSET))
        return reading(onnx.compile(pipeline.simplify(kept), self.dtype))


PARTIES: Mapping[str, type[Party]] = {"numpy": Party, "torch": Torch, "onnx": Onnx}
NEEDS = {"numpy": (), "torch": ("torch",), "onnx": ("onnx", "onnxruntime")}

# What two parties have in common, so that no comparison of the two can show a fault in it.
SHARED: Sequence[tuple[str, frozenset[str]]] = (
    ("the language: parser, checks, build and the standard library", frozenset(PARTIES)),
    ("the initial weights, and the batches", frozenset(PARTIES)),
    ("the passes expand and simplify", frozenset({"numpy", "onnx"})),
    ("the gradients' graph (differentiate)", frozenset({"numpy", "onnx"})),
    ("the update's graph (step: clip, schedule, optimizer)", frozenset(PARTIES)),
)


def parties_of(names: Sequence[str], dtype: str) -> tuple[list[Party], list[str]]:
    """The parties by name (`torch`, or `numpy:float64` with a precision of its own), and of those
    that aren't installed, what is missing."""
    parties: list[Party] = []
    missing: list[str] = []
    for name in names:
        backend, _, own = name.partition(":")
        if backend not in PARTIES:
            raise fault(
                "B101",
                f"`{backend}` is no backend to compare",
                expected=", ".join(PARTIES),
                help=did_you_mean(backend, PARTIES),
            )
        pipeline.check_options("numpy", own or dtype, None)
        lacking = [module for module in NEEDS[backend] if not installed(module)]
        if lacking:
            missing.append(f"{backend} is not compared: {' and '.join(lacking)} isn't installed")
        else:
            parties.append(PARTIES[backend](own or dtype, name))
    return parties, missing


def installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None  # finds a package without importing it


def shared(first: Party, second: Party) -> list[str]:
    """What two parties share."""
    both = {first.backend, second.backend}
    if len(both) == 1:
        return [f"all but the precision: both are {first.backend}"]
    return [what for what, who in SHARED if both <= who]


def reading(program: Any) -> Run:
    """The program, fed with what it reads of what is offered."""
    return lambda offered: program({name: offered[name] for name in program.inputs})


# ── graphs and feeds ─────────────────────────────────────────────────────────────────────────────
def training_graph(subject: Subject) -> Graph:
    """Losses, metrics, next states and gradients of one batch, its calls in place."""
    train = subject.train
    graph = passes.differentiate(passes.objective(train), passes.gradient_pairs(train))
    return pipeline.pruned(graph, lambda output: output.role in (*MEASURED, "gradient"))


def feeds_of(graph: Graph, subject: Subject, dtype: str, batch: int = 0) -> Results:
    """All that the graph reads, at the beginning of the training, in a precision."""
    model, initials = subject.model, Initials(subject.seed)
    states = [state for metric in model.metrics for state in metric.states]
    offered: Arrays = {
        **subject.weights,
        **arrays_of(states, initials, "float64"),
        **subject.batches[batch],
        "key": np.array([subject.seed, 0], dtype=np.int64),
        "step": np.zeros(()),
        "scale": np.ones(()),
    }
    streams = Streams(model.streams, initials, "float64")
    offered |= streams.at(graph, subject.batches[batch])
    return {
        node.attributes["name"]: _in(offered[node.attributes["name"]], node, dtype)
        for node in graph.inputs
    }


def _in(values: np.ndarray, node: Node, dtype: str) -> np.ndarray:
    return np.asarray(values, array_dtype(node.dtype, dtype))


# ── steps ────────────────────────────────────────────────────────────────────────────────────────
def stepped(subject: Subject, learner: Any) -> Trained:
    """All steps of a learner of any backend, from the weights that it has."""
    made = Trained()
    for batch in subject.batches[: subject.steps]:
        made.history.append(dict(learner.step(batch_for(learner, batch))))
    learner.fetch()
    made.values = {("trained", name): np.array(v) for name, v in learner.parameters.items()}
    made.values |= {("trained state", name): np.array(v) for name, v in learner.states.items()}
    return made


def batch_for(learner: Any, batch: Arrays) -> Arrays:
    """What the learner's graph takes of a batch, in its precision."""
    roles = ("input", "target")
    inputs = [node for node in learner.graph.inputs if node.attributes["role"] in roles]
    return {
        node.attributes["name"]: _in(batch[node.attributes["name"]], node, learner.dtype)
        for node in inputs
    }
