"""The products that are timed are a step's, and every library makes the same."""

import pytest

from benchmarks.floors import HEADING, LIBRARIES, PARTS, section
from benchmarks.steps.floor import made, products
from benchmarks.steps.launch import Effort
from benchmarks.steps.workloads import WORKLOADS

GLANCE = Effort(launches=1, rounds=1, block_s=0.001)


def test_products_are_those_of_forward_and_both_gradients() -> None:
    shapes = [
        ((a.T if turn_a else a).shape, (b.T if turn_b else b).shape)
        for a, b, turn_a, turn_b in products(WORKLOADS["mlp"])
    ]
    first = [((64, 784), (784, 128)), ((128, 64), (64, 784))]
    second = [((64, 128), (128, 64)), ((64, 64), (64, 128)), ((64, 64), (64, 128))]
    assert shapes[:5] == first + second
    assert len(shapes) == 8


@pytest.mark.parametrize("part", PARTS)
def test_libraries_agree(part: str) -> None:
    told = [made("mlp", library, part).losses()[0] for library in LIBRARIES]
    assert told == pytest.approx([told[0]] * 3, rel=1e-5)
    assert told[0] != 0.0


def test_a_section_is_written() -> None:
    text = section(GLANCE, ["mlp"])
    assert text.startswith(HEADING)
    rows = [line for line in text.splitlines() if line.startswith("| mlp")]
    assert [row.count("·") for row in rows] == [3, 3]
