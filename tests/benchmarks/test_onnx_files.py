"""Files that are raced hold the same model, and one that doesn't is found before it is timed."""

import pytest

import specc
from benchmarks.onnx_files import HEADING, SPECC, TORCH, Written, measure, section
from benchmarks.steps.launch import Effort
from benchmarks.steps.workloads import WORKLOADS

GLANCE = Effort(launches=1, rounds=1, block_s=0.001)


def test_both_files_are_written_and_raced():
    text = section(GLANCE, [WORKLOADS["mlp"]])
    assert text.startswith(HEADING)
    (row,) = (line for line in text.splitlines() if line.startswith("| mlp "))
    cells = [cell.strip() for cell in row.strip("|").split("|")][1:]
    assert len(cells) == 4
    assert all(float(cell.split(" · ")[1]) > 0 for cell in cells)


def test_a_file_of_other_weights_does_not_race(tmp_path):
    workload = WORKLOADS["mlp"]
    model = specc.load(workload.spec).model()
    files = {
        name: Written(model.export(tmp_path / f"{seed}.onnx", seed=seed), [1.0])
        for seed, name in enumerate((SPECC, TORCH))
    }
    with pytest.raises(AssertionError, match=f"{TORCH} gives"):
        measure(workload, files, 1, GLANCE)
    measure(workload, {SPECC: files[SPECC], TORCH: files[SPECC]}, 1, GLANCE)
