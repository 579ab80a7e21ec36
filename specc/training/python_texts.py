"""Text that every Python brings: its documentation, and its library's own source under tokenize."""

from __future__ import annotations

import keyword
import tokenize
from collections.abc import Iterator
from pathlib import Path

# Modules of the standard library, of one style and of all years; some 9,000 logical lines.
MODULES = (
    "argparse", "ast", "calendar", "configparser", "csv", "dataclasses", "difflib", "fractions",
    "gettext", "heapq", "ipaddress", "mailbox", "optparse", "pprint", "random", "shutil", "string",
    "textwrap",
)  # fmt: skip


def documentation() -> tuple[list[str], list[str]]:
    """The language reference as `help()` shows it: topics' names and their texts, by name."""
    from pydoc_data.topics import topics

    names = sorted(topics)
    return names, [str(topics[name]) for name in names]


def source_lines() -> Iterator[list[tuple[str, str]]]:
    """Logical lines of the library's source: (token, its kind) a token."""
    for name in MODULES:
        found = _file_of(name)
        if found is None:
            continue  # a module that this Python no longer has
        with tokenize.open(found) as text:
            yield from _lines(list(tokenize.generate_tokens(text.readline)))


def _file_of(name: str) -> Path | None:
    """Beside the modules that are here already: nothing is imported by its name."""
    folder = Path(tokenize.__file__).parent
    return next(
        (each for each in (folder / f"{name}.py", folder / name / "__init__.py") if each.is_file()),
        None,
    )


def _lines(tokens: list[tokenize.TokenInfo]) -> Iterator[list[tuple[str, str]]]:
    layout = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    line: list[tokenize.TokenInfo] = []
    for token in tokens:
        if token.type in layout:
            continue
        if token.type != tokenize.NEWLINE:
            line.append(token)
        elif line:
            texts = [each.string for each in line]
            yield [(text, _kind(line, at, texts)) for at, text in enumerate(texts)]
            line = []


def _kind(line: list[tokenize.TokenInfo], at: int, texts: list[str]) -> str:
    """tokenize's type; of a name, by the token on its left, else by the one on its right."""
    token = line[at]
    if token.type != tokenize.NAME:  # what is left is a string, or from 3.12 on a part of one
        return {tokenize.OP: "operator", tokenize.NUMBER: "number"}.get(token.type, "string")
    before = texts[at - 1] if at else ""
    after = texts[at + 1] if at + 1 < len(texts) else ""
    if keyword.iskeyword(token.string):
        return "keyword"
    if before in ("def", "class"):
        return "definition"
    if before == ".":
        return "attribute"
    return "call" if after == "(" else "name"
