"""The specs that start-up is measured on are right: what is refused is quicker to check."""

from __future__ import annotations

from benchmarks.large_specs import SPECS, concatenated, repeated_layers, written_layers
from specc.language import loads


def test_every_spec_of_the_repository_is_in_the_long_one() -> None:
    lines = sum(path.read_text(encoding="utf-8").count("\n") for path in SPECS.glob("*.nn"))
    spec = loads(concatenated(lines))
    assert len(spec.trains) >= len(list(SPECS.glob("*.nn")))


def test_layers_of_a_repeat_and_written_out_are_as_many() -> None:
    texts = (repeated_layers(3), written_layers(3))
    first, second = (loads(text).models["Deep"].parameters for text in texts)
    assert len(first) == len(second) == 8
