"""The backends by name, each loaded when it is asked for. Imports none of them itself."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from specc.diagnostics import did_you_mean, fault

BACKENDS = ("numpy", "torch", "onnx")
NEEDS = {"torch": "torch", "onnx": "onnx"}  # the library of a backend, and the extra that brings it


def backend(name: str) -> ModuleType:
    """The backend's module.

    Raises:
        SpecError: B002 where there is no backend of that name, B005 where its library is missing.
    """
    if name not in BACKENDS:
        raise fault(
            "B002",
            f"there is no backend `{name}`",
            expected=" or ".join(f"`{each}`" for each in BACKENDS),
            found=f"`{name}`",
            help=did_you_mean(name, BACKENDS),
        )
    if name in NEEDS:
        require(name, NEEDS[name])
    return import_module(f"specc.backends.{name}")


def require(name: str, library: str) -> None:
    """Raises B005 where a backend's library isn't there."""
    if find_spec(library) is None:
        raise fault(
            "B005",
            f"the backend `{name}` needs {library}, which is not installed",
            help=f"pip install 'specc[{name}]'",
        )
