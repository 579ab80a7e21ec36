"""Functions of tensors against torch's, or a few lines of it."""

from __future__ import annotations

import math

from torch.nn import functional as F

from tests.std.record import Record, one

X = {"x": "float 2 3 4"}


RECORDS: tuple[Record, ...] = (
    one("pi", "pi * x", {"x": "float 3"}, lambda x: math.pi * x),
    one("min", "min(x)", X, lambda x: x.min()),
    one("min", "min(x, axis = 1)", X, lambda x: x.min(1).values),
    one("min", "min(x, axis = [0, 2], keepdims = true)", X,
        lambda x: x.amin((0, 2), keepdim=True)),
    one("min", "float(min(i, axis = -1))", {"i": "int 3 4 below 9"},
        lambda i: i.min(-1).values.double(), differentiable=False),
    one("all", "float(all(b, axis = 1))", {"b": "bool 5 2"},
        lambda b: b.all(1).double(), differentiable=False),
    one("all", "float(all(b))", {}, lambda b: b.all().double(), differentiable=False,
        fixed={"b": [[True, True], [True, True]]}),
    one("mean", "mean(x)", X, lambda x: x.mean()),
    one("mean", "mean(x, axis = 1)", X, lambda x: x.mean(1)),
    one("mean", "mean(x, axis = [0, -1], keepdims = true)", X,
        lambda x: x.mean((0, 2), keepdim=True)),
    one("mean", "mean(i, axis = 0)", {"i": "int 3 4 below 9"},
        lambda i: i.double().mean(0), differentiable=False),
    one("var", "var(x)", X, lambda x: x.var(correction=0)),
    one("var", "var(x, axis = [0, 2], correction = 1)", X,
        lambda x: x.var((0, 2), correction=1)),
    one("var", "var(x, axis = 0, keepdims = true)", X,
        lambda x: x.var(0, correction=0, keepdim=True)),
    one("std", "std(x)", X, lambda x: x.std(correction=0)),
    one("std", "std(x, axis = 1, correction = 1, keepdims = true)", X,
        lambda x: x.std(1, keepdim=True)),
    one("logsumexp", "logsumexp(x)", X, lambda x: x.logsumexp(-1)),
    one("logsumexp", "logsumexp(x, axis = [0, 1], keepdims = true)", X,
        lambda x: x.logsumexp((0, 1), keepdim=True)),
    one("logsumexp", "logsumexp(x)", {}, lambda x: x.logsumexp(-1), twice=False,
        fixed={"x": [[1e4, 1e4, -1e4], [-math.inf, 2.0, 1.0]]}),
    one("flatten", "flatten(x)", X, lambda x: x.flatten(1)),
    one("flatten", "flatten(x, from = 0)", X, lambda x: x.flatten()),
    one("flatten", "flatten(x, from = 2)", {"x": "float 2 3 4 5"}, lambda x: x.flatten(2)),
    one("linear", "linear(x, w, b)", {"x": "float 5 3", "w": "float 4 3", "b": "float 4"},
        lambda x, w, b: F.linear(x, w, b)),
    one("linear", "linear(x, w)", {"x": "float 2 5 3", "w": "float 4 3"},
        lambda x, w: F.linear(x, w)),
    one("linear", "linear(x, w, b)", {"x": "float 3", "w": "float 4 3", "b": "float 4"},
        lambda x, w, b: F.linear(x, w, b)),
    one("embedding", "embedding(i, w)", {"i": "int 3 4 below 6", "w": "float 6 2"},
        lambda i, w: F.embedding(i, w)),
    one("dropout", "dropout(x, 0.3)", X, lambda x: x * 1),
    one("dropout", "dropout(x, 0)", X, lambda x: x * 1, training=True),
)  # fmt: skip
