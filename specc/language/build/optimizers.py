"""Clauses of a train block that make graphs: schedules, optimizers and penalties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from specc.diagnostics import Report, Span, SpecError, did_you_mean, fault
from specc.ir import Graph, Origin, Output, Type, make_input, origin, toposort
from specc.ir.model import (
    Optimizer,
    Penalty,
    Plateau,
    Train,
    Update,
    Variable,
)
from specc.language import syntax
from specc.language.build.apply import apply, as_graph
from specc.language.build.arguments import Given, assign, given
from specc.language.build.blocks import Block, plain_numbers, watched
from specc.language.build.declarations import name_at
from specc.language.build.dispatch import evaluate
from specc.language.build.functions import FUNCTIONS
from specc.language.build.layers import bind_hypers
from specc.language.build.models import globs
from specc.language.build.names import no_theta
from specc.language.build.shapes import match, static_int
from specc.language.build.statements import run
from specc.language.build.tensors import cast, lift
from specc.language.build.values import Item, Poisoned, Tensor, Value, describe, is_number


def _factors(expression: syntax.Expression) -> Iterator[syntax.Expression]:
    """The factors of a product, left to right."""
    while isinstance(expression, syntax.Binary) and expression.operator == "*":
        yield expression.right
        expression = expression.left
    yield expression


def _is_plateau(expression: syntax.Expression) -> bool:
    return isinstance(expression, syntax.Call) and (
        isinstance(expression.function, syntax.Name) and expression.function.id == "plateau"
    )


def plateaus(block: Block) -> tuple[Plateau, ...]:
    made: list[Plateau] = []
    for clause in block.clauses("schedule"):
        for argument in clause.arguments:
            for factor in _factors(argument.value):
                if _is_plateau(factor):
                    assert isinstance(factor, syntax.Call)
                    span = factor.span
                    metric, rest = watched(block, "`plateau`", given(factor.arguments), span)
                    n = plain_numbers(
                        block,
                        "`plateau`",
                        ["factor", "patience"],
                        rest,
                        span,
                        {"factor": 0.1, "patience": 10},
                    )
                    patience = static_int(n["patience"], span, "`patience`")
                    made.append(Plateau(metric, float(n["factor"]), patience, clause.span))
    return tuple(made)


def schedule(block: Block) -> Graph | None:
    """The product of the schedules, as a function of the updates already made."""
    frame = block.frame.inner("schedule", "schedule", block.home, block.definition.at)
    total: Value = None
    for clause in block.clauses("schedule"):
        for argument in clause.arguments:
            for factor in _factors(argument.value):
                if _is_plateau(factor):
                    continue
                value = evaluate(frame, factor)
                if isinstance(value, Item) and value.kind == "schedule":
                    value = apply(frame, value, [], factor.span)
                if not is_number(value) and not (isinstance(value, Tensor) and value.rank == 0):
                    raise fault(
                        "M014",
                        f"a schedule is a number at each step, not {describe(value)}",
                        (factor.span, describe(value)),
                    )
                value = cast(lift(value, factor.span, "float64"), "float64", factor.span)
                if total is None:
                    total = value
                else:
                    with origin(Origin(factor.span, "schedule")):
                        total = Tensor(total.node * value.node, ())
    return None if total is None else as_graph("schedule", frame, total)


def optimizers(block: Block) -> tuple[Optimizer, ...]:
    made: list[Optimizer] = []
    clauses = block.clauses("optimizer")
    if not clauses:
        raise fault(
            "M017",
            "the train block says no optimizer",
            block.definition.at,
            help="`optimizer adam(lr = 1e-3)`",
        )
    for clause in clauses:
        if len(clause.arguments) != 1 or clause.arguments[0].name:
            raise fault("M014", "`optimizer` takes one optimizer", clause.span)
        made.append(_optimizer(block, clause))
    rest = [each for each in made if not each.on]
    if len(rest) > 1:
        raise fault(
            "M018",
            "two optimizers take the rest of the parameters",
            *[(each.span, "") for each in rest if each.span],
            help='limit one: `optimizer sgd(lr = 0.1) on "enc.*"`',
        )
    return tuple(made)


def _optimizer(block: Block, clause: syntax.Clause) -> Optimizer:
    frame = block.frame
    expression = clause.arguments[0].value
    call = expression if isinstance(expression, syntax.Call) else None
    item = evaluate(frame, call.function if call else expression)
    if not isinstance(item, Item) or item.kind != "optimizer":
        names = [
            name
            for name, entry in block.home.library.std.index.items()
            if entry["kind"] == "optimizer"
        ]
        raise fault(
            "M014",
            f"`optimizer` names an optimizer, not {describe(item)}",
            (expression.span, describe(item)),
            help=did_you_mean(expression.span.text.split("(")[0], names),
        )
    names = [each.name for each in item.definition.parameters or ()]
    written = call.arguments if call else ()
    arguments = given([each for each in written if each.name != "on"])
    on = next((each.value for each in written if each.name == "on"), clause.on)
    assigned = assign(f"`{item.name}`", names, arguments, expression.span)
    frame.builder.applied.add(id(item.definition))
    scheduled: dict[str, syntax.Expression] = {}
    plain: dict[str, Given] = {}
    for name, argument in assigned.items():
        assert argument.expression is not None
        value = evaluate(frame, argument.expression)
        if isinstance(value, Tensor):  # a schedule: built anew in the optimizer's body, at its step
            scheduled[name] = argument.expression
            plain[name] = Given(name, argument.span, value=0.0)
        else:
            plain[name] = Given(name, argument.span, value=value)
    hypers = bind_hypers(frame, item, plain, expression.span)
    lr = hypers.get("lr", 1.0)
    if "lr" in scheduled:
        lr = 1.0
    if isinstance(lr, bool) or not isinstance(lr, (int, float)):
        raise fault("H004", f"`lr` is a number, not {describe(lr)}", expression.span)
    memo: dict[Type, Update] = {}

    def update(type: Type) -> Update:
        if type not in memo:
            memo[type] = _update(block, item, hypers, scheduled, type, expression.span)
        return memo[type]

    return Optimizer(
        item.name,
        (item.home.key, item.name),
        float(lr),
        hypers,
        update,
        globs(frame, on),
        clause.span,
    )


def _update(
    block: Block,
    item: Item,
    hypers: Mapping[str, Value],
    scheduled: Mapping[str, syntax.Expression],
    type: Type,
    span: Span,
) -> Update:
    """An optimizer's body for one type of parameter."""
    before = len(block.builder.report.diagnostics)
    frame = block.frame.inner("optimizer", item.name, item.home, span)
    frame.trail = (span,)
    inputs = {
        "theta": make_input("theta", "theta", type),
        "grad": make_input("grad", "grad", type),
        "lr": make_input("lr", "lr", Type("float64")),
        "step": make_input("step", "step", Type("float64")),
    }
    labels = (None,) * type.rank
    frame.values.update(hypers)
    frame.values["theta"] = Tensor(inputs["theta"], labels)
    frame.values["grad"] = Tensor(inputs["grad"], labels)
    frame.values["step"] = Tensor(inputs["step"], ())
    with origin(Origin(span, "step")):
        frame.exact_step = Tensor(inputs["step"] - 1, ())  # schedules count the updates made
    outer = block.frame.inner("schedule", "schedule", block.home, span)
    outer.exact_step = frame.exact_step
    lr = Tensor(inputs["lr"], ())
    for name, expression in scheduled.items():
        value = cast(lift(evaluate(outer, expression), span, "float64"), "float64", span)
        frame.values[name] = value
        if name == "lr":
            with origin(Origin(expression.span, "lr")):
                lr = Tensor(lr.node * value.node, ())
    frame.values["lr"] = lr
    for statement in item.definition.body:
        if isinstance(statement, syntax.Declaration) and statement.kind == "input":
            for entry in statement.entries:
                value = frame.values.get(entry.name)
                if (
                    entry.type is None
                    or not isinstance(value, Tensor)
                    or entry.name not in ("theta", "grad")
                ):
                    raise fault(
                        "M008", "an optimizer's inputs are `theta` and `grad`", name_at(entry)
                    )
                frame.values[entry.name] = match(
                    frame, entry.type, value, span, f"`{entry.name}` of `{item.name}`"
                )
                frame.axes.settle()
    run(frame, item.definition.body)
    _raise_since(before, block.builder.report)
    if frame.failed:
        raise Poisoned
    if "theta'" not in frame.values:
        raise no_theta(item.definition)
    states: list[Variable] = []
    moments: list[Any] = []
    made = [Output("theta", "theta", frame.values["theta'"].node)]
    for name, (owned, node) in frame.states.items():
        assert owned.init is not None
        moment = make_input(name, "moment", owned.type)
        moments.append((node, moment))
        states.append(Variable(name, owned.type, owned.init, {}, owned.span))
        made.append(Output(name, "moment", frame.current[name].node))
    if "average" in frame.outputs:
        made.append(Output("average", "average", frame.outputs["average"].node))
    graph = Graph(
        item.name,
        (*inputs.values(), *(moment for _, moment in moments)),
        tuple(made),
        (item.home.key, item.name),
        dict(hypers),
    )
    graph = _with_inputs(graph, {id(node): moment for node, moment in moments})
    return Update(graph, tuple(states), _elementwise(graph))


def _raise_since(before: int, report: Report) -> None:
    """A body's faults leave the report: whoever asked for the body tells them."""
    errors = [each for each in report.diagnostics[before:] if each.severity == "error"]
    if errors:
        report.take_back(errors)
        raise SpecError(errors)


def try_updates(train: Train) -> None:
    """Builds each optimizer for one parameter of each rank: its faults are told before a run."""
    rest = next((each for each in train.optimizers if not each.on), None)
    tried: set[tuple[int, int]] = set()
    for variable in train.model.parameters:
        own = (each for each in train.optimizers if each.on and reaches(each.on, variable.name))
        optimizer = next(own, rest)
        if optimizer is None or reaches(train.freeze, variable.name):
            continue
        key = (id(optimizer), variable.type.rank)
        if key not in tried:
            tried.add(key)
            optimizer.update(variable.type)


def reaches(globs: Sequence[str], name: str) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _with_inputs(graph: Graph, new: dict[int, Any]) -> Graph:
    from specc.ir import replace as replaced

    made: dict[int, Any] = {}
    for node in toposort([*graph.inputs, *graph.results]):
        if id(node) in new:
            made[id(node)] = new[id(node)]
        else:
            made[id(node)] = replaced(node, [made.get(id(each), each) for each in node.inputs])
    for node in graph.inputs:
        made.setdefault(id(node), node)
    outputs = tuple(Output(o.name, o.role, made[id(o.node)]) for o in graph.outputs)
    return Graph(graph.name, graph.inputs, outputs, graph.definition, graph.hypers)


def _elementwise(graph: Graph) -> bool:
    """Whether every element is updated by itself, so that parameters can be packed."""
    plain = {"input", "constant", "broadcast", "cast", "item", "where", "stop_gradient"}
    stack, seen = [graph], {id(graph)}
    while stack:
        for node in toposort(stack.pop().results):
            if node.op.name == "call":
                body = node.attributes["body"]
                if id(body) not in seen:
                    seen.add(id(body))
                    stack.append(body)
            elif node.op.name == "broadcast" and node.inputs[0].type.rank:
                return False
            elif not node.op.elementwise and node.op.name not in plain:
                return False
    return True


def penalties(block: Block) -> tuple[Penalty, ...]:
    made: list[Penalty] = []
    for clause in block.clauses("penalty"):
        for argument in clause.arguments:
            made.append(_penalty(block, clause, argument.value))
    return tuple(made)


def _penalty(block: Block, clause: syntax.Clause, expression: syntax.Expression) -> Penalty:
    """`l2(1e-4)`: a function whose first argument is each parameter in turn."""
    if isinstance(expression, syntax.Binary):
        raise fault(
            "M014",
            "a penalty is one function of a parameter",
            expression.span,
            help="several add up by themselves: `penalty l2(1e-4), l1(1e-5)`",
        )
    call = expression if isinstance(expression, syntax.Call) else None
    item = evaluate(block.frame, call.function if call else expression)
    if not isinstance(item, Item) or item.kind not in FUNCTIONS:
        raise fault(
            "M014",
            f"a penalty is a function of a parameter, not {describe(item)}",
            (expression.span, describe(item)),
            expected="penalty l2(1e-4)",
        )
    arguments = [each for each in (call.arguments if call else ()) if each.name != "on"]
    on = next(
        (each.value for each in (call.arguments if call else ()) if each.name == "on"), clause.on
    )
    memo: dict[Type, Graph] = {}

    def body(type: Type) -> Graph:
        if type not in memo:
            frame = block.frame.inner("penalty", item.name, block.home, expression.span)
            node = make_input("theta", "theta", type)
            frame.inputs.append(node)
            piped = Given(None, expression.span, value=Tensor(node, (None,) * type.rank))
            value = apply(frame, item, [piped, *given(arguments)], expression.span)
            tensor = lift(value, expression.span, "float")
            if tensor.rank:
                raise fault(
                    "T008",
                    f"a penalty is a scalar, and `{item.name}` gives {tensor}",
                    expression.span,
                )
            memo[type] = as_graph(item.name, frame, tensor)
        return memo[type]

    body(Type("float", (2, 3)))  # its own faults are told by `check`, before there is a parameter
    return Penalty(body, globs(block.frame, on), clause.span)
