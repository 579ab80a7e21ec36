"""What looks at a metric once an epoch: patience, plateaus, the weights to keep. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from specc.ir.figures import direction
from specc.ir.model import Plateau, Train

# torch's ReduceLROnPlateau: progress smaller than this part of the best value counts as none.
THRESHOLD = 1e-4


@dataclass(slots=True)
class Watch:
    """The best value of one metric so far, and the epochs since."""

    metric: str
    highest: bool
    threshold: float = 0.0
    best: float | None = None
    since: int = 0

    def see(self, value: float) -> bool:
        """Whether `value` is the best yet; a NaN never is."""
        better = value == value and (self.best is None or self._beats(value, self.best))
        if better:
            self.best, self.since = value, 0
        else:
            self.since += 1
        return better

    def _beats(self, value: float, best: float) -> bool:
        margin = self.threshold * abs(best)
        return value > best + margin if self.highest else value < best - margin


@dataclass(slots=True)
class Watches:
    """Everything that a train block decides between epochs."""

    keep: Watch | None
    stop: Watch | None
    patience: int
    plateaus: list[tuple[Watch, Plateau]]
    scale: float = 1.0  # what the plateaus have made of the learning rate

    def see(self, metrics: dict[str, float]) -> tuple[bool, bool]:
        """(these weights are to be kept, training is to stop) after an evaluation."""
        kept = self.keep.see(metrics[self.keep.metric]) if self.keep else True
        for watch, plateau in self.plateaus:
            watch.see(metrics[watch.metric])
            if watch.since > plateau.patience:
                self.scale *= plateau.factor
                watch.since = 0
        stopped = False
        if self.stop:
            self.stop.see(metrics[self.stop.metric])
            stopped = self.stop.since >= self.patience
        return kept, stopped

    def _all(self) -> list[Watch]:
        first = [each for each in (self.keep, self.stop) if each]
        return first + [watch for watch, _ in self.plateaus]

    def json(self) -> dict[str, object]:
        return {"scale": self.scale, "watches": [[w.best, w.since] for w in self._all()]}

    def restore(self, saved: Mapping[str, Any]) -> None:
        self.scale = saved["scale"]
        for watch, (best, since) in zip(self._all(), saved["watches"], strict=True):
            watch.best, watch.since = best, since


def watches_of(train: Train) -> Watches:
    keep = Watch(train.keep.metric, train.keep.highest) if train.keep else None
    stop = Watch(train.stop.metric, direction(train, train.stop)) if train.stop else None
    plateaus = [
        (Watch(each.metric, direction(train, each), THRESHOLD), each) for each in train.plateaus
    ]
    patience = train.stop.epochs if train.stop else 0
    return Watches(keep, stop, patience, plateaus)
