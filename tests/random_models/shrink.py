"""A failing spec made small: less of it, step by step, while it fails as before. Runs nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

TRIES = 400


def shrunk(text: str, fails: Callable[[str], bool], tries: int = TRIES) -> str:
    """The smallest text found for which `fails` still holds."""
    left = tries
    while left > 0:
        for smaller in candidates(text):
            left -= 1
            if left <= 0 or fails(smaller):
                break
        else:
            return text
        if left <= 0:
            return text
        text = smaller
    return text


def candidates(text: str) -> Iterator[str]:
    """Texts with less in them, the largest cuts first."""
    items = text.strip().split("\n\n")
    for at in range(len(items) - 1):
        yield "\n\n".join(items[:at] + items[at + 1 :]) + "\n"
    lines = text.rstrip("\n").split("\n")
    inside = [at for at, line in enumerate(lines) if line.startswith("    ")]
    for size in (8, 4, 2, 1):
        for start in range(max(len(inside) - size, 0), -1, -1 if size == 1 else -size):
            cut = set(inside[start : start + size])
            yield "\n".join(line for at, line in enumerate(lines) if at not in cut) + "\n"
    for at in inside:
        match = re.match(r"\s+(\w+) = (.*)", lines[at])
        if not match:
            continue
        name, expression = match[1], match[2]
        for used in dict.fromkeys(re.findall(r"\b(?:v\d+|[abmswip])\b", expression)):
            if used == name:
                continue
            rest = lines[:at] + [re.sub(rf"\b{name}\b", used, line) for line in lines[at + 1 :]]
            yield "\n".join(rest) + "\n"
            if expression != f"tanh({used})":
                simpler = [*lines[:at], f"    {name} = tanh({used})", *lines[at + 1 :]]
                if len(simpler[at]) < len(lines[at]):
                    yield "\n".join(simpler) + "\n"
