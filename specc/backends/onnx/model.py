"""A graph as a checked ONNX model: what is needed of it, under the spec's names. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from specc import passes
from specc.backends.entrance import array_dtype
from specc.backends.onnx.builder import Builder, Lowering, Row
from specc.backends.onnx.composites import can_run, lowering_of
from specc.backends.onnx.lowerings import TYPES, lowerings
from specc.diagnostics import fault
from specc.ir import Graph, Node, Output, bodies, toposort
from specc.version import __version__

Array = np.ndarray[Any, Any]
OPSET = 21
# The IR version that came with each opset.
IR_VERSIONS = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}


@dataclass(frozen=True, slots=True)
class Form:
    """How a graph is put into a file."""

    precision: str = "float32"
    opset: int = OPSET
    weights: Mapping[str, Array] = field(default_factory=dict[str, Array])  # inputs held inside
    overridable: bool = False  # the weights stay inputs, with these as their defaults
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    name: Callable[[Output], str] = lambda output: output.name


def lowering(node: Node) -> Lowering:
    """What a node is written by."""
    if node.op.name == "call":
        return lowering_of(node)
    if node.op.name == "scan":
        raise fault(
            "B001",
            "`scan` can't be written as ONNX yet",
            node.origin.span,
            help="NumPy and torch run it: `--backend numpy`",
        )
    return lowerings[node.op.name]


def lower(graph: Graph, precision: str = "float32", opset: int = OPSET) -> Graph:
    """The graph whose calls are those that ONNX has an operator for; a lowered one is itself."""
    training = any(_is_derivative(body) for body in bodies(graph))
    keeps = can_run(precision, opset, training)
    return passes.simplify(passes.expand(passes.simplify(graph), keeps))


def _is_derivative(body: Graph) -> bool:
    return isinstance(body.definition, tuple) and body.definition[:1] == ("vjp",)


def model_of(graph: Graph, form: Form) -> onnx.ModelProto:
    """The model of a graph that was lowered for this precision and opset.

    Raises:
        SpecError: B001 for a scan, B003 for an axis that no input tells.
    """
    builder = Builder(graph, form.precision, form.opset, lowering)
    builder.write(toposort(graph.results))
    names = [form.name(output) for output in graph.outputs]
    rows = _named(builder, dict(zip(names, (o.node for o in graph.outputs), strict=True)))
    rows = _needed(rows, names)
    read = {name for row in rows for name in row.inputs} | set(names)
    given = [node for node in graph.inputs if _kept(node, form, read)]
    inputs = [_value(n.attributes["name"], n, form) for n in given]
    outputs = [_value(n, o.node, form) for n, o in zip(names, graph.outputs, strict=True)]
    held = {name: array for name, array in form.weights.items() if name in read}
    constants = {name: array for name, array in builder.constants.items() if name in read}
    made = helper.make_graph(
        [_node(row) for row in rows],
        graph.name,
        inputs,
        outputs,
        [_tensor(name, array) for name, array in {**held, **constants}.items()],
    )
    model = helper.make_model(
        made,
        producer_name="specc",
        producer_version=__version__,
        ir_version=IR_VERSIONS[form.opset],
        opset_imports=[helper.make_opsetid("", form.opset)],
    )
    for key, value in form.metadata.items():
        model.metadata_props.add(key=key, value=value)
    return model


def _kept(node: Node, form: Form, read: set[str]) -> bool:
    """What is fed: the model's own inputs, and of the rest what is read and isn't held inside."""
    name = node.attributes["name"]
    if name in form.weights:
        return form.overridable and name in read
    return name in read or node.attributes["role"] in ("input", "target")


def _named(builder: Builder, results: Mapping[str, Node]) -> list[Row]:
    """The rows with the results under their names; what has two, or is an input, is copied."""
    made = {name for row in builder.rows for name in row.outputs}
    name_of: dict[str, str] = {}
    copies: list[Row] = []
    for name, node in results.items():
        value = builder.value(node)
        if value in made and value not in name_of:
            name_of[value] = name
        elif value != name:
            copies.append(Row("Identity", f"/outputs/{name}", (value,), (name,), {}))
    rows = [
        replace(
            row,
            inputs=tuple(name_of.get(each, each) for each in row.inputs),
            outputs=tuple(name_of.get(each, each) for each in row.outputs),
        )
        for row in [*builder.rows, *copies]
    ]
    return rows


def _needed(rows: Sequence[Row], results: Sequence[str]) -> list[Row]:
    """Without dead nodes, which onnxruntime would run, and last results that nobody reads."""
    wanted = set(results)
    kept: list[Row] = []
    for row in reversed(rows):
        if wanted.isdisjoint(row.outputs):
            continue
        wanted.update(row.inputs)
        outputs = row.outputs
        while outputs[-1] not in wanted:
            outputs = outputs[:-1]
        kept.append(replace(row, outputs=outputs))
    return kept[::-1]


def _node(row: Row) -> onnx.NodeProto:
    made = onnx.NodeProto(op_type=row.kind, name=row.name, input=row.inputs, output=row.outputs)
    for name, value in row.attributes.items():
        made.attribute.append(helper.make_attribute(name, value))
    return made


def _tensor(name: str, array: Array) -> TensorProto:
    return TensorProto(
        name=name,
        data_type=TYPES[array.dtype.name],
        dims=array.shape,
        raw_data=np.ascontiguousarray(array).tobytes(),
    )


def _value(name: str, node: Node, form: Form) -> onnx.ValueInfoProto:
    shape = [extent if isinstance(extent, int) else str(extent) for extent in node.shape]
    kind = TYPES[array_dtype(node.dtype, form.precision).name]
    return helper.make_tensor_value_info(name, kind, shape)
