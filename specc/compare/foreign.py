"""A foreign ONNX model as a party: its results under the spec's names. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from specc import pipeline
from specc.backends import backend
from specc.compare.numbers import Value
from specc.compare.parties import feeds_of
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
        check_file(path, "D001", "ONNX model")
        self.path, self.dtype = path, dtype
        self.notes: list[str] = []
        self._models = backend("onnx").foreign_models()
        self._session: Any = self._models.opened(path)

    def outputs(self, subject: Subject, wanted: Mapping[Value, Any]) -> dict[Value, np.ndarray]:
        """The file's results for the subject's first batch, by the spec's names.

        Raises:
            SpecError: R213, R205, where it takes other inputs; R203, where it doesn't run.
        """
        forward = feeds_of(pipeline.forward(subject.model), subject, self.dtype)
        offered = {**subject.weights, **subject.batches[0], **forward}
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
            feeds[given.name] = self._taken(given, offered[name])
        names = [each.name for each in self._session.get_outputs()]
        made = self._models.results(self.path, self._session, feeds)
        results = dict(zip(names, made, strict=True))
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

    def _taken(self, given: Any, values: np.ndarray) -> np.ndarray:
        """The values as the file's input has them; a length that it names may be any."""
        shape = list(values.shape)
        kind = KIND_OF.get(given.type)
        ranks = kind is not None and len(given.shape) == len(shape)
        fits = ranks and all(
            want == has
            for want, has in zip(given.shape, shape, strict=True)
            if isinstance(want, int)
        )
        if kind is None or not fits or not np.can_cast(values.dtype, kind, "same_kind"):
            asked = ", ".join("?" if each is None else str(each) for each in given.shape)
            raise fault(
                "R205",
                f"`{self.path}` takes another input `{given.name}` than the model does",
                expected=f"{given.type} of [{asked}]",
                found=f"{values.dtype.name} of {shape}",
            )
        return values.astype(kind)
