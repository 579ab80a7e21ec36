"""NumPy's own passes over small specs beside them: tests/golden/numpy/NAME.nn and the folder NAME.

`SPECC_UPDATE_GOLDEN=1 pytest tests/backends/test_numpy_golden.py` writes them anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from specc import language, pipeline
from specc.backends.numpy import PASSES, STAGES, stages
from specc.ir import Graph
from specc.ir.text import write

SPECS = sorted((Path(__file__).parents[1] / "golden" / "numpy").glob("*.nn"))
UPDATE = os.environ.get("SPECC_UPDATE_GOLDEN") == "1"


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_stages(path: Path) -> None:
    (train,) = language.loads(path.read_text(encoding="utf-8"), path=path.name).trains
    folder = path.with_suffix("")
    for name, made in stages(pipeline.training_graph(train), "float32"):
        golden = folder / f"{name.removeprefix('numpy.')}.txt"
        text = write(made) if isinstance(made, Graph) else made
        # Lines of the standard library move, so only the spec's own are shown.
        text = re.sub(r"(?m)(  # )std/\S+:\d+ ?", r"\1", text).replace("  # \n", "\n")
        if UPDATE:
            folder.mkdir(exist_ok=True)
            golden.write_text(text, encoding="utf-8")
        assert golden.read_text(encoding="utf-8") == text, f"{golden}; see this module's docstring"


def test_the_pipeline_names_the_passes() -> None:
    assert tuple(f"numpy.{name}" for name in PASSES) == STAGES
    assert [name for name in pipeline.STAGES if name.startswith("numpy.")] == list(STAGES)
