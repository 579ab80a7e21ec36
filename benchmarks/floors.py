"""What no arrangement of a perceptron's step goes below: its matrix products, library by library.

Where a ratio to torch is poor, this tells whether the library's products are, or what is around.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.machine import machine
from benchmarks.steps.child import FIRST
from benchmarks.steps.launch import CHILD, Effort, Process, agree
from benchmarks.steps.systems import EAGER
from benchmarks.steps.table import time_text
from benchmarks.steps.workloads import WORKLOADS, Workload

HEADING = "## What products alone take"
RACED = ("mlp", "wide")  # whose steps are products of matrices, and an update
LIBRARIES = ("numpy", "torch", "onnxruntime")
PARTS = ("products", "pass")
Seconds = dict[tuple[str, str], float]  # a library's, of a part


def measure(workload: Workload, effort: Effort) -> tuple[float, Seconds]:
    """Seconds of torch's eager step, and of each part; medians of blocks in turns."""
    keys = [(library, part) for part in PARTS for library in LIBRARIES]
    blocks: dict[object, list[float]] = {}
    for _ in range(effort.launches):
        with ExitStack() as stack:

            def start(*words: str) -> Process:
                process = Process(" ".join(words), 1, *words)
                stack.callback(process.end)
                return process

            running: dict[object, Process] = {
                key: start("benchmarks.steps.floor", workload.name, *key) for key in keys
            }
            for part in PARTS:
                agree({key[0]: running[key].ask("losses") for key in keys if key[1] == part})
            running[EAGER] = start(CHILD, workload.name, EAGER, "train", "1", "cpu")
            assert len(running[EAGER].ask("losses")) == FIRST
            for each in running.values():
                each.ask("block", effort.block_s)
            for _ in range(effort.rounds):
                for key, each in running.items():
                    blocks.setdefault(key, []).append(each.ask("block", effort.block_s))
    return statistics.median(blocks[EAGER]), {key: statistics.median(blocks[key]) for key in keys}


def section(effort: Effort, names: Sequence[str] = RACED) -> str:
    rows: list[str] = []
    for name in names:
        print(f"{WORKLOADS[name].title}: products", file=sys.stderr, flush=True)
        step, seconds = measure(WORKLOADS[name], effort)
        for part in PARTS:
            cells = [
                f"{time_text(seconds[library, part])} · {seconds[library, part] / step:.2f}"
                for library in LIBRARIES
            ]
            rows.append(f"| {name}, {SAID[part]} | {' | '.join(cells)} |")
    return f"""{HEADING}

The matrix products of a training step, forward and for both gradients, and nothing else; and one
pass over as many numbers as the model learns, a multiplication. Times, and what share of torch's
eager step they are. Adam written as ONNX operators makes twelve such passes, for there is none that
joins them; NumPy's and torch's make theirs in blocks that stay in the cache, or as one. One pinned
thread, in turns: medians of {effort.rounds} rounds; launches: {effort.launches}.

| | NumPy | torch | onnxruntime |
|---|---:|---:|---:|
{chr(10).join(rows)}

{machine("numpy", "torch", "onnxruntime")}
"""


SAID = {"products": "its products", "pass": "a pass over its weights"}
