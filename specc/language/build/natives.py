"""The form of the compiler's own functions: a signature, and a rule over evaluated arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from specc.diagnostics import Span, fault
from specc.ir import Extent, Size
from specc.language import syntax
from specc.language.build.arguments import Given, assign, missing
from specc.language.build.axis_arguments import axis_argument
from specc.language.build.frame import Frame
from specc.language.build.tensors import cast, lift, op, unguarded
from specc.language.build.values import ALL, Native, Tensor, Value, describe, is_list


class Arguments:
    """The evaluated arguments of one call, and where each stands."""

    def __init__(
        self,
        frame: Frame,
        at: Span,
        values: dict[str, Value],
        spans: dict[str, Span],
        given: Mapping[str, Given],
    ) -> None:
        self.frame, self.at, self.values, self.spans = frame, at, values, spans
        self.given = given

    def __getitem__(self, name: str) -> Value:
        return self.values[name]

    def element_spans(self, name: str, count: int) -> list[Span]:
        """Where each element of a list stands, if it was written as one."""
        given = self.given.get(name)
        if given and isinstance(given.expression, syntax.List):
            found = [each.span for each in given.expression.items]
            if len(found) == count:
                return found
        return [self.spans[name]] * count

    def tensor(self, name: str) -> Tensor:
        value = self.values[name]
        if value is None:
            raise unguarded(self.spans[name])
        return lift(value, self.spans[name])

    def floats(self, name: str) -> Tensor:
        """The argument as floats: ints are converted, as in arithmetic."""
        tensor = self.tensor(name)
        if tensor.dtype == "bool":
            raise fault(
                "T003",
                "a bool does no arithmetic",
                (self.spans[name], str(tensor)),
                help="make it a number with `float(...)`",
            )
        if tensor.dtype == "int":
            return cast(tensor, "float64" if tensor.rank == 0 else "float", self.spans[name])
        return tensor

    def wrong(self, name: str, message: str, code: str = "H004") -> Exception:
        return fault(code, message, (self.spans[name], describe(self.values[name])))

    def extents(self, name: str, like: int | None = None) -> list[Extent]:
        """A list of whole numbers; one number stands for a list of a known length."""
        value = self.values[name]
        if like is not None and isinstance(value, (int, Size)) and not isinstance(value, bool):
            value = [value] * like
        if not is_list(value) or any(
            isinstance(each, bool) or not isinstance(each, (int, Size)) for each in value
        ):
            raise self.wrong(name, f"`{name}` is a list of whole numbers, not {describe(value)}")
        items: list[Extent] = value
        if like is not None and len(items) != like:
            raise self.wrong(name, f"`{name}` is a list of {like}, and this has {len(items)}")
        return items

    def ints(self, name: str, like: int | None = None) -> list[int]:
        made: list[int] = []
        for each in self.extents(name, like):
            if not isinstance(each, int):
                raise self.wrong(name, f"`{name}` must be known when compiled")
            made.append(each)
        return made

    def axes(self, name: str, of: Tensor) -> list[int]:
        value = self.values[name]
        if value is ALL or value is None:
            return list(range(of.rank))
        return value if is_list(value) else [value]

    def axis(self, name: str, of: Tensor) -> int:
        value = self.values[name]
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(name, "this takes one axis", "T007")
        return value

    def flag(self, name: str) -> bool:
        if not isinstance(self.values[name], bool):
            raise self.wrong(name, f"`{name}` is true or false, not {describe(self.values[name])}")
        return self.values[name]


class Builtin(Native):
    """One function: its parameters as in a signature (`x, axis = all`), and how it is built."""

    def __init__(self, name: str, signature: str, build: Callable[[Arguments], Value]) -> None:
        self.name, self.build, self.signature = name, build, signature
        self.names: list[str] = []
        self.defaults: dict[str, Value] = {}
        for part in signature.split(", "):
            word, _, default = part.partition(" = ")
            self.names.append(word)
            if default:
                self.defaults[word] = _DEFAULTS[default] if default in _DEFAULTS else float(default)

    def apply(self, frame: Frame, arguments: list[Given], at: Span) -> Value:
        from specc.language.build.expressions import together

        what = f"`{self.name}`"
        assigned = assign(what, self.names, arguments, at)
        plain = [name for name in self.names if name in assigned and name != "axis"]
        found = together([lambda name=name: assigned[name].evaluate(frame) for name in plain])
        values: dict[str, Value] = dict(zip(plain, found, strict=True))
        spans = {name: each.span for name, each in assigned.items()}
        if "axis" in self.names:
            of = values.get(self.names[0])
            if isinstance(of, (int, float)) and not isinstance(of, bool):
                of = lift(of, at)
            argument = assigned.get("axis", Given("axis", at, value=self.defaults.get("axis")))
            if "axis" not in assigned and "axis" not in self.defaults:
                raise missing(what, "axis", None, at)
            values["axis"] = axis_argument(frame, argument, of)
        for name in self.names:
            if name not in values:
                if name not in self.defaults:
                    raise missing(what, name, None, at)
                values[name] = self.defaults[name]
            spans.setdefault(name, at)
        return self.build(Arguments(frame, at, values, spans, assigned))


_DEFAULTS: dict[str, Value] = {
    "all": ALL,
    "none": None,
    "false": False,
    "true": True,
    "-1": -1,
    "0": 0,
    "1": 1,
}


def kept(a: Arguments, reduced: Any, of: Tensor, axes: list[int]) -> Tensor:
    """Puts the axes that a reduction dropped back, of length 1, if asked."""
    labels = tuple(label for place, label in enumerate(of.labels) if place not in axes)
    if not a.flag("keepdims"):
        return Tensor(reduced, labels)
    shape = tuple(1 if place in axes else extent for place, extent in enumerate(of.shape))
    node = op(a.at, "reshape", reduced, shape=shape)
    return Tensor(
        node, tuple(None if place in axes else of.labels[place] for place in range(of.rank))
    )
