"""What was measured as a section of docs/benchmarks.md. Measures nothing itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from benchmarks.machine import machine
from benchmarks.steps.launch import TOLERANCE, Effort, Measured, measure
from benchmarks.steps.systems import BY_HAND, EAGER, SYSTEMS
from benchmarks.steps.workloads import Workload

PREDICTED = (1, 64)  # batches of inference
HEADING = "## How fast a training step is"
PREDICTING = "## How fast inference is"
ON_DEVICE = "## How fast torch's training step is on a GPU"
PACKAGES = ("numpy", "torch", "onnxruntime")
Column = tuple[str, Measured]


def steps(
    workloads: Sequence[Workload],
    systems: Sequence[str],
    effort: Effort,
    threads: int = 1,
    device: str = "cpu",
) -> str:
    """A step's table; measures it, which takes minutes, and says where it is on the way."""
    absent: dict[str, str] = {}
    columns = [
        (each.name, _measured(each, systems, "train", threads, effort, absent, device))
        for each in workloads
    ]
    title = "1 thread" if threads == 1 else f"{threads} threads"
    parts = [
        line
        for workload, (_, measured) in zip(workloads, columns, strict=True)
        for line in (f"### {workload.name}: {workload.title}", "", *_steps((title, measured)), "")
    ]
    heading, method = HEADING, _method(effort, threads)
    if device != "cpu":
        heading, method = ON_DEVICE, _device_method(effort, threads, device)
    elif threads > 1:
        heading = f"{HEADING}, on {threads} threads"
    return _page(heading, [*method, *_summary(columns), "", *parts], absent)


def inference(workloads: Sequence[Workload], systems: Sequence[str], effort: Effort) -> str:
    """Predictions of one example, and of many."""
    absent: dict[str, str] = {}
    parts: list[str] = []
    for workload in workloads:
        columns = [
            (f"{n}", _measured(workload, systems, f"predict:{n}", 1, effort, absent))
            for n in PREDICTED
        ]
        parts += [f"### {workload.name}", "", *_predictions(columns), ""]
    method = [
        "One pinned thread; a prediction of 1 example, the latency, and of 64, with the examples",
        "that go through in a second. The ratios, the turns and the first look at the results are",
        f"as those of the steps; blocks of {effort.block_s * 1e3:.0f} ms, medians of"
        f" {effort.rounds} rounds; launches: {effort.launches}.",
        "",
        machine(*PACKAGES),
        "",
    ]
    return _page(PREDICTING, [*method, *parts], absent)


def _measured(
    workload: Workload,
    systems: Sequence[str],
    what: str,
    threads: int,
    effort: Effort,
    absent: dict[str, str],
    device: str = "cpu",
) -> Measured:
    print(f"{workload.title}: {what}, {threads}", file=sys.stderr, flush=True)
    measured = measure(workload, systems, what, threads, effort, device)
    absent.update(measured.absent)
    return measured


def _page(heading: str, lines: Sequence[str], absent: Mapping[str, str]) -> str:
    missing = [f"Not measured: {SYSTEMS[name].title} ({why})." for name, why in absent.items()]
    return "\n".join([heading, "", *lines, *missing]) + "\n"


def _summary(columns: Sequence[Column]) -> list[str]:
    """A row a system: in each workload's column, its step as a ratio to both yardsticks."""
    return _lines(
        columns, [title for title, _ in columns], lambda each, name: [_ratios(each, name)]
    )


def _predictions(columns: Sequence[Column]) -> list[str]:
    """The times, and how many examples go through in a second."""
    (count, many) = columns[-1]
    lines = _table(columns)
    lines[0] += " examples/s |"
    lines[1] += "---:|"
    for place, system in enumerate(_systems(columns), 2):
        lines[place] += f" {int(count) / many.seconds(system):,.0f} |"
    return lines


def _steps(column: Column) -> list[str]:
    """The times, and the memory of the processes."""
    columns, memory = [column], column[1]
    lines = _table(columns)
    lines[0] += " peak memory | kept | passing |"
    lines[1] += "---:|---:|---:|"
    for place, system in enumerate(_systems(columns), 2):
        resident, kept, passing = (
            memory.memory(system, what) for what in ("resident", "growth", "passing")
        )
        peak = f"{(resident or 0) / 2**20:.0f} MB"
        kept = "" if kept is None else f"{kept} B"
        passing = "" if passing is None else f"{passing / 1024:.0f} KB"
        lines[place] += f" {peak} | {kept} | {passing} |"
    return lines


def _table(columns: Sequence[Column]) -> list[str]:
    titles = [cell for title, _ in columns for cell in (title, "ratios")]
    return _lines(
        columns, titles, lambda each, name: [time_text(each.seconds(name)), _ratios(each, name)]
    )


def _lines(
    columns: Sequence[Column], titles: Sequence[str], cells: Callable[[Measured, str], list[str]]
) -> list[str]:
    lines = [f"| | {' | '.join(titles)} |", f"|---|{'---:|' * len(titles)}"]
    width = len(titles) // len(columns)
    for system in _systems(columns):
        row = [
            cell
            for _, measured in columns
            for cell in (cells(measured, system) if system in measured.systems else [""] * width)
        ]
        lines.append(f"| {SYSTEMS[system].title} | {' | '.join(row)} |")
    return lines


def _systems(columns: Sequence[Column]) -> list[str]:
    return [name for name in SYSTEMS if any(name in each.systems for _, each in columns)]


def _ratios(measured: Measured, system: str) -> str:
    return " · ".join(
        f"{measured.ratio(system, base):.2f}"
        for base in (EAGER, BY_HAND)
        if base in measured.systems
    )


def time_text(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def _method(effort: Effort, threads: int) -> list[str]:
    one_thread = f"{threads} thread{'s' if threads > 1 else ''}"
    block = f"{effort.block_s * 1e3:.0f} ms each"
    launches = f"{effort.launches} launch{'es' if effort.launches > 1 else ''}"
    return [
        f"Below: a step with {one_thread}, as a ratio to torch eager · as a ratio to NumPy written",
        "by hand, where it was. float32, synthetic data; all systems begin with the same weights",
        "and are fed the same batches, and their first three losses (or their logits) agree to",
        f"{TOLERANCE:g} before anything is timed. A step takes a batch as NumPy arrays and gives",
        "its loss as a Python number. Each system runs in a process of its own, all of them in",
        f"turns, a block of {block}: medians of {effort.rounds} rounds and of {launches}.",
        "One thread is pinned to one core and timed by its process's clock, two by the wall's.",
        "Memory is of the first launch: the greatest resident size and, by tracemalloc, which says",
        "nothing of torch's own, what ten warm steps keep and what they hold in passing.",
        "",
        machine(*PACKAGES),
        "",
    ]


def _device_method(effort: Effort, threads: int, device: str) -> list[str]:
    import torch

    block = f"{effort.block_s * 1e3:.0f} ms each"
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    return [
        f"The same workloads where torch computes on `{device}`, {name}: a step as a ratio to",
        "torch eager, by the wall's clock. A step takes a batch as NumPy arrays to the device and",
        "its loss back. float32 is whole: nothing is rounded to TF32. Most of these steps are so",
        "small that what is timed is how fast Python launches kernels, not how fast they run.",
        f"{threads} cores; blocks of {block}, medians of {effort.rounds} rounds and of",
        f"{effort.launches} launch{'es' if effort.launches > 1 else ''}.",
        "",
        machine("torch"),
        "",
    ]
