"""Lays text out in a given width: a group stays on its line if it fits, else its lines all break.

After Wadler's "A prettier printer" (1998). Knows nothing of what it prints.
"""

from __future__ import annotations

from collections.abc import Sequence


class Line:
    """Where a line may break; what stands there if it does not."""

    __slots__ = ("flat",)

    def __init__(self, flat: str) -> None:
        self.flat = flat


class Nest:
    """One step further in, should a line break inside."""

    __slots__ = ("inner",)

    def __init__(self, *inner: Text) -> None:
        self.inner = inner


class Group:
    """All on one line, or every line of its own broken; groups inside decide for themselves."""

    __slots__ = ("inner",)

    def __init__(self, *inner: Text) -> None:
        self.inner = inner


Text = str | Line | Nest | Group | Sequence["Text"]
SPACE, NOTHING = Line(" "), Line("")
ALWAYS = Line("\n")  # breaks, and every group around it does


def join(texts: Sequence[Text]) -> list[Text]:
    """`a, b, c`, with a place for a break after each comma."""
    made: list[Text] = []
    for text in texts:
        if made:
            made += [",", SPACE]
        made.append(text)
    return made


def lay_out(text: Text, width: int, indent: int, step: int = 4) -> str:
    """One string; lines after the first begin with `indent` blanks or more."""
    parts: list[str] = []
    column = indent
    waiting: list[tuple[int, bool, Text]] = [(indent, True, text)]  # indent, whether lines break
    while waiting:
        at, broken, each = waiting.pop()
        if isinstance(each, str):
            parts.append(each)
            column += len(each)
        elif isinstance(each, Line):
            if broken or each is ALWAYS:
                parts.append("\n" + " " * at)
                column = at
            else:
                parts.append(each.flat)
                column += len(each.flat)
        elif isinstance(each, Nest):
            waiting += [(at + step, broken, inner) for inner in reversed(each.inner)]
        elif isinstance(each, Group):
            flat = not broken or _fits(each, width - column, waiting)
            waiting += [(at, not flat, inner) for inner in reversed(each.inner)]
        else:
            waiting += [(at, broken, inner) for inner in reversed(each)]
    return "".join(parts)


def _fits(group: Group, room: int, after: list[tuple[int, bool, Text]]) -> bool:
    """Whether a group on one line, and what must follow it there, stays within the room."""
    waiting: list[tuple[bool, Text]] = [(False, group)]
    rest = len(after)
    while room >= 0:
        if not waiting:
            if rest == 0:
                return True
            rest -= 1
            waiting.append((after[rest][1], after[rest][2]))
        broken, each = waiting.pop()
        if isinstance(each, str):
            room -= len(each)
        elif isinstance(each, Line):
            if broken:
                return True
            if each is ALWAYS:
                return False
            room -= len(each.flat)
        elif isinstance(each, Nest | Group):
            waiting += [(broken, inner) for inner in reversed(each.inner)]
        else:
            waiting += [(broken, inner) for inner in reversed(each)]
    return False
