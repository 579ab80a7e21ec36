"""The specs that the benchmarks read: the repository's own, and larger ones made here."""

from __future__ import annotations

import re
from itertools import cycle
from pathlib import Path

SPECS = Path(__file__).parent.parent / "specs"
DEFINED = re.compile(
    r"^(?:model|data|layer|cell|function|activation|loss|metric|init|schedule|optimizer) (\w+)",
    re.MULTILINE,
)
DEEP = """
model Deep {{
    input  x: float[batch, 16]
    target y: float[batch]
{layers}
    prediction = (x -> Linear(1) as last)[:, 0]
    output prediction
    loss   mse(prediction, y)
}}
train {{
    optimizer sgd(lr = 0.01)
    batch     16
    steps     1
}}
"""


def repeated_layers(count: int) -> str:
    """A model whose layers are one `repeat`."""
    body = f"    repeat {count} as block {{\n        x = x -> Linear(16) -> relu\n    }}"
    return DEEP.format(layers=body)


def written_layers(count: int) -> str:
    """The same model with each layer on a line of its own."""
    lines = [f"    x = x -> Linear(16) as fc{index} -> relu" for index in range(count)]
    return DEEP.format(layers="\n".join(lines))


def concatenated(lines: int) -> str:
    """The repository's specs one after another, again and again, each with names of its own."""
    parts: list[str] = []
    length = 0
    for copy, file in enumerate(cycle(sorted(SPECS.glob("*.nn")))):
        text = _renamed(file.read_text(encoding="utf-8"), copy)
        parts.append(text)
        length += text.count("\n")
        if length >= lines:
            return "".join(parts)
    raise AssertionError("cycle ends only for an empty folder")


def _renamed(text: str, copy: int) -> str:
    text = re.sub(r'\A""".*?"""\n', "", text, flags=re.DOTALL)  # the file's own doc
    for name in set(DEFINED.findall(text)):
        text = re.sub(rf"(?<![.\w]){name}(?=\W)(?!\s*=[^=])", f"{name}_{copy}", text)
    model = re.search(r"^model (\w+)", text, re.MULTILINE)
    assert model, "each spec has a model"
    told = "" if re.search(r"^    model  ", text, re.MULTILINE) else f"\n    model     {model[1]}"
    text = re.sub(r"^train \{", f"train t{copy} {{{told}", text, flags=re.MULTILINE)
    text = re.sub(r"^expect parameters.*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^expect test\.", f"expect t{copy}.test.", text, flags=re.MULTILINE)
