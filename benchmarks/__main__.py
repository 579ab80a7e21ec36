"""All the benchmarks: `make bench` writes docs/benchmarks.md with them.

python -m benchmarks [start_up] [steps] [floors] [two_threads] [inference] [onnx_files] [--quick]
                     [--write docs/benchmarks.md]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import floors, onnx_files, start_up
from benchmarks.page import write
from benchmarks.steps.launch import QUICK, Effort
from benchmarks.steps.systems import SYSTEMS
from benchmarks.steps.table import inference, steps
from benchmarks.steps.workloads import WORKLOADS

ALL = list(WORKLOADS.values())
SECTIONS: dict[str, Callable[[bool], str]] = {
    "start_up": lambda quick: start_up.section(3 if quick else 11),
    "steps": lambda quick: steps(ALL, list(SYSTEMS), QUICK if quick else Effort()),
    "floors": lambda quick: floors.section(QUICK if quick else Effort()),
    "two_threads": lambda quick: steps(ALL, list(SYSTEMS), QUICK if quick else Effort(), 2),
    "inference": lambda quick: inference(ALL, list(SYSTEMS), QUICK if quick else Effort()),
    "onnx_files": lambda quick: onnx_files.section(QUICK if quick else Effort()),
}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="all, if none")
    parser.add_argument("--quick", action="store_true", help="a fast look, less precise")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page to write")
    options = parser.parse_args(words)
    for name in options.sections or SECTIONS:
        if name not in SECTIONS:
            parser.error(f"there is no section {name}: {', '.join(SECTIONS)}")
        text = SECTIONS[name](options.quick)
        print(text, flush=True)
        if options.write:
            write(options.write, [text])


if __name__ == "__main__":
    main()
