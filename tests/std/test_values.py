"""Every definition against its oracle: values, gradients, and the gradients' own gradients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from tests.check import GRADIENT, assert_close
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

Arrays = Mapping[str, np.ndarray]

every = pytest.mark.parametrize("record", RECORDS, ids=str)
smooth = pytest.mark.parametrize("record", [r for r in RECORDS if r.differentiable], ids=str)
twice = pytest.mark.parametrize(
    "record", [r for r in RECORDS if r.differentiable and r.twice], ids=str
)
in_both = pytest.mark.parametrize("dtype", ["float64", "float32"])


@every
@in_both
def test_values(record: Record, dtype: str) -> None:
    built = build(record)
    made = run(built.graph, built.feeds, dtype)
    assert_close(made["y"], built.answer.astype(dtype), what=str(record))
    states = {name.rstrip("'"): value for name, value in made.items()}
    for name, right in built.states.items():
        assert_close(states[name], right.astype(dtype), what=f"{record}: {name}")


@smooth
@in_both
def test_gradients(record: Record, dtype: str) -> None:
    built = build(record)
    made = run(with_gradients(built), built.feeds, dtype)
    arguments, pulled = pulled_sum(record, built)
    right = torch.autograd.grad(pulled, list(arguments.values()), materialize_grads=True)
    compare(record, made, dict(zip(arguments, right, strict=True)), dtype, GRADIENT[dtype])


@twice
def test_slope_along_a_line(record: Record) -> None:
    """The gradient against how the pulled sum itself moves: no oracle but the forward program."""
    built = build(record)
    feeds = {n: v.astype(np.float64) if v.dtype.kind == "f" else v for n, v in built.feeds.items()}
    along = directions(built)
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
    along = directions(built)
    feeds = {**built.feeds, **{f"along.{name}": way for name, way in along.items()}}
    made = run(with_second(built, along), feeds, "float64")
    arguments, pulled = pulled_sum(record, built)
    watched = list(arguments.values())
    firsts = torch.autograd.grad(pulled, watched, create_graph=True, materialize_grads=True)
    slope = torch.zeros(())
    for first, way in zip(firsts, along.values(), strict=True):
        slope = slope + (first * torch.from_numpy(way)).sum()
    if slope.grad_fn is None:
        seconds = tuple(map(torch.zeros_like, watched))
    else:
        seconds = torch.autograd.grad(slope, watched, materialize_grads=True)
    scale = max(float(torch.linalg.vector_norm(first.detach())) for first in firsts)
    compare(record, made, dict(zip(along, seconds, strict=True)), "float64", 1e-10, scale)


def pulled_sum(record: Record, built: Built) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The oracle's Σ y · pull, and what it is differentiated by."""
    arguments = tensors({n: v for n, v in built.feeds.items() if n not in ("pull", "key")})
    y, _ = answer(record, arguments)
    watched = {name: arguments[name.replace(".", "_")] for name in built.variable}
    return watched, (y * torch.from_numpy(built.feeds["pull"])).sum()


def directions(built: Built) -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    return {name: random.standard_normal(built.feeds[name].shape) for name in built.variable}


def compare(
    record: Record,
    made: Arrays,
    right: Mapping[str, torch.Tensor],
    dtype: str,
    tolerance: float,
    scale: float = 0.0,
) -> None:
    """Each gradient within the tolerance of its norm, or of that of all of them for its size."""
    reference = {name: each.detach().numpy(force=True) for name, each in right.items()}
    count = sum(each.size for each in reference.values())
    total = max(scale, float(np.sqrt(sum(np.sum(each**2) for each in reference.values()))))
    for name, each in reference.items():
        norm = float(np.linalg.norm(each))
        share = total * np.sqrt(each.size / count)
        times = max(norm, share) / norm if norm else share
        found = made[f"gradient.{name}"]
        what = f"{record}: gradient of {name}"
        assert_close(found, each.astype(dtype), what=what, tolerance=tolerance * max(times, 1e-30))
