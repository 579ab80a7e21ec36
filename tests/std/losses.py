"""Losses against torch's and scikit-learn's formulas, for each reduction."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from tests.std.record import Record, one

PAIR = {"p": "float 4 3", "t": "float 4 3"}
RIGHT = {"x": "float 6 5", "i": "int 6 below 5"}
WEIGHED = {**RIGHT, "w": "float 5 in 0.2 2"}
CHANCE = {"p": "float 4 3 in 0.05 0.95", "t": "float 4 3 in 0 1"}
FAR = [[-200.0, -20.0, 0.5, 20.0, 200.0]]


def crammer_singer(x, i):
    right = x.gather(-1, i[..., None])
    wrong = x.scatter(-1, i[..., None], -torch.inf).amax(-1)
    return (1 - (right[..., 0] - wrong)).clamp(min=0).mean()


def reached(p, t):
    """0, with the slope of the target's bounded logarithms, where torch's is infinite."""
    slope = ((-p).log1p().clamp(min=-100) - p.log().clamp(min=-100)) / t.numel()
    return ((t - t.detach()) * slope).sum()


def weighed(x, i, w, reduction, smoothing=0.0):
    """torch's documented formula, for torch has no gradient for the weights; and its value."""
    logarithm = F.log_softmax(x, -1)
    right = -w[i] * logarithm.gather(-1, i[:, None])[:, 0]
    values = (1 - smoothing) * right - smoothing * (w * logarithm).mean(-1)
    made = {"mean": values.sum() / w[i].sum(), "sum": values.sum(), "none": values}[reduction]
    mirror = F.cross_entropy(
        x.detach(), i, w.detach(), reduction=reduction, label_smoothing=smoothing
    )
    torch.testing.assert_close(made.detach(), mirror, rtol=1e-12, atol=0)
    return made


def _each(of: str, arguments: str, inputs: dict[str, str], oracle) -> list[Record]:
    """One record a reduction."""
    return [
        one(of, f'{of}({arguments}, reduction = "{reduction}")', inputs,
            lambda reduction=reduction, **values: oracle(*values.values(), reduction=reduction))
        for reduction in ("mean", "sum", "none")
    ]  # fmt: skip


RECORDS: tuple[Record, ...] = (
    one("reduced", "reduced(x)", {"x": "float 3 4"}, lambda x: x.mean()),
    one("reduced", 'reduced(x, "sum")', {"x": "float 3 4"}, lambda x: x.sum()),
    one("reduced", 'reduced(x, "none")', {"x": "float 3 4"}, lambda x: x * 1),
    *_each("mse", "p, t", PAIR, F.mse_loss),
    *_each("mae", "p, t", PAIR, F.l1_loss),
    *_each("huber", "p, t", PAIR, F.huber_loss),
    one("huber", "huber(p, t, delta = 0.4)", PAIR, lambda p, t: F.huber_loss(p, t, delta=0.4)),
    *_each("smooth_l1", "p, t", PAIR, F.smooth_l1_loss),
    one("smooth_l1", "smooth_l1(p, t, 0.4)", PAIR, lambda p, t: F.smooth_l1_loss(p, t, beta=0.4)),
    one("cross_entropy", "cross_entropy(x, i)", RIGHT, lambda x, i: F.cross_entropy(x, i)),
    *_each("cross_entropy", "x, i", RIGHT, F.cross_entropy),
    *_each("cross_entropy", "x, i, weight = w", WEIGHED, weighed),
    *_each("cross_entropy", "x, i, label_smoothing = 0.1", RIGHT,
           lambda x, i, reduction: F.cross_entropy(x, i, reduction=reduction, label_smoothing=0.1)),
    *_each("cross_entropy", "x, i, w, 0.2", WEIGHED,
           lambda x, i, w, reduction: weighed(x, i, w, reduction, 0.2)),
    one("cross_entropy", "cross_entropy(x, i)", {"x": "float 2 3 5", "i": "int 2 3 below 5"},
        lambda x, i: F.cross_entropy(x.flatten(0, 1), i.flatten())),
    one("cross_entropy", 'cross_entropy(x, i, reduction = "none")', {},
        lambda x, i: F.cross_entropy(x, i, reduction="none"), twice=False,
        fixed={"x": [[1e4, -1e4, 0.0], [80.0, 0.0, -80.0]], "i": [1, 0]}),
    *_each("nll", "x, i", RIGHT, F.nll_loss),
    *_each("nll", "log_softmax(x), i, w", WEIGHED, weighed),
    one("binary_surprise", "binary_surprise(p, t)", CHANCE,
        lambda p, t: -t * p.log() - (1 - t) * (-p).log1p()),
    *_each("binary_cross_entropy", "p, t", CHANCE, F.binary_cross_entropy),
    one("binary_cross_entropy", "binary_cross_entropy(p, t)", {}, twice=False,
        oracle=lambda p, t: F.binary_cross_entropy(p, t.detach()) + reached(p.detach(), t),
        fixed={"p": [0.0, 1.0, 1.0, 0.5], "t": [0.0, 1.0, 1.0, 1.0]}),
    *_each("binary_cross_entropy_with_logits", "p, t", PAIR, F.binary_cross_entropy_with_logits),
    one("binary_cross_entropy_with_logits",
        "binary_cross_entropy_with_logits(p, t, pos_weight = 3)", PAIR, lambda p, t:
        F.binary_cross_entropy_with_logits(p, t, pos_weight=torch.tensor(3.0).double())),
    *(one("binary_cross_entropy_with_logits",
          'binary_cross_entropy_with_logits(p, t, reduction = "none")', {}, twice=False,
          oracle=lambda p, t: t * F.softplus(-p, threshold=36)
          + (1 - t) * F.softplus(p, threshold=36),
          fixed={"p": FAR, "t": [[sure] * 5]}) for sure in (0.0, 1.0)),
    one("hinge", "hinge(x, i)", RIGHT, crammer_singer),
    one("hinge", "hinge(x, i)", {"x": "float 2 3 5", "i": "int 2 3 below 5"}, crammer_singer),
    one("l1", "l1(w, 0.3)", {"w": "float 3 4"}, lambda w: 0.3 * w.abs().sum()),
    one("l2", "l2(w, 0.3)", {"w": "float 3 4"}, lambda w: 0.15 * w.square().sum()),
)  # fmt: skip
