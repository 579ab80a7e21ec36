"""A workload written in PyTorch, exported by torch.onnx: python -m ... WORKLOAD W.npz FILE OPSET.

What a user would write: any batch, weights inside. Times nothing.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

from benchmarks.steps.torch_eager import Inference
from benchmarks.steps.workloads import WORKLOADS, questions


def export(name: str, weights: dict[str, np.ndarray], file: Path, opset: int) -> None:
    workload = WORKLOADS[name]
    model = Inference(workload, weights).model
    inputs = {name: torch.from_numpy(each) for name, each in questions(workload, 2).items()}
    batch = torch.export.Dim("batch")
    warnings.simplefilter("ignore")  # of what it is going to change in itself
    logging.disable(logging.WARNING)
    torch.onnx.export(
        model,
        tuple(inputs.values()),
        file,
        input_names=list(inputs),
        output_names=["logits"],
        opset_version=opset,
        dynamo=True,
        dynamic_shapes=tuple({0: batch} for _ in inputs),
        external_data=False,
        verbose=False,
    )


if __name__ == "__main__":
    with np.load(sys.argv[2]) as given:
        export(sys.argv[1], dict(given), Path(sys.argv[3]), int(sys.argv[4]))
