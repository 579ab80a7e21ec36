"""Training in torch beside NumPy's where more than arithmetic decides: masks, labels, restarts."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import specc
from specc.diagnostics import SpecError

SPEC = """
model M {
    input  x: float[batch, 20]
    target label: int[batch]
    h = x -> Linear(30) as a -> dropout(0.3) -> relu -> Linear(4) as b
    output h
    loss   cross_entropy(h, label)
}
train {
    optimizer adam(lr = 0.01)
    steps     20
}
"""


def batches(count: int) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    return [
        {"x": random.standard_normal((16, 20)), "label": random.integers(0, 4, 16)}
        for _ in range(count)
    ]


def test_masks_are_the_same() -> None:
    spec = specc.loads(SPEC)
    both = [spec.trainer(backend=each, dtype="float64", seed=3) for each in ("numpy", "torch")]
    for batch in batches(6):
        said = [trainer.step(**batch) for trainer in both]
        assert said[0] == pytest.approx(said[1], rel=1e-9)


@pytest.mark.parametrize("label", [-100, -1, 4])
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_label_that_is_no_class_is_refused(backend: str, label: int) -> None:
    trainer = specc.loads(SPEC).trainer(backend=backend, seed=3)
    (batch,) = batches(1)
    batch["label"][5] = label
    with pytest.raises(SpecError, match="R10"):
        trainer.step(**batch)


SEQUENCE = """
model M {
    input  x: float[batch, t, 3]
    target y: float[batch, 4]
    ys, h, c = x -> LSTM(4)
    output h
    loss   mse(ys[:, -1], y)
}
train {
    optimizer sgd(0.1)
    steps     20
}
"""
TWO_LOSSES = """
model M {
    input  x: float[batch, 3]
    target y: float[batch, 4]
    p = x -> Linear(5) as a -> tanh -> Linear(4) as b
    output p
    loss one = mse(p, y)
    loss two = mae(p, y) on "b.*"
}
train {
    optimizer sgd(0.1)
    steps     20
}
"""
MASKED = """
model M {
    input  x: float[batch, t, 3]
    target y: float[batch, 4]
    keep = x[:, :, 0] > 0 and x[:, 0, 1][:, none] > 0
    mixed, weights = AdditiveAttention(4)(x, x, x, keep)
    own = MultiheadAttention(3, 1, p = 0.3)(x, mask = keep)
    p = mean(mixed + own, axis = t) -> Linear(4)
    output p
    loss   mse(p, y)
}
train {
    optimizer sgd(0.1)
    steps     20
}
"""


def said_by(text: str, backend: str, **how: Any) -> list[float]:
    """The losses of a few steps, the last of fewer examples."""
    trainer = specc.loads(text).trainer(backend=backend, seed=3, **how)
    random = np.random.default_rng(0)
    shape = (3,) if text is TWO_LOSSES else (5, 3)
    pairs = [(random.standard_normal((n, *shape)), random.random((n, 4))) for n in (8, 8, 5)]
    return [trainer.step(x=x, y=y)["objective"] for x, y in pairs]


@pytest.mark.filterwarnings("ignore")  # torch's compiler uses what torch deprecates
@pytest.mark.parametrize(
    "text", [SEQUENCE, TWO_LOSSES, MASKED], ids=["lstm", "two losses", "masked"]
)
def test_compiled_is_the_same(text: str) -> None:
    """Also where some rows may attend to nothing, whose weights are zeros."""
    made = said_by(text, "torch", compiled=True)
    assert made == pytest.approx(said_by(text, "numpy"), rel=1e-5)


def test_a_recurrence_in_fp16_is_whole_on_the_cpu() -> None:
    made = said_by(SEQUENCE, "torch", precision="fp16")
    assert made == pytest.approx(said_by(SEQUENCE, "numpy"), rel=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16", "tf32"])
def test_fewer_bits_of_float64_are_refused(precision: str) -> None:
    with pytest.raises(SpecError, match="B103"):
        said_by(TWO_LOSSES, "torch", precision=precision, dtype="float64")


LOOKUP = """
model M {
    input  ids: int[batch, t]
    input  other: int[batch]
    target y: float[batch, 4]
    table = Embedding(6, 4)
    h = mean(table(ids), axis = t) -> dropout(0.1) -> BatchNorm
    h = h + table(maximum(other * 2, 0))
    output h
    loss   mse(h, y)
}
train {
    optimizer sgd(0.1)
    steps     20
}
"""


@pytest.mark.parametrize("wrong", ["ids", "other"])
def test_an_index_out_of_range_is_named_as_by_numpy(wrong: str) -> None:
    fed = {"ids": np.zeros((3, 2), int), "other": np.zeros(3, int), "y": np.zeros((3, 4))}
    fed[wrong].reshape(-1)[1] = 7
    spec = specc.loads(LOOKUP)
    trainers = [spec.trainer(backend=each, seed=3) for each in ("numpy", "torch")]
    said = [str(refusal(lambda t=t: t.step(**fed))) for t in trainers]
    assert "R107" in said[1]
    assert "0 .. 5" in said[1]
    assert said[0] == said[1]
    fed.pop("y")
    models = [spec.model().compile(each) for each in ("numpy", "torch")]
    said = [str(refusal(lambda m=m: m(**fed))) for m in models]
    assert "0 .. 5" in said[1]
    assert said[0] == said[1]
    state = trainers[1].state
    assert not any(state[name].any() for name in state if name.endswith("running_mean"))


def refusal(call: Callable[[], Any]) -> SpecError:
    with pytest.raises(SpecError) as caught:
        call()
    return caught.value


CARRIED = """
layer Carried(n: int) {
    input x: float[batch, time, features]
    state h: float[1, batch, n] = 0
    state c: float[1, batch, n] = 0.5
    ys, last_h, last_c = LSTM(n)(x, h = h, c = c)
    h' = last_h
    c' = last_c
    return ys
}
model M {
    input  x: float[batch, time, 3]
    target y: float[batch]
    p = (x -> Carried(6) as car -> Linear(1))[:, -1, 0]
    output p
    loss   mse(p, y)
    metric r = r2(p, y)
}
"""


def test_carried_states_begin_by_themselves() -> None:
    """In the module's functions a state that isn't given is what the spec begins it with."""
    model = specc.loads(CARRIED).model()
    module = model.torch(dtype="float64").eval()
    x, y = np.random.default_rng(0).standard_normal((5, 4, 3)), np.arange(5.0)
    made = module(torch.tensor(x))["p"].detach().numpy()
    np.testing.assert_allclose(made, model.compile(dtype="float64")(x=x)["p"], rtol=1e-12)
    first = module.measure(torch.tensor(x), torch.tensor(y))
    begun = [torch.full((1, 5, 6), value, dtype=torch.float64) for value in (0.0, 0.5)]
    again = module.measure(torch.tensor(x), torch.tensor(y), *begun)
    assert torch.equal(first["loss"], again["loss"])
    carried = module(torch.tensor(x), first["car.h"], first["car.c"])
    assert not np.allclose(carried["p"].detach().numpy(), made)


STEPS = """
import resource
import numpy as np
import specc

trainer = specc.load("benchmarks/specs/wide.nn").trainer(backend="torch")
random = np.random.default_rng(0)
image = random.normal(size=(2048, 1024)).astype(np.float32)
batch = {"image": image, "label": random.integers(0, 10, 2048)}
for steps in (20, 5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        trainer.step(**batch)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another system's memory")
@pytest.mark.parametrize(("told", "kept"), [({}, True), ({"MALLOC_TRIM_THRESHOLD_": "0"}, False)])
def test_memory_stays_from_step_to_step(told: dict[str, str], kept: bool) -> None:
    """A step's values are 10,000 pages; a user who says what glibc keeps is heard."""
    command = [sys.executable, "-c", STEPS]
    faults = int(subprocess.check_output(command, env={**os.environ, **told}, text=True))
    assert (faults < 5_000) == kept, faults  # of five steps; a heap may still grow a little
