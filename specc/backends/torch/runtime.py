"""What generated modules carry beside torch: each function as it stands, where it is used.

Imports torch alone, and knows nothing of specc.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from math import copysign, inf, nan
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# what a module carries
NO_LABEL = -(2**63)  # torch leaves out one label; here none is
DRAW: Any = None  # draw(number, bits, shape, purpose, device) → ints; None: torch's own numbers


# ── scalars that Python computes, with the results that NumPy gives and no exceptions ────────────
def ratio(a: float, b: float) -> float:
    """a / b; infinite or NaN where b is 0."""
    if b:
        return a / b
    return nan if a == 0 or a != a else copysign(inf, a) * copysign(1.0, b)


def quotient(a: float, b: float) -> float:
    """⌊a / b⌋; infinite or NaN where b is 0, and 0 for ints."""
    if b:
        return a // b
    return 0 if isinstance(b, int) else ratio(a, b)


def rest(a: float, b: float) -> float:
    """a modulo b, with the sign of b."""
    if b:
        return a % b
    return 0 if isinstance(b, int) else nan


def real(function: Callable[..., float], *arguments: float) -> float:
    """A function of math; infinite where it overflows, NaN outside its domain."""
    try:
        return function(*arguments)
    except OverflowError:
        return inf
    except (ValueError, ZeroDivisionError):
        return nan


def logarithm(a: float, function: Callable[[float], float] = math.log, pole: float = 0.0) -> float:
    return -inf if a == pole else real(function, a)


def power(a: float, b: float) -> float:
    if a == 0 and b < 0:
        return inf
    return real(math.pow, a, b)


def logistic(a: float) -> float:
    return 0.5 * (1 + math.tanh(0.5 * a))


def sign_of(a: float) -> float:
    return a if a != a else float((a > 0) - (a < 0))


# ── tensors ──────────────────────────────────────────────────────────────────────────────────────
def clear_windows(x: Tensor, dim: int, size: int, stride: int, dilation: int) -> Tensor:
    """Windows along one axis, their elements last."""
    seen = x.unfold(dim, dilation * (size - 1) + 1, stride)
    return seen if dilation == 1 else seen[..., ::dilation]


def overlap_add(
    x: Tensor,
    dims: Sequence[int],
    extents: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Tensor:
    """Windows put back where they came from; the last axis of windows goes first."""
    for dim, extent, stride, dilation in tuple(zip(dims, extents, strides, dilations, strict=True))[
        ::-1
    ]:
        count, size = x.shape[dim], x.shape[-1]
        shape = list(x.shape[:-1])
        shape[dim] = extent
        whole = x.new_zeros(shape)
        where = [slice(None)] * whole.dim()
        for place in range(size if count else 0):
            start = place * dilation
            where[dim] = slice(start, start + stride * (count - 1) + 1, stride)
            whole[tuple(where)] += x[..., place]
        x = whole
    return x


def rows_of(x: Tensor, index: Tensor) -> Tensor:
    """x[index] along the first axis; IndexError for an index below 0 too."""
    picked = x.index_select(0, index.reshape(-1))
    return picked.reshape(index.shape + x.shape[1:])


def add_rows(index: Tensor, updates: Tensor, length: int) -> Tensor:
    """Zeros with updates[i] added at row index[i]."""
    rest = updates.shape[index.dim() :]
    rows = updates.reshape((index.numel(), *rest))
    return updates.new_zeros((length, *rest)).index_add(0, index.reshape(-1), rows)


def add_along(index: Tensor, updates: Tensor, dim: int, length: int) -> Tensor:
    """Zeros with updates added at `index` along one axis."""
    shape = list(updates.shape)
    shape[dim] = length
    return updates.new_zeros(shape).scatter_add(dim, index, updates)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """log e^x / Σ e^x; a row that is all -inf stays so, with zero gradient."""
    dead = (x == -inf).all(dim, keepdim=True)
    return torch.where(dead, -inf, F.log_softmax(x.masked_fill(dead, 0.0), dim))


def class_rows(
    loss: Callable[..., Tensor], scores: Tensor, label: Tensor, **options: Any
) -> Tensor:
    """A loss of torch's, one a label, for scores whose last axis is the classes."""
    options |= {"ignore_index": NO_LABEL, "reduction": "none"}
    return loss(scores.flatten(0, -2), label.flatten(), **options).reshape(label.shape)


def steps(
    function: Callable[..., Any],
    x: Tensor,
    states: Sequence[Tensor],
    weights: Sequence[Tensor],
    reverse: bool = False,
) -> tuple[Tensor, ...]:
    """torch.lstm, torch.gru or torch.rnn_ along the first axis: outputs, then the last states."""
    if not len(x):
        return x.new_zeros((0, *states[0].shape)), *states
    if x.is_cuda and not torch.compiler.is_compiling():
        _in_one_piece(function, x.shape[-1], weights)
    dtype = weights[0].dtype  # under autocast x may have another
    x = (x.flip(0) if reverse else x).to(dtype)
    first = [each[None].to(dtype) for each in states]
    given = first if len(first) > 1 else first[0]
    biased = len(weights) == 4
    if function is torch.lstm and not x.is_cuda:
        function = _lstm_of_cpu(x)
    y, *last = function(x, given, weights, biased, 1, 0.0, True, False, False)
    return y.flip(0) if reverse else y, *[each[0] for each in last]


def _lstm_of_cpu(x: Tensor) -> Callable[..., Any]:
    """torch.lstm, or what stands for it where oneDNN's, which it takes there, fails."""
    if torch.compiler.is_compiling() and torch.is_grad_enabled() and not x.requires_grad:
        return _lstm  # torch 2.13 asks a compiled one that learns for a tensor that it doesn't give
    if torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.float16:
        return _whole_lstm
    return torch.lstm


def _whole_lstm(*given: Any) -> Any:
    """torch.lstm in the dtype of its weights: in fp16 the CPU has none."""
    with torch.autocast("cpu", enabled=False):
        return torch.lstm(*given)


def _lstm(x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor], *_: Any) -> Any:
    """torch.lstm, step by step."""
    h, c = (each[0] for each in states)
    of_x, of_h, *biases = weights
    b_x, b_h = biases or (None, None)
    ys: list[Tensor] = []
    for each in F.linear(x, of_x, b_x).unbind():
        i, f, g, o = (each + F.linear(h, of_h, b_h)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        ys.append(h)
    return torch.stack(ys), h[None], c[None]


def _in_one_piece(function: Callable[..., Any], features: int, weights: Sequence[Tensor]) -> None:
    """Moves weights to where cuDNN reads them without copying them first, as nn.LSTM does."""
    if len({each.untyped_storage().data_ptr() for each in weights}) == 1:
        return
    mode = [torch.rnn_relu, torch.rnn_tanh, torch.lstm, torch.gru].index(function)
    wide = weights[1].shape[-1]
    with torch.no_grad():
        torch._cudnn_rnn_flatten_weight(  # pyright: ignore
            list(weights), len(weights), features, mode, wide, 0, 1, True, False
        )


# ── random numbers ───────────────────────────────────────────────────────────────────────────────
def random_bits(
    number: int, bits: int, shape: Sequence[int], purpose: int, device: Any = None
) -> Tensor:
    """Ints below 2^bits: of DRAW, or of torch's own generator."""
    if DRAW is not None:
        return DRAW(number, bits, shape, purpose, device)
    return torch.randint(0, 2**bits, tuple(shape), device=device)


def dropout(x: Tensor, p: float, number: int, training: bool = True) -> Tensor:
    """In training zeros with probability p, in steps of 1 / 65536, else x / (1 - p)."""
    if DRAW is None or not training:
        return F.dropout(x, p, training)
    keep = DRAW(number, 16, x.shape, 0, x.device) < round(65536 * (1 - p))
    return torch.where(keep, x * (1 / (1 - p)), 0.0)


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    scale: float,
    p: float,
    number: int,
    training: bool = True,
) -> Tensor:
    """Attention that in training drops weights: torch's, or with the numbers of DRAW."""
    if DRAW is None or not training:
        kept = p if training else 0.0
        return F.scaled_dot_product_attention(q, k, v, mask, dropout_p=kept, scale=scale)
    scores = (q * scale) @ k.mT
    if mask is not None:
        scores = scores.masked_fill(~mask, -inf)
    weights = torch.ops.aten._safe_softmax(scores, -1)
    return dropout(weights, p, number) @ v


def keyed_bits(
    key: Tensor, number: Tensor, bits: int, shape: Sequence[int], purpose: int
) -> Tensor:
    """Philox4x32-10 (Salmon et al. 2011): each word in an int64, whose products may wrap."""
    count = math.prod(shape)
    each = 128 // bits
    low = 0xFFFFFFFF
    first, second = key[0], key[1]
    # Of the key's dtype by a sum with it: torch.compile takes a bare arange for 32 bits on CUDA.
    a = torch.arange(-(-count // each), device=key.device) + (first - first)
    b, d = torch.zeros_like(a) + (number >> 32), torch.full_like(a, purpose)  # b: a scan's step
    c = torch.zeros_like(a) + (number & low)
    for _ in range(10):
        left, right = a * 0xD2511F53, c * 0xCD9E8D57
        a = (right >> 32 & low) ^ b ^ first
        c = (left >> 32 & low) ^ d ^ second
        b, d = right & low, left & low
        first, second = (first + 0x9E3779B9) & low, (second + 0xBB67AE85) & low
    words = torch.stack((a, b, c, d), -1)
    if bits == 16:
        words = torch.stack((words & 0xFFFF, words >> 16), -1)
    return words.reshape(-1)[:count].reshape(tuple(shape))


# ── parameters and states by the spec's names ────────────────────────────────────────────────────
def renamed(module: nn.Module, names: dict[str, str]) -> None:
    """Has the module's state_dict say what torch allows as no attribute: ours → the spec's."""
    own_of = {published: own for own, published in names.items()}

    def translate(state: Any, prefix: str, name_of: dict[str, str]) -> None:
        for key in list(state):  # each goes to the end, so that their order stays
            value = state.pop(key)
            name: str = key.removeprefix(prefix)
            state[f"{prefix}{name_of.get(name, name)}" if key.startswith(prefix) else key] = value

    def save(_: nn.Module, state: Any, prefix: str, *__: Any) -> None:
        translate(state, prefix, names)

    def load(_: nn.Module, state: Any, prefix: str, *__: Any) -> None:
        translate(state, prefix, own_of)

    module.register_state_dict_post_hook(save)
    module.register_load_state_dict_pre_hook(load)
