"""Whatever stands in a spec, building it ends soon: in a spec, or in faults that have a place.

Whole words of valid specs are exchanged, doubled and dropped, so that most of what comes out is
read without a fault and is wrong in its meaning. What can't be read is test_parse_garbage's.
"""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest

from specc.codes import codes, explanation
from specc.diagnostics import Diagnostic, SpecError, render
from specc.language import loads

ROOT = Path(__file__).parent.parent.parent
SPEC = re.compile(r"^```nn\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEXTS = [
    *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "specs").glob("*.nn"))),
    *(text for code in codes() for text in SPEC.findall(explanation(code))),
]
WORD = re.compile(r'"[^"\n]*"|[^\W\d]\w*\'?|\d[\d_.e-]*|->|//|[=!<>]=|\S')
PIECES = (
    "0 1 2 -1 -3 7 0.5 1e308 inf 10 1_000 true false none x y n batch time features label "
    "h' theta' all sum mean max size concat split reshape rearrange einsum where one_hot "
    "take argmax align pad windows Linear Conv2d Embedding BatchNorm LayerNorm GRUCell "
    "LSTMCell scan relu softmax dropout flatten normal uniform zeros adam sgd cosine "
    'cross_entropy mse accuracy perplexity training step "b c -> c b" "a" "" [] [1, 2] [x, '
    "x] [:, 0] [..., none] [-1] [x] (x) () (1, 2) (axis = 0) .weight .0 + - * / // % @ ^ == "
    "< and or not if else -> ... , : = ? int float bool float[] int[batch] as fc"
).split(" ")


def mutated(dice: random.Random) -> str:
    text = dice.choice(TEXTS)
    for _ in range(dice.randrange(1, 5)):
        words = list(WORD.finditer(text))
        if not words:
            return text
        one, other = dice.choice(words), dice.choice(words)
        change = dice.randrange(5)
        if change == 0:  # another word of the same spec
            made = other.group()
        elif change == 1:
            made = dice.choice(PIECES)
        elif change == 2:
            made = f"{one.group()} {dice.choice(PIECES)}"
        elif change == 3:
            made = ""
        else:
            lines = text.splitlines(keepends=True)
            at, to = dice.randrange(len(lines)), dice.randrange(len(lines))
            lines.insert(to, lines[at] if dice.random() < 0.5 else lines.pop(at))
            text = "".join(lines)
            continue
        text = text[: one.start()] + made + text[one.end() :]
    return text


def refusal(text: str) -> tuple[Diagnostic, ...]:
    try:
        loads(text)
    except SpecError as error:
        return error.diagnostics
    return ()


@pytest.mark.parametrize("seed", range(5))
def test_a_wrong_spec_is_built_or_explained(seed: int) -> None:
    dice = random.Random(seed)
    explained = 0
    for _ in range(120):
        text = mutated(dice)
        start = time.perf_counter()
        faults = refusal(text)
        explained += bool(faults)
        for each in faults:
            assert each.labels, each
            assert each.message, each
            assert render(each)
        assert time.perf_counter() - start < 5, text
    assert explained > 60
