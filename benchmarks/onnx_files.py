"""ONNX files that specc writes against those of torch.onnx: how soon written, how large, how fast.

Knows no runtime: the files run in processes of their own, as training steps do.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from benchmarks.machine import machine
from benchmarks.start_up import process
from benchmarks.steps.launch import Effort, Launch, Measured, Process, race
from benchmarks.steps.table import time_text
from benchmarks.steps.workloads import WORKLOADS, Workload, initial_weights

HEADING = "## ONNX files against those of torch.onnx"
SPECC, TORCH = "specc export", "torch.onnx.export"
BATCHES = (1, 64)
OPSET = 21  # specc's own choice, and said to torch
Command = tuple[str | Path, ...]


@dataclass(frozen=True)
class Written:
    """A file, and how long the processes took that wrote it."""

    file: Path
    times_s: Sequence[float]

    @property
    def size(self) -> int:
        return self.file.stat().st_size


def export(workload: Workload, folder: Path, rounds: int) -> dict[str, Written]:
    """The same weights in a file of either."""
    weights = initial_weights(workload)
    save_file(weights, folder / "weights.safetensors")
    np.savez(folder / "weights.npz", allow_pickle=False, **weights)
    theirs, ours = folder / f"{workload.name}.torch.onnx", folder / f"{workload.name}.onnx"
    commands: Mapping[str, tuple[Path, Command]] = {
        TORCH: (
            theirs,
            ("-m", "benchmarks.steps.torch_export", workload.name, "weights.npz", theirs,
             str(OPSET)),
        ),
        SPECC: (
            ours,
            ("-m", "specc", "export", workload.spec, "--to", "onnx", "-o", ours,
             "--weights", "weights.safetensors"),
        ),
    }  # fmt: skip
    return {
        name: Written(file, [once() for _ in range(rounds)])
        for name, (file, command) in commands.items()
        for once in [process(command, folder)]
    }


def measure(
    workload: Workload, files: Mapping[str, Written], batch: int, effort: Effort
) -> Measured:
    """Predictions of both files in turns, with one thread, after they agreed."""
    launches: list[Launch] = []
    for _ in range(effort.launches):
        with ExitStack() as stack:
            running: list[Process] = []
            for name, written in files.items():
                words = ("benchmarks.steps.onnx_file", workload.name, str(written.file), str(batch))
                running.append(Process(name, 1, *words))
                stack.callback(running[-1].end)
            launches.append(race(running, effort))
    return Measured(launches, {})


def section(effort: Effort, workloads: Sequence[Workload] = tuple(WORKLOADS.values())) -> str:
    rows: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        for workload in workloads:
            print(f"{workload.title}: ONNX files", file=sys.stderr, flush=True)
            files = export(workload, Path(name), effort.launches)
            raced = [measure(workload, files, batch, effort) for batch in BATCHES]
            rows.append(row(workload, files, raced))
    return f"""{HEADING}

Each model with the same weights in two files: `specc export`'s and, of the model as one writes it
in PyTorch, `torch.onnx.export`'s (dynamo, opset {OPSET}, any batch). Cells are specc's figure · its
ratio to the other's; below 1 is in specc's favour. A file is written by a process of its own, timed
from its start to its end: the median of {effort.launches}. Both files run in onnxruntime with one
thread pinned to one core, in turns, blocks of {effort.block_s * 1e3:.0f} ms, after their results
agreed: medians of {effort.rounds} rounds and of as many launches.

| | export | file | a prediction | predictions of {BATCHES[1]} |
|---|---:|---:|---:|---:|
{chr(10).join(rows)}

{machine("numpy", "onnx", "onnxruntime", "onnxscript", "torch")}
"""


def row(workload: Workload, files: Mapping[str, Written], raced: Sequence[Measured]) -> str:
    ours, theirs = (statistics.median(files[name].times_s) for name in (SPECC, TORCH))
    sizes = files[SPECC].size, files[TORCH].size
    cells = [
        f"{ours * 1e3:.0f} ms · {ours / theirs:.2f}",
        f"{sizes[0] / 1e3:,.0f} KB · {sizes[0] / sizes[1]:.2f}",
        *(f"{time_text(each.seconds(SPECC))} · {each.ratio(SPECC, TORCH):.2f}" for each in raced),
    ]
    return f"| {workload.name} | {' | '.join(cells)} |"
