"""The module that a model becomes: its names, its modes, its text alone, and training with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import specc
from specc import pipeline
from specc.api import Model
from specc.training.torch import export_module
from tests.small import LEARNS, built

EPOCH = {"train.epochs": "1"}
SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.nn"))

MODEL = """
activation soft(x) {
    return log1p(exp(x))
    gradient x = g * sigmoid(x)
}
layer Counter() {
    input x: float[batch, d]
    state seen: float[] = 0
    if training {
        seen' = seen + 1
    }
    return x
}
model M(classes: int = 3) {
    input x: float[batch, 2, 6, 6]
    input ids: int[batch, time]
    target label: int[batch]
    x = x -> Conv2d(4, 3, padding = 1) as conv1 -> BatchNorm as bn -> relu -> max_pool2d(2)
    y = x -> flatten -> Linear(8) as fc -> dropout(0.2) -> LayerNorm as forward -> Counter as n
    shared = Linear(8)
    y = soft(shared(shared(y)))
    embed = Embedding(8, 5)
    z = embed(ids) -> Linear(8, weight = embed.weight, bias = false) as tied
    repeat 2 as block {
        y = y -> Linear(8, bias = false) as inner -> softmax(axis = -1)
    }
    logits = y -> Linear(classes) as type
    output logits, z = z, total = sum(y)
    loss cross_entropy(logits, label)
}
"""


def feeds(batch: int = 5) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "x": random.standard_normal((batch, 2, 6, 6)),
        "ids": random.integers(0, 8, (batch, 4)),
        "label": random.integers(0, 3, batch),
    }


def test_names_are_the_specs() -> None:
    model = specc.loads(MODEL).model()
    module = model.torch()
    wanted = {each.name for each in (*model.built.parameters, *model.built.states)}
    assert set(module.state_dict()) == wanted
    assert {"type.weight", "forward.weight", "block.1.inner.weight"} <= wanted
    again = specc.loads(MODEL).model().torch(seed=9)
    again.load_state_dict(module.state_dict())
    for name, value in again.state_dict().items():
        assert torch.equal(value, module.state_dict()[name]), name


def test_inference_is_numpys() -> None:
    model = specc.loads(MODEL).model()
    right = model.compile(dtype="float64", seed=4)(x=feeds()["x"], ids=feeds()["ids"])
    module = model.torch(dtype="float64", seed=4).eval()
    made = module(torch.tensor(feeds()["x"]), torch.tensor(feeds()["ids"]))
    for name, value in right.items():
        np.testing.assert_allclose(made[name].detach().numpy(), value, rtol=1e-12, atol=1e-14)


def test_states_move_in_training_alone() -> None:
    module = specc.loads(MODEL).model().torch()
    given = [torch.tensor(feeds()["x"]).float(), torch.tensor(feeds()["ids"])]
    module.eval()(*given)
    assert float(module.state_dict()["n.seen"]) == 0
    module.train()(*given)
    module(*given)
    assert float(module.state_dict()["n.seen"]) == 2
    assert module.state_dict()["bn.running_mean"].abs().sum() > 0


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spec_runs_by_torch_alone(path: Path, tmp_path: Path) -> None:
    """Its file, where specc can't be imported, gives what NumPy gives."""
    spec = built(path)
    model = Model(spec, spec.trains[-1].model)
    weights = dict(model.compile(seed=2).weights)
    inputs = pipeline.forward(model.built).taking("input")
    random = np.random.default_rng(1)
    given = {
        name: random.integers(1, 3, [3] * node.rank)
        if node.dtype == "int"
        else random.standard_normal([e if isinstance(e, int) else 3 for e in node.shape])
        for name, node in inputs.items()
    }
    right = model.compile(seed=2)(**given)
    for each in model.built.streams:  # carried from batch to batch: inputs that begin at zero
        given[each.name] = np.zeros([e if isinstance(e, int) else 3 for e in each.type.shape])
    export_module(spec, model.built, tmp_path / "exported.py", "float32", None)
    np.savez(tmp_path / "given.npz", **given, **{f"weight {n}": v for n, v in weights.items()})  # type: ignore
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
sys.modules["specc"] = None
import numpy as np, torch, exported
held = np.load({str(tmp_path / "given.npz")!r})
module = exported.{model.built.name}().eval()
weights = {{n[7:]: torch.tensor(held[n]) for n in held if n.startswith("weight ")}}
module.load_state_dict(weights)
given = [torch.tensor(held[n]) for n in {list(given)!r}]
results = module(*[x.float() if x.is_floating_point() else x for x in given])
results = results if isinstance(results, dict) else {{{next(iter(right))!r}: results}}
np.savez({str(tmp_path / "made.npz")!r}, **{{n: x.detach().numpy() for n, x in results.items()}})
"""
    subprocess.run([sys.executable, "-I", "-c", program], check=True, cwd=tmp_path)
    with np.load(tmp_path / "made.npz") as made:
        for name, wanted in right.items():
            np.testing.assert_allclose(made[name], wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_run_ends_where_numpys_does(path: Path) -> None:
    short = LEARNS[path.stem][0] | {"train.steps": "10"} if path.stem in LEARNS else EPOCH
    right, made = (
        specc.load(path, short).run(backend=each, dtype="float64") for each in ("numpy", "torch")
    )
    assert made.metrics == pytest.approx(right.metrics, rel=1e-8)
    for name, values in right.parameters.items():
        off = np.linalg.norm(values - made.parameters[name])
        assert off <= 1e-9 * max(np.linalg.norm(values), 1.0), name


@pytest.mark.parametrize("hostile", ["forward", "π", "in_", "class_", "self", "torch", "F", "math"])
def test_hostile_names(hostile: str) -> None:
    text = f"model M {{\n input {hostile}: float[batch, 3]\n"
    text += f" output y = ({hostile} -> Linear(3) as {hostile}2 -> Linear(2) as {hostile})\n}}\n"
    model = specc.loads(text.replace("output y = (", "y = (").replace(")\n}", ")\n output y\n}"))
    x = np.ones((2, 3))
    module = model.model().torch(dtype="float64")
    right = model.model().compile(dtype="float64")(**{hostile: x})["y"]
    np.testing.assert_allclose(module(torch.tensor(x)).detach().numpy(), right, rtol=1e-12)
    assert f"{hostile}.weight" in module.state_dict()


def test_resumed_is_the_same(tmp_path: Path) -> None:
    """Half a run and its resumption end in the very bits of a whole one."""
    path = SPECS[[each.stem for each in SPECS].index("digits")]
    whole = pipeline.run(path, overrides={"train.epochs": "2"}, backend="torch",
                         out=tmp_path / "whole", quiet=True)  # fmt: skip
    again = pipeline.run(path, overrides={"train.epochs": "2"}, backend="torch",
                         out=tmp_path / "whole", resume=True, quiet=True)  # fmt: skip
    for name, values in whole.parameters.items():
        assert np.array_equal(values, again.parameters[name]), name


def test_what_training_requires_holds_in_training() -> None:
    text = "model M {\n    input x: float[batch, 3]\n    output x -> Linear(4) -> BatchNorm()\n}\n"
    module = specc.loads(text).model().torch()
    assert module.eval()(torch.ones(1, 3)).shape == (1, 4)
    with pytest.raises(ValueError, match="two values"):
        module.train()(torch.ones(1, 3))
