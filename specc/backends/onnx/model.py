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
from specc.backends.onnx.builder import END, Builder, Lowering, Row
from specc.backends.onnx.composites import can_run, lowering_of
from specc.backends.onnx.lowerings import TYPES, lowerings
from specc.backends.onnx.recurrent import layer, layer_of
from specc.ir import Extent, Graph, Node, Output, Requirement, bodies, toposort
from specc.passes.rules import RULES, with_rules
from specc.passes.scaling import GATHERED
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
        return scan
    return lowerings[node.op.name]


def lower(graph: Graph, precision: str = "float32", opset: int = OPSET) -> Graph:
    """The graph whose calls are those that ONNX has an operator for; a lowered one is itself."""
    training = any(_is_derivative(body) for body in bodies(graph))
    keeps = can_run(precision, opset, training)
    rules = with_rules(GATHERED) if training else RULES
    graph = passes.simplify(passes.expand(passes.simplify(graph), keeps), rules)
    return _stepping(passes.recall(graph), precision)


def _stepping(graph: Graph, precision: str) -> Graph:
    """The graph, which requires steps of its scans: onnxruntime's Scan fails without one.

    Its LSTM and GRU end the whole process without a row.
    """
    found = dict.fromkeys(graph.requires)
    for node in toposort(graph.results):
        if node.op.name == "scan":
            steps: Extent = node.inputs[node.attributes["states"]].shape[0]
            message = "onnxruntime scans no empty sequence"
            found[Requirement(steps - 1, ">=", message, node.origin.span)] = None
            if layer_of(node, precision):
                rows: Extent = node.inputs[0].shape[0]
                message = "onnxruntime runs no recurrent layer over an empty batch"
                found[Requirement(rows - 1, ">=", message, node.origin.span)] = None
    return graph if len(found) == len(graph.requires) else replace(graph, requires=tuple(found))


def _is_derivative(body: Graph) -> bool:
    return isinstance(body.definition, tuple) and body.definition[:1] == ("vjp",)


def model_of(graph: Graph, form: Form) -> onnx.ModelProto:
    """The model of a graph that was lowered for this precision and opset.

    Raises:
        SpecError: B003 for an axis that no input tells.
    """
    builder = Builder(graph, form.precision, form.opset, lowering)
    builder.write(toposort(graph.results))
    names = [form.name(output) for output in graph.outputs]
    rows = _named(builder, dict(zip(names, (o.node for o in graph.outputs), strict=True)))
    rows = _needed(rows, names)
    read = {name for row in rows for name in (*row.inputs, *row.captured)} | set(names)
    given = [node for node in graph.inputs if _kept(node, form, read)]
    inputs = [_value(n.attributes["name"], n, form) for n in given]
    outputs = [_value(n, o.node, form) for n, o in zip(names, graph.outputs, strict=True)]
    held = {n: array for n, array in form.weights.items() if n in read or form.overridable}
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


# ── scans ────────────────────────────────────────────────────────────────────────────────────────
def scan(b: Builder, node: Node) -> tuple[str, ...]:
    """A Scan from the first step to the last, of turned values where it goes the other way.

    What is the same at each step its body reads from around it. A layer of the standard library
    may have an operator of its own.
    """
    cell = layer_of(node, b.precision)
    if cell is not None:
        return layer(b, node, cell)
    body: Graph = node.attributes["body"]
    states: int = node.attributes["states"]
    end: int = states + node.attributes["scanned"]
    reverse: bool = node.attributes["reverse"]
    given = b.values(node)
    name = b.place("Scan")
    inner = b.inner(body, name, dict(zip(body.inputs[end:], given[end:], strict=True)))
    inner.write(toposort(body.results))
    made = {f"{name}/results/{at}": each for at, each in enumerate(body.results)}
    rows = _needed(_named(inner, made), list(made))
    form = Form(b.precision, b.opset)
    graph = helper.make_graph(
        [_node(row) for row in rows],
        body.name,
        [_value(inner.value(each), each, form) for each in body.inputs[:end]],
        [_value(text, each, form) for text, each in made.items()],
    )
    own = {output for row in rows for output in row.outputs}
    own.update(inner.value(each) for each in body.inputs[:end])
    read = [each for row in rows for each in (*row.inputs, *row.captured)]
    captured = tuple(dict.fromkeys(each for each in read if each and each not in own))
    sequences = [turned(b, each) if reverse else each for each in given[states:end]]
    found = tuple(f"{name}_output_{at}" for at in range(len(made)))
    attributes = {"body": graph, "num_scan_inputs": end - states}
    b.append(Row("Scan", name, (*given[:states], *sequences), found, attributes, captured))
    stacked = [turned(b, each) if reverse else each for each in found[states:]]
    return (*found[:states], *stacked)


def turned(b: Builder, value: str) -> str:
    """The other way round along the first axis."""
    return b("Slice", value, b.ints(-1), b.ints(-END), b.ints(0), b.ints(-1))


def _kept(node: Node, form: Form, read: set[str]) -> bool:
    """What is fed: the model's own inputs, and of the rest what is read and isn't held inside."""
    name = node.attributes["name"]
    if name in form.weights:
        return form.overridable and name in read
    return name in read or node.attributes["role"] in ("input", "target")


def _named(builder: Builder, results: Mapping[str, Node]) -> list[Row]:
    """The rows with the results under their names; what has two, or is an input, is copied."""
    made = {name for row in builder.rows for name in row.outputs}
    captured = {name for row in builder.rows for name in row.captured}
    name_of: dict[str, str] = {}
    copies: list[Row] = []
    for name, node in results.items():
        value = builder.value(node)
        if value in made - captured and value not in name_of:
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
        wanted.update(row.inputs, row.captured)
        outputs = row.outputs
        while row.kind != "Scan" and outputs[-1] not in wanted:
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
