"""An ONNX model from elsewhere, opened to be run. Knows nothing of specs."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import (  # pyright: ignore[reportMissingImports]
    InvalidGraph,
    InvalidProtobuf,
)
from onnxruntime.capi.onnxruntime_pybind11_state import (
    NotImplemented as NotBuilt,
)

from specc.backends.onnx.program import REFUSALS
from specc.diagnostics import fault

WRONG = (*REFUSALS, InvalidProtobuf, InvalidGraph, NotBuilt)


def opened(path: Path) -> ort.InferenceSession:
    """A session for the file.

    Raises:
        SpecError: R203 where onnxruntime refuses it.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except WRONG as error:
        words = " ".join(str(error).split())
        raise fault(
            "R203", f"`{path}` is no ONNX model that onnxruntime runs", found=words[:300]
        ) from None
