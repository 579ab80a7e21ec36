"""What is wrong with a file whatever it is applied to: names that mean nothing in an unused body.

A body that is applied is checked, types and all, where it is built; one that never is, here.
"""

from __future__ import annotations

from typing import Any

from specc.language import syntax


def check(builder: Any, home: Any) -> None:
    return None


__all__ = ["check", "syntax"]
