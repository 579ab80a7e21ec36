"""A small language for neural networks, and the compiler that trains what it says.

    spec = specc.load("digits.nn")
    result = spec.run()

Importing this imports nothing heavy: the compiler comes with the first spec, NumPy with its run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from specc.diagnostics import SpecError
from specc.version import __version__

if TYPE_CHECKING:
    from specc.api import Spec

__all__ = ["SpecError", "__version__", "load", "loads"]


def load(path: str | Path, overrides: Mapping[str, str] | None = None) -> Spec:
    """Reads, checks and builds a spec's file; `overrides` as in {"train.epochs": "3"}.

    Raises:
        SpecError: with every fault that is found.
    """
    from specc import language
    from specc.api import Spec

    given = dict(overrides or {})
    return Spec(language.load(str(path), given), given)


def loads(text: str, overrides: Mapping[str, str] | None = None) -> Spec:
    """As `load`, of a spec's text."""
    from specc import language
    from specc.api import Spec

    given = dict(overrides or {})
    return Spec(language.loads(text, "<text>", given), given)
