"""What a person sees of a run: a bar on a terminal, a line an epoch in a pipe. Decides nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """What the loop tells; each method may print."""

    def say(self, text: str) -> None: ...
    def begin(self, name: str, steps: int, done: int) -> None: ...
    def step(self, done: int, epoch: int, metrics: Mapping[str, float], speed: float) -> None: ...
    def epoch(self, epoch: int, epochs: int | None, metrics: Mapping[str, float], speed: float,
              seconds_left: float) -> None: ...  # fmt: skip
    def end(self) -> None: ...


class Silent:
    """Nothing is printed: a program calls."""

    def say(self, text: str) -> None:
        pass

    def begin(self, name: str, steps: int, done: int) -> None:
        pass

    def step(self, done: int, epoch: int, metrics: Mapping[str, float], speed: float) -> None:
        pass

    def epoch(
        self,
        epoch: int,
        epochs: int | None,
        metrics: Mapping[str, float],
        speed: float,
        seconds_left: float,
    ) -> None:
        pass

    def end(self) -> None:
        pass


class Lines(Silent):
    """One plain line an epoch, flushed, so that a pipe shows it at once."""

    def say(self, text: str) -> None:
        print(text, flush=True)

    def epoch(
        self,
        epoch: int,
        epochs: int | None,
        metrics: Mapping[str, float],
        speed: float,
        seconds_left: float,
    ) -> None:
        of = f"/{epochs}" if epochs else ""
        self.say(
            f"epoch {epoch}{of}  {shown(metrics)}  {speed:,.0f} examples/s  "
            f"{duration(seconds_left)} left"
        )


class Bar(Lines):
    """A bar that moves with the steps, above it a line an epoch."""

    INTERVAL_S = 0.1

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[metrics]}"),
            TimeRemainingColumn(),
            transient=True,
        )
        self._task = None
        self._shown_at = 0.0

    def say(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def begin(self, name: str, steps: int, done: int) -> None:
        self._task = self._bar.add_task(name, total=steps, completed=done, metrics="")
        self._bar.start()

    def step(self, done: int, epoch: int, metrics: Mapping[str, float], speed: float) -> None:
        now = time.monotonic()
        if self._task is None or now - self._shown_at < self.INTERVAL_S:
            return
        self._shown_at = now
        text = f"{shown(metrics)}  {speed:,.0f} examples/s"
        name = f"epoch {epoch}"
        self._bar.update(self._task, completed=done, metrics=text, description=name)

    def end(self) -> None:
        if self._task is not None:
            self._bar.stop()
            self._bar.remove_task(self._task)
            self._task = None


def chosen() -> Progress:
    """A bar where a person watches a terminal, lines elsewhere; only the bar imports rich."""
    return Bar() if sys.stdout.isatty() else Lines()


def shown(metrics: Mapping[str, float]) -> str:
    """Losses and metrics with the split before them; `objective` is left to the files."""
    return "  ".join(
        f"{name} {value:.4g}" for name, value in metrics.items() if not name.endswith("objective")
    )


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
