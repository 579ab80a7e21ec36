"""ONNX: graphs as standard models, for any runtime, and run here by onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.backends import require
from specc.backends.onnx.composites import can_run
from specc.backends.onnx.files import save
from specc.backends.onnx.model import IR_VERSIONS, OPSET, Form, lower, model_of

if TYPE_CHECKING:
    from types import ModuleType

    from specc.backends.onnx.program import Program
    from specc.backends.onnx.stepper import Stepper
    from specc.ir import Graph

__all__ = [
    "IR_VERSIONS",
    "OPSET",
    "Form",
    "can_run",
    "compile",
    "foreign_models",
    "lower",
    "model_of",
    "save",
    "step_of",
]


def compile(
    graph: Graph, dtype: str = "float32", *, opset: int = OPSET, threads: int = 0
) -> Program:
    """The graph as a program of onnxruntime, which is imported here: an export needs onnx alone."""
    require("onnx", "onnxruntime")
    from specc.backends.onnx import program

    return program.compile(graph, dtype, opset=opset, threads=threads)


def step_of(graph: Graph, dtype: str, fresh: frozenset[str], threads: int = 0) -> Stepper:
    """A training step in onnxruntime; `fresh` are the inputs that every step brings."""
    require("onnx", "onnxruntime")
    from specc.backends.onnx.stepper import Stepper

    return Stepper(graph, dtype, fresh, threads)


def foreign_models() -> ModuleType:
    """What opens and runs a model from elsewhere."""
    require("onnx", "onnxruntime")
    from specc.backends.onnx import foreign

    return foreign
