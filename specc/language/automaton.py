"""The parser's tables, read back from the JSON that tables.py made of grammar/nn.lark.

Knows their form; the grammar and lark are needed only where the grammar changes.
"""

from __future__ import annotations

import json
import os

END = "$END"
ACCEPT = 0  # the action that ends a parse; states are numbered from 1
PATH = os.path.join(os.path.dirname(__file__), "tables.json")

Row = dict[str, int]  # symbol → state to shift or go to (> 0), rule to reduce (< 0), or ACCEPT
Rule = tuple[str, str, int, list[int]]  # origin, callback, length, the values it hands over


class Tables:
    """Rule -k is `rules[k - 1]`; state n is `rows[n]`. A literal's token kind is its own text.

    A value handed over is counted from the stack's top, -1 being the last; 0 is an absent one.
    """

    def __init__(
        self,
        digest: str,
        pattern: str,
        reserved: list[str],
        soft: list[str],
        starts: dict[str, int],
        rules: list[Rule],
        rows: list[Row],
    ) -> None:
        self.digest = digest  # of the grammar and of lark's version
        self.pattern = pattern  # one token: its group is the kind, LITERAL for punctuation
        self.reserved = reserved
        self.soft = soft
        self.starts = starts
        self.rules = rules
        self.rows = rows


def load() -> Tables:
    with open(PATH, encoding="utf-8") as file:
        return Tables(**json.load(file))
