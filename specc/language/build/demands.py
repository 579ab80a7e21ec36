"""What a definition demands of its hyper-parameters and sizes, told where it is applied."""

from __future__ import annotations

from collections.abc import Callable

from specc.diagnostics import did_you_mean, fault
from specc.ir import Size
from specc.language.build.natives import Arguments
from specc.language.build.values import Tensor, Value, describe, is_number


def _at_least(a: Arguments) -> Value:
    """A size that must not be smaller: an error now if it is, else when the data is there."""
    size, low, message = a["n"], a["low"], a["message"]
    if isinstance(size, bool) or not isinstance(size, (int, Size)):
        raise a.wrong("n", f"`n` is a size, not {describe(size)}")
    if isinstance(low, bool) or not isinstance(low, int):
        raise a.wrong("low", f"`low` is a whole number, not {describe(low)}")
    if not isinstance(message, str):
        raise a.wrong("message", f"`message` is a string, not {describe(message)}")
    a.frame.axes.require(size - low, ">=", message, a.at)
    return size


def _one_of(a: Arguments) -> Value:
    """One of some words, itself; any other is refused."""
    value, choices = a["x"], [str(each) for each in a["choices"]]
    if value in choices:
        return value
    shown = ", ".join(f'"{each}"' for each in choices)
    near = did_you_mean(value, choices) if isinstance(value, str) else ""
    raise fault("H008", f"{describe(value)} is not one of {shown}", a.at, expected=shown, help=near)


def _within(a: Arguments) -> Value:
    """A number from low to high, itself; what a schedule gives is known only as it runs."""
    value, low, high = a["x"], a["low"], a["high"]
    if isinstance(value, Tensor):
        return value
    if not is_number(value) or isinstance(value, Size):
        raise a.wrong("x", f"a number is needed, not {describe(value)}")
    if not low <= value <= high:
        raise fault(
            "H008",
            f"{describe(value)} is not within {describe(low)} and {describe(high)}",
            a.at,
            expected=f"{describe(low)} to {describe(high)}",
            found=describe(value),
        )
    return value


DEMANDS: list[tuple[str, str, Callable[[Arguments], Value]]] = [
    ("at_least", "n, low, message", _at_least),
    ("one_of", "x, choices", _one_of),
    ("within", "x, low, high", _within),
]
