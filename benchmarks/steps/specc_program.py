"""The workloads' specs, compiled and run through specc's public interface alone."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import specc
from benchmarks.steps.systems import Absent
from benchmarks.steps.workloads import Workload


class Training:
    """`trainer.step`, as in one's own loop."""

    def __init__(
        self,
        workload: Workload,
        weights: dict[str, np.ndarray],
        backend: str,
        **choices: Any,
    ) -> None:
        try:
            self.trainer = specc.load(workload.spec).trainer(backend=backend, **choices)
        except specc.SpecError as error:
            raise _absence(error) from None
        _library(backend)
        self.trainer.load(weights)

    def step(self, **batch: np.ndarray) -> float:
        return self.trainer.step(**batch)["loss"]


class Inference:
    """The compiled model."""

    def __init__(self, workload: Workload, weights: dict[str, np.ndarray], backend: str) -> None:
        model = specc.load(workload.spec).model()
        try:
            self.program = model.compile(backend, weights=weights)
        except specc.SpecError as error:
            raise _absence(error) from None
        _library(backend)

    def predict(self, **inputs: np.ndarray) -> np.ndarray:
        return self.program(**inputs)["logits"]


def _library(backend: str) -> None:
    """A backend that has not loaded its library is another one under its name."""
    if {"onnx": "onnxruntime"}.get(backend, backend) not in sys.modules:
        raise Absent(f"asked for {backend}, it runs without it")


def _absence(error: specc.SpecError) -> Exception:
    """What specc says of a backend that can't be used; any other fault is the benchmark's own."""
    (diagnostic,) = error.diagnostics
    return Absent(diagnostic.message) if diagnostic.code.startswith("B1") else error
