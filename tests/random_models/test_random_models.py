"""200 random models on three backends, and those that once failed. The seed is fixed."""

from __future__ import annotations

from pathlib import Path

import pytest

from specc.diagnostics import Source
from specc.language import loads, parse
from specc.language.format import format
from tests.random_models.agreement import outcome
from tests.random_models.generate import spec_of
from tests.random_models.shrink import shrunk

FOUND = sorted((Path(__file__).parent / "found").glob("*.nn"))
COUNT, PART = 200, 10


@pytest.mark.parametrize("first", range(0, COUNT, PART))
def test_random_models_agree(first: int) -> None:
    for seed in range(first, first + PART):
        text = spec_of(seed)
        result = outcome(text, seed)
        assert not result.failed, (
            f"{result.kind}: {result.what}\n{text}\n"
            f"shrink it with: python -m tests.random_models.fuzz 1 {seed}"
        )


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_once_failed_agrees(path: Path) -> None:
    result = outcome(path.read_text(encoding="utf-8"))
    assert not result.failed, f"{result.kind}: {result.what}"


def test_most_random_models_say_something() -> None:
    kinds = [outcome(spec_of(seed), seed).kind for seed in range(20)]
    assert kinds.count("agrees") >= 18


def test_a_seed_is_a_text() -> None:
    assert spec_of(5) == spec_of(5)
    assert len({spec_of(seed) for seed in range(50)}) == 50


def test_random_models_are_varied() -> None:
    texts = [spec_of(seed) for seed in range(200)]
    for part in (
        "function ", "activation ", "layer ", "repeat ", "shared0(", "if training",
        "state ", "Conv2d", "BatchNorm", "attention", "int[batch]", "bool[batch", "time",
        "take_along_axis", "GRUCell", "cell ", "scan(", "reverse = true", "length =", "LSTM(",
        "bidirectional = true", "causal_mask", "padding_mask", "MultiheadAttention",
        "TransformerEncoderLayer",
        "axis = 2)", "gradient x", "cross_entropy", "windows", "split",
    ):  # fmt: skip
        assert sum(part in text for text in texts) >= 5, part


def test_random_models_can_be_printed() -> None:
    for seed in range(10):
        text = format(parse(Source("random.nn", spec_of(seed))))
        assert list(loads(text).models) == ["Random"]


def test_the_shrinker_keeps_what_fails() -> None:
    found = next(spec_of(seed) for seed in range(200) if "softmax(a" in spec_of(seed))
    small = shrunk(found, lambda text: "softmax(a" in text and "output" in text)
    lines = [line for line in small.splitlines() if line.startswith("    ")]
    assert len(lines) <= 2
