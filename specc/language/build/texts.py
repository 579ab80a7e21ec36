"""Text in `data`: tokens, vocabularies, segments. Makes recipes, reads no file."""

from __future__ import annotations

from dataclasses import dataclass

from specc.diagnostics import Span, SpecError, fault
from specc.ir import Axis, Type, make_input
from specc.ir import recipe as recipes
from specc.ir.size import atom
from specc.language.build.arguments import Given, assign
from specc.language.build.frame import Frame
from specc.language.build.natives import Arguments, Builtin
from specc.language.build.values import Native, Tensor, Value, describe

ROW, TRAIN_ROW, SEGMENT = (atom(Axis(name)) for name in ("row", "train_row", "segment"))


@dataclass(frozen=True, slots=True)
class Text:
    """A column of texts, or of tokens: rows of different lengths."""

    recipe: recipes.Text

    @property
    def cut(self) -> bool:
        return isinstance(self.recipe, recipes.Cut) or self.recipe.cut

    def __str__(self) -> str:
        return "a column of tokens" if self.cut else "a column of text"


@dataclass(frozen=True, slots=True)
class Numbers:
    """Tokens' numbers, rows of different lengths: they feed a model, or are cut into segments."""

    recipe: recipes.Lookup

    def __str__(self) -> str:
        return "a column of tokens' numbers"


class Vocabulary(Native):
    """`vocab = vocabulary(train.words)`, applied as `vocab(words)`."""

    name = "vocabulary"

    def __init__(self, recipe: recipes.Vocabulary) -> None:
        self.recipe = recipe

    def apply(self, frame: Frame, arguments: list[Given], at: Span) -> Value:
        given = assign("a vocabulary", ["tokens"], arguments, at)
        value = given["tokens"].evaluate(frame) if "tokens" in given else None
        if not isinstance(value, Text):
            where = given["tokens"].span if "tokens" in given else at
            raise _no_text("a vocabulary", value, where)
        own = Text(self.recipe.of)
        if own.cut != value.cut:
            raise fault(
                "M030",
                "a vocabulary numbers what it was made of",
                (at, f"applied to {value}"),
                (self.recipe.span, f"made of {own}"),
            )
        made = recipes.Lookup(self.recipe, value.recipe)
        return Numbers(made) if made.ragged else dense(frame, made)


def dense(frame: Frame, recipe: recipes.Dense, *shape: int) -> Tensor:
    """What a recipe gives, as an input of the columns' graph; `shape` is that of a row."""
    found = next((name for name, each in frame.recipes.items() if each == recipe), None)
    rows = TRAIN_ROW if recipe.train else SEGMENT if isinstance(recipe, recipes.Segments) else ROW
    name = found or f"text.{len(frame.recipes)}"
    if found is None:
        frame.recipes[name] = recipe
        dtype = "bool" if isinstance(recipe, recipes.Equal) else "int"
        frame.inputs.append(make_input(name, "column", Type(dtype, (rows, *shape))))
    node = next(each for each in frame.inputs if each.attributes["name"] == name)
    return Tensor(node, (str(rows), *(None for _ in shape)))


def equality(frame: Frame, left: Value, right: Value, at: Span) -> Tensor:
    """`column == "text"`: where a column's text is this one."""
    text, other = (left, right) if isinstance(left, Text) else (right, left)
    if not isinstance(text.recipe, recipes.Column) or text.cut or not isinstance(other, str):
        raise fault(
            "M030",
            f"{describe(left)} and {describe(right)} can't be compared",
            at,
            expected='a column of text and a text in quotes: `part == "test"`',
        )
    return dense(frame, recipes.Equal(text.recipe, other))


# ── the functions ────────────────────────────────────────────────────────────────────────────────
def _cut(how: str) -> Builtin:
    def build(a: Arguments) -> Value:
        value = a["text"]
        if not isinstance(value, Text) or value.cut:
            raise _no_text(f"`{how}`", value, a.spans["text"])
        assert isinstance(value.recipe, recipes.Column)
        separator = a["separator"] if how == "fields" else None
        if separator is not None and (not isinstance(separator, str) or not separator):
            raise a.wrong("separator", "a separator is a text in quotes, or none for white space")
        return Text(recipes.Cut(value.recipe, how, separator))

    return Builtin(how, "text, separator = none" if how == "fields" else "text", build)


def _vocabulary(a: Arguments) -> Value:
    value = a["column"]
    if not isinstance(value, Text):
        raise _no_text("`vocabulary`", value, a.spans["column"])
    span = a.spans["column"]
    if not value.recipe.train:
        raise fault(
            "M029",
            "a vocabulary is made of training rows alone",
            (span, "all rows, those of the other splits among them"),
            help=f"`train.{span.text}`"
            if span.text.isidentifier()
            else "put `train.` before the column that it reads: `words(train.text)`",
        )
    size = a["size"]
    flags = {name: a.flag(name) for name in ("unknown", "padding", "start", "end")}
    if size is not None:
        least = sum(flags.values()) + 1
        if isinstance(size, bool) or not isinstance(size, int) or size < least:
            raise a.wrong("size", f"the size of this vocabulary is a whole number from {least}")
    if not value.cut and (flags["start"] or flags["end"]):
        raise a.wrong("column", "`start` and `end` stand around the tokens of a row: cut it first")
    return Vocabulary(recipes.Vocabulary(value.recipe, size, **flags, span=a.at))


def _lengths(a: Arguments) -> Value:
    value = a["tokens"]
    if isinstance(value, (Text, Numbers)) and not (isinstance(value, Text) and not value.cut):
        return dense(a.frame, recipes.Lengths(value.recipe))
    raise _no_text("`lengths`", value, a.spans["tokens"], "tokens: `words(text)`, or their numbers")


def _segments(a: Arguments) -> Value:
    value = a["tokens"]
    if not isinstance(value, Numbers):
        raise _no_text(
            "`segments`", value, a.spans["tokens"], "tokens' numbers: `vocab(words(text))`"
        )
    if value.recipe.train:
        raise fault("M030", "segments are cut from all rows: each split's own", a.spans["tokens"])
    stride = a["length"] if a["stride"] is None else a["stride"]
    for name, number in (("length", a["length"]), ("stride", stride)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise a.wrong(name, f"`{name}` is a whole number from 1")
    made = recipes.Segments(value.recipe, a["length"], stride, a.at)
    return dense(a.frame, made, made.length)


def _no_text(what: str, value: Value, at: Span, expected: str = "a column of text") -> SpecError:
    return fault(
        "M030",
        f"{what} takes {expected.partition(':')[0]}, not {describe(value)}",
        (at, describe(value)),
        expected=expected,
        help="it stands in a `data` block, over a column of its source"
        if isinstance(value, (str, Tensor))
        else "",
    )


TEXTS: dict[str, Native] = {
    **{how: _cut(how) for how in ("characters", "words", "fields")},
    "vocabulary": Builtin(
        "vocabulary",
        "column, size = none, unknown = true, padding = true, start = false, end = false",
        _vocabulary,
    ),
    "lengths": Builtin("lengths", "tokens", _lengths),
    "segments": Builtin("segments", "tokens, length, stride = none", _segments),
}
