"""The products of a perceptron's step in one library, in a process of its own.

python -m benchmarks.steps.floor WORKLOAD numpy|torch|onnxruntime products|pass
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.steps.child import Child, answer
from benchmarks.steps.workloads import WORKLOADS, Workload

Product = tuple[np.ndarray, np.ndarray, bool, bool]  # two matrices, and which of them are turned


def products(workload: Workload) -> Iterator[Product]:
    """Those of each layer x Wᵀ: forward, for the weight gᵀ x and, but for the first layer, g W."""
    random = np.random.default_rng(0)

    def floats(*shape: int) -> np.ndarray:
        return random.standard_normal(shape, dtype=np.float32)

    layers = [shape for name, shape in workload.parameters.items() if name.endswith(".weight")]
    for place, (outputs, inputs) in enumerate(layers):
        x, weight = floats(workload.batch, inputs), floats(outputs, inputs)
        g = floats(workload.batch, outputs)
        yield x, weight, False, True
        yield g, x, True, False
        if place:
            yield g, weight, False, False


def weights(workload: Workload) -> tuple[np.ndarray, np.ndarray]:
    """Two vectors of as many numbers as the model learns."""
    count = sum(int(np.prod(shape)) for shape in workload.parameters.values())
    random = np.random.default_rng(0)
    one, other = (random.standard_normal(count, dtype=np.float32) for _ in range(2))
    return one, other


# ── a library's ──────────────────────────────────────────────────────────────────────────────────
def _each(multiply: Any, rows: Sequence[Any], outs: Sequence[Any]) -> Callable[[], float]:
    """All the products in turn, each into its own memory; a number of the last."""

    def once() -> float:
        for (a, b), out in zip(rows, outs, strict=True):
            multiply(a, b, out=out)
        return float(outs[-1][0, 0])

    return once


def by_numpy(workload: Workload, what: str) -> Callable[[], float]:
    if what == "pass":
        x, y = weights(workload)
        out = np.empty_like(x)
        return lambda: float(np.multiply(x, y, out=out)[-1])
    rows = [
        (a.T if turn_a else a, b.T if turn_b else b) for a, b, turn_a, turn_b in products(workload)
    ]
    outs = [np.empty((len(a), b.shape[1]), np.float32) for a, b in rows]
    return _each(np.matmul, rows, outs)


def by_torch(workload: Workload, what: str) -> Callable[[], float]:
    import torch

    if what == "pass":
        x, y = map(torch.from_numpy, weights(workload))
        out = torch.empty_like(x)
        return lambda: float(torch.mul(x, y, out=out)[-1])
    rows = [
        (torch.from_numpy(a.T if turn_a else a), torch.from_numpy(b.T if turn_b else b))
        for a, b, turn_a, turn_b in products(workload)
    ]
    outs = [torch.empty(len(a), b.shape[1]) for a, b in rows]
    return _each(torch.mm, rows, outs)


def by_onnxruntime(workload: Workload, what: str) -> Callable[[], float]:
    """All of them in one model, over memory that is bound once."""
    import onnxruntime as ort
    from onnx import TensorProto, helper

    if what == "pass":
        x, y = weights(workload)
        fed = [("x", x), ("y", y)]
        nodes, results = [helper.make_node("Mul", ["x", "y"], ["z"])], {"z": x.shape}
    else:
        fed, nodes, results = [], [], {}
        for place, (a, b, turn_a, turn_b) in enumerate(products(workload)):
            names = [f"{place}a", f"{place}b"]
            fed += zip(names, (a, b), strict=True)
            nodes.append(
                helper.make_node(
                    "Gemm", names, [f"{place}"], transA=int(turn_a), transB=int(turn_b)
                )
            )
            results[f"{place}"] = (a.shape[int(turn_a)], b.shape[1 - int(turn_b)])
    graph = helper.make_graph(
        nodes,
        "floor",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, each.shape) for n, each in fed],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in results.items()],
    )
    opset = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    binding = session.io_binding()
    for name, each in fed:
        binding.bind_cpu_input(name, each)
    outs = {name: np.empty(shape, np.float32) for name, shape in results.items()}
    for name, out in outs.items():
        binding.bind_output(name, "cpu", 0, np.float32, out.shape, out.ctypes.data)
    memory = [each for _, each in fed], list(outs.values())  # a binding holds none

    def once() -> float:
        session.run_with_iobinding(binding)
        last = memory[1][-1].reshape(-1)
        return float(last[0] if what == "products" else last[-1])

    return once


LIBRARIES = {"numpy": by_numpy, "torch": by_torch, "onnxruntime": by_onnxruntime}


def made(name: str, library: str, what: str) -> Child:
    once = LIBRARIES[library](WORKLOADS[name], what)
    return Child(lambda: [once() for _ in range(3)], once, 1)


if __name__ == "__main__":
    answer(lambda: made(*sys.argv[1:]))
