"""Shapes of signatures against shapes of values: each application binds its axes here once.

An axis name not yet bound is an `Unknown` in a size; equations are solved where an unknown stands
linearly, and wait until they can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from specc.diagnostics import Span, fault
from specc.ir import Axis, Extent, Requirement, Size, Unknown
from specc.ir.size import Atom, atom, atoms, lower_bound, remainder, solve, substitute
from specc.ir.size import linear_parts as linear


@dataclass(frozen=True, slots=True)
class Equation:
    """A declared extent must be that of the value which was given."""

    declared: Extent
    actual: Extent
    declared_at: Span
    actual_at: Span | None
    said: object  # the value; its text is its type: float[batch, 64]
    what: str  # the name that it is given to: "`x` of `Linear`"


@dataclass(slots=True)
class Axes:
    """The axis names of one body under construction."""

    bound: dict[str, Extent] = field(default_factory=dict[str, Extent])
    spread: tuple[Extent, ...] | None = None  # what `...` stands for
    values: dict[Atom, Extent] = field(default_factory=dict[Atom, Extent])
    # which value, standing where, bound a name or `...`
    binders: dict[str, tuple[Span | None, object]] = field(
        default_factory=dict[str, tuple[Span | None, object]]
    )
    waiting: list[Equation] = field(default_factory=list[Equation])
    requires: list[Requirement] = field(default_factory=list[Requirement])

    def unknown(self, name: str) -> Extent:
        made = atom(Unknown(name))
        self.bound[name] = made
        return made

    def resolve(self, extent: Extent) -> Extent:
        if isinstance(extent, int) or not self.values:
            return extent
        return substitute(extent, self.values.get)

    def shape(self, extents: Sequence[Extent]) -> tuple[Extent, ...]:
        return tuple(map(self.resolve, extents))

    def equate(self, equation: Equation) -> None:
        """Uses the equation now if it can be, else keeps it for `settle`."""
        if not self._use(equation):
            self.waiting.append(equation)

    def settle(self) -> None:
        """Solves what waited; raises on what can't be inferred."""
        while self.waiting:
            left = [each for each in self.waiting if not self._use(each)]
            if len(left) == len(self.waiting):
                raise self._undetermined(left[0])
            self.waiting = left
        self.bound = {name: self.resolve(extent) for name, extent in self.bound.items()}

    def require(
        self,
        extent: Extent,
        relation: str,
        message: str,
        span: Span | None,
        code: str = "T005",
        help: str = "",
    ) -> None:
        """`extent` == 0 or >= 0: decided now if it can be, else when a program is bound."""
        if isinstance(extent, int):
            if (extent != 0) if relation == "==" else (extent < 0):
                raise fault(code, message, span, help=help)
        elif relation == "==" or lower_bound(extent) < 0:
            self.requires.append(Requirement(extent, relation, message, span))

    def _use(self, equation: Equation) -> bool:
        difference = self.resolve(equation.declared) - equation.actual
        unknowns = [each for each in atoms(difference) if isinstance(each, Unknown)]
        if not unknowns:
            if difference != 0:
                raise self._disagreement(equation)
            return True
        if len(unknowns) > 1:
            return False
        value = solve(difference, unknowns[0])
        if value is None:
            value = self._quotient(difference, unknowns[0], equation)
        if value is None:
            return False
        self.values[unknowns[0]] = value
        self.binders[unknowns[0].name] = (equation.actual_at, equation.said)
        return True

    def _quotient(self, difference: Extent, unknown: Unknown, at: Equation) -> Extent | None:
        """a * unknown + b = 0 where a divides b as numbers, if not as polynomials."""
        parts = linear(difference, unknown)
        if parts is None:
            return None
        slope, rest = parts[0], -parts[1]
        if isinstance(slope, int) and slope < 0:
            slope, rest = -slope, -rest
        if isinstance(slope, int) and isinstance(rest, int):
            raise fault(
                "T005",
                f"{rest} is not divisible by {slope}",
                (at.actual_at, f"this is {at.said}") if at.actual_at else None,
                (at.declared_at, f"`{unknown.name}` would be {rest} / {slope}"),
                expected=f"a multiple of {slope}",
                found=str(rest),
            )
        self.requires.append(
            Requirement(
                remainder(rest, slope), "==", f"{rest} must be divisible by {slope}", at.declared_at
            )
        )
        return rest // slope

    def _disagreement(self, equation: Equation) -> Exception:
        declared = self.resolve(equation.declared)
        word = equation.declared_at.text
        asked = str(declared) if word == str(declared) else f"`{word}` = {declared}"
        return fault(
            "T001",
            f"axes do not agree: {declared} is not {equation.actual}",
            (equation.actual_at, f"this is {equation.said}") if equation.actual_at else None,
            self.binder(word, f"`{word}` is {declared} by this", equation.actual_at),
            (equation.declared_at, f"{equation.what} asks {asked} here"),
            expected=str(declared),
            found=str(equation.actual),
            help=_advice(declared, equation.actual),
        )

    def binder(self, name: str, told: str, besides: Span | None) -> tuple[Span, str] | None:
        """The value that a name was bound by, if it stands elsewhere."""
        at, said = self.binders.get(name, (None, ""))
        if at is None or (besides and (at.source, at.start) == (besides.source, besides.start)):
            return None
        return at, f"{told}: {said}"

    def _undetermined(self, equation: Equation) -> Exception:
        names = [a.name for a in atoms(self.resolve(equation.declared)) if isinstance(a, Unknown)]
        return fault(
            "T004",
            f"the axis `{sorted(names)[0]}` can't be inferred",
            (equation.declared_at, f"must equal {equation.actual}"),
            (equation.actual_at, f"this is {equation.said}") if equation.actual_at else None,
            help="give it as a hyper-parameter, or name it alone in one of the inputs",
        )


def _advice(declared: Extent, actual: Extent) -> str:
    both = [each for each in (declared, actual) if isinstance(each, Size)]
    if len(both) == 2 and all(any(isinstance(a, Axis) for a in atoms(e)) for e in both):
        return "two dynamic axes agree only if they are the same axis"
    if 1 in (declared, actual) and both:
        return "only a literal 1 broadcasts; a dynamic axis never does"
    return ""
