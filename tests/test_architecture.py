"""The rooms and their doors: who imports whom, what a command loads, what every file must have."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "specc"
FILES = sorted(PACKAGE.rglob("*.py"))

# A room and the rooms that it may import; a room is the longest entry that a module's name begins
# with. What is imported for types alone counts too, unless the pair is in TYPES_ONLY.
EVERYWHERE = {"diagnostics", "limits", "version"}
MAY_IMPORT = {
    "diagnostics": set(),
    "limits": set(),
    "version": set(),
    "collector": set(),
    "codes": {"diagnostics"},
    "ir": EVERYWHERE,
    "ops": {"ir", *EVERYWHERE},
    "passes": {"ops", "ir", *EVERYWHERE},
    "language": {"ops", "ir", *EVERYWHERE},
    "backends": {"ir", *EVERYWHERE},
    "backends.numpy": {"backends", "ops", "ir", "passes", *EVERYWHERE},
    "backends.torch": {"backends", "ops", "ir", "passes", *EVERYWHERE},
    "backends.onnx": {"backends", "ops", "ir", "passes", *EVERYWHERE},
    "training": {
        "pipeline", "ir", "ops", "passes", "backends", "backends.numpy", *EVERYWHERE,
    },
    "compare": {
        "pipeline", "language", "passes", "ir", "training", "backends", "backends.torch",
        "backends.onnx", *EVERYWHERE,
    },
    "pipeline": {
        "collector", "language", "passes", "ir", "ops", "backends", "backends.numpy", "training",
        *EVERYWHERE,
    },
    "api": {
        "pipeline", "language", "training", "passes", "ir", "backends", "backends.numpy",
        *EVERYWHERE,
    },
    "cli": {
        "", "pipeline", "language", "training", "compare", "passes", "ir", "ops", "codes",
        "backends.numpy", *EVERYWHERE,
    },
    "__main__": {"cli"},
}  # fmt: skip

# Modules from outside that only some rooms may name, and the rooms that may.
CONFINED = {
    "lark": {"language"},
    "numpy": {
        "backends",
        "backends.numpy",
        "backends.torch",
        "backends.onnx",
        "training",
        "api",
        "compare",
    },
    "rich": {"cli", "training"},
    "safetensors": {"training"},
    "pyarrow": {"training"},
    "torch": {"backends.torch"},
    "onnx": {"backends.onnx"},
    "onnxruntime": {"backends.onnx"},
    "scipy": set(),
    "sklearn": set(),
    "pickle": set(),
    "marshal": set(),
    "importlib": {"backends", "cli", "training", "compare"},  # the last two look for files alone
}

# The files that may turn text into code: the loader of generated programs, and the maker of the
# syntax tree's classes, whose text is their fields' names.
MAY_EXECUTE = {
    "specc/backends/numpy/program.py", "specc/backends/torch/load.py", "specc/language/node.py",
}  # fmt: skip


def room(module: str) -> str:
    name = module.removeprefix("specc").removeprefix(".")
    rooms = [each for each in MAY_IMPORT if name == each or name.startswith(f"{each}.")]
    return max(rooms, key=len, default="")


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every module that a file names, and the line; `from specc import x` names specc.x."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            module = node.module or ""
            if module in ("specc", "specc.backends"):
                yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield module, node.lineno


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for file in FILES:
        yield file, ast.parse(file.read_text(encoding="utf-8"), str(file))


def test_imports_follow_the_table() -> None:
    wrong: list[str] = []
    for file, tree in trees():
        here = room(module_of(file))
        for module, line in imports(tree):
            top = module.partition(".")[0]
            if top == "specc":
                there = room(module)
                allowed = there == here or here == "" or there in MAY_IMPORT[here]
            else:
                allowed = top not in CONFINED or here in CONFINED[top]
            if not allowed:
                wrong.append(f"{file.relative_to(ROOT)}:{line}: {here} may not import {module}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_file_says_what_it_is_for() -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file, tree in trees()
        if tree.body and ast.get_docstring(tree) is None
    ]
    assert not silent


def test_only_the_loader_turns_text_into_code() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {node.func.id}"
        for file, tree in trees()
        if file.relative_to(ROOT).as_posix() not in MAY_EXECUTE
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("exec", "eval", "compile", "__import__")
        and not _is_own_compile(node, tree)
    ]
    assert not found, "\n" + "\n".join(found)


def _is_own_compile(call: ast.Call, tree: ast.Module) -> bool:
    """`compile` where the module defines a function of that name."""
    assert isinstance(call.func, ast.Name)
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return call.func.id in own


def test_at_most_75_primitives() -> None:
    from specc.ops import registry

    assert len(registry) <= 75


# ── what commands load ───────────────────────────────────────────────────────────────────────────
HEAVY = {"numpy", "rich", "torch", "onnx", "onnxruntime", "scipy", "sklearn", "pyarrow", "pandas"}
LOADED = """
import sys
from specc.cli import main
code = main(sys.argv[1:])
heavy = {heavy!r} & set(sys.modules)
print(code, *sorted(heavy), file=sys.stderr)
"""


def loaded_by(*words: str, folder: Path = ROOT) -> tuple[int, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(heavy=HEAVY), *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    code, *modules = done.stderr.splitlines()[-1].split()
    return int(code), set(modules)


def test_check_loads_nothing_heavy() -> None:
    assert loaded_by("check", "specs/digits.nn") == (0, set())


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("explain", "C001")])
def test_small_commands_load_nothing_heavy(words: tuple[str, ...]) -> None:
    assert loaded_by(*words) == (0, set())


def test_show_loads_nothing_heavy() -> None:
    assert loaded_by("show", "specs/digits.nn") == (0, set())


def test_run_loads_numpy_and_rich_at_most(tmp_path: Path) -> None:
    words = ("run", str(ROOT / "specs" / "xor.nn"), "--out", str(tmp_path / "out"))
    code, modules = loaded_by(*words, "--set", "train.epochs=1", folder=tmp_path)
    assert code in (0, 1)
    assert modules <= {"numpy", "rich"}
