"""Text that every Python brings: documentation, and its library's source under tokenize and ast.

Nothing of the library is imported or run: its files are read.
"""

from __future__ import annotations

import ast
import keyword
import tokenize
from collections.abc import Iterator
from pathlib import Path

# Modules of the standard library, of one style and of all years; some 12,000 logical lines.
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


def summaries() -> tuple[list[str], list[str]]:
    """First lines of docstrings, each different one once, and what it is of where it is first."""
    kind_of: dict[str, str] = {}
    for file in sorted(_folder().glob("*.py")):
        for text, kind in _summaries(ast.parse(file.read_bytes())):
            kind_of.setdefault(text, kind)
    return list(kind_of), list(kind_of.values())


def _summaries(within: ast.AST, kind: str = "function") -> Iterator[tuple[str, str]]:
    """`kind` is what a function in there is: one of a class is a method."""
    for node in ast.iter_child_nodes(within):
        inner = kind
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            of_class = isinstance(node, ast.ClassDef)
            if text := ast.get_docstring(node):
                yield text.split("\n", 1)[0].strip(), "class" if of_class else kind
            inner = "method" if of_class else "function"
        yield from _summaries(node, inner)


def source_lines() -> Iterator[list[tuple[str, str]]]:
    """Logical lines of the library's source: (token, its kind) a token."""
    for name in MODULES:
        found = _file_of(name)
        if found is None:
            continue  # a module that this Python no longer has
        with tokenize.open(found) as text:
            yield from _lines(list(tokenize.generate_tokens(text.readline)))


def _file_of(name: str) -> Path | None:
    places = (_folder() / f"{name}.py", _folder() / name / "__init__.py")
    return next((each for each in places if each.is_file()), None)


def _folder() -> Path:
    return Path(tokenize.__file__).parent


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
