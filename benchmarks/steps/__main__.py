"""The table of training steps: python -m benchmarks.steps [--quick] [--workloads mlp,lenet] ..."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.page import write
from benchmarks.steps.launch import QUICK, Effort
from benchmarks.steps.systems import SYSTEMS
from benchmarks.steps.table import inference, steps
from benchmarks.steps.workloads import WORKLOADS


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one launch of a few short blocks")
    parser.add_argument("--launches", type=int, default=Effort.launches, metavar="N")
    parser.add_argument("--workloads", default=",".join(WORKLOADS), metavar="A,B")
    parser.add_argument("--systems", default=",".join(SYSTEMS), metavar="A,B")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--inference", action="store_true", help="predictions, not steps")
    parser.add_argument("--device", default="cpu", metavar="D", help="cuda: torch's steps there")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page to write")
    options = parser.parse_args(words)
    workloads = [WORKLOADS[name] for name in options.workloads.split(",")]
    systems = options.systems.split(",")
    effort = QUICK if options.quick else Effort(launches=options.launches)
    if options.inference:
        lines = inference(workloads, systems, effort)
    else:
        lines = steps(workloads, systems, effort, options.threads, options.device)
    print(lines)
    if options.write:
        write(options.write, [lines])


if __name__ == "__main__":
    main(sys.argv[1:])
