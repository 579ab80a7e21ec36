"""The .nn language: text to syntax, and syntax to graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specc.language.parse import parse

if TYPE_CHECKING:
    from specc.language.build import load, loads
    from specc.language.format import format

__all__ = ["format", "load", "loads", "parse"]


def __getattr__(name: str) -> Any:
    """`specc fmt` needs no builder, and `specc check` no printer."""
    if name in ("load", "loads"):
        from specc.language import build

        return getattr(build, name)
    if name == "format":
        from specc.language.format import format

        return format
    raise AttributeError(name)
