"""What is compared: a model, its training and what they are fed. Runs no backend but NumPy's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import numpy as np

from specc import language, pipeline
from specc.compare.ints import uses_of
from specc.diagnostics import fault
from specc.ir import Graph, Node, Output, Size, constant, emit
from specc.ir.model import Loss, Model, Spec, Train
from specc.ir.size import axes, evaluate
from specc.training import blocks
from specc.training.bounds import bounds_of
from specc.training.columns import Dataset, feeds_of
from specc.training.feeds import batch_inputs
from specc.training.order import rows_of_epoch
from specc.training.predict import chosen_model, initial_weights, load_weights
from specc.training.ragged import lengths_of
from specc.training.sizes import check_settled, with_sizes_of

Arrays = dict[str, np.ndarray]
SIZES = (4, 6, 5, 7, 9, 8, 11, 12, 3, 10, 13, 16, 2, 32, 28, 64, 1, 20, 48, 224)
TRIES = 20_000  # of lengths for the dynamic axes
SGD = "\ntrain {\n    model %s\n    optimizer sgd(lr = 0.01)\n    steps 1\n}\n"


@dataclass(slots=True)
class Subject:
    """A training to compare, its initial weights and its batches, in float64."""

    spec: Spec
    train: Train
    seed: int
    steps: int
    batches: list[Arrays] = field(default_factory=list)
    weights: Arrays = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def model(self) -> Model:
        return self.train.model


def subject_of(
    path: str | Path,
    *,
    overrides: Mapping[str, str] | None = None,
    seed: int | None = None,
    steps: int = 5,
    weights: str | Path | None = None,
    precision: str = "float32",
) -> Subject:
    """A file's last train block, or its model with a training made for it.

    Every number is rounded to `precision`, so that parties of any precision are given the same.
    """
    spec, datasets = with_sizes_of(pipeline.build(path, overrides), weights, seed)
    return prepared(spec, dict(overrides or {}), seed, steps, weights, precision, datasets)


def prepared(
    spec: Spec,
    overrides: dict[str, str],
    seed: int | None,
    steps: int,
    weights: str | Path | None,
    precision: str,
    datasets: Mapping[str, Dataset] | None = None,
) -> Subject:
    train, notes = training_of(spec, overrides)
    chosen = train.seed if seed is None else seed
    if not train.model.parameters:
        notes.append("the model has no parameters: nothing is trained")
    if not train.optimizers:
        steps = 0
    subject = Subject(spec, train, chosen, steps, notes=notes)
    subject.weights = initial_weights(train.model, chosen, "float64")
    if weights is not None:
        load_weights(subject.weights, weights)
        notes.append(f"weights from {weights}")
    if train.data is None:
        subject.batches = made(subject)
    else:
        split_seed = spec.trains[0].seed if seed is None else seed  # as a run splits its data
        read = (datasets or {}).get(train.data.name) or blocks.dataset_of(train, split_seed)
        subject.batches = given(subject, read)
    for arrays in (subject.weights, *subject.batches):
        for name, values in arrays.items():
            if values.dtype.kind == "f":
                arrays[name] = values.astype(precision).astype(np.float64)
    return subject


# ── a training ───────────────────────────────────────────────────────────────────────────────────
def training_of(spec: Spec, overrides: dict[str, str]) -> tuple[Train, list[str]]:
    if spec.trains:
        train = spec.trains[-1]
        check_settled(train.model)
        notes = [f"of several train blocks, the last: {train.name}"] if len(spec.trains) > 1 else []
        if train.origin is not None:
            notes.append("the block begins from initial weights, not from where its `from` says")
        return train, notes
    model = chosen_model(spec)
    if model.losses and model.parameters:
        with_train = language.loads(spec.text + SGD % model.name, spec.path, overrides)
        return with_train.trains[-1], ["no train block: sgd(lr = 0.01), no clip"]
    if model.losses:
        return bare(model), []
    notes = ["no loss: the gradient is that of Σ mean(output²), and nothing is trained"]
    return bare(with_loss(model)), notes


def bare(model: Model) -> Train:
    """A block without optimizer: its objective can be differentiated, and no more."""
    return Train(
        "train", model, None, None, (), None, (), None, (), (), None, None, 0, 0, None, None,
        model.span,
    )  # fmt: skip


def with_loss(model: Model) -> Model:
    """The model with Σ mean(output²) for its loss."""
    training, inference = _squared(model.training), _squared(model.inference)
    return replace(model, training=training, inference=inference, losses=(Loss("loss"),))


def _squared(graph: Graph) -> Graph:
    terms: list[Node] = []
    for output in graph.outputs:
        if output.role == "output" and output.node.dtype in ("float", "float64"):
            node = emit("cast", output.node, dtype="float")
            total = emit("sum", node * node, axes=tuple(range(node.rank)))
            count = emit("cast", emit("size", extent=node.type.elements), dtype="float")
            terms.append(total / count)
    loss = terms[0] if terms else constant(0.0, "float")
    for term in terms[1:]:
        loss = loss + term
    return replace(graph, outputs=(*graph.outputs, Output("loss", "loss", loss)))


# ── batches ──────────────────────────────────────────────────────────────────────────────────────
def wanted(model: Model) -> dict[str, Node]:
    outputs = pipeline.forward(model)
    training = pipeline.pruned(model.training, lambda _: True)
    return batch_inputs(training, outputs)


def given(subject: Subject, dataset: Dataset) -> list[Arrays]:
    """The first batches of the first epochs, as a run has them."""
    train = subject.train
    graph = pipeline.lower(train.model.training)
    columns = feeds_of(dataset, wanted(train.model), graph, "float64")
    rows = dataset.splits["train"]
    size = min(train.batch or len(rows), len(rows))
    if not size:
        raise fault("D014", "the data has no training rows to compare on", train.span)
    found: list[Arrays] = []
    lengths, carried = lengths_of(columns), bool(train.model.streams)
    epoch = 0
    while len(found) < max(subject.steps, 1):
        order = rows
        if train.batch is not None:
            order = rows_of_epoch(rows, size, subject.seed, epoch, lengths=lengths, carried=carried)
        for start in range(0, len(rows), size):
            taken = order[start : start + size]
            found.append({name: values[taken] for name, values in columns.items()})
        epoch += 1
    subject.notes.append(f"batches of {size} from {dataset.block.source}, as a run has them")
    return found[: max(subject.steps, 1)]


def made(subject: Subject) -> list[Arrays]:
    """Batches from the types alone: N(0, 1), bools at 1/2, ints as their use allows them."""
    model = subject.model
    inputs = wanted(model)
    flat = pipeline.lower(model.training)
    lengths = lengths_for(inputs, [model.training, model.inference, flat])
    inference = pipeline.lower(model.inference)
    bounds = {**bounds_of(inference), **bounds_of(flat)}
    uses = uses_of(inference) | uses_of(flat)
    if inputs:
        told = ", ".join(f"{name} = {length}" for name, length in lengths.items())
        subject.notes.append(f"the batch is made from the types{f': {told}' if told else ''}")
    random = np.random.default_rng([subject.seed, 0xBA7C4])
    return [
        {
            name: drawn(node, lengths, uses.range_of(name, bounds.get(name), lengths), random)
            for name, node in inputs.items()
        }
        for _ in range(max(subject.steps, 1))
    ]  # fmt: skip


def drawn(
    node: Node, lengths: Mapping[str, int], ends: tuple[int, int], random: np.random.Generator
) -> np.ndarray:
    shape = tuple(evaluate(extent, lengths) for extent in node.shape)
    if node.dtype == "bool":
        return random.random(shape) < 0.5
    if node.dtype == "int":
        return random.integers(*ends, shape)
    return np.asarray(random.standard_normal(shape))


def lengths_for(inputs: Mapping[str, Node], graphs: list[Graph]) -> dict[str, int]:
    """Small lengths of the dynamic axes, distinct if they can be, that all requirements allow."""
    extents = [extent for node in inputs.values() for extent in node.shape]
    names = list(dict.fromkeys(n for e in extents if isinstance(e, Size) for n in axes(e)))
    requires = [each for graph in graphs for each in graph.requires]
    for number, chosen in enumerate(choices(len(names))):
        lengths = dict(zip(names, chosen, strict=True))
        fits = all(evaluate(extent, lengths) >= 1 for extent in extents)
        if fits and all(_holds(each.extent, each.relation, lengths, names) for each in requires):
            return lengths
        if number > TRIES:
            break
    raise fault(
        "D101",
        "no lengths of the dynamic axes were found that meet what the model requires of them",
        help="compare it on data: give the train block a data block",
    )


def choices(count: int) -> list[tuple[int, ...]] | product[tuple[int, ...]]:
    """Lengths for so many axes: those that differ first."""
    if count == 0:
        return [()]
    distinct = [
        tuple(SIZES[(start + at) % len(SIZES)] for at in range(count))
        for start in range(len(SIZES))
    ]
    return [*distinct, *_first(product(SIZES, repeat=count), TRIES)]


def _first(many: product[tuple[int, ...]], count: int) -> list[tuple[int, ...]]:
    return [each for each, _ in zip(many, range(count), strict=False)]


def _holds(extent: object, relation: str, lengths: Mapping[str, int], names: list[str]) -> bool:
    if isinstance(extent, Size) and not set(axes(extent)) <= set(names):
        return True  # of an axis that no input of the batch has
    value = evaluate(extent, lengths)  # type: ignore[arg-type]
    return value == 0 if relation == "==" else value >= 0


# ── one unit in the last place ───────────────────────────────────────────────────────────────────
def moved(subject: Subject, precision: str, seed: int) -> Subject:
    """The subject with every float moved by one unit in the last place of `precision`."""
    random = np.random.default_rng([seed, 0x01F5])
    weights = {name: nudged(v, precision, random) for name, v in subject.weights.items()}
    batches = [
        {name: nudged(values, precision, random) for name, values in batch.items()}
        for batch in subject.batches
    ]
    return replace(subject, weights=weights, batches=batches)


def nudged(values: np.ndarray, precision: str, random: np.random.Generator) -> np.ndarray:
    if values.dtype.kind != "f":
        return values
    towards = np.where(random.random(values.shape) < 0.5, -np.inf, np.inf).astype(precision)
    return np.nextafter(values.astype(precision), towards).astype(np.float64)
