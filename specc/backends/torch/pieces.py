"""The pieces of runtime.py that generated modules carry, as text. Runs none of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

CARRIED = "# what a module carries\n"  # above it stand runtime.py's own imports


@cache
def pieces() -> dict[str, str]:
    """Each function and table at the top level of runtime.py, as it stands."""
    text = (Path(__file__).parent / "runtime.py").read_text("utf-8").split(CARRIED)[-1]
    found: dict[str, str] = {}
    for part in re.split(r"^(?=def |class |[A-Z_]+\b.* = )", text, flags=re.MULTILINE):
        if match := re.match(r"(?:def |class )?(\w+)", part):
            found[match[1]] = re.split(r"^# ──", part, flags=re.MULTILINE)[0].rstrip()
    return found


def carried(wanted: Iterable[str]) -> list[str]:
    """These and those that they use, in the file's order."""
    found: dict[str, None] = {}
    open_ = [name for name in wanted if name in pieces()]
    while open_:
        name = open_.pop()
        if name not in found:
            found[name] = None
            open_ += [word for word in re.findall(r"\w+", pieces()[name]) if word in pieces()]
    return [text for name, text in pieces().items() if name in found]
