"""One spec on several parties: measured, trained, held against one another in pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from specc import pipeline
from specc.compare import culprit
from specc.compare.culprit import Point
from specc.compare.foreign import Foreign
from specc.compare.numbers import (
    AGREES,
    DIFFERS,
    UNDETERMINED,
    Array,
    Row,
    Value,
    Values,
    coarser,
    error,
    floor_of_gradients,
    rows_of,
)
from specc.compare.parties import Party, Shaken, Trained, parties_of, shared
from specc.compare.subject import Subject, moved, subject_of
from specc.diagnostics import fault

BACKENDS = ("numpy", "torch", "onnx")
MOVES = 2  # how often everything is moved by a unit in the last place


@dataclass(slots=True)
class Pair:
    """Two parties, the first the reference, tensor by tensor."""

    first: str
    second: str
    precision: str
    rows: list[Row]
    shared: list[str]
    culprit: Point | None = None
    points: list[Point] = field(default_factory=list)  # the forward graph's sites, if looked at

    def count(self, verdict: str) -> int:
        return sum(row.verdict == verdict for row in self.rows)

    @property
    def differs(self) -> bool:
        return self.count(DIFFERS) > 0

    @property
    def growth(self) -> list[tuple[str, float]]:
        return culprit.growth(self.points)


@dataclass(slots=True)
class Comparison:
    """What was compared and what came of it. `status` is the exit code."""

    path: str
    model: str
    seed: int
    steps: int
    parties: list[tuple[str, str, str]]  # label, precision, where its gradients come from
    missing: list[str]
    notes: list[str]
    pairs: list[Pair]
    curves: Mapping[str, list[float]]  # the loss of each step, by party

    @property
    def status(self) -> int:
        return 1 if any(pair.differs or not pair.count(AGREES) for pair in self.pairs) else 0


def compare(
    path: str | Path,
    *,
    backends: Sequence[str] = BACKENDS,
    dtype: str = "float32",
    steps: int = 5,
    weights: str | Path | None = None,
    against: str | Path | None = None,
    overrides: Mapping[str, str] | None = None,
    seed: int | None = None,
    trace: bool = False,
) -> Comparison:
    """Runs a spec on the backends (`torch`, or `numpy:float64` with its own precision).

    Args:
        steps: of training, each on a batch of its own.
        weights: a safetensors file, in the place of initial values.
        against: an ONNX model of anyone's, whose outputs are compared with the first backend's.
        trace: look into the graphs even where nothing differs.

    Raises:
        SpecError: for a fault in the spec, the data, the options or the files.
    """
    pipeline.check_options("numpy", dtype, seed)
    named = [backends[0]] if against is not None else list(dict.fromkeys(backends))
    parties, missing = parties_of(named, dtype)
    if not parties or (len(parties) < 2 and against is None):
        raise fault(
            "C101",
            "there are not two parties to compare",
            expected="two of " + ", ".join(BACKENDS),
            found=", ".join([*(party.label for party in parties), *missing]) or "none",
            help="numpy:float32,numpy:float64 compares NumPy with itself in another precision",
        )
    precision = parties[0].dtype
    for party in parties[1:]:
        precision = coarser(precision, party.dtype)
    subject = subject_of(
        path, overrides=overrides, seed=seed, steps=0 if against else steps, weights=weights,
        precision=precision,
    )  # fmt: skip
    if against is not None:
        return _against(subject, parties[0], Foreign(Path(against), parties[0].dtype), missing)
    return compared(subject, parties, missing, trace)


def compared(
    subject: Subject, parties: Sequence[Party], missing: list[str], trace: bool = False
) -> Comparison:
    """The parties on a subject, in all pairs; each value is computed once a party."""
    values: dict[str, Values] = {}
    trained: dict[str, Trained] = {}
    for party in parties:
        values[party.label] = party.measure(subject)
        trained[party.label] = party.train(subject) if subject.steps else Trained()
    found: list[Pair] = []
    spread_of: dict[str, dict[Value, float]] = {}
    for first, second in combinations(parties, 2):
        precision = coarser(first.dtype, second.dtype)
        if precision not in spread_of:
            spread_of[precision] = spreads(subject, precision)
        reference = {**values[first.label], **trained[first.label].values}
        other = {**values[second.label], **trained[second.label].values}
        rows = judged(other, reference, spread_of[precision], subject, precision)
        pair = Pair(first.label, second.label, precision, rows, shared(first, second))
        if pair.differs or trace:
            kinds = {row.kind for row in rows if row.verdict == DIFFERS}
            pair.culprit, pair.points = culprit.search(subject, first, second, precision, kinds)
        found.append(pair)
    return Comparison(
        subject.spec.path, subject.model.name, subject.seed, subject.steps,
        [(party.label, party.dtype, party.gradient) for party in parties],
        missing, subject.notes, found,
        {label: [step["loss"] for step in each.history] for label, each in trained.items()},
    )  # fmt: skip


def spreads(subject: Subject, precision: str) -> dict[Value, float]:
    """How far the NumPy reference moves when all that it is given moves by a last place."""
    party = Party(precision)
    others = [results(party, moved(subject, precision, number)) for number in range(MOVES)]
    return _furthest(results(party, subject), others)


def results(party: Party, of: Subject) -> dict[Value, Array]:
    return {**party.measure(of), **(party.train(of).values if of.steps else {})}


def judged(
    actual: Values,
    reference: Values,
    spread_of: Mapping[Value, float],
    subject: Subject,
    precision: str,
) -> list[Row]:
    """The rows; where one differs, the spreads also tell what rounding inside the model does."""
    rows = rows_of(actual, reference, spread_of, precision)
    if not any(row.verdict == DIFFERS for row in rows):
        return rows
    inside = roundings(subject, precision)
    wider = {value: max(spread, inside.get(value, 0.0)) for value, spread in spread_of.items()}
    return rows_of(actual, reference, wider, precision)


def roundings(subject: Subject, precision: str) -> dict[Value, float]:
    """How far the NumPy reference moves when every result inside is rounded otherwise.

    NumPy may find a gradient to be 0 where others are left with noise, which Adam then scales up
    to whole steps: only rounding inside the training shows that.
    """
    shaken = [results(Shaken(precision, number), subject) for number in range(MOVES)]
    return _furthest(results(Party(precision), subject), shaken)


def _furthest(still: Values, moved: Sequence[Values]) -> dict[Value, float]:
    rms = floor_of_gradients(still)
    return {
        value: max(error(value, each, still, rms) for each in moved)
        for value, array in still.items()
        if array.dtype.kind == "f"
    }


def _against(subject: Subject, party: Party, foreign: Foreign, missing: list[str]) -> Comparison:
    """A model's outputs against those of a file from elsewhere."""
    values = {v: a for v, a in party.measure(subject).items() if v[0] == "output"}
    other = foreign.outputs(subject, values)
    moves = {v: s for v, s in spreads(subject, party.dtype).items() if v in other}
    reference = {v: a for v, a in values.items() if v in other}
    rows = judged(other, reference, moves, subject, party.dtype)
    missing = [*missing, *foreign.notes]
    pair = Pair(
        party.label, str(foreign.path), party.dtype, rows,
        ["the batch, and the weights if the file was exported with the same"],
    )  # fmt: skip
    return Comparison(
        subject.spec.path, subject.model.name, subject.seed, 0,
        [(party.label, party.dtype, ""), (str(foreign.path), party.dtype, "")],
        missing, subject.notes, [pair], {},
    )  # fmt: skip


__all__ = ["AGREES", "DIFFERS", "UNDETERMINED", "Comparison", "Pair", "compare", "compared"]
