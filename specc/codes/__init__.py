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
