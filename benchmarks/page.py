"""docs/benchmarks.md: a title and sections, each of which can be measured anew alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

TITLE = "# Benchmarks\n\nMade by `make bench`; each section says what it was measured on.\n"


def write(page: Path, sections: Iterable[str]) -> None:
    """Puts sections, which begin with their `## ` lines, in place of those of the same names."""
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    kept = {_name(each): each for each in re.split(r"^(?=## )", old, flags=re.MULTILINE)[1:]}
    kept |= {_name(each): each for each in sections}
    text = "\n".join([TITLE, *(f"{each.rstrip()}\n" for each in kept.values())])
    page.write_text(text, encoding="utf-8")


def _name(section: str) -> str:
    return section.partition("\n")[0]
