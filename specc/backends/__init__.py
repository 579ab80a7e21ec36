"""The backends by name, each loaded when it is asked for. Imports none of them itself."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from specc.diagnostics import did_you_mean, fault

BACKENDS = ("numpy",)


def backend(name: str) -> ModuleType:
    """The backend's module.

    Raises:
        SpecError: B002 where there is no backend of that name.
    """
    if name not in BACKENDS:
        raise fault(
            "B002",
            f"there is no backend `{name}`",
            expected=" or ".join(f"`{each}`" for each in BACKENDS),
            found=f"`{name}`",
            help=did_you_mean(name, BACKENDS),
        )
    return import_module(f"specc.backends.{name}")
