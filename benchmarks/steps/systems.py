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
    on_device: str = ""  # the module whose Training takes a device
    leaves_out: tuple[str, ...] = ()  # workloads

    def training(
        self,
        workload: Workload,
        weights: dict[str, np.ndarray],
        threads: int = 1,
        device: str = "cpu",
    ) -> Training:
        told = {"threads": threads} if self.told_threads else {}
        placed = {"device": device} if device != "cpu" else {}
        made = self._class("Training", self.on_device if placed else self.module)
        return made(workload, weights, **dict(self.options), **told, **placed)

    def inference(self, workload: Workload, weights: dict[str, np.ndarray]) -> Inference:
        return self._class("Inference", self.module)(workload, weights, **dict(self.options))

    def _class(self, name: str, module: str) -> Callable[..., Any]:
        try:
            return getattr(import_module(f"benchmarks.steps.{module}"), name)
        except ModuleNotFoundError as error:
            raise Absent(f"{error.name} is not installed") from None

    def takes(self, workload: Workload, training: bool, device: str = "cpu") -> bool:
        if device != "cpu" and not self.on_device:
            return False
        if workload.name in self.leaves_out:
            return False
        if self.only_images and len(workload.inputs.get("image", ())) < 3:
            return False
        return training or not self.only_training


UNCOMPILED = ("lstm",)  # torch.compile takes no nn.LSTM whole
EAGER, BY_HAND = "torch", "by hand"  # what the others are divided by
SYSTEMS = {
    EAGER: System("torch eager", "torch_eager", on_device="torch_placed"),
    "torch fused": System(
        "torch, fused optimizer", "torch_eager", (("fused", True),),
        only_training=True, on_device="torch_placed",
    ),
    "torch channels-last": System(
        "torch, fused, channels-last", "torch_eager",
        (("fused", True), ("channels_last", True)), only_images=True, on_device="torch_placed",
    ),
    "torch compiled": System(
        "torch, fused, torch.compile", "torch_placed", (("fused", True), ("compiled", True)),
        only_training=True, on_device="torch_placed", leaves_out=UNCOMPILED,
    ),
    BY_HAND: System("NumPy by hand", "by_hand"),
    "specc": System("specc, NumPy", "specc_program", (("backend", "numpy"),), told_threads=True),
    "specc torch": System(
        "specc, torch", "specc_program", (("backend", "torch"),), on_device="specc_program"
    ),
    "specc compiled": System(
        "specc, torch, --compile", "specc_program", (("backend", "torch"), ("compiled", True)),
        only_training=True, on_device="specc_program", leaves_out=UNCOMPILED,
    ),
    "specc onnx": System(
        "specc, ONNX Runtime", "specc_program", (("backend", "onnx"),), told_threads=True
    ),
}  # fmt: skip
