"""`train` and `expect`: how a model is trained, and what is claimed of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from specc.diagnostics import Span, did_you_mean, fault
from specc.ir import Graph, Origin, Output, Type, make_input, origin, toposort
from specc.ir.model import (
    Data,
    Expect,
    From,
    Keep,
    Model,
    Optimizer,
    Patience,
    Penalty,
    Plateau,
    Train,
    Update,
    Variable,
)
from specc.language import syntax
from specc.language.build.apply import FUNCTIONS, apply, as_graph, bind_hypers
from specc.language.build.arguments import Given, assign, given
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Builder, Frame
from specc.language.build.library import Home
from specc.language.build.models import globs
from specc.language.build.shapes import match, static_int
from specc.language.build.statements import run
from specc.language.build.tensors import cast, lift
from specc.language.build.values import Item, Tensor, Value, describe, is_number

CLAUSES = (
    "model",
    "data",
    "from",
    "optimizer",
    "schedule",
    "clip",
    "penalty",
    "freeze",
    "batch",
    "epochs",
    "steps",
    "seed",
    "stop",
    "keep",
)
_MANY = ("optimizer", "schedule", "penalty", "freeze")


@dataclass(slots=True)
class Block:
    """A train block while it is read."""

    builder: Builder
    home: Home
    definition: syntax.Definition
    models: Callable[[Item, syntax.Call | None], Model | None]
    datas: Mapping[str, Data]
    earlier: tuple[str, ...]
    overrides: Mapping[str, tuple[syntax.Expression, Span]]
    found: dict[str, list[syntax.Clause]] = field(default_factory=dict[str, list[syntax.Clause]])
    frame: Frame = field(init=False)

    def __post_init__(self) -> None:
        self.frame = Frame(self.builder, "train", self.definition.name or "train", self.home, True)

    def read(self) -> Train | None:
        frame = self.frame
        for statement in self.definition.body:
            with frame.statement():
                self._sort(statement)
        for keyword, (expression, span) in self.overrides.items():
            with frame.statement():
                if keyword not in CLAUSES:
                    raise fault(
                        "H007",
                        f"a train block has no clause `{keyword}`",
                        span,
                        help=did_you_mean(keyword, CLAUSES),
                    )
                argument = syntax.Argument(None, expression, span)
                clause = syntax.Clause(keyword, (argument,), span=span)
                self.found[keyword] = [clause]
                if keyword in ("epochs", "steps"):
                    self.found.pop("steps" if keyword == "epochs" else "epochs", None)
        made: dict[str, Any] = {}
        for name, rule in _RULES.items():
            with frame.statement():
                made[name] = rule(self)
        if frame.failed or made.get("model") is None:
            return None
        return Train(name=self.definition.name or "train", span=self.definition.at, **made)

    def _sort(self, statement: Any) -> None:
        if isinstance(statement, syntax.Remark):
            return
        if not isinstance(statement, syntax.Clause) or statement.keyword not in CLAUSES:
            word = getattr(statement, "keyword", "") or statement.span.text.split()[0]
            raise fault(
                "M008",
                f"`{word}` has no meaning in a train block",
                statement.span,
                expected=", ".join(CLAUSES),
                help=did_you_mean(word, CLAUSES),
            )
        before = self.found.setdefault(statement.keyword, [])
        if before and statement.keyword not in _MANY:
            raise fault(
                "N002",
                f"`{statement.keyword}` is said twice",
                (statement.span, "said here again"),
                (before[0].span, "said here first"),
            )
        before.append(statement)

    def clauses(self, keyword: str) -> list[syntax.Clause]:
        return self.found.get(keyword, [])

    def one(self, keyword: str) -> tuple[syntax.Expression, Span] | None:
        """The value of a clause of one value."""
        for clause in self.clauses(keyword):
            if len(clause.arguments) != 1 or clause.arguments[0].name:
                raise fault("M014", f"`{keyword}` takes one value", clause.span)
            return clause.arguments[0].value, clause.arguments[0].value.span
        return None

    def number(self, keyword: str, least: int) -> int | None:
        found = self.one(keyword)
        if found is None:
            return None
        value = static_int(evaluate(self.frame, found[0]), found[1], f"`{keyword}`")
        if value < least:
            raise fault("H004", f"`{keyword}` is {least} at least", (found[1], describe(value)))
        return value

    def calls(self, keyword: str) -> Iterator[tuple[str, list[Given], syntax.Clause, Span]]:
        """Clauses of the form `keyword name(arguments)`, for the compiler's own names."""
        for clause in self.clauses(keyword):
            for argument in clause.arguments:
                call = argument.value
                if not isinstance(call, syntax.Call) or not isinstance(call.function, syntax.Name):
                    raise fault(
                        "M014",
                        f"`{keyword}` takes a call, as in `{_EXAMPLE[keyword]}`",
                        argument.value.span,
                    )
                yield call.function.id, given(call.arguments), clause, call.span


_EXAMPLE = {
    "clip": "clip norm(1.0)",
    "stop": "stop patience(dev.loss, epochs = 5)",
    "keep": "keep highest(dev.accuracy)",
    "schedule": "schedule warmup(100)",
}


# ── simple clauses ───────────────────────────────────────────────────────────────────────────────
def _model(block: Block) -> Model | None:
    clauses = block.clauses("model")
    if clauses:
        found = block.one("model")
        assert found is not None
        expression = found[0]
        call = expression if isinstance(expression, syntax.Call) else None
        value = evaluate(block.frame, call.function if call else expression)
        if not isinstance(value, Item) or value.kind != "model":
            raise fault("M014", f"`model` names a model, not {describe(value)}", found[1])
        return block.models(value, call)
    items = [
        each
        for each in block.home.items.values()
        if isinstance(each, syntax.Definition) and each.kind == "model"
    ]
    if len(items) != 1:
        told = "no model" if not items else f"{len(items)} models"
        raise fault(
            "M015",
            f"the file has {told}: the train block says which to train",
            block.definition.at,
            help="`model Name`",
        )
    return block.models(Item(items[0], block.home), None)


def _data(block: Block) -> Data | None:
    found = block.one("data")
    if found is None:
        return None
    expression, span = found
    if isinstance(expression, syntax.Name) and expression.id in block.datas:
        return block.datas[expression.id]
    name = expression.span.text
    item = block.home.own(name) if isinstance(expression, syntax.Name) else None
    if isinstance(item, syntax.Definition) and item.kind == "data":
        from specc.language.build.values import Poisoned

        raise Poisoned  # its own faults are reported
    raise fault(
        "M014",
        f"`data` names a data block, and `{name}` is none",
        span,
        help=did_you_mean(name, block.datas),
    )


def _from(block: Block) -> From | None:
    for clause in block.clauses("from"):
        source: Value = None
        on: tuple[str, ...] = ()
        is_file = False
        for argument in clause.arguments:
            if argument.name == "on":
                on = globs(block.frame, argument.value)
            elif argument.name is not None or source is not None:
                raise fault(
                    "H002", "`from` takes a weight file or a train block, and `on`", argument.span
                )
            elif isinstance(argument.value, syntax.Name):
                source = argument.value.id
                if source not in block.earlier:
                    raise fault(
                        "M016",
                        f"no train block `{source}` stands above this one",
                        argument.span,
                        help=did_you_mean(source, block.earlier),
                    )
            else:
                source, is_file = evaluate(block.frame, argument.value), True
        if clause.on is not None:
            on = globs(block.frame, clause.on)
        if not isinstance(source, str):
            raise fault(
                "M014", "`from` takes a weight file in quotes or a train block's name", clause.span
            )
        return From(source, is_file, on, clause.span)
    return None


def _clip(block: Block) -> tuple[str, float] | None:
    for name, arguments, _, span in block.calls("clip"):
        if name not in ("norm", "value"):
            raise fault(
                "M014",
                f"gradients are clipped by `norm` or by `value`, not `{name}`",
                span,
                help=did_you_mean(name, ["norm", "value"]),
            )
        bound = _numbers(block, f"`clip {name}`", ["bound"], arguments, span, {})["bound"]
        if bound <= 0:
            raise fault("H004", "a bound is above 0", span)
        return name, float(bound)
    return None


def _numbers(
    block: Block,
    what: str,
    names: list[str],
    arguments: list[Given],
    span: Span,
    defaults: Mapping[str, Any],
) -> dict[str, Any]:
    assigned = assign(what, names, arguments, span)
    made: dict[str, Any] = dict(defaults)
    for name in names:
        if name in assigned:
            value = assigned[name].evaluate(block.frame)
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                raise fault(
                    "H004",
                    f"`{name}` of {what} is a number, not {describe(value)}",
                    (assigned[name].span, describe(value)),
                )
            made[name] = value
        elif name not in defaults:
            raise fault("H001", f"{what} needs `{name}`", span)
    return made


def _watched(
    block: Block, what: str, arguments: list[Given], span: Span
) -> tuple[str, list[Given]]:
    """The metric that a clause watches: `dev.loss`, as the run's report names it."""
    if not arguments:
        raise fault("H001", f"{what} needs a metric, such as `dev.loss`", span)
    first = arguments[0].expression
    if not isinstance(first, syntax.Attribute) or not isinstance(first.value, syntax.Name):
        raise fault("M014", f"{what} watches a metric, such as `dev.loss`", arguments[0].span)
    return f"{first.value.id}.{first.name}", arguments[1:]


def _stop(block: Block) -> Patience | None:
    for name, arguments, clause, span in block.calls("stop"):
        if name != "patience":
            raise fault("M014", f"`stop` takes `patience(metric, epochs)`, not `{name}`", span)
        metric, rest = _watched(block, "`patience`", arguments, span)
        epochs = _numbers(block, "`patience`", ["epochs"], rest, span, {})["epochs"]
        return Patience(metric, static_int(epochs, span, "`epochs`"), clause.span)
    return None


def _keep(block: Block) -> Keep | None:
    for name, arguments, clause, span in block.calls("keep"):
        if name not in ("highest", "lowest"):
            raise fault(
                "M014",
                f"`keep` takes `highest(metric)` or `lowest(metric)`, not `{name}`",
                span,
                help=did_you_mean(name, ["highest", "lowest"]),
            )
        metric, rest = _watched(block, f"`{name}`", arguments, span)
        if rest:
            raise fault("H003", f"`{name}` takes one metric", rest[0].span)
        return Keep(metric, name == "highest", clause.span)
    return None


def _freeze(block: Block) -> tuple[str, ...]:
    made: list[str] = []
    for clause in block.clauses("freeze"):
        for argument in clause.arguments:
            made += globs(block.frame, argument.value)
    return tuple(made)


# ── schedules ────────────────────────────────────────────────────────────────────────────────────
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


def _plateaus(block: Block) -> tuple[Plateau, ...]:
    made: list[Plateau] = []
    for clause in block.clauses("schedule"):
        for argument in clause.arguments:
            for factor in _factors(argument.value):
                if _is_plateau(factor):
                    assert isinstance(factor, syntax.Call)
                    span = factor.span
                    metric, rest = _watched(block, "`plateau`", given(factor.arguments), span)
                    n = _numbers(
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


def _schedule(block: Block) -> Graph | None:
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


# ── optimizers and penalties ─────────────────────────────────────────────────────────────────────
def _optimizers(block: Block) -> tuple[Optimizer, ...]:
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
        if len(clause.arguments) != 1:
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
                    raise fault("M008", "an optimizer's inputs are `theta` and `grad`", entry.span)
                frame.values[entry.name] = match(
                    frame, entry.type, value, span, f"`{entry.name}` of `{item.name}`"
                )
                frame.axes.settle()
    run(frame, item.definition.body)
    block.builder.report.raise_errors()
    if "theta'" not in frame.values:
        raise fault(
            "M002",
            f"`{item.name}` doesn't say what `theta'` is",
            item.definition.at,
            help="`theta' = theta - lr * grad`",
        )
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


def _penalties(block: Block) -> tuple[Penalty, ...]:
    made: list[Penalty] = []
    for clause in block.clauses("penalty"):
        for argument in clause.arguments:
            made.append(_penalty(block, clause, argument.value))
    return tuple(made)


def _penalty(block: Block, clause: syntax.Clause, expression: syntax.Expression) -> Penalty:
    """`l2(1e-4)`: a function whose first argument is each parameter in turn."""
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


_RULES: dict[str, Callable[[Block], Any]] = {
    "model": _model,
    "data": _data,
    "origin": _from,
    "optimizers": _optimizers,
    "schedule": _schedule,
    "plateaus": _plateaus,
    "clip": _clip,
    "penalties": _penalties,
    "freeze": _freeze,
    "batch": lambda block: block.number("batch", 1),
    "epochs": lambda block: block.number("epochs", 0),
    "steps": lambda block: block.number("steps", 0),
    "seed": lambda block: block.number("seed", 0) or 0,
    "stop": _stop,
    "keep": _keep,
}


# ── expect ───────────────────────────────────────────────────────────────────────────────────────
def build_expect(builder: Builder, home: Home, item: syntax.Expect) -> Expect | None:
    """A claim: which figures it reads, and whether they hold."""
    names: list[str] = []
    frame = Frame(builder, "expect", "expect", home, False)

    def collect(expression: Any) -> None:
        stack: list[Any] = [expression]
        while stack:
            each = stack.pop()
            dotted = _dotted(each)
            if dotted and ("." in dotted or dotted == "parameters"):
                names.append(dotted)
                continue
            if isinstance(each, tuple):
                stack.extend(reversed(each))  # type: ignore[arg-type]
            elif hasattr(each, "__slots__") and not isinstance(each, Span):
                stack.extend(getattr(each, slot) for slot in reversed(each.__slots__))

    collect(item.condition)
    with frame.statement():
        if not names:
            raise fault(
                "M019",
                "a claim reads a figure of the run or the model",
                item.condition.span,
                expected="expect test.accuracy > 0.95, or expect parameters == 4_810",
            )

    def holds(figures: Mapping[str, float]) -> bool:
        value = _figure(builder, home, item.condition, figures)
        if not isinstance(value, bool):
            raise fault(
                "M019",
                f"a claim is true or false, and this is {describe(value)}",
                item.condition.span,
                expected="a comparison",
            )
        return value

    with frame.statement():
        holds(dict.fromkeys(names, 1.0))
    if frame.failed:
        return None
    return Expect(item.condition.span.text, tuple(dict.fromkeys(names)), holds, item.span)


def _dotted(expression: Any) -> str:
    if isinstance(expression, syntax.Name):
        return expression.id
    if isinstance(expression, syntax.Attribute):
        base = _dotted(expression.value)
        return f"{base}.{expression.name}" if base else ""
    return ""


def _figure(builder: Builder, home: Home, expression: Any, figures: Mapping[str, float]) -> Value:
    """Evaluates a claim with every dotted name replaced by its figure."""

    def replaced(each: Any) -> Any:
        dotted = _dotted(each)
        if dotted in figures:
            value = figures[dotted]
            return syntax.Number(repr(value), value, each.span)
        if isinstance(each, tuple):
            return tuple(map(replaced, each))  # type: ignore[arg-type]
        if isinstance(each, syntax.Binary):
            return syntax.Binary(
                each.operator, replaced(each.left), replaced(each.right), each.span, each.at
            )
        if isinstance(each, syntax.Unary):
            return syntax.Unary(each.operator, replaced(each.operand), each.span)
        if isinstance(each, syntax.Call):
            return syntax.Call(each.function, replaced(each.arguments), each.span)
        if isinstance(each, syntax.Argument):
            return syntax.Argument(each.name, replaced(each.value), each.span)
        return each

    frame = Frame(builder, "expect", "expect", home, False)
    return evaluate(frame, replaced(expression))
