"""The figures that a run measures, by name, and who reads them. Measures nothing itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from specc.diagnostics import Diagnostic, SpecError, did_you_mean, fault, labels
from specc.ir.model import Data, Expect, Keep, Model, Patience, Plateau, Train


def faulty_figures(
    models: Mapping[str, Model], trains: Sequence[Train], expects: Sequence[Expect]
) -> list[Diagnostic]:
    """What `stop`, `keep`, `plateau` and `expect` read and no run of these blocks measures.

    A block without data is fed by a caller, whose splits nobody knows.
    """
    known = counted_names(models, trains)
    found: list[Diagnostic] = []
    for train in trains:
        if train.data is None:
            continue
        found += _faulty_watches(train, train.data)
        names = measured_names(train, splits_of(train.data))
        known |= {f"{train.name}.{name}" for name in names}
        if train is trains[-1]:
            known |= names
    if all(train.data is not None for train in trains):
        found += [
            _unmeasured("expect", name, known, each)
            for each in expects
            for name in each.names
            if name not in known
        ]
    return found


def splits_of(data: Data) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*data.split_names, *data.ratios, "train"]))


def measured_names(train: Train, splits: Collection[str]) -> set[str]:
    """`dev.loss`, `test.accuracy`, ...: what a block's run tells of its splits."""
    model = train.model
    names = ["loss", *(each.name for each in model.losses), *(each.name for each in model.metrics)]
    return {f"{split}.{name}" for split in splits for name in names} | {"train.objective"}


def counted_names(models: Mapping[str, Model], trains: Sequence[Train]) -> set[str]:
    """`parameters`, of the last block's model or the file's only one, and of each by name."""
    whole = {"parameters"} if trains or len(models) == 1 else set[str]()
    return {f"{name}.parameters" for name in models} | whole


def watches(train: Train) -> list[Keep | Patience | Plateau]:
    return [each for each in (train.keep, train.stop, *train.plateaus) if each is not None]


def direction(train: Train, clause: Patience | Plateau) -> bool:
    """Whether higher is better: a loss is better low; of another metric `keep` must say it."""
    name = clause.metric.partition(".")[2]
    if name in {"loss", "objective", *(each.name for each in train.model.losses)}:
        return False
    if train.keep and train.keep.metric.partition(".")[2] == name:
        return train.keep.highest
    raise fault(
        "M028",
        f"whether a high or a low `{clause.metric}` is better isn't said",
        clause.span,
        help=f"say it: keep highest({clause.metric}), or keep lowest({clause.metric})",
    )


def _faulty_watches(train: Train, data: Data) -> Iterator[Diagnostic]:
    """Once an epoch nothing of `test` is measured: no decision may rest on it."""
    known = measured_names(train, [name for name in splits_of(data) if name != "test"])
    for clause in watches(train):
        if clause.metric not in known:
            word = type(clause).__name__.lower().replace("patience", "stop")
            yield _unmeasured(word, clause.metric, known, clause)
        elif not isinstance(clause, Keep):
            try:
                direction(train, clause)
            except SpecError as error:
                yield from error.diagnostics


def _unmeasured(
    reader: str, name: str, known: Collection[str], at: Expect | Keep | Patience | Plateau
) -> Diagnostic:
    decides = reader != "expect" and name.startswith("test.")
    near = did_you_mean(name, known)
    short = sorted(each for each in known if each.count(".") < 2)  # without the blocks' names
    return Diagnostic(
        "M027",
        f"`{reader}` reads `{name}`, which this run doesn't measure",
        labels(at.span),
        expected="one of " + ", ".join(short) if short else "a run that trains",
        help="nothing is decided by `test`: add a `dev` to the split" if decides else near,
    )
