"""One system and one workload in a process of its own: answers a parent's words, a line each.

python -m benchmarks.steps.child WORKLOAD SYSTEM train|predict:N THREADS
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

from benchmarks.steps.systems import SYSTEMS, Absent
from benchmarks.steps.workloads import WORKLOADS, batches, initial_weights, questions

FIRST = 3  # losses that are compared before anything is timed
KEPT = 8  # batches that the steps go through, again and again
QUIET_S = 0.01  # the threads of the process before take as long to stop waiting for work


class Child:
    """What is timed is `self.once`, a step or a prediction."""

    def __init__(self, workload: str, system: str, what: str, threads: int) -> None:
        self.workload, self.threads = WORKLOADS[workload], threads
        # With one thread, on one core, this process's own time is what would pass on a quiet
        # machine; with two, only the wall clock tells.
        self.clock = time.process_time if threads == 1 else time.perf_counter
        weights = initial_weights(self.workload)
        kind, _, batch = what.partition(":")
        if kind == "train":
            self._train(system, weights)
        else:
            self._predict(system, weights, int(batch))
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)

    def _train(self, system: str, weights: dict[str, Any]) -> None:
        training = SYSTEMS[system].training(self.workload, weights, self.threads)
        made = batches(self.workload, KEPT)
        self.first = lambda: [training.step(**batch) for batch in made[:FIRST]]
        self.once = _round_of(lambda batch: training.step(**batch), made)

    def _predict(self, system: str, weights: dict[str, Any], batch: int) -> None:
        inference = SYSTEMS[system].inference(self.workload, weights)
        made = [questions(self.workload, batch, seed) for seed in range(2, 2 + KEPT)]
        self.first = lambda: [float(x) for x in inference.predict(**made[0]).reshape(-1)]
        self.once = _round_of(lambda batch: inference.predict(**batch), made)

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

        tracemalloc sees what Python and NumPy allocate, so it says nothing of torch's own.
        """
        resident = _peak_resident()
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


def main(workload: str, system: str, what: str, threads: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        child = Child(workload, system, what, int(threads))
    except Absent as error:
        print(json.dumps({"absent": str(error)}), file=answers, flush=True)
        return
    print(json.dumps({}), file=answers, flush=True)
    for line in sys.stdin:
        word, *arguments = line.split()
        answer = {"losses": child.losses, "block": child.block, "memory": child.memory}[word]
        print(json.dumps(answer(*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
