"""Parameters that one elementwise rule updates, as one: an update costs an optimizer, not a layer.

The packed block is a train block like any other, whose parameters are vectors. Runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from specc import passes
from specc.diagnostics import SpecError
from specc.ir.graph import Graph, Node, toposort
from specc.ir.model import Optimizer, Train, Variable
from specc.ir.size import product
from specc.ir.types import Type


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that are updated together, side by side in memory in this order."""

    name: str
    type: Type
    members: tuple[Variable, ...]
    optimizer: Optimizer | None


def groups_of(train: Train) -> list[Group]:
    """The trained parameters by the optimizer and, where the rule looks at one's shape, alone."""
    together: dict[Optimizer, list[Variable]] = {}
    alone: list[Group] = []
    for variable in passes.trained(train):
        optimizer = optimizer_of(train, variable.name)
        if optimizer is not None and optimizer.update(variable.type).elementwise:
            together.setdefault(optimizer, []).append(variable)
        else:
            alone.append(Group(variable.name, variable.type, (variable,), optimizer))
    groups: list[Group] = []
    for optimizer, candidates in together.items():
        members, others = _alike(optimizer, candidates)
        alone += [Group(each.name, each.type, (each,), optimizer) for each in others]
        if members:
            # No parameter has such a name: a path of scopes holds no blank.
            name = f"group {len(groups)}"
            groups.append(Group(name, _vector(members), tuple(members), optimizer))
    return groups + alone


def _vector(members: list[Variable]) -> Type:
    return Type("float", (sum(elements(each) for each in members),))


def _alike(
    optimizer: Optimizer, candidates: list[Variable]
) -> tuple[list[Variable], list[Variable]]:
    """Those whose rule is that of the vector of all of them, and the others.

    A rule may read the size or the rank of its parameter, and a sum over a scalar is the scalar.
    """
    members = candidates
    while members:
        try:
            update = optimizer.update(_vector(members))
        except SpecError:  # it is for parameters of other axes
            return [], candidates
        rule = _said(update.graph) if update.elementwise else None
        said = [_said(optimizer.update(each.type).graph) == rule for each in members]
        if all(said):
            break
        members = [each for each, same in zip(members, said, strict=True) if same]
    return members, [each for each in candidates if each not in members]


def _said(graph: Graph) -> list[Any]:
    """What a rule computes of each element, whatever the shape."""
    number: dict[Node, int] = {}
    said: list[Any] = []
    for node in toposort([*graph.inputs, *graph.results]):
        if node.op.name == "broadcast":
            number[node] = number[node.inputs[0]]
            continue
        attributes = {
            name: _said(value) if isinstance(value, Graph) else value
            for name, value in node.attributes.items()
        }
        said.append((node.op.name, attributes, [number[each] for each in node.inputs]))
        number[node] = len(said)
    return [*said, [number[each] for each in graph.results]]


def optimizer_of(train: Train, parameter: str) -> Optimizer | None:
    rest = next((each for each in train.optimizers if not each.on), None)
    named = (each for each in train.optimizers if each.on and passes.matches(parameter, each.on))
    return next(named, rest)


def packed(train: Train, groups: list[Group]) -> Train:
    """The block as the update sees it: one parameter a group, nothing frozen."""
    variables = tuple(
        replace(group.members[0], name=group.name, type=group.type) for group in groups
    )
    optimizers = tuple(
        replace(group.optimizer, on=(group.name,)) for group in groups if group.optimizer
    )
    if len(optimizers) < len(groups):
        return train  # a parameter has no optimizer: `update` says which
    model = replace(train.model, parameters=variables)
    return replace(train, model=model, optimizers=optimizers, freeze=())


def elements(variable: Variable) -> int:
    count = product(variable.type.shape)
    assert isinstance(count, int), f"{variable.name} has no fixed shape"
    return count
