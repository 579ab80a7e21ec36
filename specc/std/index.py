"""Where each definition of the standard library stands, so that only what a spec reaches is parsed.

`python -m specc.std.index` writes index.json anew; reading it is the language's matter.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

from specc.diagnostics import Source
from specc.language.parse import parse
from specc.language.syntax import Binding, Definition

FOLDER = Path(__file__).parent
PATH = FOLDER / "index.json"


class Entry(TypedDict):
    """A definition's file, its characters [start, end) with its doc, and its kind."""

    file: str
    start: int
    end: int
    kind: str  # a definition's keyword; `value` for `name = expression`


def made() -> dict[str, Entry]:
    """Every name of the standard library, file by file in their order."""
    entries: dict[str, Entry] = {}
    for path in sorted(FOLDER.glob("*.nn")):
        source = Source(path.name, path.read_text(encoding="utf-8"))
        for item in parse(source).items:
            if isinstance(item, Definition):
                name, kind = item.name, item.kind
            elif isinstance(item, Binding):
                name, kind = item.targets[0].name, "value"
            else:
                continue
            assert name not in entries, f"{name} is defined twice"
            start = _with_doc(source.text, item.span.start, item.doc)
            entries[name] = {"file": path.name, "start": start, "end": item.span.end, "kind": kind}
    return entries


def _with_doc(text: str, start: int, doc: str) -> int:
    if not doc or text.startswith('"""', start):
        return start
    return text.rindex('"""', 0, text.rindex('"""', 0, start))


def printed() -> str:
    """The index as it is kept: one line a name."""
    lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in made().items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    PATH.write_text(printed(), encoding="utf-8")
