"""Transformer layers whole: dynamic axes, dropout by the same draws, torch's function, a device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import specc
from specc.cli import main
from specc.diagnostics import SpecError
from specc.language import loads
from specc.training.torch import written

SPEC = """
model M {
    input x: float[batch, time, 8]
    input y: float[batch, source, 8]
    input n: int[batch]
    target z: float[batch, time, 8]
    keep = padding_mask(n, size(y, axis = source))
    memory = y -> TransformerEncoderLayer(8, 2, 16, p = 0.25, pre = true)(keep)
    place = x + sinusoidal_positions(size(x, axis = time), 8) -> LearnedPositions(50)
    mask = causal_mask(size(x, axis = time))
    o = place -> TransformerDecoderLayer(8, 2, 16, p = 0.25)(memory, mask, keep)
    output o
    loss mse(o, z)
}
"""

WIDTHS = """
model M {
    input x: float[batch, time, 8]
    input k: float[batch, source, 3]
    input v: float[batch, source, 5]
    input n: int[batch]
    target z: float[batch, time, 8]
    keep = padding_mask(n, size(k, axis = source))
    other = MultiheadAttention(8, 2, p = 0.25, kdim = 3, vdim = 5)
    o = other(x, k, v, keep) + MultiheadAttention(8, 2)(x, value = x + 1)
    output o
    loss mse(o, z)
}
"""


@pytest.fixture(params=[SPEC, WIDTHS], ids=["transformer", "widths"])
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "transformer.nn"
    path.write_text(request.param)
    return path


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_three_backends_train_alike(
    spec: Path, dtype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outputs, gradients and five steps of training with dropout; batch and both times dynamic."""
    assert main(["compare", str(spec), "--dtype", dtype, "--steps", "5"]) == 0, (
        capsys.readouterr().out
    )


def source(spec: str) -> str:
    loaded = loads(spec)
    return written(loaded, loaded.models["M"], "float32").text


def test_torch_s_own_attention_is_used() -> None:
    """With and without a mask, and with dropout by a helper around it."""
    without = source(SPEC.replace("p = 0.25", "p = 0"))
    assert without.count("= F.scaled_dot_product_attention(") == 3
    assert without.count(", mask.reshape(") == 3
    bare = source("model M {\n input x: float[b, t, 8]\n output x -> MultiheadAttention(8, 2)\n}\n")
    assert (
        bare.count("F.scaled_dot_product_attention(permute, permute_2, permute_3, scale=0.5)") == 1
    )
    assert "softmax" not in without + bare
    dropping = source(SPEC)
    assert dropping.count("p=0.25, number=draw") == 3
    assert dropping.count("F.scaled_dot_product_attention(") == 1


def test_what_is_made_of_sizes_alone_is_where_the_rest_is() -> None:
    """On "meta", which mixes with no other device; masks and positions read no tensor."""
    module = specc.loads(SPEC).model("M").torch().to("meta")
    x, y = torch.zeros(2, 5, 8, device="meta"), torch.zeros(2, 4, 8, device="meta")
    assert module(x, y, torch.ones(2, dtype=torch.int64, device="meta")).device.type == "meta"


@pytest.mark.parametrize("backend", ["numpy", "torch", "onnx"])
def test_too_long_a_sequence_points_at_the_user_s_line_too(backend: str) -> None:
    """Though the demand is the library's, and the sequence comes through a layer of the user's."""
    model = specc.loads(
        "layer Placed(n: int) {\n input x: float[b, t, 3]\n return x -> LearnedPositions(n)\n}\n"
        "model M {\n input x: float[batch, time, 3]\n output y = x -> Placed(4) as p\n}\n"
    ).model("M")
    with pytest.raises(SpecError, match="R106") as caught:
        model.compile(backend)(x=np.zeros((2, 5, 3)))
    (found,) = caught.value.diagnostics
    texts = [label.span.text for label in found.labels]
    assert texts == ["LearnedPositions(n)", "time"]
    assert "in this application" in str(caught.value)


def test_a_wrong_mask_is_told_which_axes_masks_have() -> None:
    with pytest.raises(SpecError, match=r"a mask is \[batch, key\] or \[batch, query, key\]"):
        specc.loads(
            "model M {\n input x: float[batch, time, 4]\n input m: bool[time, time]\n"
            " output y = attention(x, x, x, m)\n}\n"
        ).model("M")


@pytest.mark.parametrize("backend", ["numpy", "torch", "onnx"])
@pytest.mark.parametrize("given", ["x, x, x", "x, keys, keys"])
def test_a_softmax_over_no_keys_is_refused_by_every_backend(backend: str, given: str) -> None:
    """Though some run attention whole, and would give zeros."""
    model = specc.loads(
        "model M {\n input x: float[batch, time, 4]\n input keys: float[batch, source, 4]\n"
        f" output y = attention({given})\n}}\n"
    ).model("M")
    feeds = {"x": np.zeros((2, 0, 4))}
    if "keys" in given:
        feeds = {"x": np.zeros((2, 3, 4)), "keys": np.zeros((2, 0, 4))}
    with pytest.raises(SpecError, match=r"R106.*axis without elements"):
        model.compile(backend)(**feeds)
