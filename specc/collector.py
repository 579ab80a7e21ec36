"""Python's garbage collector, off while graphs are made. Knows nothing of them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def undisturbed(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Runs without collections: compiling makes many objects that last, and next to no cycles.

    With them a third of the time of a 1,000-layer spec goes into walking what was just made.
    """

    @wraps(function)
    def quietly(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        if not gc.isenabled():
            return function(*arguments, **named)
        gc.disable()
        try:
            return function(*arguments, **named)
        finally:
            gc.enable()

    return quietly
