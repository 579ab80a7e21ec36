"""The algebra of axes: integer polynomials over named axes, in one canonical form. Knows no tensor.

An extent is an `int` where it is known and a `Size` where it is not; a `Size` is never constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import gcd


@dataclass(frozen=True, slots=True)
class Axis:
    """A dynamic axis of a model: equal to itself alone, known when a program is bound."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """An axis of a signature that this application has yet to bind."""

    name: str

    def __str__(self) -> str:
        return f"?{self.name}"


@dataclass(frozen=True, slots=True)
class Derived:
    """floor(a / b), a mod b, or max(a, b), where it doesn't reduce to a polynomial."""

    function: str  # "//" "%" "max"
    left: Extent
    right: Extent

    def __str__(self) -> str:
        if self.function == "max":
            return f"max({self.left}, {self.right})"
        return f"({_bracket(self.left)} {self.function} {_bracket(self.right)})"


Atom = Axis | Unknown | Derived
Monomial = tuple[tuple[Atom, int], ...]  # atoms with their powers, in order of their text


class Size:
    """A polynomial that is not a constant. Terms are sorted, so equal sizes are equal tuples."""

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms

    @cached_property
    def _hash(self) -> int:
        return hash(self.terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and self.terms == other.terms

    def __add__(self, other: Extent) -> Extent:
        total = dict(self.terms)
        for monomial, factor in _terms(other):
            total[monomial] = total.get(monomial, 0) + factor
        return _size(total)

    def __mul__(self, other: Extent) -> Extent:
        product: dict[Monomial, int] = {}
        for left, left_factor in self.terms:
            for right, right_factor in _terms(other):
                monomial = _multiply(left, right)
                product[monomial] = product.get(monomial, 0) + left_factor * right_factor
        return _size(product)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Extent:
        return self * -1

    def __sub__(self, other: Extent) -> Extent:
        return self + (-other)

    def __rsub__(self, other: Extent) -> Extent:
        return -self + other

    def __floordiv__(self, other: Extent) -> Extent:
        return floor_divide(self, other)

    def __rfloordiv__(self, other: Extent) -> Extent:
        return floor_divide(other, self)

    def __mod__(self, other: Extent) -> Extent:
        return remainder(self, other)

    def __rmod__(self, other: Extent) -> Extent:
        return remainder(other, self)

    def __str__(self) -> str:
        text = ""
        for monomial, factor in self.terms:
            atoms = " * ".join(str(a) if p == 1 else f"{a}^{p}" for a, p in monomial)
            magnitude = abs(factor)
            if not atoms:
                body = str(magnitude)
            else:
                body = atoms if magnitude == 1 else f"{magnitude} * {atoms}"
            if not text:
                text = body if factor > 0 else f"-{body}"
            else:
                text += f" + {body}" if factor > 0 else f" - {body}"
        return text

    __repr__ = __str__


Extent = int | Size


def axis(name: str) -> Size:
    return atom(Axis(name))


def atom(of: Atom) -> Size:
    return Size(((((of, 1),), 1),))


def floor_divide(left: Extent, right: Extent) -> Extent:
    """⌊left / right⌋; what divides exactly comes out of the floor."""
    if isinstance(left, int) and isinstance(right, int):
        return left // right
    if right == 1:
        return left
    whole = exact_quotient(left, right)
    if whole is not None:
        return whole
    if isinstance(right, int) and isinstance(left, Size):
        quotient = {m: f // right for m, f in left.terms if f % right == 0}
        rest = {m: f for m, f in left.terms if f % right}
        if quotient:
            return _size(quotient) + _derived("//", _size(rest), right)
    return _derived("//", left, right)


def remainder(left: Extent, right: Extent) -> Extent:
    """left mod right, with the sign of right."""
    if isinstance(left, int) and isinstance(right, int):
        return left % right
    if exact_quotient(left, right) is not None:
        return 0
    if isinstance(right, int) and isinstance(left, Size):
        left = _size({m: f % right for m, f in left.terms if f % right})
        if isinstance(left, int):
            return left % right
    return _derived("%", left, right)


def maximum(left: Extent, right: Extent) -> Extent:
    if isinstance(left, int) and isinstance(right, int):
        return max(left, right)
    if left == right:
        return left
    first, second = sorted((left, right), key=str)
    return _derived("max", first, second)


def exact_quotient(left: Extent, right: Extent) -> Extent | None:
    """left / right where that is a polynomial for every value of the axes, else None."""
    if right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        return left // right if left % right == 0 else None
    divisor = _terms(right)
    quotient: dict[Monomial, int] = {}
    rest: Extent = left
    lead_monomial, lead_factor = divisor[0]
    for _ in range(64):
        if rest == 0:
            return _size(quotient)
        for monomial, factor in _terms(rest):
            ratio = _divide(monomial, lead_monomial)
            if ratio is not None and factor % lead_factor == 0:
                break
        else:
            return None
        step = _size({ratio: factor // lead_factor})
        quotient[ratio] = quotient.get(ratio, 0) + factor // lead_factor
        rest = rest - step * right
    return None


def equal_if_exact(left: Extent, right: Extent) -> bool:
    """Whether they are equal wherever each ⌊a / b⌋ in them is exact: (t // 2) * 2 and t are."""
    difference = left - right
    while isinstance(difference, Size):
        floors = [
            (each, power)
            for monomial, _ in difference.terms
            for each, power in monomial
            if isinstance(each, Derived) and each.function == "//"
        ]
        if not floors:
            return False
        floor = floors[0][0]
        assert isinstance(floor, Derived)
        most = max(power for each, power in floors if each == floor)
        # Times b^most each q^p is q^p · b^p · b^(most - p) = a^p · b^(most - p).
        total: Extent = 0
        for monomial, factor in difference.terms:
            power = dict(monomial).get(floor, 0)
            part = _size({tuple(pair for pair in monomial if pair[0] != floor): factor})
            for _ in range(power):
                part = part * floor.left
            for _ in range(most - power):
                part = part * floor.right
            total = total + part
        difference = total
    return difference == 0


def solve(equation: Extent, unknown: Unknown) -> Extent | None:
    """The value of `unknown` that makes `equation` zero, if linear in it and dividing exactly."""
    parts = linear_parts(equation, unknown)
    return exact_quotient(-parts[1], parts[0]) if parts else None


def linear_parts(equation: Extent, unknown: Unknown) -> tuple[Extent, Extent] | None:
    """(a, b) where `equation` is a * unknown + b and neither holds the unknown, else None."""
    slope: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for monomial, factor in _terms(equation):
        power = dict(monomial).get(unknown, 0)
        if power == 0:
            rest[monomial] = factor
        elif power == 1:
            slope[tuple(pair for pair in monomial if pair[0] is not unknown)] = factor
        else:
            return None
    a, b = _size(slope), _size(rest)
    if a == 0 or unknown in atoms(a) or unknown in atoms(b):  # it may stand inside a floor too
        return None
    return a, b


def atoms(extent: Extent) -> set[Atom]:
    """Every atom in it, also those inside floors."""
    found: set[Atom] = set()
    if isinstance(extent, Size):
        for monomial, _ in extent.terms:
            for each, _ in monomial:
                found.add(each)
                if isinstance(each, Derived):
                    found |= atoms(each.left) | atoms(each.right)
    return found


def axes(extent: Extent) -> list[str]:
    """The names of the dynamic axes in it, sorted."""
    return sorted(each.name for each in atoms(extent) if isinstance(each, Axis))


def substitute(extent: Extent, value_of: Callable[[Atom], Extent | None]) -> Extent:
    """Puts values in the place of atoms; an atom without one stays."""
    if isinstance(extent, int):
        return extent
    total: Extent = 0
    for monomial, factor in extent.terms:
        product: Extent = factor
        for each, power in monomial:
            value = value_of(each)
            if value is None and isinstance(each, Derived):
                left, right = substitute(each.left, value_of), substitute(each.right, value_of)
                value = FUNCTIONS[each.function](left, right)
            base = atom(each) if value is None else value
            for _ in range(power):
                product = product * base
        total = total + product
    return total


FUNCTIONS: dict[str, Callable[[Extent, Extent], Extent]] = {
    "//": floor_divide,
    "%": remainder,
    "max": maximum,
}


def evaluate(extent: Extent, length_of: Mapping[str, int]) -> int:
    """Its value where every dynamic axis has a length."""
    if isinstance(extent, int):
        return extent
    value = substitute(extent, lambda a: length_of.get(a.name) if isinstance(a, Axis) else None)
    assert isinstance(value, int), f"{extent} is not bound by {dict(length_of)}"
    return value


def lower_bound(extent: Extent) -> int:
    """A number that it can't fall below when each axis is at least 1; -2^62 if none is known."""
    if isinstance(extent, int):
        return extent
    bound = 0
    for monomial, factor in extent.terms:
        if not monomial:
            bound += factor
        elif factor < 0 or any(isinstance(each, Derived) for each, _ in monomial):
            return -(2**62)
        else:
            bound += factor
    return bound


def product(extents: tuple[Extent, ...]) -> Extent:
    total: Extent = 1
    for each in extents:
        total = total * each
    return total


def _terms(extent: Extent) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(extent, Size):
        return extent.terms
    return (((), extent),) if extent else ()


def _size(terms: Mapping[Monomial, int]) -> Extent:
    kept = [(monomial, factor) for monomial, factor in terms.items() if factor]
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    return Size(tuple(sorted(kept, key=_term_order)))


def _term_order(term: tuple[Monomial, int]) -> tuple[int, str]:
    degree = sum(power for _, power in term[0])
    return (-degree, " ".join(f"{each}^{power}" for each, power in term[0]))


def _multiply(left: Monomial, right: Monomial) -> Monomial:
    powers = dict(left)
    for each, power in right:
        powers[each] = powers.get(each, 0) + power
    return tuple(sorted(powers.items(), key=lambda pair: str(pair[0])))


def _divide(left: Monomial, right: Monomial) -> Monomial | None:
    powers = dict(left)
    for each, power in right:
        powers[each] = powers.get(each, 0) - power
        if powers[each] < 0:
            return None
    return tuple((each, power) for each, power in powers.items() if power)


def _derived(function: str, left: Extent, right: Extent) -> Extent:
    if function in ("//", "%") and isinstance(right, int) and right > 1:
        common = right
        for _, factor in _terms(left):
            common = gcd(common, factor)
        if common > 1 and function == "//":
            return floor_divide(exact_quotient(left, common) or 0, right // common)
    return atom(Derived(function, left, right))


def _bracket(extent: Extent) -> str:
    text = str(extent)
    simple = isinstance(extent, int) or (len(extent.terms) == 1 and extent.terms[0][1] == 1
                                         and len(extent.terms[0][0]) == 1)  # fmt: skip
    return text if simple else f"({text})"
