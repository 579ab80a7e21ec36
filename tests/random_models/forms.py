"""The texts that random specs are made of. Draws nothing."""

from __future__ import annotations

UNARY = (
    "tanh({x})", "sigmoid({x})", "sin({x})", "cos({x})", "relu({x})", "gelu({x})", "silu({x})",
    "softplus({x})", "elu({x})", "selu({x})", "celu({x}, alpha = 0.7)", "leaky_relu({x}, 0.2)",
    "gelu_tanh({x})", "mish({x})", "softsign({x})", "hardtanh({x})", "hardswish({x})",
    "hardsigmoid({x})", "log_sigmoid({x})", "relu6({x} * 4)", "abs({x})", "-{x}", "erf({x})",
    "exp(-abs({x}))", "expm1(tanh({x}))", "log1p({x}^2)", "log(1 + {x}^2)", "sqrt(1 + {x}^2)",
    "{x}^2 / (1 + {x}^2)", "1 / (2 + sin({x}))", "(1 + {x}^2)^0.3", "detach({x}) + {x}",
    "floor({x} * 3) / 3 + {x}", "round({x} * 3) / 3", "sign({x}) * {x}", "{x} % 1.5",
    "{x} // 0.7 + {x}", "0.5 * {x} - 0.25", "2 - {x}", "1.5 ^ tanh({x})", "maximum({x}, 0.1)",
    "minimum({x}, 0.1)", "where({x} > 0.3, {x}, 0.1 * {x})", "{x} / 3", "dropout({x}, 0.3)",
    "float({x} > 0) + {x}", "float(int({x} * 5)) / 5", "where(is_finite({x}), {x}, 0)",
)  # fmt: skip
BINARY = (
    "{x} + {y}", "{x} - {y}", "{x} * tanh({y})", "{x} / (1 + {y}^2)", "maximum({x}, {y})",
    "minimum({x}, {y})", "where({x} > {y}, {x}, {y} * 0.5)", "(1 + {x}^2)^tanh({y})",
    "where({x} <= {y} and not ({y} == 0), {x}, {y})", "{x} % (1 + abs({y}))",
    "where({x} >= 0 or {y} < 0, sin({x}), cos({y}))",
)  # fmt: skip
REDUCE = (
    "sum({x}, axis = {a}) / {n}", "mean({x}, axis = {a})", "max({x}, axis = {a})",
    "min({x}, axis = {a})", "var({x}, axis = {a})", "sqrt(0.1 + var({x}, axis = {a}))",
    "logsumexp({x}, axis = {a})",
)  # fmt: skip
ALONG = (
    "softmax({x}, axis = {a})", "log_softmax({x}, axis = {a})",
    "tanh(cumulative_sum({x}, axis = {a}))", "{x} - mean({x}, axis = {a}, keepdims = true)",
    "{x} / (1 + max(abs({x}), axis = {a}, keepdims = true))",
)  # fmt: skip
FUNCTIONS = (
    "function {f}(x, k: float = 0.7) = tanh(k * x) + sin(x) / (1 + k)",
    "activation {f}(x, k: float = 0.3) = where(x > k, x, k * (x - k) + k)",
    "activation {f}(x, k: float = 1.2) {{\n    y = sigmoid(k * x)\n    return x * y + (1 - y)\n}}",
    "activation {f}(x, k: float = 2) {{\n    return log1p(exp(-k * abs(x)))\n"
    "    gradient x = -g * k * sign(x) / (1 + exp(k * abs(x)))\n}}",
    "function {f}(x, k: float = 0.5) {{\n    if training {{\n        y = x * k\n    }} else {{\n"
    "        y = x / 2\n    }}\n    return y + tanh(x)\n}}",
)  # fmt: skip
LAYERS = (
    "layer {f}(gain: float = 0.5) {{\n    input x: float[..., features]\n"
    "    param scale: float[features] = normal(1, 0.1)\n"
    "    param shift: float[features]? = uniform(-0.1, 0.1)\n"
    "    y = x * scale * gain\n    return y if shift == none else y + shift\n}}",
    "layer {f}(gain: float = 0.5) {{\n    input x: float[..., features]\n"
    "    hidden = x -> Linear(features + 1) as up -> tanh\n"
    "    return x + gain * (hidden -> Linear(features) as down)\n}}",
    "layer {f}(gain: float = 0.5) {{\n    input x: float[batch, ..., features]\n"
    "    state seen: float[features] = 0.1\n"
    "    average = mean(x, axis = [batch, ...])\n"
    "    if training {{\n        seen' = 0.9 * seen + 0.1 * average\n    }}\n"
    "    return x - gain * seen\n}}",
    "layer {f}(gain: float = 0.5) {{\n    input x: float[..., features]\n"
    "    param weight: float[features, features] = normal(0, 0.3)\n"
    "    return tanh(x @ weight) * gain + x\n}}",
)  # fmt: skip
CELLS = (
    "cell {f}(n: int) {{\n    input x: float[batch, features]\n    state h: float[batch, n] = 0.1\n"
    "    h' = tanh(Linear(n)(x) + Linear(n, bias = false)(h))\n    return h' * 0.5 + h\n}}",
    "cell {f}(n: int) {{\n    input x: float[batch, features]\n    state h: float[batch, n] = 0\n"
    "    state c: float[batch, n] = 0.2\n    keep = sigmoid(Linear(n)(concat([x, h], axis = -1)))\n"
    "    c' = keep * c + (1 - keep) * tanh(Linear(n)(x))\n    h' = sin(c') + 0.3 * h\n"
    "    return h' * c'\n}}",
    "cell {f}(n: int) {{\n    input x: float[batch, features]\n    state h: float[batch, n] = 0\n"
    "    param w: float[n, features] = normal(0, 0.4)\n"
    "    y = x @ rearrange(w, \"a b -> b a\")\n    h' = where(y > h, y, 0.7 * h)\n"
    "    return log1p(h'^2)\n}}",
    "cell {f}(n: int) {{\n    input x: float[batch, features]\n    state h: float[batch, n] = 0\n"
    "    z = dropout(Linear(n)(x), 0.2)\n"
    "    h' = softmax(z + 0.5 * h) if training else softmax(z) * 0.9 + 0.1 * h\n"
    "    return h' - mean(h', axis = -1, keepdims = true)\n}}",
    "cell {f}(n: int) {{\n    input x: float[batch, features]\n    state h: float[batch, n] = 0\n"
    "    y = GRUCell(n)(x + 0.1)\n    h' = 0.5 * h + y\n    return tanh(h')\n}}",
)  # fmt: skip
