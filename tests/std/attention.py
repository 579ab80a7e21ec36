"""Attention, its masks and Transformer layers against torch's, whose weights they take by name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.std.record import Record, one

HEADS = {"q": "float 2 3 5 4", "k": "float 2 3 6 4", "v": "float 2 3 6 7"}
THREE = {"q": "float 2 5 4", "k": "float 2 6 3", "v": "float 2 6 7"}
SAME = {"q": "float 2 5 4", "k": "float 2 6 4", "v": "float 2 6 7"}
SELF = {"x": "float 2 5 8"}
BOTH = {"x": "float 2 5 8", "memory": "float 2 6 8"}
LENGTH = {"n": [3, 5]}
NOTHING = {"n": [0, 4]}  # the first row has no steps at all


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, scale: float | None = None
) -> Tensor:
    """torch's; a query that may attend to nothing gives NaN there, zeros here."""
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
    if mask is None:
        return mixed
    return torch.where(mask.any(-1, keepdim=True), mixed, torch.zeros_like(mixed))


def masked(scores: Tensor, mask: Tensor) -> Tensor:
    """The softmax over what the mask allows; zeros where that is nothing."""
    return scores.masked_fill(~mask, -1e300).softmax(-1) * mask


def weigh(scores: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """The mixed values and the weights, side by side."""
    weights = scores.softmax(-1) if mask is None else masked(scores, mask)
    return torch.cat([weights @ v, weights], -1)


def additive(q: Tensor, k: Tensor, v: Tensor, a: Mapping[str, Tensor], mask=None) -> Tensor:
    wide = q[:, :, None] @ a["a_query_weight"].T + k[:, None] @ a["a_key_weight"].T
    return weigh((wide.tanh() * a["a_weight"]).sum(-1), v, mask)


def padding(n: Tensor, time: int) -> Tensor:
    return torch.tensor([[place < length for place in range(time)] for length in n.tolist()])


def causal(rows: int, columns: int) -> Tensor:
    return torch.ones(rows, columns).tril().bool()


def positions(time: int, dim: int) -> Tensor:
    """Number by number, from the paper's formulas."""
    places = np.arange(time)[:, None] / 10_000 ** (np.arange(dim) // 2 * 2 / dim)
    return torch.from_numpy(np.where(np.arange(dim) % 2, np.cos(places), np.sin(places)))


def held(module: nn.Module, weights: Mapping[str, Tensor], *given: Tensor, **options) -> Tensor:
    """torch's module with the weights of ours, whose names are `m.` and its own."""
    named = {name: weights[f"m_{name.replace('.', '_')}"] for name, _ in module.named_parameters()}
    assert len(named) == len(weights)
    with sdpa_kernel(SDPBackend.MATH):
        y = functional_call(module.double(), named, given, options)
    return y[0] if isinstance(y, tuple) else y


def multihead(*given: Tensor, weights: Mapping[str, Tensor], bias: bool = True, **options):
    k, v = (each.shape[-1] for each in given[1:])
    module = nn.MultiheadAttention(8, 2, bias=bias, kdim=k, vdim=v, batch_first=True)
    return held(module, weights, *given, **options)


def encoder(x: Tensor, weights: Mapping[str, Tensor], mask=None, **options) -> Tensor:
    module = nn.TransformerEncoderLayer(8, 2, 12, 0, batch_first=True, **options)
    return held(module, weights, x, src_key_padding_mask=None if mask is None else ~mask)


def decoder(
    x: Tensor, memory: Tensor, weights: Mapping[str, Tensor], mask=None, memory_mask=None, **options
) -> Tensor:
    module = nn.TransformerDecoderLayer(8, 2, 12, 0, batch_first=True, **options)
    hidden = {"tgt_mask": mask, "memory_key_padding_mask": memory_mask}
    given = {name: None if each is None else ~each for name, each in hidden.items()}
    return held(module, weights, x, memory, **given)


def without_steps(x: Tensor, n: Tensor, m: Mapping[str, Tensor]) -> Tensor:
    """MultiheadAttention where a row may have no steps, which torch's makes NaN of."""
    q, k, v = F.linear(x, m["m_in_proj_weight"], m["m_in_proj_bias"]).chunk(3, -1)
    q, k, v = (each.unflatten(-1, (2, 4)).transpose(1, 2) for each in (q, k, v))
    weights = masked(q @ k.mT / 2, padding(n, x.shape[1])[:, None, None])
    mixed = (weights @ v).transpose(1, 2).flatten(2)
    return F.linear(mixed, m["m_out_proj_weight"], m["m_out_proj_bias"])


RECORDS: tuple[Record, ...] = (
    one("padding_mask", "float(padding_mask(n, 5))", {},
        lambda n: padding(n, 5).double(), differentiable=False, fixed={"n": [0, 3, 5, 9]}),
    one("causal_mask", "float(causal_mask(4))", {"x": "float 2"},
        lambda x: causal(4, 4)[None].double(), differentiable=False),
    one("causal_mask", "float(causal_mask(3, 5))", {"x": "float 2"},
        lambda x: causal(3, 5)[None].double(), differentiable=False),
    one("causal_padding_mask", "float(causal_padding_mask(n, 5))", {},
        lambda n: (padding(n, 5)[:, None] & causal(5, 5)).double(), differentiable=False,
        fixed={"n": [0, 3, 5]}),
    one("attention_weights", "attention_weights(s)", {"s": "float 2 3 4"}, lambda s: s.softmax(-1)),
    one("attention_weights", "attention_weights(s, padding_mask(n, 4))", {"s": "float 2 3 4"},
        lambda s, n: masked(s, padding(n, 4)[:, None]), fixed=NOTHING),
    one("attention", "attention(q, k, v)", HEADS, attend),
    one("attention", "attention(q, k, v, scale = 0.3)", HEADS,
        lambda q, k, v: attend(q, k, v, scale=0.3)),
    one("attention", "attention(q, k, v)", SAME, attend),
    one("attention", "attention(q, k, v, mask)", {**HEADS, "mask": "bool 2 5 6"},
        lambda q, k, v, mask: attend(q, k, v, mask[:, None])),
    one("attention", "attention(q, k, v, mask)", {**HEADS, "mask": "bool 2 3 5 6"}, attend),
    one("attention", "attention(q, k, v, mask)", {**HEADS, "mask": "bool 2 6"},
        lambda q, k, v, mask: attend(q, k, v, mask[:, None, None].expand(2, 1, 5, 6))),
    one("attention", "attention(q, k, v, mask)", HEADS,
        lambda q, k, v, mask: attend(q, k, v, mask),
        fixed={"mask": [[[[True] * 6] + [[False] * 6] * 4]] * 2}, twice=False),
    one("attention", "attention(q, k, v, causal_mask(5, 6), p = 0.3)", HEADS,
        lambda q, k, v: attend(q, k, v, causal(5, 6))),
    one("dot_attention", "dot_attention(q, k, v)", SAME,
        lambda q, k, v: attend(q, k, v, scale=1)),
    one("dot_attention", "dot_attention(q, k, v, padding_mask(n, 6))", SAME,
        lambda q, k, v, n: attend(q, k, v, padding(n, 6)[:, None], 1), fixed=LENGTH),
    Record("BilinearAttention", "a = BilinearAttention()\nc, w = a(q, k, v)\n"
           "y = concat([c, w], axis = -1)", THREE,
           lambda q, k, v, a_weight: weigh(q @ a_weight @ k.mT, v)),
    Record("BilinearAttention", "a = BilinearAttention()\nc, w = a(q, k, v, padding_mask(n, 6))\n"
           "y = concat([c, w], axis = -1)", THREE,
           lambda q, k, v, n, a_weight: weigh(q @ a_weight @ k.mT, v, padding(n, 6)[:, None]),
           fixed=NOTHING),
    Record("AdditiveAttention", "a = AdditiveAttention(9)\nc, w = a(q, k, v)\n"
           "y = concat([c, w], axis = -1)", THREE, lambda q, k, v, **a: additive(q, k, v, a)),
    Record("AdditiveAttention", "a = AdditiveAttention(9)\nc, w = a(q, k, v, mask)\n"
           "y = concat([c, w], axis = -1)", {**THREE, "mask": "bool 2 5 6"},
           lambda q, k, v, mask, **a: additive(q, k, v, a, mask)),
    one("MultiheadAttention", "x -> MultiheadAttention(8, 2) as m", SELF,
        lambda x, **w: multihead(x, x, x, weights=w)),
    one("MultiheadAttention", "x -> MultiheadAttention(8, 2, bias = false) as m", SELF,
        lambda x, **w: multihead(x, x, x, weights=w, bias=False)),
    one("MultiheadAttention", "x -> MultiheadAttention(8, 2)(memory) as m", BOTH,
        lambda x, memory, **w: multihead(x, memory, memory, weights=w)),
    one("MultiheadAttention", "x -> MultiheadAttention(8, 2, bias = false)(k, v) as m",
        {"x": "float 2 5 8", "k": "float 2 6 8", "v": "float 2 6 8"},
        lambda x, k, v, **w: multihead(x, k, v, weights=w, bias=False)),
    one("MultiheadAttention", "x -> MultiheadAttention(8, 2)(value = v) as m",
        {"x": "float 2 5 8", "v": "float 2 5 8"},
        lambda x, v, **w: multihead(x, x, v, weights=w)),
    one("MultiheadAttention", "x -> MultiheadAttention(8, 2, kdim = 3, vdim = 5)(k, v) as m",
        {"x": "float 2 5 8", "k": "float 2 6 3", "v": "float 2 6 5"},
        lambda x, k, v, **w: multihead(x, k, v, weights=w)),
    one("MultiheadAttention", "x -> MultiheadAttention(8, 2, kdim = 3, vdim = 3)(k) as m",
        {"x": "float 2 5 8", "k": "float 2 6 3"},
        lambda x, k, **w: multihead(x, k, k, weights=w)),
    one("MultiheadAttention",
        "x -> MultiheadAttention(8, 2, bias = false, vdim = 5)(value = v) as m",
        {"x": "float 2 5 8", "v": "float 2 5 5"},
        lambda x, v, **w: multihead(x, x, v, weights=w, bias=False)),
    one("MultiheadAttention", "x -> MultiheadAttention(8, 2)(mask = causal_mask(5)) as m", SELF,
        lambda x, **w: multihead(x, x, x, weights=w, attn_mask=~causal(5, 5))),
    one("MultiheadAttention",
        "x -> MultiheadAttention(8, 2)(memory, mask = padding_mask(n, 6)) as m", BOTH,
        lambda x, memory, n, **w: multihead(
            x, memory, memory, weights=w, key_padding_mask=~padding(n, 6)), fixed=LENGTH),
    one("MultiheadAttention",
        "x -> MultiheadAttention(8, 2)(mask = causal_padding_mask(n, 5)) as m", SELF,
        lambda x, n, **w: multihead(
            x, x, x, weights=w, attn_mask=~causal(5, 5), key_padding_mask=~padding(n, 5)),
        fixed=LENGTH),
    one("MultiheadAttention", "x -> MultiheadAttention(8, 2)(mask = padding_mask(n, 5)) as m", SELF,
        lambda x, n, **m: without_steps(x, n, m), fixed=NOTHING),
    one("sinusoidal_positions", "x + sinusoidal_positions(9, 6)", {"x": "float 9 6"},
        lambda x: x + positions(9, 6)),
    one("sinusoidal_positions", "x + sinusoidal_positions(4, 5)", {"x": "float 2 4 5"},
        lambda x: x + positions(4, 5)),
    one("LearnedPositions", "x -> LearnedPositions(7) as m", {"x": "float 2 5 3"},
        lambda x, m_weight: x + m_weight[:5]),
    one("TransformerEncoderLayer", "x -> TransformerEncoderLayer(8, 2, 12, p = 0) as m", SELF,
        lambda x, **w: encoder(x, w), training=True),
    one("TransformerEncoderLayer",
        "x -> TransformerEncoderLayer(8, 2, 12, act = gelu, eps = 0.1, pre = true) as m", SELF,
        lambda x, **w: encoder(x, w, activation="gelu", layer_norm_eps=0.1, norm_first=True)),
    one("TransformerEncoderLayer",
        "x -> TransformerEncoderLayer(8, 2, 12, bias = false)(padding_mask(n, 5)) as m", SELF,
        lambda x, n, **w: encoder(x, w, padding(n, 5), bias=False), fixed=LENGTH),
    one("TransformerDecoderLayer", "x -> TransformerDecoderLayer(8, 2, 12, p = 0)(memory) as m",
        BOTH, lambda x, memory, **w: decoder(x, memory, w), training=True),
    one("TransformerDecoderLayer",
        "x -> TransformerDecoderLayer(8, 2, 12, pre = true)"
        "(memory, causal_mask(5), padding_mask(n, 6)) as m", BOTH,
        lambda x, memory, n, **w: decoder(
            x, memory, w, causal(5, 5), padding(n, 6), norm_first=True), fixed=LENGTH),
    one("TransformerDecoderLayer",
        "x -> TransformerDecoderLayer(8, 2, 12, act = gelu, eps = 0.1, bias = false)"
        "(memory, memory_mask = padding_mask(n, 6)) as m", BOTH,
        lambda x, memory, n, **w: decoder(
            x, memory, w, None, padding(n, 6), activation="gelu", layer_norm_eps=0.1, bias=False),
        fixed=LENGTH),
)  # fmt: skip
