"""An ONNX file in onnxruntime, which a parent times: python -m ... WORKLOAD FILE BATCH.

Knows not who wrote the file.
"""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime

from benchmarks.steps.child import Child, answer, predicted
from benchmarks.steps.workloads import WORKLOADS


class Inference:
    """A session with one thread, from inputs by name to the logits."""

    def __init__(self, file: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            file, options, providers=["CPUExecutionProvider"]
        )

    def predict(self, **inputs: np.ndarray) -> np.ndarray:
        (logits,) = self.session.run(["logits"], inputs)
        assert isinstance(logits, np.ndarray)
        return logits


def made(name: str, file: str, batch: str) -> Child:
    return predicted(WORKLOADS[name], Inference(file), int(batch), threads=1)


if __name__ == "__main__":
    answer(lambda: made(*sys.argv[1:]))
