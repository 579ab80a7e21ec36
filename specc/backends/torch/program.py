"""A graph to call from NumPy: functions of torch for it and each body in it. Trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
NOTHING: Mapping[str, Any] = {}
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


@dataclass(frozen=True, slots=True)
class Held:
    """What is torch's already from call to call."""

    given: Mapping[str, Any] = field(default_factory=dict)
    places: frozenset[int] = frozenset()  # of its memory
    images: bool = False  # whether images' channels go last, as convolutions take them faster


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
        roles = {node.attributes["role"]: node.attributes["name"] for node in graph.inputs}
        self._key = roles.get("key", "")
        self._takes = [name for name in self.inputs if name != self._key]

    def __call__(self, feeds: Mapping[str, Any] = NOTHING) -> dict[str, Array]:
        """Results by name, the caller's own.

        Raises:
            SpecError: R101 .. R107, where the feeds don't fit or an index is out of range.
        """
        return self._results(feeds, Held())

    run = __call__

    def wired(self, fixed: Mapping[str, Array]) -> Callable[[Mapping[str, Any]], dict[str, Array]]:
        """The program as a function of what is not in `fixed`, arrays that don't change any more:
        they become torch's once. Raises as a call does.
        """
        given = {name: self._given(self._entrance.input(name), fixed[name]) for name in fixed}
        places = frozenset(places_of(given.values()))
        images = self.device == "cpu" and any(getattr(v, "ndim", 0) == 4 for v in given.values())
        for name, value in given.items():
            if isinstance(value, self._torch.Tensor) and value.is_floating_point():
                # A weight that might learn is in one product with all the axes of another before
                # its last; else torch makes a product of each.
                given[name] = (channels_last(value) if images else value).requires_grad_()
        held = Held(given, places, images)
        return lambda fresh: self._results({**fixed, **fresh}, held)

    def _results(self, feeds: Mapping[str, Any], held: Held) -> dict[str, Array]:
        arrays = self._entrance.arrays(feeds)
        lengths = self._entrance.lengths(arrays)
        fresh = {
            name: self._given(node, array)
            for name, node, array in zip(self.inputs, self.graph.inputs, arrays, strict=True)
            if name not in held.given
        }
        taken = {*held.places, *places_of(fresh.values())}
        if held.images:
            fresh = {name: channels_last(value) for name, value in fresh.items()}
        given = {**held.given, **fresh}
        if "DRAW" in self._module and self._key:
            self._module["DRAW"] = keyed(given[self._key])
        try:
            with self._torch.inference_mode():
                results = self._module["run"](*[given[name] for name in self._takes])
        except (IndexError, RuntimeError) as error:
            raise placed(out_of_range(error), self.graph, self.dtype, feeds) from error
        return {
            output.name: self._array(output.node, result, lengths, taken)
            for output, result in zip(self.graph.outputs, results, strict=True)
        }

    def _given(self, node: Node, array: Array) -> Any:
        return array.item() if is_host(node) else self._tensor(array)

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
            result = result.detach().cpu().numpy()
        array = np.asarray(result, array_dtype(node.dtype, self.dtype))
        shape = tuple(evaluate(extent, lengths) for extent in node.shape)
        if fresh and array.shape == shape and array.flags.c_contiguous:
            return array
        return np.array(np.broadcast_to(array, shape), order="C")


def channels_last(value: Any) -> Any:
    """An image of floats, or its filters, with its channels last in memory; all else as it is."""
    import torch

    if getattr(value, "ndim", 0) == 4 and value.is_floating_point():
        return value.contiguous(memory_format=torch.channels_last)
    return value


def places_of(values: Iterable[Any]) -> Iterator[int]:
    """Where the memory of the tensors among them begins."""
    for each in values:
        if hasattr(each, "untyped_storage"):
            yield each.untyped_storage().data_ptr()


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
