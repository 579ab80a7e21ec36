"""A graph to call from NumPy: functions of torch for it and each body in it. Trains nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from specc.backends.torch.load import load_source
from specc.backends.torch.modes import Pair, key_of
from specc.backends.torch.module import assembled
from specc.backends.torch.value import Value
from specc.backends.torch.write import BodyWriter, Source
from specc.diagnostics import Diagnostic, SpecError, did_you_mean, fault, labels
from specc.ir import Graph, Node
from specc.ir.size import evaluate

Array = np.ndarray[Any, Any]
HOST = ("step", "scale", "lr", "draw")  # roles of scalars that Python computes with
KINDS = {"float64": "f", "int": "i", "bool": "b", "float": "f"}
ACCEPTED = {"f": "fiub", "i": "iub", "b": "b"}
NAMES = {"float64": "float64", "int": "int64", "bool": "bool"}


def compile(graph: Graph, dtype: str = "float32", *, device: str = "cpu") -> Program:
    """A program for any graph, its calls kept or expanded, differentiated or not.

    Raises:
        SpecError: B001 for a scan, B003 for an axis that no input tells.
    """
    return Program(graph, dtype, device)


def source_of(graph: Graph, dtype: str = "float32") -> str:
    """A module with a function `run` of the graph's inputs in order, but for the key."""
    source = Source(dtype)
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


def is_host(node: Node) -> bool:
    return node.rank == 0 and node.attributes["role"] in HOST


class Program:
    """`program(feeds) → results`, mappings from names to arrays."""

    def __init__(self, graph: Graph, dtype: str, device: str) -> None:
        import torch

        self.graph, self.dtype, self.device = graph, dtype, device
        self.source = source_of(graph, dtype)
        self._module = load_source(self.source)
        self.inputs = tuple(str(node.attributes["name"]) for node in graph.inputs)
        self.outputs = tuple(output.name for output in graph.outputs)
        self._torch = torch
        self._dtypes = [np.dtype(NAMES.get(node.dtype, dtype)) for node in graph.inputs]

    def __call__(self, feeds: Mapping[str, Any] | None = None) -> dict[str, Array]:
        """Results by name, the caller's own.

        Raises:
            SpecError: R101 .. R107, where the feeds don't fit or an index is out of range.
        """
        arrays = self._arrays(feeds or {})
        key: Any = None
        given: list[Any] = []
        for node, array in zip(self.graph.inputs, arrays, strict=True):
            if node.attributes["role"] == "key":
                key = self._torch.tensor(array, device=self.device)
            else:
                tensor = self._torch.tensor(array, device=self.device)
                given.append(array.item() if is_host(node) else tensor)
        if key is not None and "DRAW" in self._module:
            self._module["DRAW"] = keyed(self._module, key)
        try:
            with self._torch.no_grad():
                results = self._module["run"](*given)
        except (IndexError, RuntimeError) as error:
            raise _out_of_range(error) from error
        return {
            output.name: self._array(output.node, result)
            for output, result in zip(self.graph.outputs, results, strict=True)
        }

    run = __call__

    def _array(self, node: Node, result: Any) -> Array:
        dtype = NAMES.get(node.dtype, self.dtype)
        lengths = self.lengths
        shape = tuple(evaluate(extent, lengths) for extent in node.shape)
        array = result.cpu().numpy() if isinstance(result, self._torch.Tensor) else result
        return np.array(np.broadcast_to(np.asarray(array, dtype), shape))

    def _arrays(self, feeds: Mapping[str, Any]) -> list[Array]:
        if set(feeds) != set(self.inputs):
            raise _wrong_names(self.graph, feeds)
        arrays: list[Array] = []
        for node, dtype in zip(self.graph.inputs, self._dtypes, strict=True):
            name = node.attributes["name"]
            array = np.asarray(feeds[name])
            if array.dtype.kind not in ACCEPTED[dtype.kind]:
                raise fault(
                    "R103",
                    f"`{name}` takes {node.type}",
                    node.origin.span,
                    expected=str(node.type),
                    found=f"an array of {array.dtype}",
                )
            if array.ndim != node.rank:
                raise _wrong_rank(node, array)
            arrays.append(np.asarray(array, dtype))
        self.lengths = bound(self.graph, [array.shape for array in arrays])
        return arrays


def keyed(module: Mapping[str, Any], key: Any) -> Any:
    """The draws of a key, as Philox has them: what the other backends draw."""
    from specc.backends.torch.runtime import keyed_bits

    def draw(number: int, bits: int, shape: Sequence[int], purpose: int, device: Any) -> Any:
        return keyed_bits(key, number, bits, shape, purpose)  # type: ignore[arg-type]

    return draw


def bound(graph: Graph, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """The lengths of the dynamic axes, once all that is said of the shapes has been checked."""
    from specc.backends.torch.write import reading
    from specc.ir.size import axes

    lengths: dict[str, int] = {}
    for plain in (True, False):
        for node, shape in zip(graph.inputs, shapes, strict=True):
            for extent, length in zip(node.shape, shape, strict=True):
                for name in axes(extent) if not isinstance(extent, int) else ():
                    line = reading(name, extent)
                    if name not in lengths and line and (line == (0, 1) or not plain):
                        lengths[name] = (length - line[0]) // line[1]
    for node, shape in zip(graph.inputs, shapes, strict=True):
        for place, (extent, length) in enumerate(zip(node.shape, shape, strict=True)):
            wanted = evaluate(extent, lengths)
            if wanted != length:
                raise fault(
                    "R104" if isinstance(extent, int) else "R105",
                    f"axis {place} of `{node.attributes['name']}` has {length} elements",
                    node.origin.span,
                    expected=str(extent) if isinstance(extent, int) else f"{extent} = {wanted}",
                    found=f"the shape {list(shape)} for {node.type}",
                )
    for requirement in graph.requires:
        value = evaluate(requirement.extent, lengths)
        if not (value == 0 if requirement.relation == "==" else value >= 0):
            told = ", ".join(f"{name} = {length}" for name, length in lengths.items())
            raise fault("R106", requirement.message, requirement.span, found=told)
    return lengths


def _wrong_rank(node: Node, array: Array) -> SpecError:
    return fault(
        "R104",
        f"`{node.attributes['name']}` has {array.ndim} axes, not {node.rank}",
        node.origin.span,
        expected=str(node.type),
        found=f"the shape {list(array.shape)}",
    )


def _wrong_names(graph: Graph, feeds: Mapping[str, Any]) -> SpecError:
    names = [node.attributes["name"] for node in graph.inputs]
    missing = [node for node in graph.inputs if node.attributes["name"] not in feeds]
    found = [
        Diagnostic(
            "R101",
            f"nothing is given for `{node.attributes['name']}`",
            labels(node.origin.span),
            expected=str(node.type),
        )
        for node in missing
    ]
    found += [
        Diagnostic(
            "R102",
            f"there is no input `{name}`",
            expected=", ".join(f"`{each}`" for each in names),
            help=did_you_mean(name, names),
        )
        for name in feeds
        if name not in names
    ]
    return SpecError(found)


def _out_of_range(error: Exception) -> Exception:
    """torch says only by its words that an index is out of range; all else is a bug of ours."""
    words = str(error).splitlines()[0] if str(error) else ""
    if isinstance(error, IndexError) or "out of range" in words or "out of bounds" in words:
        return fault("R107", f"an index is out of range: {words}")
    return error
