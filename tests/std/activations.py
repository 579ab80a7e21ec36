"""Activations against torch's."""

from __future__ import annotations

from torch.nn import functional as F

from tests.std.record import Record, one

X = {"x": "float 4 7"}
EDGES = {"x": "float 9 in -8 8"}
HUGE = [[-1e4, -100.0, -30.0, 0.5, 30.0, 100.0, 1e4]]


def _two(of: str, expression: str, oracle) -> list[Record]:
    return [one(of, expression, X, oracle), one(of, expression, EDGES, oracle)]


def _at(of: str, oracle, values: object) -> Record:
    """At given points: the first derivative alone is compared."""
    return one(of, f"{of}(x)", {}, lambda x: oracle(x), fixed={"x": values}, twice=False)


RECORDS: tuple[Record, ...] = (
    *_two("relu", "relu(x)", lambda x: F.relu(x)),
    *_two("relu6", "relu6(x)", lambda x: F.relu6(x)),
    *_two("leaky_relu", "leaky_relu(x)", lambda x: F.leaky_relu(x)),
    *_two("leaky_relu", "leaky_relu(x, 0.2)", lambda x: F.leaky_relu(x, 0.2)),
    *_two("elu", "elu(x)", lambda x: F.elu(x)),
    *_two("elu", "elu(x, alpha = 0.7)", lambda x: F.elu(x, 0.7)),
    *_two("selu", "selu(x)", lambda x: F.selu(x)),
    *_two("celu", "celu(x, 1.5)", lambda x: F.celu(x, 1.5)),
    *_two("silu", "silu(x)", lambda x: F.silu(x)),
    *_two("gelu", "gelu(x)", lambda x: F.gelu(x)),
    *_two("gelu_tanh", "gelu_tanh(x)", lambda x: F.gelu(x, approximate="tanh")),
    *_two("softplus", "softplus(x)", lambda x: F.softplus(x, threshold=36)),
    *_two("log_sigmoid", "log_sigmoid(x)", lambda x: F.logsigmoid(x)),
    *_two("softsign", "softsign(x)", lambda x: F.softsign(x)),
    *_two("hardtanh", "hardtanh(x)", lambda x: F.hardtanh(x)),
    *_two("hardtanh", "hardtanh(x, -0.5, 2)", lambda x: F.hardtanh(x, -0.5, 2.0)),
    *_two("hardsigmoid", "hardsigmoid(x)", lambda x: F.hardtanh(x + 3, 0.0, 6.0) / 6),
    *_two("hardswish", "hardswish(x)", lambda x: F.hardtanh(x + 3, 0.0, 6.0) * x / 6),
    *_two("mish", "mish(x)", lambda x: F.mish(x)),
    *_two("softmax", "softmax(x)", lambda x: F.softmax(x, -1)),
    one("softmax", "softmax(x, axis = 0)", X, lambda x: F.softmax(x, 0)),
    one("softmax", "softmax(x, axis = [0, 2])", {"x": "float 2 3 4"},
        lambda x: F.softmax(x.movedim(1, 0).reshape(3, 8), 1).reshape(3, 2, 4).movedim(0, 1)),
    *_two("log_softmax", "log_softmax(x)", lambda x: F.log_softmax(x, -1)),
    one("log_softmax", "log_softmax(x, axis = 0)", X, lambda x: F.log_softmax(x, 0)),
    # Far out nothing overflows, and the gradients are numbers.
    *(_at(of, oracle, HUGE) for of, oracle in (
        ("elu", F.elu), ("selu", F.selu), ("celu", F.celu), ("silu", F.silu), ("mish", F.mish),
        ("softplus", lambda x: F.softplus(x, threshold=36)), ("log_sigmoid", F.logsigmoid),
        ("softmax", lambda x: F.softmax(x, -1)), ("log_softmax", lambda x: F.log_softmax(x, -1)),
    )),
    # Where e^-x is small, and still counts.
    _at("softplus", lambda x: F.softplus(x, threshold=36), [20.5, 21.0]),
    # At 0 the slopes are torch's.
    *(_at(of, oracle, [0.0, -0.0]) for of, oracle in (
        ("relu", F.relu), ("leaky_relu", F.leaky_relu), ("elu", F.elu), ("selu", F.selu),
        ("celu", F.celu), ("relu6", F.relu6), ("softsign", F.softsign),
    )),
)  # fmt: skip
