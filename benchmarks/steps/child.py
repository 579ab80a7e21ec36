"""One system and one workload in a process of its own: answers a parent's words, a line each.

python -m benchmarks.steps.child WORKLOAD SYSTEM train|predict:N THREADS [DEVICE]
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.steps.systems import SYSTEMS, Absent, Inference, Training
from benchmarks.steps.workloads import (
    WORKLOADS,
    Workload,
    batches,
    initial_weights,
    questions,
)

FIRST = 3  # losses that are compared before anything is timed
COMPARED = 10_000  # results of a prediction
KEPT = 8  # batches that the steps go through, again and again
QUIET_S = 0.01  # the threads of the process before take as long to stop waiting for work


class Child:
    """What is timed is `once`, a step or a prediction; `first` gives what must agree before."""

    def __init__(
        self, first: Callable[[], list[float]], once: Callable[[], Any], threads: int
    ) -> None:
        self.first, self.once = first, once
        # With one thread, on one core, this process's own time is what would pass on a quiet
        # machine; with two, only the wall clock tells.
        self.clock = time.process_time if threads == 1 else time.perf_counter
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)

    # ── the parent's words ───────────────────────────────────────────────────────────────────────
    def losses(self) -> list[float]:
        """The losses of the first steps, or the first prediction."""
        return self.first()

    def block(self, seconds: str) -> float:
        """Seconds a step, over the steps that fit into these seconds. The first call warms up."""
        time.sleep(QUIET_S)
        self.once()
        if not hasattr(self, "count"):
            self._timed(KEPT)
            self.count = KEPT
            taken = self._timed(KEPT)
            self.count = max(1, round(float(seconds) / taken))
        return self._timed(self.count)

    def _timed(self, count: int) -> float:
        clock, once = self.clock, self.once
        started = clock()
        for _ in range(count):
            once()
        return (clock() - started) / count

    def memory(self) -> dict[str, int]:
        """The process's greatest resident size, and what ten warm steps leave and pass, in bytes.

        tracemalloc sees what Python and NumPy allocate: of torch's own it says nothing.
        """
        resident = _peak_resident()
        if "torch" in sys.modules:
            return {"resident": resident}
        tracemalloc.start()
        for _ in range(2 * KEPT):
            self.once()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(10):
            self.once()
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return {"resident": resident, "growth": after - before, "passing": peak - before}


def trained(workload: Workload, training: Training, threads: int) -> Child:
    made = batches(workload, KEPT)
    return Child(
        lambda: [training.step(**batch) for batch in made[:FIRST]],
        _round_of(lambda batch: training.step(**batch), made),
        threads,
    )


def predicted(workload: Workload, inference: Inference, batch: int, threads: int) -> Child:
    made = [questions(workload, batch, seed) for seed in range(2, 2 + KEPT)]
    return Child(
        lambda: _some_of(inference.predict(**made[0])),
        _round_of(lambda batch: inference.predict(**batch), made),
        threads,
    )


def _some_of(results: np.ndarray) -> list[float]:
    """All of them or, of millions, as many as are soon compared: always the same, anywhere."""
    taken = np.arange(results.size)
    if results.size > COMPARED:
        taken = np.random.default_rng(0).choice(results.size, COMPARED)
    return [float(each) for each in results.reshape(-1)[taken]]


def _round_of(function: Callable[[Any], Any], arguments: list[Any]) -> Callable[[], Any]:
    """Calls the function on the next argument each time, from the first again after the last."""
    turn = 0

    def once() -> Any:
        nonlocal turn
        turn = (turn + 1) % len(arguments)
        return function(arguments[turn])

    return once


def _peak_resident() -> int:
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent held when it made this process
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # absent on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def answer(make: Callable[[], Child]) -> None:
    """Answers the parent's words until there are no more, or says why there is no child."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        child = make()
    except Absent as error:
        print(json.dumps({"absent": str(error)}), file=answers, flush=True)
        return
    print(json.dumps({}), file=answers, flush=True)
    for line in sys.stdin:
        word, *arguments = line.split()
        answer = {"losses": child.losses, "block": child.block, "memory": child.memory}[word]
        print(json.dumps(answer(*arguments)), file=answers, flush=True)


def made(name: str, system: str, what: str, count: str, device: str = "cpu") -> Child:
    workload, threads = WORKLOADS[name], int(count)
    weights = initial_weights(workload)
    kind, _, batch = what.partition(":")
    if kind == "train":
        training = SYSTEMS[system].training(workload, weights, threads, device)
        return trained(workload, training, threads)
    return predicted(workload, SYSTEMS[system].inference(workload, weights), int(batch), threads)


if __name__ == "__main__":
    answer(lambda: made(*sys.argv[1:]))
