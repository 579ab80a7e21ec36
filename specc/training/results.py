"""What a run leaves: numbers, weights, verdicts, and where the files are. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from specc.training.expectations import Verdict
from specc.training.folder import finite


@dataclass(slots=True)
class Result:
    """`metrics` by "split.name", on the kept weights; `history` has one record an epoch."""

    metrics: dict[str, float] = field(default_factory=dict[str, float])
    parameters: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    history: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    outputs: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    folder: Path | None = None
    interrupted: int | None = None  # the signal that stopped it

    @property
    def status(self) -> int:
        """The exit code: 0 done and true, 1 a claim is false, 130 or 143 interrupted."""
        if self.interrupted is not None:
            return 128 + self.interrupted
        return 0 if self.holds else 1

    @property
    def holds(self) -> bool:
        return all(verdict.holds for verdict in self.verdicts)

    def json(self) -> dict[str, Any]:
        """What another program may read of a run."""
        return {
            "metrics": finite(self.metrics),
            "expect": [verdict.json() for verdict in self.verdicts],
            "epochs": len(self.history),
            "outputs": {name: list(values.shape) for name, values in self.outputs.items()},
            "folder": str(self.folder) if self.folder else None,
            "interrupted": self.interrupted is not None,
        }
