"""What was measured as a section of docs/benchmarks.md. Measures nothing itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.steps.launch import Effort, Measured, measure
from benchmarks.steps.systems import BY_HAND, EAGER, SYSTEMS
from benchmarks.steps.workloads import Workload

PREDICTED = (1, 64)  # batches of inference
HEADING = "## How fast a training step is"


def section(
    workloads: Sequence[Workload],
    systems: Sequence[str],
    effort: Effort,
    threads: Sequence[int] = (1, 2),
    inference: bool = True,
) -> str:
    """Measures everything, which takes minutes, and says where it is on the way."""
    parts = [HEADING, "", *_method(effort), ""]
    absent: dict[str, str] = {}
    for workload in workloads:
        columns: list[tuple[str, Measured]] = []
        for what, count, title in _columns(threads, inference):
            print(f"{workload.title}: {title}", file=sys.stderr, flush=True)
            measured = measure(workload, systems, what, count, effort)
            columns.append((title, measured))
            absent |= measured.absent
        parts += [f"### {workload.title[0].upper()}{workload.title[1:]}", ""]
        parts += [*_rows(columns), ""]
    parts += [f"Not here: {SYSTEMS[name].title} ({why})." for name, why in absent.items()]
    return "\n".join(parts).rstrip() + "\n"


def _columns(threads: Sequence[int], inference: bool) -> list[tuple[str, int, str]]:
    said = {1: "one thread", 2: "two threads"}
    columns = [("train", count, f"step, {said.get(count, count)}") for count in threads]
    if inference:
        columns += [
            (f"predict:{batch}", 1, f"inference of {batch}, one thread") for batch in PREDICTED
        ]
    return columns


def _rows(columns: Sequence[tuple[str, Measured]]) -> list[str]:
    """A row a system, and in each column the time and the two ratios."""
    systems = list(dict.fromkeys(name for _, each in columns for name in each.systems))
    titles = [title for title, _ in columns]
    lines = [
        f"| | {' | '.join(titles)} | peak memory | left by a step | passing |",
        f"|---|{'---:|' * (len(titles) + 3)}",
    ]
    for system in systems:
        cells = [_cell(measured, system) for _, measured in columns]
        training = columns[0][1]
        memory = ["", "", ""]
        if system in training.systems and columns[0][0].startswith("step"):
            memory[0] = f"{training.memory(system, 'resident') / 2**20:.0f} MB"
            if "torch" not in system:
                memory[1] = f"{training.memory(system, 'growth') / 10:.0f} B"
                memory[2] = f"{training.memory(system, 'passing') / 1024:.0f} KB"
        lines.append(f"| {SYSTEMS[system].title} | {' | '.join([*cells, *memory])} |")
    return lines


def _cell(measured: Measured, system: str) -> str:
    if system not in measured.systems:
        return ""
    ratios = [
        f"{measured.ratio(system, base):.2f}" if base in measured.systems else "–"
        for base in (EAGER, BY_HAND)
    ]
    return f"{_time(measured.seconds(system))} · {' · '.join(ratios)}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def _method(effort: Effort) -> list[str]:
    launches = f"{effort.launches} launch{'es' if effort.launches > 1 else ''}"
    return [
        "Each cell: the time, its ratio to torch eager, its ratio to NumPy by hand. float32,",
        "synthetic data, the same initial weights and batches for all; the losses of the first",
        "three steps (for inference, the logits) agree to 1e-4 before anything is timed. Every",
        "system runs in a process of its own, the processes in turns, a block of",
        f"{effort.block_s * 1e3:.0f} ms each; medians of {launches} of {effort.rounds} rounds.",
        "One thread is pinned to one core and timed by the process's own clock, two threads by",
        "the wall's. A step takes a batch as NumPy arrays and gives its loss as a Python number.",
        "Peak memory is the whole process's; what ten warm steps leave and what passes through",
        "them is tracemalloc's, which sees Python and NumPy alone.",
    ]
