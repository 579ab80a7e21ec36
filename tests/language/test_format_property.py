"""Parse → print → parse is the identity, comments included, for any tree that a text can say."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from specc.language.format import format
from specc.language.parse import parse
from tests.language.trees import modules, source

UNHURRIED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@UNHURRIED
@given(modules)
def test_what_is_printed_parses_to_the_same_tree(module):
    text = format(module)
    parsed = parse(source(text))
    assert parsed == module
    assert format(parsed) == text


@UNHURRIED
@given(modules)
def test_lines_that_can_break_stay_within_the_width(module):
    text = format(module)
    assert text == "" or (text.endswith("\n") and not text.endswith("\n\n"))
    assert not any(line != line.rstrip() for line in text.splitlines() if '"' not in line)
