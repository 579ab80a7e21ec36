"""A foreign ONNX model as a party: its results under the spec's names. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from specc.compare.numbers import Value
from specc.compare.subject import Subject
from specc.diagnostics import did_you_mean, fault
from specc.training.files import check_file

KIND_OF = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64",
    "tensor(int32)": "int32", "tensor(bool)": "bool",
}  # fmt: skip


class Foreign:
    """A file that onnxruntime runs. Inputs and outputs go by name, or by place where none fits."""

    def __init__(self, path: Path, dtype: str) -> None:
        from specc.backends.onnx.foreign import opened

        check_file(path, "D001", "ONNX model")
        self.path, self.dtype = path, dtype
        self.notes: list[str] = []
        self._session: Any = opened(path)

    def outputs(self, subject: Subject, wanted: Mapping[Value, Any]) -> dict[Value, np.ndarray]:
        """The file's results for the subject's first batch, by the spec's names."""
        offered = {**subject.weights, **subject.batches[0]}
        inputs = subject.model.inference.taking("input")
        feeds: dict[str, np.ndarray] = {}
        for place, given in enumerate(self._session.get_inputs()):
            name = given.name
            if name not in offered and place < len(inputs):
                name = list(inputs)[place]
                self.notes.append(f"its input `{given.name}` is taken for `{name}`, by its place")
            if name not in offered:
                raise fault(
                    "R213",
                    f"`{self.path}` wants an input `{given.name}` that the model doesn't have",
                    expected=", ".join(inputs),
                    help=did_you_mean(given.name, inputs),
                )
            values = offered[name]
            feeds[given.name] = values.astype(KIND_OF.get(given.type, values.dtype.name))
        names = [each.name for each in self._session.get_outputs()]
        results = dict(zip(names, self._session.run(None, feeds), strict=True))
        found: dict[Value, np.ndarray] = {}
        for place, value in enumerate(wanted):
            if value[1] in results:
                found[value] = results[value[1]]
            elif place < len(names):
                found[value] = results[names[place]]
                self.notes.append(f"its output `{names[place]}` is taken for `{value[1]}`")
            else:
                self.notes.append(f"it has no output for `{value[1]}`")
        return found
