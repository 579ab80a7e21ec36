"""`expect` lines: claims of a spec, judged on what a run measured. Measures nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from specc.diagnostics import SpecError, did_you_mean, fault
from specc.ir.model import Expect, Keep, Patience, Plateau
from specc.training.folder import finite


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim, whether it holds, and the values that decided."""

    text: str
    holds: bool
    values: Mapping[str, float]

    def __str__(self) -> str:
        measured = ", ".join(f"{name} = {value:.6g}" for name, value in self.values.items())
        return f"expect {self.text}: {'true' if self.holds else 'FALSE'} ({measured})"

    def json(self) -> dict[str, object]:
        return {"claim": self.text, "holds": self.holds, "values": finite(self.values)}


def check_names(expects: Sequence[Expect], known: Collection[str]) -> None:
    """Before the first step: every name that a claim reads will have a value."""
    faults: list[SpecError] = []
    for expect in expects:
        for name in expect.names:
            if name not in known:
                faults.append(unknown_metric("expect", name, known, expect))
    if faults:
        raise SpecError([each for error in faults for each in error.diagnostics])


def unknown_metric(
    clause: str, name: str, known: Collection[str], at: Expect | Keep | Patience | Plateau
) -> SpecError:
    return fault(
        "R210",
        f"`{clause}` reads `{name}`, which this run doesn't measure",
        at.span,
        expected="one of " + ", ".join(sorted(known)) if known else "a run that trains",
        help=did_you_mean(name, known),
    )


def judge(expects: Sequence[Expect], measured: Mapping[str, float]) -> list[Verdict]:
    return [
        Verdict(
            each.text,
            bool(each.holds(measured)),
            {name: measured[name] for name in each.names},
        )
        for each in expects
    ]
