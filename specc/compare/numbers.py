"""How far two results are apart, and what that means. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Value = tuple[str, str]  # a kind and a name: ("gradient", "fc1.weight")
Values = Mapping[Value, Array]

# Tolerances of the relative error, by the coarser precision of the pair.
FORWARD = {"float64": 1e-12, "float32": 1e-5}
GRADIENT = {"float64": 1e-11, "float32": 1e-4}
TRAINED = {"float64": 1e-9, "float32": 1e-3}
TOLERANCE = {
    "output": FORWARD, "loss": FORWARD, "metric": FORWARD, "state": FORWARD,
    "gradient": GRADIENT, "trained": TRAINED, "trained state": TRAINED,
}  # fmt: skip
SPREADS = 10  # after training, an error of so many spreads says nothing
AGREES, DIFFERS, UNDETERMINED = "agrees", "differs", "undetermined"


@dataclass(frozen=True, slots=True)
class Row:
    """One tensor of a pair; `relative` is what the tolerance is of."""

    kind: str
    name: str
    relative: float
    absolute: float
    ulps: float
    spread: float
    tolerance: float
    verdict: str
    otherwise: str = ""  # a shape or kind of numbers that isn't the reference's

    @property
    def said(self) -> str:
        return f"{self.verdict}: {self.otherwise}" if self.otherwise else self.verdict


def coarser(first: str, second: str) -> str:
    return "float32" if "float32" in (first, second) else "float64"


def relative(actual: Array, reference: Array, floor: float = 0.0) -> float:
    """‖actual - reference‖ / max(‖reference‖, floor); equal infinities and NaNs are no distance."""
    if otherwise(actual, reference):
        return float("inf")
    distance = norm(difference(actual, reference))
    scale = max(norm(np.where(np.isfinite(wide(reference)), wide(reference), 0.0)), floor)
    if np.isnan(distance):
        return float("inf")
    return distance / scale if scale else distance


def wide(values: Array) -> Array:
    return np.asarray(values, np.float64)


def norm(values: Array) -> float:
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(values.ravel()))


def difference(actual: Array, reference: Array) -> Array:
    left, right = wide(actual), wide(reference)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    with np.errstate(all="ignore"):
        return np.where(same, 0.0, left - right)


def worst(actual: Array, reference: Array) -> float:
    """The largest absolute difference of an element; infinite where a NaN or infinity is alone."""
    if otherwise(actual, reference):
        return float("inf")
    apart = np.abs(difference(actual, reference))
    return float(np.where(np.isnan(apart), np.inf, apart).max(initial=0.0))


def ulps(actual: Array, reference: Array, dtype: str) -> float:
    """The largest difference of an element, in units of the last place of the larger of the two."""
    if otherwise(actual, reference):
        return float("inf")
    if reference.dtype.kind != "f":
        return worst(actual, reference)
    apart = np.abs(difference(actual, reference))
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(wide(actual)), np.abs(wide(reference))).astype(dtype)
        unit = np.spacing(np.where(np.isfinite(size), size, 1).astype(dtype)).astype(np.float64)
        found = apart / unit
    return float(np.where(np.isnan(found), np.inf, found).max(initial=0.0))


def floor_of_gradients(values: Values) -> float:
    """The root mean square of all elements of all gradients.

    Some gradients are zero in mathematics (a bias before batch norm): noise divided by noise says
    nothing, so each is measured against what gradients are like in this model.
    """
    gradients = [wide(array).ravel() for (kind, _), array in values.items() if kind == "gradient"]
    count = sum(array.size for array in gradients)
    if not count:
        return 0.0
    return float(np.sqrt(sum(norm(array) ** 2 for array in gradients) / count))


def error(value: Value, actual: Values, reference: Values, rms: float) -> float:
    """The relative error as the value's kind has it."""
    array = reference[value]
    floor = np.sqrt(array.size) * rms if value[0] == "gradient" else 0.0
    return relative(actual[value], array, floor)


def verdict(kind: str, found: float, spread: float, tolerance: float) -> str:
    """Whether an error is a difference.

    After training a tensor passes up to ten spreads. Where the spread, how far the reference moves
    by itself if what it is given moves by a unit in the last place, is over the tolerance, an error
    of that size is no evidence, and neither is its absence.
    """
    within = SPREADS * spread
    if kind.startswith("trained") and tolerance >= spread:
        return AGREES if found <= max(tolerance, within) else DIFFERS
    if spread > tolerance:
        return UNDETERMINED if found <= within else DIFFERS
    return AGREES if found <= tolerance else DIFFERS


def rows_of(
    actual: Values, reference: Values, spreads: Mapping[Value, float], dtype: str
) -> list[Row]:
    """Every value of the reference against the other's; one that the other lacks is a bug."""
    rms = floor_of_gradients(reference)
    rows: list[Row] = []
    for value, array in reference.items():
        kind, name = value
        given = actual[value]
        exact = array.dtype.kind != "f"
        tolerance = 0.0 if exact else TOLERANCE[kind][dtype]
        found = error(value, actual, reference, rms)
        spread = 0.0 if exact else spreads.get(value, 0.0)
        rows.append(
            Row(
                kind, name, found, worst(given, array), ulps(given, array, dtype), spread,
                tolerance, DIFFERS if (other := otherwise(given, array)) else
                verdict(kind, found, spread, tolerance), other,
            )
        )  # fmt: skip
    return rows


def otherwise(actual: Array, reference: Array) -> str:
    """What makes two arrays no matter of numbers: their shapes, or the kinds of their elements."""
    if actual.shape != reference.shape:
        return f"{list(actual.shape)} where {list(reference.shape)} is expected"
    if actual.dtype.kind != reference.dtype.kind:
        return f"{actual.dtype.name} where {reference.dtype.name} is expected"
    return ""
