"""Models: inputs, outputs, losses and metrics, built once for training, once for inference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from specc.diagnostics import Span, fault
from specc.ir import (
    Axis,
    Graph,
    Node,
    Origin,
    Output,
    Size,
    Type,
    constant,
    emit,
    make_input,
    origin,
)
from specc.ir.model import Loss, Metric, Model, Variable
from specc.ir.size import atom
from specc.language import syntax
from specc.language.build.arguments import check_hyper
from specc.language.build.declarations import name_at
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Builder, Frame, draw_id
from specc.language.build.names import no_place
from specc.language.build.shapes import element_type
from specc.language.build.statements import outputs, run, scalar
from specc.language.build.tensors import cast, hold, lift
from specc.language.build.values import (
    POISON,
    Instance,
    Item,
    Owned,
    Tensor,
    Value,
    describe,
    is_list,
)
from specc.language.build.walk import free_names

RESERVED = ("key", "step", "scale")  # the run's own inputs beside the model's


@dataclass(slots=True)
class Root:
    """What a model's own body declares at the top."""

    inputs: list[Node] = field(default_factory=list[Node])
    losses: list[tuple[str, Tensor, tuple[str, ...]]] = field(
        default_factory=list[tuple[str, Tensor, tuple[str, ...]]]
    )
    metrics: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    draws: dict[str, int] = field(default_factory=dict[str, int])

    def draw(self, path: str) -> Node:
        """A draw of the whole model: its number is a constant, from its path alone."""
        number = draw_id(path)
        while number in self.draws.values():  # two paths in 2^32 may meet
            number = (number + 1) % 2**32
        self.draws[path] = number
        return constant(number, "int")

    def declare_input(self, frame: Frame, kind: str, entry: syntax.Entry) -> None:
        type = entry.type
        _check_name(entry.name, entry.span, "input")
        if type is not None and type.axes is not None:
            element_type(type)
        if type is None or type.axes is None:
            raise fault(
                "T006",
                f"the {kind} `{entry.name}` needs a shape",
                type.span if type else entry.span,
                expected=f"{kind} {entry.name}: float[batch, ...axes]",
            )
        if type.optional:
            raise fault("M011", "an input of the model that is run can't be left out", type.span)
        shape: list[Any] = []
        labels: list[str | None] = []
        for axis in type.axes:
            if isinstance(axis, syntax.Ellipsis):
                raise fault(
                    "T006", "the axes of the model's own inputs are named, each one", axis.span
                )
            shape.append(_input_extent(frame, axis))
            labels.append(axis.id if isinstance(axis, syntax.Name) else None)
        with origin(Origin(entry.span, entry.name)):
            made = Type(type.name, tuple(shape))
            hold(made, type.span)
            node = make_input(entry.name, kind, made)
        self.inputs.append(node)
        frame.declare(entry.name, Tensor(node, tuple(labels)), name_at(entry))

    def clause(self, frame: Frame, statement: syntax.Clause) -> None:
        keyword = statement.keyword
        if keyword == "output":
            outputs(frame, statement)
        elif keyword == "loss":
            self._loss(frame, statement)
        elif keyword == "metric":
            self._metric(frame, statement)
        else:
            raise no_place(keyword, "model", statement.span)

    def _loss(self, frame: Frame, statement: syntax.Clause) -> None:
        on = globs(frame, statement.on)
        for argument in statement.arguments:
            value = lift(evaluate(frame, argument.value), argument.value.span, "float")
            scalar(value, argument.value.span, "a loss")
            name = argument.name or "loss"
            if argument.name in ("loss", "objective") or any(
                argument.name and each[0] == argument.name for each in self.losses
            ):
                raise fault(
                    "N002",
                    f"the loss `{name}` is named twice, or like a sum of losses",
                    argument.span,
                )
            self.losses.append((name, value, on))

    def _metric(self, frame: Frame, statement: syntax.Clause) -> None:
        for argument in statement.arguments:
            name = argument.name
            if name is None and isinstance(argument.value, syntax.Name):
                name = argument.value.id
            if name is None:
                raise fault(
                    "M012",
                    "a metric needs a name",
                    argument.span,
                    expected="metric name = expression",
                )
            if name in self.metrics or name in ("loss", "objective"):
                raise fault(
                    "N002",
                    f"the metric `{name}` is given twice, or named like the loss",
                    argument.span,
                )
            frame.measuring = name
            try:
                value = evaluate(frame, argument.value)
            finally:
                frame.measuring = None
            value = lift(value, argument.value.span, "float")
            if value.dtype == "int":
                value = cast(value, "float64", argument.value.span)
            self.metrics[name] = scalar(value, argument.value.span, "a metric")


def _input_extent(frame: Frame, axis: syntax.Expression) -> Any:
    """A name that is no hyper-parameter is a dynamic axis of the model; it stays one."""
    from specc.language.build.shapes import extent

    for name in free_names(axis):
        if (
            name not in frame.axes.bound
            and name not in frame.values
            and not frame.home.is_constant(name)
        ):
            frame.axes.bound[name] = atom(Axis(name))
    return extent(frame, axis, bind=False)


def globs(frame: Frame, expression: syntax.Expression | None) -> tuple[str, ...]:
    """`on = "enc.*"`, or a list of patterns."""
    if expression is None:
        return ()
    value = evaluate(frame, expression)
    items: list[Value] = value if is_list(value) else [value]
    for each in items:
        if not isinstance(each, str) or not each:
            raise fault(
                "H004",
                f"`on` takes names of parameters, with `*`, not {describe(each)}",
                (expression.span, describe(each)),
                expected='"encoder.*"',
            )
    return tuple(items)


def hypers_of(
    builder: Builder, item: Item, given: Mapping[str, tuple[Value, Span]], rigid: bool
) -> dict[str, Value]:
    """A block's hyper-parameters; with `rigid`, an int without a value stays a name."""
    frame = Frame(builder, item.kind, item.name, item.home, False)
    for parameter in item.definition.parameters or ():
        name = parameter.name
        if name in given:
            value, at = given[name]
        elif parameter.default is not None:
            value, at = evaluate(frame, parameter.default), parameter.default.span
        elif parameter.type is not None and parameter.type.optional:
            value, at = None, parameter.span
        elif (
            rigid
            and parameter.type is not None
            and parameter.type.name == "int"
            and (parameter.type.axes is None)
        ):
            value, at = atom(Axis(name)), parameter.span
            builder.rigid[name] = parameter.span
        else:
            raise fault(
                "H001",
                f"`{item.name}` needs `{name}`",
                (parameter.span, "it has no value"),
                help=f"give one: `--set {item.name}.{name}=...`",
            )
        frame.values[name] = check_hyper(
            frame, parameter.type, value, at, f"`{name}` of `{item.name}`"
        )
    return dict(frame.values)


def build_model(builder: Builder, item: Item, hypers: Mapping[str, Value]) -> Model | None:
    """Both modes of a model; None if anything in it is wrong, which the report says."""
    builder.applied.add(id(item.definition))
    frames = [_elaborate(builder, item, hypers, training) for training in (True, False)]
    if any(frame.failed for frame in frames):
        return None
    training, inference = frames
    order = [
        *training.parameters,
        *(p for p in inference.parameters if p not in training.parameters),
    ]
    owned = {
        **{p: o for p, (o, _) in inference.parameters.items()},
        **{p: o for p, (o, _) in training.parameters.items()},
    }
    states = {
        **{p: o for p, (o, _) in inference.states.items()},
        **{p: o for p, (o, _) in training.states.items()},
    }
    layer_states = [_variable(each) for each in states.values() if each.life != "metric"]
    root: Root = training.root
    losses = tuple(dict.fromkeys((name, on) for name, _, on in _merged(training)))
    metric_states = [_variable(each) for each in states.values() if each.life == "metric"]
    return Model(
        item.name,
        _graph(training, item, hypers),
        _graph(inference, item, hypers),
        tuple(_variable(owned[path]) for path in order),
        tuple(each for each in layer_states if each.type.static),
        tuple(each for each in layer_states if not each.type.static),
        tuple(Loss(name, on) for name, on in losses),
        tuple(
            Metric(name, tuple(s for s in metric_states if s.name.startswith(f"{name}.")))
            for name in root.metrics
        ),
        dict(hypers),
        dict(root.draws),
        item.definition.at,
    )


def _elaborate(builder: Builder, item: Item, hypers: Mapping[str, Value], training: bool) -> Frame:
    frame = Frame(builder, "model", item.name, item.home, training)
    frame.root = Root()
    frame.values.update(hypers)
    for parameter in item.definition.parameters or ():
        value = hypers[parameter.name]
        if is_list(value) and parameter.type is not None and parameter.type.axes:
            axis = parameter.type.axes[0]
            if isinstance(axis, syntax.Name) and axis.id not in hypers:
                frame.axes.bound[axis.id] = len(value)
    with frame.statement():
        run(frame, item.definition.body)
    return frame


def _variable(owned: Owned) -> Variable:
    assert owned.init is not None
    names = [i.attributes["name"] for i in owned.init.inputs if i.attributes["role"] == "draw"]
    draws = {name: draw_id(f"init.{owned.path}/{name}") for name in names}
    return Variable(owned.path, owned.type, owned.init, draws, owned.span)


def _merged(frame: Frame) -> list[tuple[str, Node, tuple[str, ...]]]:
    """The losses by name and reach; those without a name are added up."""
    made: dict[tuple[str, tuple[str, ...]], Node] = {}
    for name, tensor, on in [*frame.root.losses, *frame.losses]:
        node = tensor.node if tensor.dtype == "float" else emit("cast", tensor.node, dtype="float")
        key = (name, on)
        made[key] = emit("add", made[key], node) if key in made else node
    numbered: list[tuple[str, Node, tuple[str, ...]]] = []
    for (name, on), node in made.items():
        taken = [each for each, _, _ in numbered]
        numbered.append((name if name not in taken else f"{name}_{len(taken) + 1}", node, on))
    return numbered


def _check_name(name: str, span: Span | None, what: str) -> None:
    if name in RESERVED:
        raise fault(
            "N009",
            f"`{name}` is what every run feeds a model with its draws and schedules",
            span,
            help=f"call the model's own {what} something else",
        )


def _graph(frame: Frame, item: Item, hypers: Mapping[str, Value]) -> Graph:
    root: Root = frame.root
    for what, held in (("parameter", frame.parameters), ("state", frame.states)):
        for path, (owned, _) in held.items():
            _check_name(path, owned.span, what)
    made: list[Output] = []
    for name, value in frame.outputs.items():
        node = value.node
        if node.type.dtype == "float64":
            node = emit("cast", node, dtype="float")
        made.append(Output(name, "output", node))
    made += [Output(name, "loss", node) for name, node, _ in _merged(frame)]
    made += [Output(name, "metric", value.node) for name, value in root.metrics.items()]
    for path, (owned, node) in frame.states.items():
        if frame.current[path].node is not node:
            role = "metric_state" if owned.life == "metric" else "state"
            made.append(Output(path, role, frame.current[path].node))
    inputs = [
        *root.inputs,
        *(node for _, node in frame.parameters.values()),
        *(node for _, node in frame.states.values()),
        *([frame.key] if frame.key else []),
        *([frame.step] if frame.step else []),
    ]
    static = {
        name: value for name, value in hypers.items() if not isinstance(value, (Size, Instance))
    }
    return Graph(
        item.name,
        tuple(inputs),
        tuple(made),
        (item.home.key, item.name),
        static,
        requires=tuple(frame.axes.requires),
    )


__all__ = ["POISON", "Root", "build_model", "globs", "hypers_of"]
