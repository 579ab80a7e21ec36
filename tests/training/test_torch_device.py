"""Training away from the caller's arrays: what a device computes comes back when somebody looks.

"cpu:0" stands in for a device: its tensors are copies, never the learner's own arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from specc import SpecError, language
from specc.backends.torch import prepare_device
from specc.pipeline import training_graph
from specc.training.bounds import bounds_of
from specc.training.checkpoint import Checkpoints, restore
from specc.training.folder import CHECKPOINT
from specc.training.torch import TorchLearner
from tests.check import assert_close

SPEC = """
model Net() {
    input  x: float[batch, 5]
    target y: int[batch]
    logits = x -> Linear(6, bias = false) -> BatchNorm() -> relu -> Linear(3)
    output logits
    loss   cross_entropy(logits, y)
}
train {
    optimizer adam(lr = 0.01)
    clip      norm(0.1)
    steps     4
}
"""
DEVICE = "cpu:0"
Batch = dict[str, np.ndarray]


def learner_on(device: str, spec: str = SPEC) -> TorchLearner:
    return TorchLearner(
        language.loads(spec).trains[0], seed=3, dtype="float64", how={"device": device}
    )


def batches(count: int) -> Iterator[Batch]:
    draw = np.random.default_rng(0)
    for _ in range(count):
        yield {"x": draw.standard_normal((7, 5)), "y": draw.integers(0, 3, 7)}


def held(learner: TorchLearner) -> dict[str, np.ndarray]:
    learner.fetch()
    found = {**learner.parameters, **learner.optimizer_states(), **learner.states}
    return {name: values.copy() for name, values in found.items()}


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert_close(other[name], values, what=name, tolerance=1e-11)


def test_a_device_s_parameters_moments_and_states_come_back() -> None:
    own, away = learner_on("cpu"), learner_on(DEVICE)
    before = held(away)
    for batch in batches(4):
        assert away.step(batch) == pytest.approx(own.step(batch), rel=1e-12)
    found = held(away)
    assert_same(held(own), found)
    assert all((found[name] != before[name]).any() for name in before)


def test_a_training_of_any_optimizer_comes_back() -> None:
    """One whose update is the spec's own, on the arrays."""
    spec = SPEC.replace("adam(lr = 0.01)", "sgd(lr = 0.1, momentum = 0.5, dampening = 0.5)")
    own, away = learner_on("cpu", spec), learner_on(DEVICE, spec)
    for batch in batches(3):
        own.step(batch)
        away.step(batch)
    assert_same(held(own), held(away))


def test_a_checkpoint_from_a_device_goes_on_there(tmp_path: Path) -> None:
    made = list(batches(4))
    whole, first = learner_on(DEVICE), learner_on(DEVICE)
    for batch in made:
        whole.step(batch)
    for batch in made[:2]:
        first.step(batch)
    position = {"step": first.steps, "watches": {"scale": 1.0}}
    Checkpoints(tmp_path).write(first, position)
    second = learner_on(DEVICE)
    restore(second, tmp_path / CHECKPOINT)
    for batch in made[2:]:
        second.step(batch)
    assert_same(held(whole), held(second))


def test_a_refused_step_leaves_a_device_as_it_was() -> None:
    away = learner_on(DEVICE)
    first, second = batches(2)
    away.step(first)
    before = held(away)
    away.step(second)  # its results stay there
    away = learner_on(DEVICE)
    away.step(first)
    with pytest.raises(SpecError, match="D008"):
        away.step({**second, "x": np.full((7, 5), np.inf)})
    assert_same(before, held(away))


def test_cuda_computes_in_float32_what_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's default rounds the factors of a convolution to TF32's 10 bits."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    prepare_device("cuda")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_only_cuda_rounds_to_tf32() -> None:
    from specc.pipeline import check_how

    check_how("torch", {"precision": "tf32", "device": "cuda:1"})
    with pytest.raises(SpecError, match="only CUDA rounds to tf32"):
        check_how("torch", {"precision": "tf32"})


def test_a_device_is_not_asked_for_a_place_that_is_none() -> None:
    """CUDA would stop the process: what is fed is looked at before."""
    away = learner_on(DEVICE)
    (batch,) = batches(1)
    batch["y"][2] = 3
    with pytest.raises(SpecError, match="`y` has values outside 0 to 2"):
        away.step(batch)
    (batch,) = batches(1)
    away.step(batch)


def test_places_are_found_within_scans() -> None:
    spec = """
cell Word(n: int) {
    input i: int[batch]
    state h: float[batch, n] = 0
    embedded = i -> Embedding(7, n)
    h' = tanh(embedded + h)
    return h'
}
model Net() {
    input  words: int[batch, time]
    input  free: int[batch]
    target y: int[batch]
    states, last = scan(Word(4), words, axis = 1)
    logits = mean(states, axis = 1) -> Linear(3)
    output logits, other = free * 2
    loss   cross_entropy(logits, y)
}
train {
    optimizer sgd(lr = 0.1)
    steps     1
}
"""
    graph = training_graph(language.loads(spec).trains[0])
    assert bounds_of(graph) == {"words": 7, "y": 3}
