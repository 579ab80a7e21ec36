"""How soon specc answers: times of whole processes, medians. Knows nothing of the page around."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.large_specs import concatenated, repeated_layers, written_layers
from benchmarks.machine import machine

ROOT = Path(__file__).parent.parent

EXPORTED = (
    "benchmarks/specs/lenet.nn",
    "specs/character_transformer.nn",
    "benchmarks/specs/transformer.nn",
)
# Runs the command line until the first training step is due, and no further.
UNTIL_THE_FIRST_STEP = """
import os, sys
from specc.cli import main
from specc.training.learner import Learner
def stop(self, batch):
    os._exit(0)
Learner.step = stop
sys.exit(main(sys.argv[1:]) or 1)
"""
# Compiles a file's train block, says how long that took, and runs nothing.
COMPILES = """
import sys, time
started = time.perf_counter()
from specc import pipeline
spec = pipeline.build(sys.argv[1])
built = time.perf_counter()
pipeline.compile(pipeline.lower(pipeline.forward(spec.trains[0].model)))
forward = time.perf_counter()
pipeline.compile(pipeline.training_graph(spec.trains[0]))
print(built - started, forward - built, time.perf_counter() - forward)
"""


@dataclass(frozen=True)
class Figure:
    what: str
    target_s: float | None
    times_s: Sequence[float]

    @property
    def row(self) -> str:
        median, least = statistics.median(self.times_s), min(self.times_s)
        target = f"{self.target_s * 1e3:.0f}" if self.target_s else ""
        return f"| {self.what} | {median * 1e3:.0f} | {least * 1e3:.0f} | {target} |"


def _environment() -> dict[str, str]:
    """As a user's own: with this tree's package, and bytecode kept from the run before."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(ROOT)}


def process(words: Sequence[str | Path], folder: Path) -> Callable[[], float]:
    def once() -> float:
        started = time.perf_counter()
        done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True,
                              env=_environment())  # fmt: skip
        seconds = time.perf_counter() - started
        assert done.returncode == 0, done.stderr
        return seconds

    return once


def parts(file: Path, rounds: int) -> list[list[float]]:
    """The times that COMPILES prints, a list for each of its three parts."""
    lines: list[list[float]] = []
    for _ in range(rounds):
        text = subprocess.check_output([sys.executable, "-c", COMPILES, file], cwd=ROOT, text=True)
        lines.append([float(word) for word in text.split()])
    return [list(part) for part in zip(*lines, strict=True)]


def measure(rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        digits = ROOT / "specs" / "digits.nn"
        (folder / "long.nn").write_text(concatenated(5_000), encoding="utf-8")
        (folder / "repeated.nn").write_text(repeated_layers(1_000), encoding="utf-8")
        (folder / "written.nn").write_text(written_layers(1_000), encoding="utf-8")

        def timed(what: str, target_s: float | None, *words: str | Path) -> Figure:
            once = process(words, folder)
            once()  # byte code and the disk's cache
            return Figure(what, target_s, [once() for _ in range(rounds)])

        specc = ("-m", "specc")
        to = ("--to", "onnx", "-o", "a.onnx")
        first_step = ("-c", UNTIL_THE_FIRST_STEP, "run", digits, "--out")
        figures = [
            timed("`python -c pass`, for comparison", None, "-c", "pass"),
            timed("`specc --version`", None, *specc, "--version"),
            timed("`specc check specs/digits.nn`", 0.12, *specc, "check", digits),
            _first_step(first_step, folder, rounds),
            *(
                timed(f"`specc export {path} --to onnx`", 0.5, *specc, "export", ROOT / path, *to)
                for path in EXPORTED
            ),
            timed("`specc check` of 5,000 lines", 0.6, *specc, "check", "long.nn"),
        ]
        for file, how in (("repeated.nn", "one `repeat`"), ("written.nn", "written out")):
            built, forward, training = parts(folder / file, max(3, rounds // 3))
            label = f"1,000 layers, {how}"
            whole = [sum(pair) for pair in zip(built, forward, strict=True)]
            figures += [
                Figure(f"{label}: to a program", 1.0, whole),
                Figure(f"{label}: of that, the build", None, built),
                Figure(f"{label}: and the training step's program", None, training),
            ]
        return figures


def _first_step(words: Sequence[str | Path], folder: Path, rounds: int) -> Figure:
    times = [process([*words, f"out{index}"], folder)() for index in range(rounds + 1)]
    return Figure("`specc run specs/digits.nn`, until its first step", 0.3, times[1:])


def section(rounds: int) -> str:
    rows = "\n".join(figure.row for figure in measure(rounds))
    return f"""## How fast specc starts

Whole processes, started {rounds} times each after one that isn't counted (a third as often where
1,000 layers compile). Times are in milliseconds.

| what | median | least | aim |
|---|---:|---:|---:|
{rows}

{machine("numpy", "lark")}

The 5,000 lines are the specs of this repository one after another, each with names of its own. The
1,000 layers are `Linear(16) -> relu`; a program is made of the model's forward pass, its time is
counted inside the process and holds the imports.
"""
