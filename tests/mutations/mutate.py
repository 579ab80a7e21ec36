"""`python -m tests.mutations.mutate [PART ...]`: plants faults in copies of the tree, runs tests.

A fault is caught when a test of its room fails, or one of those for everything. What nobody catches
is named; the exit status is 1 where less than 95 % are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutations.faults import FAULTS, Fault

ROOT = Path(__file__).parents[2]
COPIED = ("specc", "grammar", "tests", "specs", "docs", "benchmarks", "pyproject.toml", "Makefile",
          "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "requirements")  # fmt: skip
TARGET = 0.95
LIMIT_S = 240

# The tests of a room, the quickest first; a room is the longest prefix of the file's name.
TESTS_OF = {
    "specc/ops": ["tests/ops tests/test_checks.py", "tests/passes tests/specs"],
    "specc/passes": ["tests/passes", "tests/specs tests/training/test_run.py"],
    "specc/backends/numpy": ["tests/ops", "tests/backends -k numpy", "tests/std"],
    "specc/backends/torch": ["tests/backends -k torch"],
    "specc/backends/onnx": ["tests/backends -k onnx"],
    "specc/language/build": ["tests/specs", "tests/std tests/passes"],
    "specc/std": ["tests/std", "tests/specs"],
    "specc/training": ["tests/training", "tests/specs"],
}
FOR_ALL = ["tests/random_models tests/compare"]


def main(parts: list[str]) -> int:
    chosen = [each for each in FAULTS if not parts or any(p in f"{each}" for p in parts)]
    missed: list[Fault] = []
    with tempfile.TemporaryDirectory(prefix="specc-mutants-") as folder:
        for number, fault in enumerate(chosen, start=1):
            began = time.perf_counter()
            catcher = caught(fault, Path(folder))
            seconds = time.perf_counter() - began
            said = f"caught by {catcher}" if catcher else "MISSED"
            place = f"{number}/{len(chosen)} {fault.file}: {fault.what}"
            print(f"{place}: {said} ({seconds:.0f} s)", flush=True)
            if not catcher:
                missed.append(fault)
    share = 1 - len(missed) / max(len(chosen), 1)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} faults caught: {share:.1%}")
    for fault in missed:
        print(f"  missed: {fault.file}: {fault.what}\n    {fault.old.strip()}\n    {fault.new}")
    return int(share < TARGET)


def caught(fault: Fault, folder: Path) -> str:
    """The first tests that fail with the fault planted, or "" where none does."""
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "runs")
            shutil.copytree(source, tree / name, ignore=ignored)
        elif source.exists():
            shutil.copy(source, tree / name)
    path = tree / fault.file
    text = path.read_text(encoding="utf-8")
    assert text.count(fault.old) == 1, f"{fault.file} holds {fault.old!r} {text.count(fault.old)}×"
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    if fault.file.endswith(".nn"):
        run(["-m", "specc.std.index"], tree)  # where each definition stands now
    room = max((each for each in TESTS_OF if fault.file.startswith(each)), key=len)
    for tests in (*TESTS_OF[room], *FOR_ALL):
        words = tests.split()
        if fails(["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *words], tree):
            return tests
    return ""


def fails(words: list[str], tree: Path) -> bool:
    """Whether a test fails; one that never ends is a failure too. That none ran is our mistake."""
    try:
        done = run(words, tree)
    except subprocess.TimeoutExpired:
        return True
    assert done.returncode in (0, 1, 2), done.stdout[-2000:] + done.stderr[-2000:]
    return done.returncode != 0


def run(words: list[str], tree: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=tree, env=environment, capture_output=True, text=True,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
