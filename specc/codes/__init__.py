"""The explanation of every diagnostic, one Markdown file a code. Knows not who raises them."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def codes() -> list[str]:
    """Every code that has an explanation, in order."""
    return sorted(file.stem for file in FOLDER.glob("*.md"))


def explanation(code: str) -> str:
    """The Markdown text of a code's page: `# S001: title`, then its meaning and the remedy."""
    return (FOLDER / f"{code}.md").read_text(encoding="utf-8")


def title(code: str) -> str:
    with (FOLDER / f"{code}.md").open(encoding="utf-8") as page:
        return page.readline().partition(":")[2].strip()


LETTERS = {
    "S": "Syntax",
    "N": "Names and declarations",
    "T": "Types, shapes and axes",
    "H": "Arguments and hyper-parameters",
    "M": "Models, training and claims",
    "I": "Imports and files",
    "L": "Limits",
    "D": "Data",
    "R": "Running",
    "B": "Backends",
    "C": "The command line",
}


def handbook() -> str:
    """All pages as one document: docs/errors.md."""
    parts = [
        "# Diagnostics\n\n"
        "Each message of specc carries a code; `specc explain CODE` prints its page. This file\n"
        "holds them all and is made by `make docs`.\n"
    ]
    for letter, family in LETTERS.items():
        pages = [explanation(code) for code in codes() if code.startswith(letter)]
        if pages:
            parts.append(f"## {family}\n")
            parts.extend(f"##{page.rstrip()}\n" for page in pages)
    return "\n".join(parts)
