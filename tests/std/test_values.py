"""Every definition against its oracle: values, gradients, and the gradients' own gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.std.record import (
    Built,
    Record,
    answer,
    build,
    run,
    tensors,
    with_gradients,
    with_second,
)
from tests.std.records import RECORDS

FORWARD = {"float64": 1e-12, "float32": 1e-5}
BACKWARD = {"float64": 1e-11, "float32": 1e-4}

every = pytest.mark.parametrize("record", RECORDS, ids=str)
smooth = pytest.mark.parametrize("record", [r for r in RECORDS if r.differentiable], ids=str)
twice = pytest.mark.parametrize(
    "record", [r for r in RECORDS if r.differentiable and r.twice], ids=str
)
in_both = pytest.mark.parametrize("dtype", ["float64", "float32"])


def assert_near(found: np.ndarray, right: np.ndarray, tolerance: float, scale: float = 0.0) -> None:
    """The norm of the difference, as a share of the right value's norm or of `scale`."""
    assert found.shape == right.shape
    same = (found == right) | (np.isnan(found) & np.isnan(right))  # infinities, too
    error = np.linalg.norm(np.where(same, 0, found - np.where(same, 0, right)))
    norm = max(float(np.linalg.norm(np.where(np.isfinite(right), right, 0))), scale)
    assert error <= tolerance * norm or error == 0, f"off by {error / (norm or 1):.3g}: {found}"


@every
@in_both
def test_values(record: Record, dtype: str) -> None:
    built = build(record)
    made = run(built.graph, built.feeds, dtype)
    assert_near(made["y"], built.answer, FORWARD[dtype])
    states = {name.rstrip("'"): value for name, value in made.items()}
    for name, right in built.states.items():
        assert_near(states[name], right, FORWARD[dtype])


def oracle_gradients(record: Record, built: Built) -> dict[str, np.ndarray]:
    arguments = tensors({name: built.feeds[name] for name in _read(built)})
    y, _ = answer(record, arguments)
    pulled = (y * torch.from_numpy(built.feeds["pull"])).sum()
    watched = [arguments[name.replace(".", "_")] for name in built.variable]
    made = torch.autograd.grad(pulled, watched, allow_unused=True)
    return {
        name: np.zeros(built.feeds[name].shape) if each is None else each.numpy()
        for name, each in zip(built.variable, made, strict=True)
    }


def _read(built: Built) -> list[str]:
    return [name for name in built.feeds if name != "pull"]


@smooth
@in_both
def test_gradients(record: Record, dtype: str) -> None:
    built = build(record)
    made = run(with_gradients(built), built.feeds, dtype)
    right = oracle_gradients(record, built)
    count = sum(each.size for each in right.values())
    rms = np.sqrt(sum(float(np.sum(each**2)) for each in right.values()) / count)
    for name, each in right.items():
        scale = rms * np.sqrt(each.size)
        assert_near(made[f"gradient.{name}"], each, BACKWARD[dtype], scale)


@twice
def test_slope_along_a_line(record: Record) -> None:
    """The gradient against how the pulled sum itself moves: no oracle but the forward program."""
    built = build(record)
    random = np.random.default_rng(5)
    feeds = {n: v.astype(np.float64) if v.dtype.kind == "f" else v for n, v in built.feeds.items()}
    along = {name: random.standard_normal(feeds[name].shape) for name in built.variable}
    made = run(with_gradients(built), feeds, "float64")
    slope = sum(float(np.sum(made[f"gradient.{name}"] * way)) for name, way in along.items())
    step = 1e-6
    ends = [
        run(
            built.graph,
            {**feeds, **{name: feeds[name] + sign * step * way for name, way in along.items()}},
            "float64",
        )["pulled"]
        for sign in (1, -1)
    ]
    measured = float(ends[0] - ends[1]) / (2 * step)
    assert measured == pytest.approx(slope, rel=1e-6, abs=1e-7)


@twice
def test_second_derivatives(record: Record) -> None:
    built = build(record)
    random = np.random.default_rng(6)
    along = {name: random.standard_normal(built.feeds[name].shape) for name in built.variable}
    feeds = {**built.feeds, **{f"along.{name}": way for name, way in along.items()}}
    made = run(with_second(built, along), feeds, "float64")

    arguments = tensors({name: built.feeds[name] for name in _read(built)})
    y, _ = answer(record, arguments)
    pulled = (y * torch.from_numpy(built.feeds["pull"])).sum()
    watched = {name: arguments[name.replace(".", "_")] for name in built.variable}
    firsts = torch.autograd.grad(
        pulled, list(watched.values()), create_graph=True, materialize_grads=True
    )
    slope = sum(
        (first * torch.from_numpy(way)).sum()
        for first, way in zip(firsts, along.values(), strict=True)
    )
    assert isinstance(slope, torch.Tensor)
    if slope.grad_fn is None:
        seconds = tuple(torch.zeros_like(each) for each in watched.values())
    else:
        seconds = torch.autograd.grad(slope, list(watched.values()), materialize_grads=True)
    scale = max(float(torch.linalg.vector_norm(each)) for each in (*firsts, *seconds))
    for name, right in zip(along, seconds, strict=True):
        assert_near(made[f"gradient.{name}"], right.numpy(), 1e-10, scale)
