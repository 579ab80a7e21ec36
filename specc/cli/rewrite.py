"""A text file's new content, whole or not at all. Knows no format."""

from __future__ import annotations

import os
from pathlib import Path


def rewrite(file: str, text: str) -> None:
    """Replaces the file's text: a kill leaves the old or the new; links and permissions stay."""
    path = Path(file).resolve()  # a link stays a link: what it points at is rewritten
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as copy:
            os.chmod(partial, path.stat().st_mode & 0o7777)
            copy.write(text)
            copy.flush()
            os.fsync(copy.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
