"""Nothing that a user writes gives a traceback, takes long, or is blamed without a place."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from specc.diagnostics import Report, Source, render
from specc.language.format import format
from specc.language.parse import parse

ROOT = Path(__file__).parent.parent.parent
TEXTS = [
    path.read_text(encoding="utf-8")
    for folder in ("specs", "specc/std", "tests/golden/diagnostics")
    for path in sorted((ROOT / folder).glob("*.nn"))
]
PIECES = (
    '( ) [ ] { } " """ \' # \n \n\n ; : := = == -> - + ** * / // % @ ^ & | ~ ! != < <= > , . .. '
    "... ? $ \\ \x00 \x0c \r \t é θ ² ’ ` 0 1 1e 0x .5 1e999 inf h' x y if else repeat as in for "
    "and or not true none True None def class lambda elif is import from on list language input "
    "output loss model layer data train batch return state gradient expect {{ }} \ufeff \u2028 "
    "\u00a0"
).split(" ")


def mutated(dice: random.Random) -> str:
    text = dice.choice(TEXTS)
    start = dice.randrange(len(text))
    text = text[start : start + 600] if dice.random() < 0.7 else text[:2000]
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(text) + 1)
        end = at + (dice.randrange(12) if dice.random() < 0.5 else 0)
        inserted = "".join(dice.choice(PIECES) for _ in range(dice.randrange(4)))
        text = text[:at] + inserted + text[end:]
    return text


@pytest.mark.parametrize("seed", range(4))
def test_garbage_is_parsed_or_explained(seed):
    dice = random.Random(seed)
    explained = 0
    for _ in range(250):
        text = mutated(dice)
        report = Report()
        module = parse(Source("spec.nn", text), report)
        for each in report.diagnostics:
            assert render(each)
            assert each.message, each
            assert 0 <= each.labels[0].span.start <= len(text), each
        if report.diagnostics:
            explained += 1
        else:
            assert parse(Source("spec.nn", format(module))) == module
    assert explained > 100


@pytest.mark.parametrize(
    "text",
    [
        "(" * 200_000,
        "}" * 100_000,
        "{" * 100_000,
        "if a {\n" * 50_000,
        '"' * 100_001,
        "'" * 100_001,
        ";" * 100_000,
        "a = (\n" * 20_000,
        "# c\n" * 100_000,
        "x = 1 +\n" * 30_000,
        "a b\n" * 50_000,
        "**" * 100_000,
        "\x00" * 100_000,
        "f(\n# c\n)\n" * 10_000,
        '"""a"""\n' * 20_000,
        'x = y -> f as "' + "{a}" * 2_000 + '"\n',
    ],
    ids=lambda text: repr(text[:8]),
)
def test_floods_end_soon(text):
    start = time.perf_counter()
    report = Report()
    parse(Source("spec.nn", text), report)
    assert len(report.diagnostics) <= 101
    assert time.perf_counter() - start < 20, "linear work on 200 kB takes a second or two"
