"""The workloads as one writes them in PyTorch. Its variants differ in optimizer and layout only."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.steps.workloads import Workload


class Perceptron(nn.Module):
    def __init__(self, features: int, first: int, second: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(features, first)
        self.fc2 = nn.Linear(first, second)
        self.fc3 = nn.Linear(second, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        x = torch.relu(self.fc1(x.flatten(1)))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(64)
        self.conv3 = nn.Conv2d(64, 64, 3, padding=1)
        self.norm3 = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(1024, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu(self.norm1(self.conv1(x))))
        x = self.pool(torch.relu(self.norm2(self.conv2(x))))
        x = self.pool(torch.relu(self.norm3(self.conv3(x))))
        return self.fc(x.flatten(1))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: Perceptron(784, 128, 64),
    "wide": lambda: Perceptron(1024, 1024, 1024),
    "lenet": LeNet,
    "convolutions": Convolutions,
}


def optimizer_of(
    workload: Workload, parameters: Iterable[nn.Parameter], fused: bool | None
) -> torch.optim.Optimizer:
    if workload.name == "mlp":
        return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, fused=fused)
    return torch.optim.Adam(parameters, lr=1e-3, fused=fused)


def _model(workload: Workload, weights: dict[str, np.ndarray], channels_last: bool) -> nn.Module:
    model = MODELS[workload.name]()
    tensors = {name: torch.from_numpy(values) for name, values in weights.items()}
    missing, surplus = model.load_state_dict(tensors, strict=False)
    assert not surplus, surplus
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    if channels_last:
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return model


class Training:
    """The step of every tutorial: zero_grad, loss, backward, step."""

    def __init__(
        self,
        workload: Workload,
        weights: dict[str, np.ndarray],
        fused: bool | None = None,
        channels_last: bool = False,
    ) -> None:
        self.model = _model(workload, weights, channels_last)
        self.optimizer = optimizer_of(workload, self.model.parameters(), fused)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format

    def step(self, image: np.ndarray, label: np.ndarray) -> float:
        x = torch.from_numpy(image).contiguous(memory_format=self.layout)
        self.optimizer.zero_grad()
        loss = cross_entropy(self.model(x), torch.from_numpy(label))
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Inference:
    """The model in evaluation, without gradients."""

    def __init__(
        self,
        workload: Workload,
        weights: dict[str, np.ndarray],
        fused: bool | None = None,
        channels_last: bool = False,
    ) -> None:
        self.model = _model(workload, weights, channels_last).eval()
        self.layout = torch.channels_last if channels_last else torch.contiguous_format

    @torch.inference_mode()
    def predict(self, image: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(image).contiguous(memory_format=self.layout)
        return self.model(x).numpy()
