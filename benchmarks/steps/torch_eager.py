"""The workloads as one writes them in PyTorch. Its variants differ in optimizer and layout only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

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


class Words(nn.Module):
    """PyTorch's example of a language model on words, without dropout; states begin at zero."""

    def __init__(self, words: int, width: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True)
        self.out = nn.Linear(width, words)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.out(self.lstm(self.embed(tokens))[0])


class Transformer(nn.Module):
    """Vaswani et al. 2017 with one table of words and no dropout."""

    causal: torch.Tensor
    positions: torch.Tensor

    def __init__(self, words: int, width: int, heads: int, inner: int, length: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.transformer = nn.Transformer(width, heads, 2, 2, inner, 0.0, batch_first=True)
        self.out = nn.Linear(width, words)
        causal = nn.Transformer.generate_square_subsequent_mask(length)
        angle = torch.arange(length)[:, None] / 10_000 ** (torch.arange(0, width, 2) / width)
        waves = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
        self.register_buffer("causal", causal, persistent=False)
        self.register_buffer("positions", waves, persistent=False)

    def forward(self, source: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        source, previous = (self.embed(each) + self.positions for each in (source, previous))
        made = self.transformer(source, previous, tgt_mask=self.causal, tgt_is_causal=True)
        return self.out(made)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: Perceptron(784, 128, 64),
    "wide": lambda: Perceptron(1024, 1024, 1024),
    "lenet": LeNet,
    "convolutions": Convolutions,
    "lstm": lambda: Words(5000, 200, 2),
    "transformer": lambda: Transformer(5000, 256, 4, 1024, 32),
}
CLIPPED = {"lstm": 0.25}  # the norm of the gradients


def optimizer_of(
    workload: Workload, parameters: Iterable[nn.Parameter], fused: bool | None
) -> torch.optim.Optimizer:
    if workload.name == "mlp":
        return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, fused=fused)
    if workload.name == "lstm":
        return torch.optim.SGD(parameters, lr=20, fused=fused)
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


def tensors(inputs: dict[str, np.ndarray], layout: torch.memory_format) -> Iterator[torch.Tensor]:
    for each in inputs.values():
        tensor = torch.from_numpy(each)
        yield tensor.contiguous(memory_format=layout) if tensor.is_floating_point() else tensor


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
        self.clipped = CLIPPED.get(workload.name)
        self.optimizer = optimizer_of(workload, self.model.parameters(), fused)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format

    def step(self, label: np.ndarray, **inputs: np.ndarray) -> float:
        self.optimizer.zero_grad()
        logits = self.model(*tensors(inputs, self.layout))
        loss = cross_entropy(logits.flatten(0, -2), torch.from_numpy(label).flatten())
        loss.backward()
        if self.clipped:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clipped)
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
    def predict(self, **inputs: np.ndarray) -> np.ndarray:
        return self.model(*tensors(inputs, self.layout)).numpy()
