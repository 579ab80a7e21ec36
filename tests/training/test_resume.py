"""A run that was killed, however often, ends in the weights of one that wasn't, to the bit."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from specc.training.tensors import read_tensors
from tests.training import models

ROOT = Path(__file__).parents[2]
KILLS = 20


def start(folder: Path, *, resume: bool) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.training.killed", str(folder)]
    return subprocess.Popen(
        words + ["resume"] * resume,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(folder: Path, *, resume: bool) -> None:
    process = start(folder, resume=resume)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, out + errors


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    models.data(models.arrays(400), folder=str(folder))
    finish(folder, resume=False)
    return folder / "out"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_interrupted_runs_end_in_the_same_weights(
    tmp_path: Path, whole: Path, number: signal.Signals
) -> None:
    models.data(models.arrays(400), folder=str(tmp_path))
    moments = random.Random(number.value)
    stopped = 0
    for _ in range(KILLS if number == signal.SIGKILL else 4):
        begun = (tmp_path / "out" / "run.json").exists()
        process = start(tmp_path, resume=begun)
        # After some lines of progress and a moment more. After none it is still starting, where
        # Python itself answers the gentler signals.
        assert process.stdout is not None
        for _ in range(moments.randrange(0 if number == signal.SIGKILL else 1, 4)):
            process.stdout.readline()
        time.sleep(moments.uniform(0, 0.05))
        process.send_signal(number)
        out, errors = process.communicate(timeout=60)
        assert process.returncode in (0, -number.value, 128 + number.value), out + errors
        stopped += process.returncode != 0
        check_whole(tmp_path / "out")
    assert stopped > 2, "the run was not interrupted"
    finish(tmp_path, resume=(tmp_path / "out" / "run.json").exists())
    for name in ("last.safetensors", "best.safetensors", "checkpoint.safetensors"):
        assert_same(tmp_path / "out" / name, whole / name)
    assert history(tmp_path / "out") == history(whole)
    assert (tmp_path / "out" / "results.json").read_text() == (whole / "results.json").read_text()


def check_whole(folder: Path) -> None:
    """Every weight file there is can be read."""
    for path in folder.glob("*.safetensors"):
        read_tensors(path)


def assert_same(one: Path, other: Path) -> None:
    first, about = read_tensors(one)
    second, about_other = read_tensors(other)
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert values.tobytes() == second[name].tobytes(), f"{name} in {one.name} differs"
    assert about == about_other


def history(folder: Path) -> list[dict[str, float]]:

    lines = (folder / "metrics.jsonl").read_text().splitlines()
    timed = {"seconds", "examples_per_second"}
    return [{n: v for n, v in json.loads(line).items() if n not in timed} for line in lines]


def test_a_finished_run_resumes_to_itself(whole: Path) -> None:
    before = {path.name: path.read_bytes() for path in whole.iterdir()}
    finish(whole.parent, resume=True)
    after = {path.name: path.read_bytes() for path in whole.iterdir()}
    assert after == before
    assert np.isfinite(read_tensors(whole / "best.safetensors")[0]["first.weight"]).all()
