"""Starts the systems side by side and has them run in turns. Knows no system from another."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.steps.child import FIRST
from benchmarks.steps.systems import SYSTEMS, Absent
from benchmarks.steps.workloads import Workload

ROOT = Path(__file__).parent.parent.parent
TOLERANCE = 1e-4
CHILD = "benchmarks.steps.child"
LIMITS = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB")


@dataclass(frozen=True)
class Effort:
    """How long to look."""

    launches: int = 3
    rounds: int = 15
    block_s: float = 0.05


QUICK = Effort(launches=1, rounds=5, block_s=0.03)


@dataclass
class Launch:
    """What one launch of every system measured: seconds a step, a block of each round."""

    blocks: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """The launches of one workload, and why some systems are not among them."""

    launches: Sequence[Launch]
    absent: Mapping[str, str]

    @property
    def systems(self) -> list[str]:
        return list(self.launches[0].blocks)

    def seconds(self, system: str) -> float:
        """The median over launches of the median over blocks."""
        return statistics.median(statistics.median(each.blocks[system]) for each in self.launches)

    def ratio(self, system: str, base: str) -> float:
        """The median over launches of the median over rounds of this system's block to that one's:
        the two ran next to each other, so that what else the machine does counts for both.
        """
        medians: list[float] = []
        for each in self.launches:
            pairs = zip(each.blocks[system], each.blocks[base], strict=True)
            medians.append(statistics.median(one / other for one, other in pairs))
        return statistics.median(medians)

    def memory(self, system: str, what: str) -> int | None:
        """The first launch's, which alone is asked."""
        return self.launches[0].memory[system].get(what)


class Process:
    """A child that answers: a module, and the words that follow its name."""

    def __init__(self, system: str, threads: int, *words: str) -> None:
        limits = {f"{library}_NUM_THREADS": str(threads) for library in LIMITS}
        self.system = system
        self.popen = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, **limits}, preexec_fn=_pinned(threads),
        )  # fmt: skip
        started = self._answer()
        if "absent" in started:
            self.popen.wait()
            raise Absent(started["absent"])

    def ask(self, *words: Any) -> Any:
        assert self.popen.stdin
        print(*words, file=self.popen.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self.popen.stdout
        line = self.popen.stdout.readline()
        assert line, f"{self.system} ended with {self.popen.wait()}"
        return json.loads(line)

    def end(self) -> None:
        assert self.popen.stdin
        assert self.popen.stdout
        self.popen.stdin.close()
        self.popen.wait()
        self.popen.stdout.close()


def _pinned(threads: int) -> Any:
    """What keeps a child on as many of the last cores as it has threads, where that can be said."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    return lambda: os.sched_setaffinity(0, cores)


@contextmanager
def processes(
    workload: Workload, systems: Sequence[str], what: str, threads: int, device: str
) -> Iterator[tuple[list[Process], dict[str, str]]]:
    """The systems that could be started, and why the others could not."""
    absent: dict[str, str] = {}
    running: list[Process] = []
    with ExitStack() as stack:
        for system in systems:
            try:
                words = (workload.name, system, what, str(threads), device)
                process = Process(system, threads, CHILD, *words)
            except Absent as reason:
                absent[system] = str(reason)
            else:
                stack.callback(process.end)
                running.append(process)
        yield running, absent


def measure(
    workload: Workload,
    systems: Sequence[str],
    what: str,
    threads: int,
    effort: Effort,
    device: str = "cpu",
) -> Measured:
    """Launches what of the systems does this, compares first results, then times in turns."""
    systems = [name for name in systems if SYSTEMS[name].takes(workload, what == "train", device)]
    launches: list[Launch] = []
    absent: dict[str, str] = {}
    for _ in range(effort.launches):
        with processes(workload, systems, what, threads, device) as (running, missing):
            absent |= missing
            launch = race(running, effort)
            if what == "train" and not launches:
                launch.memory = {each.system: each.ask("memory") for each in running}
        launches.append(launch)
    return Measured(launches, absent)


def race(running: Sequence[Process], effort: Effort) -> Launch:
    """One launch: first results that agree, then blocks in turns."""
    agree({each.system: each.ask("losses") for each in running})
    launch = Launch({each.system: [] for each in running})
    for each in running:
        each.ask("block", effort.block_s)
    for turn in range(effort.rounds):
        for each in running if turn % 2 else reversed(running):
            launch.blocks[each.system].append(each.ask("block", effort.block_s))
    return launch


def agree(first: Mapping[str, Sequence[float]]) -> None:
    """Nobody races with a wrong result."""
    base, *others = first
    for system in others:
        assert len(first[system]) == len(first[base]) >= FIRST, f"{system}: {first[system]}"
        for one, other in zip(first[system], first[base], strict=True):
            assert math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE), (
                f"{system} gives {first[system]}, {base} {first[base]}"
            )
