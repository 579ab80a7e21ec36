"""The one place of this backend that runs generated source, and that imports torch for others."""

from __future__ import annotations

import builtins
import linecache
from itertools import count
from typing import Any

_numbers = count(1)


def load_source(source: str, name: str = "specc_torch") -> dict[str, Any]:
    """The module of generated source; its lines are shown in tracebacks and read by compilers."""
    file = f"<{name} {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {"__name__": name, "__file__": file}
    exec(builtins.compile(source, file, "exec"), namespace)  # noqa: S102
    return namespace
