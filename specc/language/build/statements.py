"""Statements of a body, in order: bindings, declarations, states, repetition, decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from specc.diagnostics import Span, did_you_mean, fault
from specc.ir import Graph, Origin, Type, origin
from specc.ir.size import Axis, atoms
from specc.language import syntax
from specc.language.build.arguments import KINDS, check_hyper
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Frame, filled
from specc.language.build.shapes import TENSOR_DTYPES, declared_type, match
from specc.language.build.tensors import broadcast, cast, lift
from specc.language.build.values import (
    POISON,
    Instance,
    Item,
    Label,
    Override,
    Owned,
    Poisoned,
    ScopeName,
    Several,
    Tensor,
    Value,
    describe,
)


def run(frame: Frame, statements: Sequence[syntax.Statement]) -> None:
    """Every statement up to the return; a fault in one doesn't keep the others from being read."""
    for statement in statements:
        if frame.returned is not None:
            if isinstance(statement, (syntax.Remark, syntax.Gradient)):
                if isinstance(statement, syntax.Gradient):
                    frame.gradients.append(statement)
                continue
            with frame.statement():
                raise fault("M006", "nothing after `return` is reached", statement.span)
            return
        if isinstance(statement, syntax.Binding):
            bind(frame, statement)
        elif isinstance(statement, syntax.Declaration):
            for entry in statement.entries:
                declare(frame, statement.kind, entry)
        elif isinstance(statement, syntax.If):
            decide(frame, statement)
        elif isinstance(statement, syntax.Repeat):
            repeat(frame, statement)
        elif isinstance(statement, syntax.Return):
            give(frame, statement)
        elif isinstance(statement, syntax.Gradient):
            frame.gradients.append(statement)
        elif isinstance(statement, syntax.Clause):
            with frame.statement():
                clause(frame, statement)


def _skips(frame: Frame) -> bool:
    """A model used as a layer computes its outputs only: what needs its targets is left out."""
    return frame.kind == "model" and frame.root is None


# ── bindings ─────────────────────────────────────────────────────────────────────────────────────
def bind(frame: Frame, statement: syntax.Binding) -> None:
    failed = frame.failed
    done = False
    with frame.statement():
        try:
            _bind(frame, statement)
            done = True
        except Poisoned:
            if not _skips(frame):
                raise
    if not done:
        if _skips(frame) and len(frame.builder.report.diagnostics) == 0:
            frame.failed = failed
        for target in statement.targets:
            name = f"{target.name}'" if target.primed else target.name
            frame.values.setdefault(name, POISON)
            if not target.primed:
                frame.values[name] = POISON


def _bind(frame: Frame, statement: syntax.Binding) -> None:
    targets = statement.targets
    if len(targets) == 1:
        target = targets[0]
        naming = None if target.primed else target.name
        if target.type is not None:
            value = _typed(frame, target, statement.value)
        else:
            with origin(Origin(statement.span, target.name)):
                value = evaluate(frame, statement.value, naming)
        if isinstance(value, Several):
            raise fault(
                "M007",
                f"this gives {len(value.values)} results, and one name takes them",
                (statement.value.span, describe(value)),
                help="name each: `a, b = ...`",
            )
        _put(frame, target, value)
        return
    value = evaluate(frame, statement.value)
    items = value.values if isinstance(value, Several) else value
    if not isinstance(items, (tuple, list)):
        raise fault(
            "M007",
            f"this gives one result, and {len(targets)} names wait",
            (statement.value.span, describe(value)),
        )
    elements: list[Value] = list(items)  # type: ignore[arg-type]
    if len(elements) != len(targets):
        raise fault(
            "M007",
            f"this gives {len(elements)} results, and {len(targets)} names wait",
            (statement.value.span, describe(value)),
        )
    for target, each in zip(targets, elements, strict=True):
        if target.type is not None and isinstance(each, Tensor):
            each = match(frame, target.type, each, statement.value.span, f"`{target.name}`")
            frame.axes.settle()
        _put(frame, target, each)


def _put(frame: Frame, target: syntax.Target, value: Value) -> None:
    if target.primed:
        assign_state(frame, target.name, value, target.span)
        return
    if target.name in frame.state_paths or target.name in frame.own_parameters:
        raise fault(
            "N005",
            f"`{target.name}` is declared as a {'state' if target.name in frame.state_paths else 'parameter'}",
            (target.span, "bound here"),
            (frame.places[target.name], "declared here"),
            help=f"its next value is `{target.name}'`" if target.name in frame.state_paths else "",
        )
    frame.values[target.name] = value
    if isinstance(value, Instance):
        frame.values[f"{target.name} scope"] = ScopeName(value.path)


def _typed(frame: Frame, target: syntax.Target, expression: syntax.Expression) -> Value:
    """`scores: float[batch, query, key] = ...` asserts and names axes, and tells an init its shape."""
    type = target.type
    assert type is not None
    if type.axes is None or type.listed or type.name not in TENSOR_DTYPES:
        value = evaluate(frame, expression, target.name)
        return check_hyper(frame, type, value, expression.span, f"`{target.name}`")
    outer = frame.asked
    if _names_known(frame, type):
        frame.asked = declared_type(frame, type, f"`{target.name}`")
    else:
        frame.asked = None
    try:
        with origin(Origin(expression.span, target.name)):
            value = evaluate(frame, expression, target.name)
            if isinstance(value, Item) and value.kind == "init":
                value = apply_init(frame, value, expression.span)
    finally:
        frame.asked = outer
    if value is None and type.optional:
        return None
    tensor = lift(value, expression.span, "float" if type.name == "float" else None)
    if tensor.dtype == "float64" and type.name == "float":
        tensor = cast(tensor, "float", expression.span)
    if (
        tensor.rank == 0
        and type.axes
        and _names_known(frame, type)
        and not isinstance(value, Tensor)
    ):
        made, labels = declared_type(frame, type, f"`{target.name}`")
        tensor = broadcast(tensor, made.shape, labels, expression.span)
    matched = match(frame, type, tensor, expression.span, f"`{target.name}`")
    frame.axes.settle()
    return matched


def _names_known(frame: Frame, type: syntax.TypeExpression) -> bool:
    stack: list[Any] = list(type.axes or ())
    while stack:
        each = stack.pop()
        if isinstance(each, syntax.Ellipsis):
            if frame.axes.spread is None:
                return False
        elif isinstance(each, syntax.Name):
            known = frame.values.get(each.id)
            if each.id not in frame.axes.bound and (known is None or isinstance(known, Tensor)):
                if not frame.home.is_constant(each.id):
                    return False
        elif isinstance(each, syntax.Binary):
            stack += [each.left, each.right]
        elif isinstance(each, syntax.Unary):
            stack.append(each.operand)
    return True


# ── states ───────────────────────────────────────────────────────────────────────────────────────
def assign_state(frame: Frame, name: str, value: Value, span: Span) -> None:
    """`s' = ...`: once on each path, and of the state's own type."""
    if name in frame.assigned:
        raise fault(
            "N005",
            f"`{name}'` is assigned twice",
            (span, "assigned here again"),
            (frame.assigned[name], "assigned here first"),
        )
    if name == "theta" and frame.kind == "optimizer":
        like = frame.values["theta"]
    elif name in frame.state_paths:
        like = frame.current[frame.state_paths[name]]
    else:
        raise fault(
            "N006",
            f"`{name}'` is the next value of a state, and `{name}` is not one",
            span,
            help=did_you_mean(name, frame.state_paths)
            or f"declare it: `state {name}: float[...] = 0`",
        )
    tensor = lift(value, span, "float" if like.dtype == "float" else None)
    if tensor.dtype != like.dtype:
        if tensor.dtype == "bool" or like.dtype == "bool" or (like.dtype == "int"):
            raise fault(
                "T015",
                f"`{name}'` is {tensor.dtype}, and `{name}` is {like.dtype}",
                (span, str(tensor)),
                expected=str(like),
                found=str(tensor),
            )
        tensor = cast(tensor, like.dtype, span)
    if tensor.shape != like.shape:
        if tensor.rank == 0 and not isinstance(value, Tensor):
            tensor = broadcast(tensor, like.shape, like.labels, span)
        else:
            raise fault(
                "T015",
                "a state's shape never changes",
                (span, f"`{name}'` is {tensor}"),
                (frame.places[name], f"`{name}` is {like}") if name in frame.places else None,
                expected=str(like),
                found=str(tensor),
            )
    frame.assigned[name] = span
    tensor = Tensor(tensor.node, like.labels)
    frame.values[f"{name}'"] = tensor
    if name in frame.state_paths:
        frame.current[frame.state_paths[name]] = tensor


# ── declarations ─────────────────────────────────────────────────────────────────────────────────
def declare(frame: Frame, kind: str, entry: syntax.Entry) -> None:
    done = False
    with frame.statement():
        _DECLARE.get(kind, _misplaced)(frame, kind, entry)
        done = True
    if not done:
        frame.values.setdefault(entry.name, POISON)


def _misplaced(frame: Frame, kind: str, entry: syntax.Entry) -> None:
    raise fault("M008", f"`{kind}` has no meaning in a {frame.kind}", entry.span)


def _input(frame: Frame, kind: str, entry: syntax.Entry) -> None:
    if frame.root is not None:
        frame.root.declare_input(frame, kind, entry)
        return
    if kind == "target":
        if frame.kind != "model":
            _misplaced(frame, kind, entry)
        frame.declare(entry.name, POISON, entry.span)
        return
    if kind == "given" and frame.kind != "cell":
        raise fault(
            "M008",
            "`given` belongs to a cell: what is constant over the steps",
            entry.span,
            help="a layer takes it as an `input`",
        )
    if frame.kind == "optimizer":
        return
    frame.declare(entry.name, frame.given.get(entry.name, POISON), entry.span)


def _param(frame: Frame, kind: str, entry: syntax.Entry) -> None:
    from specc.language.build.apply import scope_text

    if frame.kind not in ("layer", "cell", "model"):
        raise fault(
            "M008",
            f"a {frame.kind} owns no parameters",
            entry.span,
            help="layers are Capitalised and own parameters: write a `layer`",
        )
    if entry.type is None:
        raise fault(
            "T006",
            f"the parameter `{entry.name}` needs a type",
            entry.span,
            expected="param name: float[axes] = init",
        )
    override: Any = frame.overrides.get(entry.name)
    if isinstance(override, Override) and override.key == "none":
        frame.declare(entry.name, None, entry.span)
        return
    type, labels = declared_type(frame, entry.type, f"the parameter `{entry.name}`")
    if type.dtype != "float":
        raise fault(
            "T003",
            f"a parameter is float, not {type.dtype}",
            entry.type.span,
            help="a `state` may be int or bool",
        )
    if isinstance(override, Tensor):
        if override.node.type != type:
            raise fault(
                "T001",
                f"what is given for `{entry.name}` has another shape",
                (frame.trail[-1], f"given {override}") if frame.trail else None,
                (entry.span, f"asked {type}"),
                expected=str(type),
                found=str(override),
            )
        frame.declare(entry.name, Tensor(override.node, labels), entry.span)
        frame.own_parameters.add(entry.name)
        return
    _demand_static(frame, type, entry)
    path = frame.prefix + (scope_text(frame, entry.scope) if entry.scope else entry.name)
    if override is None and entry.default is None:
        raise fault(
            "M005",
            f"the parameter `{entry.name}` says no initial value",
            entry.span,
            help=f"`param {entry.name}: {entry.type.span.text} = normal(0, 0.02)`",
        )
    graph = initial(frame, entry.default, type, labels, override, f"{path}")
    owned = Owned(path, type, graph, entry.span, labels=labels)
    with origin(Origin(entry.span, entry.name)):
        frame.declare(
            entry.name, frame.parameter(owned, ("own", frame.prefix, entry.name)), entry.span
        )
    frame.own_parameters.add(entry.name)


def _demand_static(frame: Frame, type: Type, entry: syntax.Entry) -> None:
    """A parameter's axes are known, or hyper-parameters that a run will give."""
    for extent in type.shape:
        for each in atoms(extent):
            if not isinstance(each, Axis) or each.name not in frame.builder.rigid:
                raise fault(
                    "T006",
                    f"the shape of the parameter `{entry.name}` depends on the dynamic axis `{each}`",
                    (entry.span, f"this is {type}"),
                    expected="axes that are known when compiled",
                    help="declare the axis's size in the model: a number, or a hyper-parameter",
                )


def _state(frame: Frame, kind: str, entry: syntax.Entry) -> None:
    from specc.language.build.apply import scope_text

    if frame.kind not in ("layer", "cell", "model", "metric", "optimizer", "schedule"):
        raise fault("M008", f"a {frame.kind} keeps no state", entry.span)
    labels: tuple[Label, ...] = ()
    if entry.type is not None:
        type, labels = declared_type(frame, entry.type, f"the state `{entry.name}`")
    elif frame.kind == "metric":
        type = Type("float64")
    elif frame.kind == "optimizer":
        theta = frame.values["theta"]
        type, labels = theta.node.type, theta.labels
    else:
        raise fault(
            "T006",
            f"the state `{entry.name}` needs a type",
            entry.span,
            expected=f"state {entry.name}: float[axes] = 0",
        )
    if entry.default is None:
        raise fault(
            "M005",
            f"the state `{entry.name}` says no initial value",
            entry.span,
            help=f"`state {entry.name} = 0`",
        )
    path = frame.prefix + (scope_text(frame, entry.scope) if entry.scope else entry.name)
    given: Any = frame.given.get(entry.name)
    if isinstance(given, Tensor):
        if given.shape != type.shape:
            raise fault(
                "T015",
                f"the state `{entry.name}` is given in another shape",
                (frame.trail[-1], f"given {given}") if frame.trail else None,
                (entry.span, f"asked {type}"),
                expected=str(type),
                found=str(given),
            )
        tensor = Tensor(cast(given, type.dtype, entry.span).node, labels)
        frame.current[path] = tensor
    else:
        override = frame.overrides.get(entry.name)
        graph = initial(frame, entry.default, type, labels, override, path)
        life = "metric" if frame.kind == "metric" else "layer"
        owned = Owned(path, type, graph, entry.span, life, labels)
        tensor = frame.state(owned, ("own", frame.prefix, entry.name))
    frame.declare(entry.name, tensor, entry.span)
    frame.state_paths[entry.name] = path


_DECLARE = {"input": _input, "given": _input, "target": _input, "param": _param, "state": _state}


def initial(
    frame: Frame,
    expression: syntax.Expression | None,
    type: Type,
    labels: tuple[Label, ...],
    override: Any,
    path: str,
) -> Graph:
    """How a parameter or state begins: a closed graph of one value, evaluated once."""
    from specc.language.build.apply import as_graph, free_names

    inner = frame.inner(
        "init", f"init.{path}", frame.home, frame.trail[-1] if frame.trail else Span0
    )
    inner.trail = frame.trail
    inner.values = {n: v for n, v in frame.values.items() if not isinstance(v, Tensor)}
    inner.axes.bound = dict(frame.axes.bound)
    inner.axes.spread = frame.axes.spread
    inner.asked = (type, labels)
    if isinstance(override, Override) and override.init is not None:
        expression = override.init
        inner.home = override.home
        inner.values = dict(override.names)
        inner.axes.bound = {}
    assert expression is not None
    for name in free_names(expression):
        if isinstance(frame.values.get(name), Tensor) and name not in inner.values:
            raise fault(
                "M005",
                "an initial value can't read a tensor",
                expression.span,
                help="it is evaluated once, before there is any input",
            )
    value = evaluate(inner, expression)
    if isinstance(value, Item) and value.kind == "init":
        value = apply_init(inner, value, expression.span)
    frame.reads_training |= inner.reads_training
    if isinstance(value, (bool, int, float)):
        number = value if type.dtype in ("bool", "int") else float(value)
        tensor = Tensor(filled(number, type), labels)
    else:
        tensor = cast(lift(value, expression.span), type.dtype, expression.span)
        if tensor.shape != type.shape:
            tensor = broadcast_or_fault(tensor, type, labels, expression.span)
    return as_graph("value", inner, tensor)


def broadcast_or_fault(tensor: Tensor, type: Type, labels: tuple[Label, ...], span: Span) -> Tensor:
    if tensor.rank == 0:
        return broadcast(tensor, type.shape, labels, span)
    raise fault(
        "T001",
        "the initial value has another shape",
        (span, str(tensor)),
        expected=str(type),
        found=str(tensor),
    )


def apply_init(frame: Frame, item: Item, span: Span) -> Value:
    from specc.language.build.apply import apply_function

    return apply_function(frame, item, [], span)


Span0 = Span(syntax.Module(None, "", ()).span.source, 0, 0)


# ── decisions and repetition ─────────────────────────────────────────────────────────────────────
def decide(frame: Frame, statement: syntax.If) -> None:
    from specc.language.build.expressions import condition

    link = statement
    taken: tuple[syntax.Statement, ...] | None = None
    with frame.statement():
        while True:  # an else-if chain, walked rather than descended
            if condition(frame, link.test):
                taken = link.body
                break
            rest = link.otherwise
            if len(rest) == 1 and isinstance(rest[0], syntax.If):
                link = rest[0]
                continue
            taken = rest
            break
    if taken is not None:
        for each in taken:
            if (
                isinstance(each, syntax.Declaration)
                and each.kind in ("param", "state")
                and (frame.training_test(statement))
            ):
                with frame.statement():
                    raise fault(
                        "M009",
                        "parameters and states are declared outside `if training`",
                        each.span,
                        help="both modes share them",
                    )
        run(frame, taken)


def repeat(frame: Frame, statement: syntax.Repeat) -> None:
    from specc.language.build.apply import scope_text
    from specc.language.build.expressions import rounds

    outer = frame.prefix
    with frame.statement():
        names = (statement.name,) if statement.name else ("",)
        iterable = statement.iterable
        if statement.name is None:
            count = evaluate(frame, iterable)
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise fault(
                    "H004",
                    f"a `repeat` counts a whole number, not {describe(count)}",
                    (iterable.span, describe(count)),
                )
            every = _counted(frame, count, iterable.span)
        else:
            every = list(rounds(frame, names, iterable))
        for index, bound in enumerate(every):
            frame.values.update({name: value for name, value in bound.items() if name})
            if statement.scope is not None:
                text = scope_text(frame, statement.scope)
                path = text if statement.scope.template else f"{text}.{index}"
                frame.prefix = f"{outer}{path}." if path else outer
            before = len(frame.builder.report.diagnostics)
            run(frame, statement.body)
            frame.prefix = outer
            if len(frame.builder.report.diagnostics) > before or frame.returned is not None:
                break  # the next rounds would say it again
    frame.prefix = outer


def _counted(frame: Frame, count: int, span: Span) -> list[dict[str, Value]]:
    from specc.limits import REPETITIONS

    frame.builder.rounds += count
    if frame.builder.rounds > REPETITIONS.value:
        raise fault(REPETITIONS.code, f"more than {REPETITIONS.value} {REPETITIONS.what}", span)
    return [{} for _ in range(count)]


def give(frame: Frame, statement: syntax.Return) -> None:
    if frame.kind in ("model", "optimizer", "train", "data"):
        with frame.statement():
            raise fault(
                "M008",
                f"`return` has no meaning in a {frame.kind}",
                statement.span,
                help="a model says `output ...`" if frame.kind == "model" else "",
            )
        return
    with frame.statement():
        values: list[Value] = []
        for expression in statement.values:
            value = evaluate(frame, expression)
            values += value.values if isinstance(value, Several) else [value]
        for value in values:
            if isinstance(value, Instance):
                raise fault(
                    "M010",
                    "a built layer can't be returned: it belongs to this body",
                    statement.span,
                )
        frame.returned = values


# ── clauses ──────────────────────────────────────────────────────────────────────────────────────
def clause(frame: Frame, statement: syntax.Clause) -> None:
    keyword = statement.keyword
    if frame.root is not None:
        frame.root.clause(frame, statement)
    elif frame.kind == "model" and keyword in ("output", "loss", "metric"):
        if keyword == "output":
            outputs(frame, statement)
    elif keyword == "loss" and frame.kind in ("layer", "cell"):
        for argument in statement.arguments:
            value = lift(evaluate(frame, argument.value), argument.value.span, "float")
            frame.losses.append(("loss", scalar(value, argument.value.span, "a loss"), ()))
    elif keyword == "output" and frame.kind == "optimizer":
        for argument in statement.arguments:
            frame.outputs["average"] = evaluate(frame, argument.value)
    else:
        near = did_you_mean(
            keyword, ["output", "loss", "metric", "input", "param", "state", *KINDS]
        )
        raise fault(
            "M008", f"`{keyword}` has no meaning in a {frame.kind}", statement.span, help=near
        )


def scalar(value: Tensor, span: Span, what: str) -> Tensor:
    if value.rank or value.dtype not in ("float", "float64"):
        raise fault(
            "T008",
            f"{what} is a scalar",
            (span, str(value)),
            expected="float[]",
            found=str(value),
            help="take the `mean` or the `sum`" if value.rank else "",
        )
    return value


def outputs(frame: Frame, statement: syntax.Clause) -> None:
    """`output logits, probs = softmax(x)`: a plain name keeps its name, others are output_1, ..."""
    for argument in statement.arguments:
        value = evaluate(frame, argument.value)
        name = argument.name
        if name is None and isinstance(argument.value, syntax.Name) and not argument.value.primed:
            name = argument.value.id
        if name is None:
            name = f"output_{len(frame.outputs) + 1}"
        if name in frame.outputs:
            raise fault("N002", f"the output `{name}` is given twice", argument.span)
        values = value.values if isinstance(value, Several) else (value,)
        for index, each in enumerate(values):
            place = name if len(values) == 1 else f"{name}_{index + 1}"
            frame.outputs[place] = lift(each, argument.value.span, "float")
