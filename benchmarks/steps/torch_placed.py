"""torch_eager's step on a device, or with forward and loss made by torch.compile."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks.steps import torch_eager
from benchmarks.steps.workloads import Workload


class Training(torch_eager.Training):
    """float32 whole: on CUDA torch's default would round a convolution's factors to TF32."""

    def __init__(
        self,
        workload: Workload,
        weights: dict[str, np.ndarray],
        device: str = "cpu",
        compiled: bool = False,
        **choices: Any,
    ) -> None:
        torch.backends.cudnn.allow_tf32 = False
        super().__init__(workload, weights, **choices)
        self.device = device
        self.model.to(device)
        self.loss = torch.compile(self._loss, fullgraph=True) if compiled else self._loss

    def _loss(self, label: torch.Tensor, *inputs: torch.Tensor) -> torch.Tensor:
        return cross_entropy(self.model(*inputs).flatten(0, -2), label.flatten())

    def step(self, label: np.ndarray, **inputs: np.ndarray) -> float:
        self.optimizer.zero_grad()
        tensors = [torch.from_numpy(label), *torch_eager.tensors(inputs, self.layout)]
        loss = self.loss(*[each.to(self.device) for each in tensors])
        loss.backward()
        if self.clipped:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clipped)
        self.optimizer.step()
        return loss.item()
