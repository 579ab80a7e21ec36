"""The library's optimizers that torch has: a definition → torch's function and its arguments.

They are torch.optim's functions or the operators under them, not its classes: a class imports
torch.compile's machinery, which takes a second, and its step does what a training of its own needs.
A row is right for these hyper-parameters to the last rounding; without one the spec's own update is
generated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from specc.ir.model import Optimizer

Hypers = Mapping[str, Any]
Lists = Mapping[str, list[Any]]  # the spec's states, a tensor a parameter


@dataclass(frozen=True, slots=True)
class Row:
    """`options` gives the function's fixed arguments, or None where torch means something else."""

    options: Callable[[Hypers], dict[str, Any] | None]
    step: Callable[
        [Callable[..., None], list[Any], list[Any], Lists, list[Any], dict[str, Any]], None
    ]


def _sgd(h: Hypers) -> dict[str, Any] | None:
    if h["momentum"] and h["dampening"]:
        return None  # torch dampens by whether there is a buffer, the spec by the step
    nesterov = bool(h["nesterov"]) and h["momentum"] > 0
    fixed = {"momentum": h["momentum"], "dampening": 0.0, "nesterov": nesterov}
    return {**fixed, "weight_decay": h["weight_decay"], "maximize": False, "is_first_step": False}


def _adam(h: Hypers) -> dict[str, Any]:
    fixed = {key: h[key] for key in ("beta1", "beta2", "eps", "weight_decay")}
    return {**fixed, "amsgrad": False, "maximize": False}


def _rmsprop(h: Hypers) -> dict[str, Any]:
    fixed = {key: h[key] for key in ("alpha", "eps", "weight_decay", "momentum")}
    return {**fixed, "centered": False}


def _adagrad(h: Hypers) -> dict[str, Any]:
    fixed = {key: h[key] for key in ("lr_decay", "eps", "weight_decay")}
    return {**fixed, "maximize": False, "fused": True}


rows: Mapping[str, Row] = {
    "sgd": Row(
        _sgd, lambda f, p, g, s, n, how: f(p, g, s.get("m", []), **how)
    ),
    "adam": Row(
        _adam, lambda f, p, g, s, n, how: f(p, g, s["m"], s["v"], [], n, **how)
    ),
    "adamw": Row(
        _adam, lambda f, p, g, s, n, how: f(p, g, s["m"], s["v"], [], n, **how)
    ),
    "rmsprop": Row(
        _rmsprop,
        lambda f, p, g, s, n, how: f(p, g, s["v"], [], s.get("m", []), n, **how),
    ),
    "adagrad": Row(
        _adagrad, lambda f, p, g, s, n, how: f(p, g, s["s"], n, **how)
    ),
}  # fmt: skip
COUNTED = ("adam", "adamw")  # operators that leave the counting of steps to their caller


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
        name = optimizer.definition[1]
        self._function = _functions()[name]
        self._row, self._options = found
        self._torch = torch
        self._parameters = list(parameters)
        self._states = {name: list(tensors) for name, tensors in states.items()}
        self._counted = name in COUNTED
        beside = name != "rmsprop"  # counts lie where its parameters do
        self._counts = [
            torch.zeros((), device=each.device if beside else "cpu") for each in parameters
        ]
        self._steps = 0

    def step(self, rate: float, made: int) -> None:
        """One update with this learning rate, `made` having been made before."""
        if made != self._steps:
            for each in self._counts:
                each.fill_(made)
        gradients = [each.grad for each in self._parameters]
        how = {**self._options, "lr": rate}
        with self._torch.no_grad():
            if self._counted:
                self._torch._foreach_add_(self._counts, 1)  # pyright: ignore
            self._row.step(
                self._function, self._parameters, gradients, self._states, self._counts, how
            )
        self._steps = made + 1


def _functions() -> dict[str, Callable[..., None]]:
    """What torch has, by the names of the library's definitions: of the first three the operators
    alone, for torch.optim's functions around them sort the tensors of each step anew.
    """
    import torch
    from torch.optim.adagrad import adagrad
    from torch.optim.rmsprop import rmsprop

    return {
        "sgd": torch._fused_sgd_,  # pyright: ignore
        "adam": torch._fused_adam_,  # pyright: ignore
        "adamw": torch._fused_adamw_,  # pyright: ignore
        "rmsprop": rmsprop,
        "adagrad": adagrad,
    }
