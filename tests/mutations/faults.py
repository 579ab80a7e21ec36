"""The faults to plant, a row each: the file, its text, what stands there instead, what that is.

A text occurs once in its file, which a test holds, so that rows don't fall behind the code.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    file: str
    old: str
    new: str
    what: str


OPS, PASSES, STD = "specc/ops", "specc/passes", "specc/std"
NUMPY, TORCH, ONNX = "specc/backends/numpy", "specc/backends/torch", "specc/backends/onnx"
BUILD, TRAINING = "specc/language/build", "specc/training"

FAULTS: tuple[Fault, ...] = (
    # what primitives mean: gradients
    Fault(f"{OPS}/elementwise.py", "(g * b, g * a)", "(g * a, g * b)", "swapped operands"),
    Fault(f"{OPS}/elementwise.py", "(g / b, -g * y / b)", "(g / b, g * y / b)", "a sign"),
    Fault(f"{OPS}/elementwise.py", "-g * _sin(x)", "g * _sin(x)", "cosine's sign"),
    Fault(f"{OPS}/elementwise.py", "g * (1.0 - y * y)", "g * (1.0 - y)", "tanh's slope"),
    Fault(f"{OPS}/elementwise.py", "g * 0.5 / y, within", "g * 0.5 / x, within", "root's slope"),
    Fault(
        f"{OPS}/elementwise.py",
        "return _share(g, emit(\"less\", b, a), emit(\"equal\", a, b))",
        "return _share(g, emit(\"less\", a, b), emit(\"equal\", a, b))",
        "minimum's gradient to the larger",
    ),
    Fault(
        f"{OPS}/elementwise.py",
        "return None, where(c, g, zeros(g)), where(c, zeros(g), g)",
        "return None, where(c, g, zeros(g)), g",
        "where's second branch never masked",
    ),
    Fault(f"{OPS}/elementwise.py", "g * 0.5, zeros(g)", "g * 1.0, zeros(g)", "ties counted twice"),
    Fault(f"{OPS}/linear.py", "g @ swap_last(b), swap_last(a) @ g", "g @ swap_last(b), a @ g",
          "missing transpose"),
    Fault(
        f"{OPS}/movement.py",
        "tuple(axes.index(axis) for axis in range(len(axes)))",
        "axes",
        "a permutation not inverted",
    ),
    Fault(f"{OPS}/movement.py", "        start = stop\n    return gradients",
          "        start = part.shape[axis]\n    return gradients", "concat's third offset"),
    Fault(f"{OPS}/reduce.py", "cumulative_sum\", g, axis=axis) + g",
          "cumulative_sum\", g, axis=axis)", "running sum off by one"),
    Fault(f"{OPS}/indexing.py", "emit(\"add_at\", index, g, length=x.shape[0]), None",
          "emit(\"add_at\", index, g * 1.0001, length=x.shape[0]), None", "a gradient a bit off"),
    Fault(f"{OPS}/window.py", "sizes=x.shape[y.rank :]", "sizes=x.shape[y.rank :][::-1]",
          "windows' sizes reversed"),
    # passes
    Fault(f"{PASSES}/differentiate.py", "        total = total + part\n", "        total = part\n",
          "only the last use counts"),
    Fault(
        f"{PASSES}/differentiate.py",
        "share_of = dict(zip(derivative.reaches, made, strict=True))",
        "share_of = dict(zip(derivative.reaches, reversed(made), strict=True))",
        "a call's gradients in the wrong order",
    ),
    Fault(f"{PASSES}/differentiate.py", "rest = [place for place in needed if place not in"
          " body.gradients]", "rest = list(needed)", "stated gradients overruled"),
    Fault(f"{PASSES}/step.py", "bound / (norm + 1e-6)", "bound / (norm + 1e-2)", "clip's epsilon"),
    Fault(f"{PASSES}/step.py", "        count = step + 1.0\n", "        count = step + 0.0\n",
          "the optimizer's step from 0"),
    Fault(f"{PASSES}/step.py", "    return rate * scale\n", "    return rate\n",
          "plateaus forgotten"),
    Fault(f"{PASSES}/step.py", "return emit(\"sqrt\", _sum(squares)) if", "return _sum(squares) if",
          "a norm without its root"),
    Fault(f"{PASSES}/step.py", "name=name: clipped[name]", "name=name: arriving[name]",
          "clipping without effect"),
    Fault(f"{PASSES}/step.py", "_sum([loss, *penalties]) if penalties", "loss if penalties",
          "penalties forgotten"),
    Fault(f"{PASSES}/rules.py", "return emit(\"subtract\", b, a.inputs[0])",
          "return emit(\"subtract\", a.inputs[0], b)", "-a + b as a - b"),
    Fault(f"{PASSES}/rules.py", "emit(\"where\", inner, b, a)", "emit(\"where\", inner, a, b)",
          "a negated condition's branches"),
    Fault(f"{PASSES}/rules.py", "tuple(first[axis] for axis in axes)",
          "tuple(axes[axis] for axis in first)", "permutations joined backwards"),
    Fault(f"{PASSES}/expand.py", "inner = f\"{scope}.{origin.scope}\" if origin.scope else scope",
          "inner = origin.scope or scope", "scopes not joined"),
    Fault(f"{PASSES}/consing.py", "return (type(value), repr(value))", "return value",
          "-0 and 0, 1 and true are one"),
    # NumPy
    Fault(f"{NUMPY}/kernels.py", "np.logical_xor({out}, {b}, out={out})",
          "np.logical_xor({out}, {a}, out={out})", "where of bools"),
    Fault(f"{NUMPY}/kernels.py", "f\"np.add({out}, 1, out={out})\"",
          "f\"np.add({out}, 1.0001, out={out})\"", "sigmoid a bit off"),
    Fault(f"{NUMPY}/kernels.py", "lines + [f\"np.maximum({s.out}, {part}, out={s.out})\" for part"
          " in parts[2:]]", "lines", "max of two elements only"),
    Fault(f"{NUMPY}/runtime.py", "start = at * dilation\n", "start = at\n", "no dilation"),
    Fault(f"{NUMPY}/runtime.py", "steps[axis] = x.strides[axis] * stride",
          "steps[axis] = x.strides[axis]", "windows without stride"),
    Fault(f"{NUMPY}/runtime.py", "            np.copysign(s, z, out=s)\n", "", "erf's sign"),
    Fault(f"{NUMPY}/runtime.py", "first = start * stride + offset * dilation",
          "first = start * stride + offset", "a convolution's gradient without dilation"),
    Fault(f"{NUMPY}/runtime.py", "        np.add(out, part, out=out)\n",
          "        np.copyto(out, part)\n", "only the last piece of a filter's gradient"),
    Fault(f"{NUMPY}/plan.py", "                and operand.node.shape == node.shape\n", "",
          "memory overwritten while it is read"),
    # torch
    Fault(f"{TORCH}/primitives.py", "return f\"torch.where({s[0]}, {s.tensor(1) if both else s[1]},"
          " {s[2]})\"", "return f\"torch.where({s[0]}, {s[2]}, {s.tensor(1) if both else s[1]})\"",
          "where's branches"),
    Fault(f"{TORCH}/primitives.py", "return f\"{s.full(0)}.max({axis}).values\"",
          "return f\"{s.full(0)}.amax({axis})\"", "max's gradient shared at ties"),
    Fault(f"{TORCH}/primitives.py", "for pair in reversed(sides) for each in pair",
          "for pair in sides for each in pair", "padding's axes in the wrong order"),
    Fault(f"{TORCH}/primitives.py", "(*range(rank - 2), rank - 1, rank - 2)",
          "(*range(rank - 2), rank - 2, rank - 1)", "a transposition that isn't"),
    Fault(f"{TORCH}/composites.py", "return f\"F.linear({c['x']}, {c['weight']}{bias})\"",
          "return f\"F.linear({c['x']}, {c['weight']})\"", "a dropped bias"),
    Fault(f"{TORCH}/composites.py", "{weight}, {bias}, {c.hyper('eps')!r})\"",
          "{weight}, {bias}, 1e-5)\"", "a fixed epsilon"),
    Fault(f"{TORCH}/composites.py", "options += f\", scale={c.hyper('scale')!r}\"",
          "options += \"\"", "attention's scale dropped"),
    Fault(f"{TORCH}/runtime.py", "first, second = (first + 0x9E3779B9) & low, (second + 0xBB67AE85)"
          " & low", "first, second = (first + 0x9E3779B9) & low, second", "Philox's key"),
    Fault(f"{TORCH}/runtime.py", "return torch.where(keep, x * (1 / (1 - p)), 0.0)",
          "return torch.where(keep, x, 0.0)", "dropout's scale"),
    Fault(f"{TORCH}/module.py", "                lines.append(f\"{name} = {value.text}\")\n"
          "                values[place] = replace(value, text=name)\n", "",
          "a state read after it has moved"),
    Fault(f"{TORCH}/module.py", "self.writer.children.keys() - self.by_function",
          "self.writer.children.keys()", "a state that no function moves"),
    Fault(f"{TORCH}/optimizers.py", "        self._steps = made + 1\n", "", "steps counted anew"),
    # ONNX
    Fault(f"{ONNX}/lowerings.py", "return b(\"Or\", b(\"And\", condition, yes), b(\"And\", "
          "b(\"Not\", condition), no))", "return b(\"Or\", b(\"And\", condition, yes), no)",
          "where of bools"),
    Fault(f"{ONNX}/lowerings.py", "return b(\"Pad\", x, b.extents([*low, *high]), *filling)",
          "return b(\"Pad\", x, b.extents([*low, *high]))", "padding with 0 only"),
    Fault(f"{ONNX}/lowerings.py", "\"transA\": int(turned[0]), \"transB\": int(turned[1])",
          "\"transA\": int(turned[1]), \"transB\": int(turned[0])", "Gemm's transpositions"),
    Fault(f"{ONNX}/lowerings.py", "rows, updates, reduction=\"add\")", "rows, updates)",
          "a scatter that overwrites"),
    Fault(f"{ONNX}/functions.py", "b.number(0.46875**2, dtype)", "b.number(0.46875, dtype)",
          "erf's boundary"),
    Fault(f"{ONNX}/functions.py", "return b(\"Where\", apart, b(\"Add\", rest, y), rest)",
          "return rest", "a remainder's sign"),
    Fault(f"{ONNX}/windows.py", "low[axis] = tap * dilation", "low[axis] = tap",
          "overlaps without dilation"),
    Fault(f"{ONNX}/composites.py", "*statistics, epsilon=epsilon)", "*statistics)",
          "batch norm's epsilon"),
    Fault(f"{ONNX}/composites.py", "b(\"Transpose\", given[\"weight\"], perm=(1, 0))",
          "given[\"weight\"]", "missing transpose"),
    # build
    Fault(f"{BUILD}/movement.py", "tuple(start if place == axis else 0 for place",
          "tuple(0 if place == axis else 0 for place", "split's parts all begin at 0"),
    Fault(f"{BUILD}/movement.py", "tensor.node, index.node, axis=axis)",
          "tensor.node, index.node, axis=0)", "a wrong axis"),
    # the standard library
    Fault(f"{STD}/functions.nn", "axis = axis) - correction)", "axis = axis) - 1)",
          "a variance that divides by n - 1"),
    Fault(f"{STD}/functions.nn", "scale: float = 1 / sqrt(e)", "scale: float = 1 / e",
          "attention's scale"),
    Fault(f"{STD}/functions.nn", "allowed = where(spread, scores, -inf)",
          "allowed = where(spread, -inf, scores)", "a mask inverted"),
    Fault(f"{STD}/functions.nn", "where(keep, x * scale, 0)", "where(keep, x, 0)",
          "dropout's scale"),
    Fault(f"{STD}/normalization.nn", "momentum * (n / (n - 1)) * spread", "momentum * spread",
          "the running variance, biased"),
    Fault(f"{STD}/normalization.nn", "running_mean' = (1 - momentum) * running_mean + momentum *"
          " centre\n", "running_mean' = running_mean\n", "a stale state"),
    Fault(f"{STD}/normalization.nn", "axis = -1, keepdims = true) + eps)",
          "axis = -1, keepdims = true)) + 0 * eps", "layer norm without epsilon"),
    Fault(f"{STD}/activations.nn", "activation silu(x) = x * sigmoid(x)",
          "activation silu(x) = x * sigmoid(1.702 * x)", "another activation"),
    Fault(f"{STD}/activations.nn", "y * (g - sum(g * y, axis = axis, keepdims = true))", "y * g",
          "softmax's gradient without its mean"),
    Fault(f"{STD}/losses.nn", "where(d < delta, 0.5 * d^2,", "where(d < delta, d^2,",
          "huber's half"),
    Fault(f"{STD}/losses.nn", "(1 - label_smoothing) * right + label_smoothing * even",
          "right + label_smoothing * even", "smoothing's share"),
    Fault(f"{STD}/losses.nn", "max(where(one_hot(label, classes), -inf, scores), axis",
          "max(scores, axis", "the right class among the wrong"),
    Fault(f"{STD}/optimizers.nn", "theta' = (1 - lr * weight_decay) * theta - lr",
          "theta' = (1 - weight_decay) * theta - lr", "decay without the rate"),
    Fault(f"{STD}/optimizers.nn", "slope / (sqrt(v') + eps)", "slope / sqrt(v' + eps)",
          "epsilon under the root"),
    Fault(f"{STD}/optimizers.nn", "slope + momentum * m' if nesterov else m'", "m'",
          "no Nesterov"),
    Fault(f"{STD}/recurrent.nn", "h' = (1 - z) * tanh(x_c + r * h_c) + z * h",
          "h' = z * tanh(x_c + r * h_c) + (1 - z) * h", "the update gate the other way round"),
    Fault(f"{STD}/recurrent.nn", "c' = sigmoid(f) * c + sigmoid(i) * tanh(g)",
          "c' = sigmoid(i) * c + sigmoid(f) * tanh(g)", "swapped gates"),
    Fault(f"{STD}/schedules.nn", "minimum(1, (step + 1) / n)", "minimum(1, step / n)",
          "warmup from 0"),
    # training
    Fault(f"{TRAINING}/learner.py", "        self._step[...] = self.steps\n", "",
          "the step stands still"),
    Fault(f"{TRAINING}/learner.py", "        for name in self._next_states:\n"
          "            np.copyto(self.states[name], results[name])\n", "", "states never move"),
    Fault(f"{TRAINING}/learner.py", "        self._key[1] = self.steps\n", "",
          "one mask for all steps"),
    Fault(f"{TRAINING}/order.py", "(seed, epoch), draw", "(seed, 0), draw",
          "one order for all epochs"),
)  # fmt: skip
