"""What a train block needs before its first step: data, splits, names that will be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from specc.diagnostics import fault
from specc.ir.figures import watches
from specc.ir.graph import Graph
from specc.ir.model import Expect, Model, Train
from specc.training.columns import Dataset, feeds_of, load
from specc.training.feeds import batch_inputs
from specc.training.learner import Learner
from specc.training.loop import Material
from specc.training.packing import elements


def dataset_of(train: Train, split_seed: int) -> Dataset:
    if train.data is None:
        raise fault(
            "D014",
            f"the block `{train.name}` has no data to train on",
            train.span,
            help="name a data block in it, or feed its batches from Python: spec.trainer()",
        )
    return load(train.data, split_seed, set(batch_inputs(train.model.training)))


def material_of(train: Train, dataset: Dataset, learner: Learner, evaluated: Graph) -> Material:
    """The columns in the run's precision, after all that can be wrong with them is checked."""
    inputs = batch_inputs(learner.graph, evaluated)
    columns = feeds_of(dataset, inputs, learner.graph, learner.dtype)
    watched = {clause.metric.partition(".")[0] for clause in watches(train)} - {"train"}
    splits = [n for n in dataset.splits if n in watched | {"dev"} and n != "train"]
    return Material(columns, dataset.splits, tuple(splits))


def counted(trains: Sequence[Train], models: Mapping[str, Model]) -> dict[str, float]:
    """`parameters`, of the last block's model or the file's only one, and of each model by name."""
    counts = {
        name: float(sum(elements(each) for each in model.parameters))
        for name, model in models.items()
    }
    found = {f"{name}.parameters": value for name, value in counts.items()}
    if trains:
        model = trains[-1].model
        found["parameters"] = float(sum(elements(each) for each in model.parameters))
    elif len(counts) == 1:
        found["parameters"] = next(iter(counts.values()))
    return found


def split_needed(name: str, train: Train, expects: Sequence[Expect], last: bool) -> bool:
    """Whether the end measures a split: all but train, and train where a claim reads it."""
    if name != "train":
        return True
    prefixes = (f"{train.name}.train.", "train.") if last else (f"{train.name}.train.",)
    return any(read.startswith(prefixes) for each in expects for read in each.names)
