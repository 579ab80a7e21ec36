"""The one text of a spec: its spacing, its lines, its comments, its parentheses."""

from __future__ import annotations

from pathlib import Path

import pytest

from specc.diagnostics import Source
from specc.language.format import format
from specc.language.parse import parse

ROOT = Path(__file__).parent.parent.parent
LIBRARY = sorted((ROOT / "specc" / "std").glob("*.nn"))
SPECS = sorted((ROOT / "specs").glob("*.nn"))


def formatted(text: str) -> str:
    return format(parse(Source("spec.nn", text)))


@pytest.mark.parametrize("path", [*LIBRARY, *SPECS], ids=lambda path: path.stem)
def test_the_repository_is_formatted(path):
    text = path.read_text(encoding="utf-8")
    assert formatted(text) == text, f"specc fmt {path}"


CASES = {
    "spacing": (
        "a=f( x,y = 2 )[ 0 , : , 1 : ]^-2*-3\nfunction  g ( x , k:float=3 )=x if k>0 else -x\n",
        "a = f(x, y = 2)[0, :, 1:]^-2 * -3\nfunction g(x, k: float = 3) = x if k > 0 else -x\n",
    ),
    "parentheses that say nothing": (
        "a = ((b + (c * d)) - (e))\nf_ = (((x)) -> g)\nh = (not (a == b)) and (c or d)\n",
        "a = b + c * d - e\nf_ = x -> g\nh = not a == b and (c or d)\n",
    ),
    "parentheses that say something": (
        "a = (b + c) * (d - (e - f))\ng = (-x)^2 + (2^3)^4\n"
        "h = (x -> f) + 1\ni = (1).x + (a if b else c)\n",
        "a = (b + c) * (d - (e - f))\ng = (-x)^2 + (2^3)^4\n"
        "h = (x -> f) + 1\ni = (1).x + (a if b else c)\n",
    ),
    "keywords in columns": (
        "train {\n  data Scans\n  optimizer adam()\n\n  batch 64\n  # said\n"
        "  seed 7\n  clip norm(1)\n}\n",
        "train {\n    data      Scans\n    optimizer adam()\n\n    batch 64\n    # said\n"
        "    seed 7\n    clip norm(1)\n}\n",
    ),
    "blank lines": (
        "\n\na = 1\nb = 2\n\n\n\nlayer L {\n\n\n    x = 1\n\n\n    y = 2\n\n}\n"
        "c = 3\n# d\nmodel M { }\n",
        "a = 1\nb = 2\n\nlayer L {\n    x = 1\n\n    y = 2\n}\n\nc = 3\n# d\nmodel M {\n}\n",
    ),
    "comments": (
        "#a\nx=1 #b\nlayer L{ #c\n#d\n  y=f(#e\n1) #f\n}#g\n#\n",
        "# a\nx = 1  # b\n\nlayer L {  # c\n    # d\n    # e\n    y = f(1)  # f\n}\n\n# g\n#\n",
    ),
    "docs": (
        '"""The file."""\n\n"""\n  An item\n    of two lines.\n"""\n'
        'model M {\n  """In."""\n  input x\n}\n',
        '"""The file."""\n\n"""\nAn item\n  of two lines.\n"""\n'
        'model M {\n    """In."""\n    input x\n}\n',
    ),
    "else if": (
        "layer L {\n if a { x = 1 }\n else if b { x = 2 }\n else { x = 3 }\n}\n",
        "layer L {\n    if a {\n        x = 1\n    } else if b {\n        x = 2\n    } else {\n"
        "        x = 3\n    }\n}\n",
    ),
    "a pipeline keeps its author's lines": (
        "v = x -> a as b # [batch, 6]\n -> c -> d\n",
        "v = x -> a as b  # [batch, 6]\n    -> c -> d\n",
    ),
    "language and licence": (
        '# free\nlanguage 1\n"""Doc."""\n\nx = 1\n',
        '# free\nlanguage 1\n\n"""Doc."""\n\nx = 1\n',
    ),
    "texts": (r's = "a\"b\\c\n"' + "\n", r's = "a\"b\\c\n"' + "\n"),
    "a data block with hyper-parameters": (
        "data (fold:int=0) {\n}\n",
        "data (fold: int = 0) {\n}\n",
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_the_one_form(text, expected):
    assert formatted(text) == expected
    assert formatted(expected) == expected


LONG = {
    "a call": (
        "param weight: float[out, channels // groups, kernel[0]] = kaiming_uniform("
        "fan = seen, gain = sqrt(1 / 3))",
        """\
    param weight: float[out, channels // groups, kernel[0]] = kaiming_uniform(
        fan = seen,
        gain = sqrt(1 / 3)
    )
""",
    ),
    "a pipeline": (
        "y = input_value -> FirstLayer(64, bias = false) as first -> activation "
        "-> SecondLayer(64) as second",
        """\
    y = input_value
        -> FirstLayer(64, bias = false) as first
        -> activation
        -> SecondLayer(64) as second
""",
    ),
    "a sum": (
        "z = first_summand_of_many + second_summand_of_many * factor_of_the_second + "
        "third_summand_of_many",
        """\
    z = first_summand_of_many +
        second_summand_of_many * factor_of_the_second +
        third_summand_of_many
""",
    ),
    "the call of a choice": (
        "return where(condition, what_is_given_if_it_holds, what_is_given_if_it_does_not) "
        "if a else another",
        """\
    return where(
        condition,
        what_is_given_if_it_holds,
        what_is_given_if_it_does_not
    ) if a else another
""",
    ),
    "several values": (
        "output first_output_of_several, second = second_output_of_several, "
        "third = third_output_of_all_of_them",
        """\
    output first_output_of_several,
        second = second_output_of_several,
        third = third_output_of_all_of_them
""",
    ),
}


@pytest.mark.parametrize(("line", "expected"), LONG.values(), ids=LONG)
def test_what_is_long_breaks(line, expected):
    text = f"layer Long {{\n{expected}}}\n"
    assert formatted(f"layer Long {{\n{line}\n}}\n") == text
    assert formatted(text) == text
