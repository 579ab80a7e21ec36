"""Whether a spec passes check, and all backends agree on it in float64, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from specc.compare.compare import judged, spreads
from specc.compare.numbers import DIFFERS, UNDETERMINED, Row, rows_of
from specc.compare.parties import PARTIES
from specc.compare.subject import Subject, bare, made, with_loss
from specc.diagnostics import SpecError
from specc.ir.model import Model
from specc.language import loads
from specc.training.predict import initial_weights


@dataclass(slots=True)
class Outcome:
    """`kind` is agrees, undetermined, empty (a value isn't finite), or what went wrong."""

    kind: str
    what: str = ""
    rows: list[Row] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return self.kind not in ("agrees", "undetermined", "empty")


def subject_of(text: str, seed: int) -> Subject:
    spec = loads(text, "random.nn")
    model: Model = list(spec.models.values())[-1]
    if not model.losses:
        model = with_loss(model)
    subject = Subject(spec, bare(model), seed, 0)
    subject.weights = initial_weights(model, seed, "float64")
    subject.batches = made(subject)
    return subject


def outcome(text: str, seed: int = 0) -> Outcome:
    """Every backend's fault is an outcome; one that isn't a diagnostic is a fault of ours."""
    stage = "check"
    try:
        subject = subject_of(text, seed)
        parties = [kind("float64") for kind in PARTIES.values()]
        values = []
        for party in parties:
            stage = party.backend
            with np.errstate(all="ignore"):
                values.append(party.measure(subject))
    except SpecError as error:
        found = error.diagnostics[0]
        return Outcome(f"{stage}: {found.code}", str(error))
    except Exception as error:  # noqa: BLE001 — whatever it is, the spec that does it is kept
        return Outcome(f"{stage}: {type(error).__name__}", " ".join(str(error).split())[:500])
    reference = values[0]
    if not all(np.isfinite(v).all() for v in reference.values() if v.dtype.kind == "f"):
        return Outcome("empty")
    undetermined = False
    for party, other in zip(parties[1:], values[1:], strict=True):
        if not any(row.verdict == DIFFERS for row in rows_of(other, reference, {}, "float64")):
            continue
        rows = judged(other, reference, spreads(subject, "float64"), subject, "float64")
        wrong = [row for row in rows if row.verdict == DIFFERS]
        if wrong:
            worst = max(wrong, key=lambda row: row.relative)
            return Outcome(f"differs: {party.backend} {worst.kind}", f"{worst}", wrong)
        undetermined |= any(row.verdict == UNDETERMINED for row in rows)
    return Outcome("undetermined" if undetermined else "agrees")
