"""Metrics over a pass: means weighted by examples; one with states counts by its last value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


class Averages:
    """Running sums; a checkpoint holds them as JSON, which reads a float back to its last bit."""

    def __init__(self, exact: Collection[str]) -> None:
        self.exact = frozenset(exact)  # those that carry their own states
        self.sums: dict[str, float] = {}
        self.count = 0

    def add(self, values: Mapping[str, float], examples: int) -> None:
        self.count += examples
        for name, value in values.items():
            if name in self.exact:
                self.sums[name] = value
            else:
                self.sums[name] = self.sums.get(name, 0.0) + value * examples

    def values(self) -> dict[str, float]:
        return {
            name: total if name in self.exact else total / self.count
            for name, total in self.sums.items()
        }

    def json(self) -> dict[str, Any]:
        return {"sums": self.sums, "count": self.count}

    def restore(self, saved: Mapping[str, Any]) -> None:
        self.sums, self.count = dict(saved["sums"]), saved["count"]
