"""A graph to call from NumPy: functions of torch for it and each body in it. Trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from specc import passes
from specc.backends import backend
from specc.backends.entrance import Entrance, array_dtype
from specc.backends.torch.load import load_source, prepare_device
from specc.backends.torch.modes import Pair, key_of
from specc.backends.torch.module import assembled
from specc.backends.torch.value import Value
from specc.backends.torch.write import BodyWriter, Source
from specc.diagnostics import SpecError, fault
from specc.ir import Graph, Node
from specc.ir.size import evaluate

Array = np.ndarray[Any, Any]
HOST = ("step", "scale", "lr", "draw")  # roles of scalars that Python computes with


def compile(graph: Graph, dtype: str = "float32", *, device: str = "cpu") -> Program:
    """A program for any graph, its calls kept or expanded, differentiated or not.

    Raises:
        SpecError: B003 for an axis that no input tells; B103 for a device that isn't there.
    """
    prepare_device(device)
    return Program(graph, dtype, device)


def source_of(graph: Graph, dtype: str = "float32", *, trainable: bool = False) -> str:
    """A module with a function `run` of the graph's inputs in order, but for the key.

    If it is to be trainable, the gradients that definitions state are autograd's too.
    """
    source = Source(dtype, trainable=trainable)
    source.global_name("run")
    local = source.local_names()
    pair = Pair(graph)
    inputs = [node for node in graph.inputs if node.attributes["role"] != "key"]
    texts = [local.new(node.attributes["name"]) for node in inputs]
    env = {
        key_of(node): Value(text, () if is_host(node) else node.shape, is_host(node))
        for node, text in zip(inputs, texts, strict=True)
    }
    lines, _ = BodyWriter(source, pair, env, {}, local, "False").lines()
    lines[-1] = _as_tuple(lines[-1])
    text = [f"def run({', '.join(texts)}):", *(f"    {line}" for line in lines)]
    return assembled(source, "\n".join(text))


def _as_tuple(line: str) -> str:
    result = line.removeprefix("return ")
    return line if result == "()" else f"return ({result},)"


def scalar_function(graph: Graph) -> Callable[..., float]:
    """A graph of exact scalars, a schedule, as a function of Python numbers."""
    run = load_source(source_of(graph, "float64"))["run"]
    return lambda *given: float(run(*given)[0])


def is_host(node: Node) -> bool:
    return node.rank == 0 and node.attributes["role"] in HOST


class Program:
    """`program(feeds) → results`, mappings from names to arrays."""

    def __init__(self, graph: Graph, dtype: str, device: str) -> None:
        import torch

        self._torch = torch
        self.graph, self.dtype, self.device = graph, dtype, device
        self.source = source_of(graph, dtype)
        self.outputs = tuple(output.name for output in graph.outputs)
        self._module = load_source(self.source)
        self._entrance = Entrance(graph, dtype)
        self.inputs = self._entrance.inputs

    def __call__(self, feeds: Mapping[str, Any] | None = None) -> dict[str, Array]:
        """Results by name, the caller's own.

        Raises:
            SpecError: R101 .. R107, where the feeds don't fit or an index is out of range.
        """
        arrays = self._entrance.arrays(feeds or {})
        lengths = self._entrance.lengths(arrays)
        given: list[Any] = []
        for node, array in zip(self.graph.inputs, arrays, strict=True):
            if node.attributes["role"] == "key":
                if "DRAW" in self._module:
                    self._module["DRAW"] = keyed(self._tensor(array))
            else:
                given.append(array.item() if is_host(node) else self._tensor(array))
        try:
            with self._torch.no_grad():
                results = self._module["run"](*given)
        except (IndexError, RuntimeError) as error:
            raise placed(out_of_range(error), self.graph, self.dtype, feeds or {}) from error
        tensors = [each for each in given if isinstance(each, self._torch.Tensor)]
        taken = {each.untyped_storage().data_ptr() for each in tensors}
        return {
            output.name: self._array(output.node, result, lengths, taken)
            for output, result in zip(self.graph.outputs, results, strict=True)
        }

    run = __call__

    def _tensor(self, array: Array) -> Any:
        if array.flags.writeable and min(array.strides, default=0) >= 0:
            return self._torch.from_numpy(array).to(self.device)
        return self._torch.tensor(array, device=self.device)

    def _array(self, node: Node, result: Any, lengths: Mapping[str, int], taken: set[int]) -> Array:
        """The caller's own, in the shape that the graph says; copied where others hold its memory,
        which is then among those taken."""
        fresh = isinstance(result, self._torch.Tensor)
        if fresh:
            place = result.untyped_storage().data_ptr()
            fresh = place not in taken
            taken.add(place)
            result = result.cpu().numpy()
        array = np.asarray(result, array_dtype(node.dtype, self.dtype))
        shape = tuple(evaluate(extent, lengths) for extent in node.shape)
        if fresh and array.shape == shape and array.flags.c_contiguous:
            return array
        return np.array(np.broadcast_to(array, shape))


def keyed(key: Any) -> Any:
    """The draws of a key, as Philox has them: what the other backends draw."""
    from specc.backends.torch.runtime import keyed_bits

    def draw(number: Any, bits: int, shape: Sequence[int], purpose: int, device: Any) -> Any:
        return keyed_bits(key, number, bits, shape, purpose)

    return draw


def placed(error: Exception, graph: Graph, dtype: str, feeds: Mapping[str, Any]) -> Exception:
    """An index's fault as NumPy finds it for the same feeds: where it is, and what it may be."""
    if not (isinstance(error, SpecError) and error.diagnostics[0].code == "R107"):
        return error
    flat = passes.simplify(passes.expand(passes.simplify(graph)))
    try:
        backend("numpy").compile(flat, dtype).run(feeds)
    except SpecError as found:
        return found if found.diagnostics[0].code == "R107" else error
    return error


def out_of_range(error: Exception) -> Exception:
    """torch says only by its words that an index is out of range; all else is a bug of ours."""
    words = str(error).splitlines()[0] if str(error) else ""
    if "device-side assert" in words:
        return fault(
            "R107",
            "an index is out of range, on a device that can't say which",
            help="--device cpu names it; on the device this process can compute nothing any more",
        )
    if isinstance(error, IndexError) or "out of range" in words or "out of bounds" in words:
        return fault("R107", f"an index is out of range: {words}")
    return error
