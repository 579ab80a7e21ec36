"""Every definition of the library as a Module: values and torch's gradients against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from specc.backends import torch as backend
from tests.check import FORWARD, GRADIENT, assert_close
from tests.std.record import Built, Record, build, run, with_gradients
from tests.std.records import RECORDS

in_both = pytest.mark.parametrize("dtype", ["float64", "float32"])


def module_of(record: Record, dtype: str) -> tuple[Any, Any]:
    built = build(record)
    pair = backend.Pair(built.model.training, built.model.inference)
    written = backend.module_source(built.model, pair, dtype)
    held = [v.name for v in (*built.model.parameters, *built.model.states)]
    weights = {name: built.feeds[name].astype(dtype) for name in held}
    module = backend.loaded(written, weights, dtype).to(backend.How().device)
    return module.train(record.training), written


def arguments(built: Built, names: tuple[str, ...], dtype: str) -> list[torch.Tensor]:
    device = backend.How().device  # a test run's --torch-device
    made = [torch.tensor(built.feeds[name], device=device) for name in names]
    return [
        each.to(getattr(torch, dtype)).requires_grad_() if each.is_floating_point() else each
        for each in made
    ]


@pytest.mark.parametrize("record", RECORDS, ids=str)
@in_both
def test_forward_and_backward(record: Record, dtype: str) -> None:
    built = build(record)
    module, written = module_of(record, dtype)
    given = arguments(built, written.forward, dtype)
    y = module(*given)
    assert_close(
        y.detach().cpu().numpy(),
        built.answer.astype(dtype),
        what=str(record),
        tolerance=FORWARD[dtype],
    )
    right = run(with_gradients(built) if record.differentiable else built.graph, built.feeds, dtype)
    for name in built.states:
        found = module.state_dict()[name].cpu().numpy()
        assert_close(found, np.asarray(built.states[name], dtype), what=f"{record}: {name}")
    if not record.differentiable:
        return
    watched = {
        **{n: g for n, g in zip(written.forward, given, strict=True) if g.requires_grad},
        **dict(module.named_parameters()),
    }
    pull = torch.tensor(built.feeds["pull"].astype(dtype), device=y.device)
    total = (y * pull).sum()
    if not total.requires_grad:
        return
    found = torch.autograd.grad(total, list(watched.values()), materialize_grads=True)
    whole = np.sqrt(sum(np.sum(right[f"gradient.{n}"].astype(float) ** 2) for n in watched))
    count = sum(each.numel() for each in found)
    for name, each in zip(watched, found, strict=True):
        reference = right[f"gradient.{name}"]
        scale = max(np.linalg.norm(reference), whole * np.sqrt(each.numel() / count), 1e-30)
        off = np.linalg.norm(each.cpu().numpy().astype(float) - reference) / scale
        assert off <= GRADIENT[dtype], f"{record}: gradient of {name}: {off:.3g}\n{written.text}"


@pytest.mark.parametrize("record", [r for r in RECORDS if r.differentiable], ids=str)
def test_the_differentiated_graph(record: Record) -> None:
    """The gradients that the pass makes, run in torch with their calls in place."""
    built = build(record)
    graph = with_gradients(built)
    names = {node.attributes["name"] for node in graph.inputs}
    feeds = {n: v for n, v in built.feeds.items() if n in names}
    made = backend.compile(graph, "float64")(feeds)
    right = run(graph, feeds, "float64")
    for name in (n for n in right if n.startswith("gradient.")):
        assert_close(made[name], right[name], what=f"{record}: {name}", times=10)
