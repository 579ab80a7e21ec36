"""An ONNX model from elsewhere, opened to be run. Knows nothing of specs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import (  # pyright: ignore[reportMissingImports]
    InvalidGraph,
    InvalidProtobuf,
)
from onnxruntime.capi.onnxruntime_pybind11_state import (
    NotImplemented as NotBuilt,
)

from specc.backends.onnx.program import REFUSALS
from specc.diagnostics import SpecError, fault

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
        raise _refused(path, error) from None


def results(
    path: Path, session: ort.InferenceSession, feeds: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """Every result, as the file has them; R203 where a kernel of its refuses the feeds."""
    try:
        return [np.asarray(each) for each in session.run(None, feeds)]
    except WRONG as error:
        raise _refused(path, error) from None


def _refused(path: Path, error: Exception) -> SpecError:
    words = " ".join(str(error).split())
    return fault("R203", f"`{path}` is no ONNX model that onnxruntime runs", found=words[:300])
