"""The library's optimizers that torch has: a definition → torch's class and its arguments.

A row is right for these hyper-parameters to the last rounding; without one the spec's own update
is generated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from specc.ir.model import Optimizer

Hypers = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """`options` gives the class's arguments, or None; `states` are torch's names of the spec's."""

    name: str
    options: Callable[[Hypers], dict[str, Any] | None]
    states: Mapping[str, str]
    counts: bool  # torch keeps the number of updates itself
    fused: bool


def _sgd(h: Hypers) -> dict[str, Any] | None:
    if h["momentum"] and h["dampening"]:
        return None  # torch dampens by whether there is a buffer, the spec by the step
    return {
        "momentum": h["momentum"],
        "weight_decay": h["weight_decay"],
        "nesterov": h["nesterov"] and h["momentum"] > 0,
    }


def _adam(h: Hypers) -> dict[str, Any]:
    betas = (h["beta1"], h["beta2"])
    return {"betas": betas, "eps": h["eps"], "weight_decay": h["weight_decay"]}


def _rmsprop(h: Hypers) -> dict[str, Any]:
    return {key: h[key] for key in ("alpha", "eps", "weight_decay", "momentum")}


def _adagrad(h: Hypers) -> dict[str, Any]:
    return {key: h[key] for key in ("lr_decay", "eps", "weight_decay")}


rows: Mapping[str, Row] = {
    "sgd": Row("SGD", _sgd, {"m": "momentum_buffer"}, False, True),
    "adam": Row("Adam", _adam, {"m": "exp_avg", "v": "exp_avg_sq"}, True, True),
    "adamw": Row("AdamW", _adam, {"m": "exp_avg", "v": "exp_avg_sq"}, True, True),
    "rmsprop": Row("RMSprop", _rmsprop, {"v": "square_avg", "m": "momentum_buffer"}, True, False),
    "adagrad": Row("Adagrad", _adagrad, {"s": "sum"}, True, True),
}


def row_of(optimizer: Optimizer) -> tuple[Row, dict[str, Any]] | None:
    """torch's optimizer that does the same, with its arguments."""
    definition = optimizer.definition
    if not isinstance(definition, tuple) or definition[0] != "std" or definition[1] not in rows:
        return None
    numbers = (value for name, value in optimizer.hypers.items() if name != "lr")
    if not all(isinstance(value, (bool, int, float)) for value in numbers):
        return None  # a scheduled number
    row = rows[definition[1]]
    options = row.options(optimizer.hypers)
    return None if options is None else (row, options)


class Stepped:
    """One of torch's optimizers over some parameters, its states in tensors of the caller's."""

    def __init__(
        self,
        optimizer: Optimizer,
        parameters: Sequence[Any],
        states: Mapping[str, Sequence[Any]],
    ) -> None:
        import torch

        found = row_of(optimizer)
        assert found is not None, f"torch has no {optimizer.name}"
        row, options = found
        self._optimizer: Any = getattr(torch.optim, row.name)(
            list(parameters), lr=optimizer.lr, **options, **({"fused": True} if row.fused else {})
        )
        self._counts: list[Any] = []
        self._steps = 0
        for place, parameter in enumerate(parameters):
            state = self._optimizer.state[parameter]
            for name, theirs in row.states.items():
                if name in states:
                    state[theirs] = states[name][place]
            if row.counts:
                device = parameter.device if row.fused else "cpu"
                state["step"] = torch.zeros((), dtype=torch.float32, device=device)
                self._counts.append(state["step"])

    def step(self, rate: float, made: int) -> None:
        """One update with this learning rate, `made` having been made before."""
        if made != self._steps:
            for each in self._counts:
                each.fill_(made)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._steps = made + 1
