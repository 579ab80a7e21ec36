"""tests/mutants.toml, read: the faults to plant, where, and who should notice. Plants none."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


class Broken(Exception):
    """A row that can't be tried: its text isn't there once, or its tests fail without it."""


@dataclass(frozen=True)
class Fault:
    """One fault: `only` keeps the run short, and says who should notice."""

    what: str
    old: str
    new: str
    only: str = ""


@dataclass(frozen=True)
class Place:
    """A file, the tests near it and those of its room, and the faults to plant there."""

    file: str
    near: tuple[str, ...]
    wider: tuple[str, ...]
    faults: tuple[Fault, ...]

    def planted(self, fault: Fault, root: Path = ROOT) -> str:
        """The file's text with the fault.

        Raises:
            Broken: where the old text doesn't stand in it exactly once.
        """
        text = (root / self.file).read_text(encoding="utf-8")
        count = text.count(fault.old)
        if count != 1:
            raise Broken(f"{self.file}: {fault.old!r} stands there {count} times, not once")
        return text.replace(fault.old, fault.new)


def places() -> tuple[Place, ...]:
    """The table, file by file."""
    read = tomllib.loads((ROOT / "tests/mutants.toml").read_text(encoding="utf-8"))
    wider: dict[str, str] = read["wider"]
    return tuple(
        Place(
            each["file"],
            tuple(each["tests"].split()),
            tuple(wider[max((w for w in wider if each["file"].startswith(w)), key=len)].split()),
            tuple(Fault(**fault) for fault in each["faults"]),
        )
        for each in read["place"]
    )
