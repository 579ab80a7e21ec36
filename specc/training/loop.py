"""Epochs of steps: batches in, checkpoints and measurements out. Knows no file format."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from specc.diagnostics import SpecError, fault
from specc.ir.model import Train
from specc.training import folder as run_folder
from specc.training.averages import Averages
from specc.training.batches import Batches, starts
from specc.training.checkpoint import Checkpoints, restore
from specc.training.columns import Columns
from specc.training.evaluate import Evaluator
from specc.training.learner import Learner
from specc.training.order import rows_of_epoch
from specc.training.progress import Progress
from specc.training.ragged import Ragged, lengths_of
from specc.training.signals import Signals
from specc.training.watch import watches_of


@dataclass(slots=True)
class Material:
    """What a block is trained and measured on."""

    columns: Columns
    splits: Mapping[str, np.ndarray]
    each_epoch: tuple[str, ...]  # the splits that every epoch measures

    def digest(self) -> str:
        """Equal for equal data: a resumed run must go on with the rows that it began with."""
        content = blake2b(digest_size=16)
        for name, values in sorted({**self.columns, **self.splits}.items()):
            parts = (values.flat, values.starts) if isinstance(values, Ragged) else (values,)
            for part in parts:
                content.update(f"{name} {part.dtype} {part.shape}".encode())
                content.update(np.ascontiguousarray(part).data)
        return content.hexdigest()


@dataclass(slots=True)
class Position:
    """Where a training is: what a checkpoint holds beside arrays."""

    epoch: int = 0  # epochs completed
    batch: int = 0  # batches completed of the next one
    done: bool = False
    best: dict[str, Any] = field(default_factory=dict[str, Any])


class Loop:
    """Trains one block to its end, or to a signal."""

    def __init__(
        self,
        learner: Learner,
        evaluator: Evaluator,
        material: Material,
        *,
        seed: int,
        folder: Path | None,
        progress: Progress,
        signals: Signals,
    ) -> None:
        self.learner, self.evaluator, self.material = learner, evaluator, material
        self.seed, self.folder = seed, folder
        self.progress, self.signals = progress, signals
        self.train: Train = learner.train
        self.watches = watches_of(self.train)
        self.checkpoints = Checkpoints(folder)
        self.position = Position()
        self.history: list[dict[str, Any]] = []
        self.kept: dict[str, np.ndarray] | None = None
        self._rows = material.splits["train"]
        self._size = min(self.train.batch or len(self._rows), len(self._rows))
        self._starts = starts(len(self._rows), self._size)
        self._averages = self._new_averages()
        self._seconds = 0.0  # spent on steps of this epoch in this process
        self._examples = 0
        self._prepare_batches()

    def _prepare_batches(self) -> None:
        """A full batch is gathered once; its order is the rows', which no sum needs shuffled."""
        names = {node.attributes["name"] for node in self.learner.graph.inputs}
        needed = {n: values for n, values in self.material.columns.items() if n in names}
        self._lengths = lengths_of(needed)
        self._batches = Batches(needed, self._size)
        whole = len(self._starts) == 1
        self._whole = dict(self._batches.take(self._rows)) if whole else None

    # ── from start to end ────────────────────────────────────────────────────────────────────────
    def resume(self, checkpoint: Path) -> None:
        try:
            saved = restore(self.learner, checkpoint)
            self.position = Position(
                int(saved["epoch"]), int(saved["batch"]), saved["done"], saved["best"]
            )
            self.watches.restore(saved["watches"])
            self._averages.restore(saved["averages"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:  # written by no run
            raise fault(
                "R203", f"`{checkpoint}` tells no position in a training", found=repr(error)
            ) from None
        assert self.folder is not None
        self.history = run_folder.restore_metrics(self.folder, self.position.epoch)

    def run(self) -> int | None:
        """Steps until the end; the signal that ended it earlier, if one did."""
        total = self._total_steps()
        self.progress.begin(self.train.name, total, self.learner.steps)
        if self._at_end(total) and not self.position.done:  # none is asked for: nothing to average
            self.position.done = True
            self._checkpoint()
        try:
            while not self.position.done:
                if not self._epoch():
                    self._checkpoint()
                    return self.signals.received
        finally:
            self.progress.end()
        return None

    def _total_steps(self) -> int:
        if self.train.steps is not None:
            return self.train.steps
        return (1 if self.train.epochs is None else self.train.epochs) * len(self._starts)

    def _epoch(self) -> bool:
        """One epoch from where it stands; False if a signal stopped it."""
        self.learner.epoch = self.position.epoch + 1
        if self.position.batch == 0:
            self.learner.begin_pass()
            self._averages = self._new_averages()
        self._seconds, self._examples = 0.0, 0
        order = self._order()
        total = self._total_steps()
        for start in self._starts[self.position.batch :]:
            if self.signals.received is not None:
                return False
            if self.learner.steps >= total:
                break
            self._step(order, start)
            if self.checkpoints.due():
                self._checkpoint()
        self._end_epoch(total)
        return self.signals.received is None or self.position.done

    def _order(self) -> np.ndarray:
        if self._whole is not None:
            return self._rows
        return rows_of_epoch(
            self._rows, self._size, self.seed, self.position.epoch,
            lengths=self._lengths, carried=bool(self.train.model.streams),
        )  # fmt: skip

    def _step(self, order: np.ndarray, start: int) -> None:
        began = time.perf_counter()
        rows = order[start : start + self._size]
        batch = self._batches.take(rows) if self._whole is None else self._whole
        try:
            metrics = self.learner.step(batch)
        except SpecError:
            self._save_what_is_good()
            raise
        self._averages.add(metrics, len(rows))
        self.position.batch += 1
        self._seconds += time.perf_counter() - began
        self._examples += len(rows)
        self.progress.step(
            self.learner.steps, self.position.epoch + 1, metrics, self._examples / self._seconds
        )

    def _end_epoch(self, total: int) -> None:
        measured = {f"train.{name}": value for name, value in self._averages.values().items()}
        for split in self.material.each_epoch:
            measured |= self.measure(split)
        kept, stopped = self.watches.see(measured)
        self.learner.scale[...] = self.watches.scale
        self.position.epoch += 1
        self.position.batch = 0
        if kept and self.watches.keep:
            self.kept = {name: values.copy() for name, values in self.learner.weights().items()}
            self.checkpoints.best = self.kept
            self.position.best = {"epoch": self.position.epoch, "step": self.learner.steps}
        self.position.done = stopped or self._at_end(total)
        speed = self._examples / self._seconds if self._seconds else 0.0
        record = {"epoch": self.position.epoch, "step": self.learner.steps, **measured}
        record |= {"seconds": round(self._seconds, 6), "examples_per_second": round(speed, 1)}
        self.history.append(record)
        if self.folder is not None:
            run_folder.append_metrics(self.folder, record)
        left = (total - self.learner.steps) * self._size / speed if speed else 0.0
        epochs = self.train.epochs if self.train.steps is None else None
        self.progress.epoch(
            self.position.epoch, epochs, measured, speed, 0.0 if self.position.done else left
        )
        if self.position.done or self.checkpoints.worthwhile():
            self._checkpoint()

    def _at_end(self, total: int) -> bool:
        return self.learner.steps >= total

    def _new_averages(self) -> Averages:
        return Averages([m.name for m in self.train.model.metrics if m.states])

    def _checkpoint(self) -> None:
        position = {
            "step": self.learner.steps,
            "epoch": self.position.epoch,
            "batch": self.position.batch,
            "done": self.position.done,
            "best": self.position.best,
            "watches": self.watches.json(),
            "averages": self._averages.json(),
        }
        self.checkpoints.write(self.learner, position)

    def _save_what_is_good(self) -> None:
        """A step that was refused changed nothing; one that broke the weights must not be kept."""
        try:
            self.learner.fetch()
        except SpecError:  # of a device that gives nothing back any more
            return self.checkpoints.write_best()
        if all(np.isfinite(values).all() for values in self.learner.parameters.values()):
            self._checkpoint()
        else:
            self.checkpoints.write_best()

    # ── measuring ────────────────────────────────────────────────────────────────────────────────
    def measure(
        self, split: str, weights: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, float]:
        """A split's losses and metrics by "split.name"."""
        found = self.evaluator.measure(
            weights if weights is not None else self.learner.weights(),
            self.material.columns,
            self.material.splits[split],
            self._size,
            self.learner.steps,
        )
        return {f"{split}.{name}": value for name, value in found.items()}
