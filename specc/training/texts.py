"""What recipes ask for: texts cut into tokens, vocabularies, numbers, segments. Opens no file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from specc.diagnostics import SpecError, fault
from specc.ir import recipe as recipes
from specc.ir.recipe import END, PADDING, SPECIAL, START, UNKNOWN
from specc.training.ragged import Ragged

WORD = re.compile(r"\w+|[^\w\s]")  # a run of letters, digits and _, or one other mark


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Tokens a row as places in a list of the different ones, in the order of their first."""

    entries: Sequence[str]
    flat: np.ndarray  # int64, each a place in `entries`
    starts: np.ndarray  # int64[rows + 1]

    def rows(self, chosen: np.ndarray) -> Tokens:
        return Tokens(self.entries, *_rows(self.flat, self.starts, chosen))


def _rows(
    flat: np.ndarray, starts: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Some rows of many, one after another."""
    lengths = np.diff(starts)[chosen]
    parts = [flat[starts[row] : starts[row + 1]] for row in chosen.tolist()]
    return np.concatenate([flat[:0], *parts]), _starts(lengths)


def _starts(lengths: np.ndarray | Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def numbered(rows: Iterable[Iterable[str]]) -> Tokens:
    """Rows of tokens as places among the different ones."""
    place_of: dict[str, int] = {}
    flat: list[int] = []
    lengths: list[int] = []
    for row in rows:
        before = len(flat)
        flat += [place_of.setdefault(token, len(place_of)) for token in row]
        lengths.append(len(flat) - before)
    return Tokens(list(place_of), np.array(flat, dtype=np.int64), _starts(lengths))


def characters(texts: Sequence[str]) -> Tokens:
    """A row of its code points; told apart by sorting, for texts of millions."""
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    found, flat = np.unique(points, return_inverse=True)
    entries = [chr(point) for point in found.tolist()]
    return Tokens(entries, flat.astype(np.int64), _starts([len(text) for text in texts]))


def cut(texts: Sequence[str], how: str, separator: str | None) -> Tokens:
    if how == "characters":
        return characters(texts)
    if how == "words":
        return numbered(WORD.findall(text) for text in texts)
    return numbered(text.split(separator) if text else () for text in texts)


def vocabulary_of(recipe: recipes.Vocabulary, tokens: Tokens) -> tuple[str, ...]:
    """Special tokens, then the training rows' by falling count; equal counts by code point."""
    counts = np.bincount(tokens.flat, minlength=len(tokens.entries))
    ordinary = [
        (-count, entry)
        for entry, count in zip(tokens.entries, counts.tolist(), strict=True)
        if count and entry not in SPECIAL
    ]
    special = recipe.special
    room = len(ordinary) if recipe.size is None else recipe.size - len(special)
    return (*special, *(entry for _, entry in sorted(ordinary)[:room]))


@dataclass(slots=True, eq=False)
class Texts:
    """A source's texts and what recipes make of them, each made once."""

    readers: Mapping[str, Callable[[], Sequence[str] | Tokens]]
    train: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _tokens: dict[recipes.Text, Tokens] = field(default_factory=dict[recipes.Text, Tokens])
    _vocabularies: dict[recipes.Vocabulary, tuple[str, ...]] = field(
        default_factory=dict[recipes.Vocabulary, tuple[str, ...]]
    )
    _numbers: dict[recipes.Lookup, Ragged] = field(default_factory=dict[recipes.Lookup, Ragged])

    def tokens(self, recipe: recipes.Text) -> Tokens:
        """Tokens a row; of a column that isn't cut, its whole text is the one token."""
        if recipe.train:
            return self.tokens(_of_all(recipe)).rows(self.train)
        if recipe not in self._tokens:
            self._tokens[recipe] = self._read(recipe)
        return self._tokens[recipe]

    def _read(self, recipe: recipes.Text) -> Tokens:
        column = recipe if isinstance(recipe, recipes.Column) else recipe.of
        read = self.readers[column.name]()
        if isinstance(read, Tokens):
            return read
        if isinstance(recipe, recipes.Cut):
            return cut(read, recipe.how, recipe.separator)
        return numbered((text,) for text in read)

    def vocabulary(self, recipe: recipes.Vocabulary) -> tuple[str, ...]:
        if recipe not in self._vocabularies:
            found = vocabulary_of(recipe, self.tokens(recipe.of))
            if not found:
                raise fault(
                    "D011", "the training rows hold no token, so no vocabulary", recipe.span
                )
            self._vocabularies[recipe] = found
        return self._vocabularies[recipe]

    def lengths(self, recipe: recipes.Lengths) -> np.ndarray:
        if isinstance(recipe.of, recipes.Lookup):
            return self.numbers(recipe.of).lengths
        return np.diff(self.tokens(recipe.of).starts)

    def equal(self, recipe: recipes.Equal) -> np.ndarray:
        tokens = self.tokens(recipe.of)
        return np.array([entry == recipe.text for entry in tokens.entries])[tokens.flat]

    def numbers(self, recipe: recipes.Lookup) -> Ragged:
        """The tokens' numbers; what the vocabulary doesn't hold is unknown.

        Raises:
            SpecError: D015 if the vocabulary has no unknown token.
        """
        if recipe not in self._numbers:
            self._numbers[recipe] = self._look_up(recipe)
        return self._numbers[recipe]

    def _look_up(self, recipe: recipes.Lookup) -> Ragged:
        tokens, vocabulary = self.tokens(recipe.of), self.vocabulary(recipe.vocabulary)
        number_of = {entry: number for number, entry in enumerate(vocabulary)}
        unknown = number_of.get(UNKNOWN, -1) if recipe.vocabulary.unknown else -1
        special = set(recipe.vocabulary.special)
        entries = [
            unknown if entry in special else number_of.get(entry, unknown)
            for entry in tokens.entries
        ]
        flat = np.array(entries, dtype=np.int64)[tokens.flat] if len(entries) else tokens.flat
        if flat.size and flat.min() < 0:
            raise _unseen(recipe, tokens, int(np.argmax(flat < 0)))
        starts = tokens.starts
        if recipe.vocabulary.start or recipe.vocabulary.end:
            before = [number_of[START]] if recipe.vocabulary.start else []
            after = [number_of[END]] if recipe.vocabulary.end else []
            flat, starts = _framed(flat, starts, before, after)
        return Ragged(flat, starts, number_of.get(PADDING, -1))

    def segments(self, recipe: recipes.Segments, rows: np.ndarray) -> np.ndarray:
        """These rows one after another, cut into pieces; a rest that fills none is left out."""
        numbers = self.numbers(recipe.of)
        flat, _ = _rows(numbers.flat, numbers.starts, rows)
        if len(flat) < recipe.length:
            return np.zeros((0, recipe.length), dtype=np.int64)
        whole = np.lib.stride_tricks.sliding_window_view(flat, recipe.length)
        return whole[:: recipe.stride]


def _of_all(recipe: recipes.Text) -> recipes.Text:
    """The same over all rows."""
    if isinstance(recipe, recipes.Cut):
        return recipes.Cut(recipes.Column(recipe.of.name, False, recipe.of.cut), recipe.how,
                           recipe.separator)  # fmt: skip
    return recipes.Column(recipe.name, False, recipe.cut)


def _framed(
    flat: np.ndarray, starts: np.ndarray, before: list[int], after: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Each row between a start and an end token."""
    rows = len(starts) - 1
    more = len(before) + len(after)
    moved = starts + more * np.arange(rows + 1)
    made = np.empty(len(flat) + more * rows, dtype=np.int64)
    own = np.ones(len(made), dtype=np.bool_)
    if before:
        made[moved[:-1]] = before
        own[moved[:-1]] = False
    if after:
        made[moved[1:] - 1] = after
        own[moved[1:] - 1] = False
    made[own] = flat
    return made, moved


def _unseen(recipe: recipes.Lookup, tokens: Tokens, at: int) -> SpecError:
    row = int(np.searchsorted(tokens.starts, at, side="right")) - 1
    entry = tokens.entries[tokens.flat[at]]
    return fault(
        "D015",
        "a token is in no training row, and the vocabulary has none for the unknown",
        (recipe.vocabulary.span, "made without `<unk>`"),
        found=f'"{entry[:40]}" in row {row}',
        help="let it have one: `unknown = true`",
    )
