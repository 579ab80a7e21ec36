"""`expect` lines: claims of a spec, judged on what a run measured. Measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from specc.diagnostics import SpecError
from specc.ir.figures import faulty_figures
from specc.ir.model import Expect, Spec
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


def check_figures(spec: Spec) -> None:
    """Before the first step: every figure that a clause or a claim reads will have a value."""
    found = faulty_figures(spec.models, spec.trains, spec.expects)
    if found:
        raise SpecError(found)


def judge(expects: Sequence[Expect], measured: Mapping[str, float]) -> list[Verdict]:
    return [
        Verdict(
            each.text,
            bool(each.holds(measured)),
            {name: measured[name] for name in each.names},
        )
        for each in expects
    ]
