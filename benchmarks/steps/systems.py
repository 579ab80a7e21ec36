"""The systems by name, and what each offers. Imports none of them before it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from benchmarks.steps.workloads import Workload


class Training(Protocol):
    step: Callable[..., float]  # one update on a batch by name; the loss before it


class Inference(Protocol):
    predict: Callable[..., np.ndarray]  # the logits for inputs by name, until the next call


class Absent(Exception):
    """A system that isn't there: not installed, or not written yet."""


@dataclass(frozen=True)
class System:
    """A module whose classes Training and Inference take a workload, its weights and options."""

    title: str
    module: str
    options: tuple[tuple[str, Any], ...] = ()
    only_images: bool = False  # says something new only where there are convolutions
    only_training: bool = False
    told_threads: bool = False  # the others read what the process's environment says

    def training(
        self, workload: Workload, weights: dict[str, np.ndarray], threads: int = 1
    ) -> Training:
        told = {"threads": threads} if self.told_threads else {}
        return self._class("Training")(workload, weights, **dict(self.options), **told)

    def inference(self, workload: Workload, weights: dict[str, np.ndarray]) -> Inference:
        return self._class("Inference")(workload, weights, **dict(self.options))

    def _class(self, name: str) -> Callable[..., Any]:
        try:
            return getattr(import_module(f"benchmarks.steps.{self.module}"), name)
        except ModuleNotFoundError as error:
            raise Absent(f"{error.name} is not installed") from None

    def takes(self, workload: Workload, training: bool) -> bool:
        if self.only_images and len(workload.inputs.get("image", ())) < 3:
            return False
        return training or not self.only_training


EAGER, BY_HAND = "torch", "by hand"  # what the others are divided by
SYSTEMS = {
    EAGER: System("torch eager", "torch_eager"),
    "torch fused": System(
        "torch, fused optimizer", "torch_eager", (("fused", True),), only_training=True
    ),
    "torch channels-last": System(
        "torch, fused, channels-last", "torch_eager",
        (("fused", True), ("channels_last", True)), only_images=True,
    ),
    BY_HAND: System("NumPy by hand", "by_hand"),
    "specc": System("specc, NumPy", "specc_program", (("backend", "numpy"),), told_threads=True),
    "specc torch": System("specc, torch", "specc_program", (("backend", "torch"),)),
    "specc onnx": System(
        "specc, ONNX Runtime", "specc_program", (("backend", "onnx"),), told_threads=True
    ),
}  # fmt: skip
