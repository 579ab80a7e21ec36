"""The training step as graphs: the objective, its gradients, and the update. Runs nothing.

    objective: parameters, states, batch, key → losses, metrics, next states
    update:    parameters, gradients, moments, step → parameters, moments

Together they are `step`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from specc.diagnostics import Diagnostic, SpecError, labels
from specc.ir import Graph, Node, Origin, Output, Type, call, constant, emit, make_input, origin
from specc.ir.model import Optimizer, Train, Variable
from specc.passes.differentiate import differentiate


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether the globs mean a parameter of this name: `*` crosses dots, and no globs mean all."""
    return not globs or any(fnmatchcase(name, glob) for glob in globs)


def trained(train: Train) -> tuple[Variable, ...]:
    """The parameters that the block's `freeze` clauses leave to be trained."""
    variables = train.model.parameters
    return tuple(v for v in variables if not (train.freeze and matches(v.name, train.freeze)))


# ── objective ────────────────────────────────────────────────────────────────────────────────────
def objective(train: Train) -> Graph:
    """The model in training with its losses summed, a pure function of all that it reads.

    Outputs of role loss: "loss" (the sum of the losses), each loss that has a name, "objective"
    (the loss and the penalties). Where a loss is limited `on` some parameters, the parts of the
    objective that reach different ones are outputs of role part. All others are the model's.
    """
    graph = train.model.training
    values = [output.node for output in graph.outputs if output.role == "loss"]
    losses = list(zip(train.model.losses, map(_as_float, values), strict=True))
    others = [output for output in graph.outputs if output.role != "loss"]
    named = [Output(loss.name, "loss", value) for loss, value in losses if loss.name != "loss"]
    loss = _sum([value for _, value in losses])
    penalties = _penalties(train)
    outputs = [
        Output("loss", "loss", loss),
        *named,
        Output("objective", "loss", _sum([loss, *penalties]) if penalties else loss),
        *others,
    ]
    if _limited(train):
        values_on: dict[tuple[str, ...], list[Node]] = {}
        for each, value in losses:
            values_on.setdefault(each.on, []).append(value)
        rest = _sum(penalties) if penalties else constant(0.0, "float")
        parts = [*map(_sum, values_on.values()), rest]
        outputs += [Output(f"objective.{at}", "part", part) for at, part in enumerate(parts)]
    return replace(graph, outputs=tuple(outputs))


def gradient_pairs(train: Train) -> list[tuple[str, list[str]]]:
    """What to differentiate in the objective: scalars, and the parameters that each reaches."""
    names = [variable.name for variable in trained(train)]
    if not _limited(train):
        return [("objective", names)]
    reaches = [*dict.fromkeys(loss.on for loss in train.model.losses), ()]
    return [
        (f"objective.{at}", [name for name in names if matches(name, on)])
        for at, on in enumerate(reaches)
    ]


def gradients(train: Train) -> Graph:
    """The objective with the gradient of each parameter that is trained."""
    return differentiate(objective(train), gradient_pairs(train))


def _limited(train: Train) -> bool:
    return any(loss.on for loss in train.model.losses)


def _penalties(train: Train) -> list[Node]:
    parameters = train.model.training.taking("parameter")
    found: list[Node] = []
    for penalty in train.penalties:
        for variable in trained(train):
            if matches(variable.name, penalty.on):
                with origin(Origin(penalty.span, "penalty", variable.name)):
                    found += call(penalty.body(variable.type), [parameters[variable.name]])
    return [_as_float(value) for value in found]


# ── update ───────────────────────────────────────────────────────────────────────────────────────
def update(train: Train) -> Graph:
    """One step of the optimizers, a call of one body for each parameter.

    Inputs: the trained parameters by name (role parameter), "gradient.<p>" (gradient),
    "<p>:<state>" (moment), "step" (float64, updates already made), "scale" (float64, what plateaus
    multiply the learning rates by). Outputs: parameters and moments by the same names,
    "average.<p>" where the optimizer has one, "norm" (of all gradients, before clipping).

    Raises:
        SpecError: M090 where a parameter has no optimizer.
    """
    variables = trained(train)
    parameters = {v.name: make_input(v.name, "parameter", v.type) for v in variables}
    arriving = {v.name: make_input(f"gradient.{v.name}", "gradient", v.type) for v in variables}
    step = make_input("step", "step", Type("float64"))
    scale = make_input("scale", "scale", Type("float64"))
    moments, outputs = _updated(train, parameters, arriving, step, scale)
    inputs = (*parameters.values(), *arriving.values(), *moments, step, scale)
    return Graph("update", inputs, tuple(outputs))


def step(train: Train) -> Graph:
    """The whole training step: the inputs and outputs of the objective and of the update."""
    graph = gradients(train)
    taken = graph.taking("parameter")
    parameters = {variable.name: taken[variable.name] for variable in trained(train)}
    gradient_of = graph.named("gradient")
    arriving = {name: gradient_of[f"gradient.{name}"] for name in parameters}
    count = graph.taking("step").get("step")
    inputs = list(graph.inputs)
    if count is None:
        count = make_input("step", "step", Type("float64"))
        inputs.append(count)
    scale = make_input("scale", "scale", Type("float64"))
    moments, made = _updated(train, parameters, arriving, count, scale)
    kept = [output for output in graph.outputs if output.role not in ("gradient", "part")]
    return replace(
        graph, name="step", inputs=(*inputs, *moments, scale), outputs=(*kept, *made)
    )  # fmt: skip


def _updated(
    train: Train,
    parameters: Mapping[str, Node],
    arriving: Mapping[str, Node],
    step: Node,
    scale: Node,
) -> tuple[list[Node], list[Output]]:
    """The inputs for the optimizers' states, and the outputs of the update."""
    optimizer_of = _groups(train)
    with origin(Origin(train.span, "clip")):
        norm = _norm([arriving[name] for name in parameters])
        clipped = _clipped(train, arriving, norm)
    with origin(Origin(train.span, "schedule")):
        count = step + 1.0
        rate_of = {
            optimizer: _rate(train, optimizer, step, scale)
            for optimizer in dict.fromkeys(optimizer_of.values())
        }
    moments: list[Node] = []
    outputs: list[Output] = []
    for variable in trained(train):
        name, optimizer = variable.name, optimizer_of[variable.name]
        rule = optimizer.update(variable.type)
        states = {
            state.name: make_input(f"{name}:{state.name}", "moment", state.type)
            for state in rule.states
        }
        moments += states.values()
        given: dict[str, Callable[[str], Node]] = {
            "theta": lambda _, name=name: parameters[name],
            "grad": lambda _, name=name: clipped[name],
            "lr": lambda _, optimizer=optimizer: rate_of[optimizer],
            "step": lambda _: count,
            "moment": lambda state, states=states: states[state],
        }
        body = rule.graph
        taken = [given[i.attributes["role"]](i.attributes["name"]) for i in body.inputs]
        with origin(Origin(optimizer.span, optimizer.name, name)):
            results = call(body, taken)
        for output, value in zip(body.outputs, results, strict=True):
            outputs.append(Output(*_published(name, output), value))
    outputs.append(Output("norm", "norm", norm))
    return moments, outputs


def _published(name: str, output: Output) -> tuple[str, str]:
    """The name and the role in the update of what an optimizer's body gives for a parameter."""
    if output.role == "moment":
        return f"{name}:{output.name}", "moment"
    return (f"average.{name}", "average") if output.role == "average" else (name, "parameter")


def _groups(train: Train) -> dict[str, Optimizer]:
    """Each parameter's optimizer: the first whose globs match it, else the one without any."""
    rest = next((each for each in train.optimizers if not each.on), None)
    found: dict[str, Optimizer] = {}
    missing: list[Diagnostic] = []
    for variable in trained(train):
        matching = (o for o in train.optimizers if o.on and matches(variable.name, o.on))
        optimizer = next(matching, rest)
        if optimizer is not None:
            found[variable.name] = optimizer
            continue
        places = [(each.span, "") for each in train.optimizers if each.span is not None]
        missing.append(
            Diagnostic(
                "M090",
                f"the parameter `{variable.name}` has no optimizer",
                labels((variable.span, "declared here") if variable.span else train.span, *places),
                help="add an optimizer without `on`, which takes the rest, or `freeze` it",
            )
        )
    if missing:
        raise SpecError(missing)
    return found


def _rate(train: Train, optimizer: Optimizer, step: Node, scale: Node) -> Node:
    """The optimizer's own rate times the schedules and the plateaus, exact."""
    rate = constant(float(optimizer.lr), "float64")
    if train.schedule is not None:
        (factor,) = call(train.schedule, [step for _ in train.schedule.inputs])
        rate = rate * factor
    return rate * scale


def _norm(values: Sequence[Node]) -> Node:
    """The length of all of them taken as one vector."""
    squares = [emit("sum", g * g, axes=tuple(range(g.rank))) for g in values]
    return emit("sqrt", _sum(squares)) if squares else constant(0.0, "float")


def _clipped(train: Train, arriving: Mapping[str, Node], norm: Node) -> dict[str, Node]:
    if train.clip is None:
        return dict(arriving)
    kind, bound = train.clip
    if kind == "value":
        return {
            name: emit("maximum", emit("minimum", g, _full(g, bound)), _full(g, -bound))
            for name, g in arriving.items()
        }
    # torch.nn.utils.clip_grad_norm_: 1e-6 keeps a norm of zero from dividing.
    factor = emit("minimum", bound / (norm + 1e-6), _full(norm, 1.0))
    return {
        name: g * (emit("broadcast", factor, shape=g.shape) if g.shape else factor)
        for name, g in arriving.items()
    }


def _full(node: Node, value: float) -> Node:
    return constant(value, node.dtype, node.shape)


def _as_float(node: Node) -> Node:
    return node if node.dtype == "float" else emit("cast", node, dtype="float")


def _sum(values: Sequence[Node]) -> Node:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total
