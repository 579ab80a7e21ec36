"""Parameters that one elementwise rule updates, as one: an update costs an optimizer, not a layer.

The packed block is a train block like any other, whose parameters are vectors. Runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from specc import passes
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
    packed: list[Group] = []
    for number, (optimizer, members) in enumerate(together.items()):
        count = sum(elements(each) for each in members)
        # No parameter has such a name: a path of scopes holds no blank.
        name = f"group {number}"
        packed.append(Group(name, Type("float", (count,)), tuple(members), optimizer))
    return packed + alone


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
