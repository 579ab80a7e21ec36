"""Every stage of small specs beside them: tests/golden/graphs/NAME.nn and the folder NAME.

`SPECC_UPDATE_GOLDEN=1 pytest tests/passes/test_golden.py` writes them anew, to be read in the diff.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from specc import language, pipeline
from specc.ir import Graph
from specc.ir.text import write
from specc.ir.verify import verify

GRAPHS = Path(__file__).parents[1] / "golden" / "graphs"
SPECS = sorted(GRAPHS.glob("*.nn"))
UPDATE = os.environ.get("SPECC_UPDATE_GOLDEN") == "1"


def stages(path: Path) -> dict[str, Graph]:
    """The objective of the only train block on its way, then its update before and after."""
    (train,) = language.loads(path.read_text(encoding="utf-8"), path=path.name).trains
    made = {"objective": pipeline.objective(train)}
    made["differentiate"] = pipeline.differentiate(train, made["objective"])
    made["simplify"] = pipeline.simplify(made["differentiate"])
    made["expand"] = pipeline.expand(made["simplify"])
    made["simplify.expanded"] = pipeline.simplify(made["expand"])
    made["step"] = pipeline.step(train)
    made["step.expanded"] = pipeline.lower(made["step"])
    return made


def printed(graph: Graph) -> str:
    """The graph's text; lines of the standard library move, so only the spec's own are shown."""
    return re.sub(r"(?m)(  # )std/\S+:\d+ ?", r"\1", write(verify(graph))).replace("  # \n", "\n")


def test_there_are_specs():
    assert len(SPECS) >= 6


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_stages(path: Path):
    folder = path.with_suffix("")
    for stage, graph in stages(path).items():
        golden = folder / f"{stage}.txt"
        text = printed(graph)
        if UPDATE:
            folder.mkdir(exist_ok=True)
            golden.write_text(text, encoding="utf-8")
        assert golden.read_text(encoding="utf-8") == text, f"{golden}; see this module's docstring"
