"""How command lines are read: argparse, with its complaints as diagnostics. Knows no command."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from typing import Any, NoReturn

from specc.diagnostics import did_you_mean, fault


class Parser(ArgumentParser):
    """An ArgumentParser that raises SpecError and takes no shortened options."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, allow_abbrev=False, **keywords)

    def read(self, words: Sequence[str]) -> Namespace:
        """What the words say; unlike parse_args it names the option that was likely meant."""
        options, extra = self.parse_known_args(words)
        if extra:
            unknown = next((word for word in extra if word.startswith("-")), extra[0])
            near = did_you_mean(unknown, self._option_string_actions)
            what = "an option" if unknown.startswith("-") else "wanted"
            raise fault("C001", f"`{unknown}` is not {what} here", help=near or self._usage())
        return options

    def error(self, message: str) -> NoReturn:
        raise fault("C001", message, help=self._usage())

    def _usage(self) -> str:
        words = " ".join(self.format_usage().removeprefix("usage: ").split())
        return f"{words}\n`{self.prog} --help` explains each of them"


def assignment(text: str) -> tuple[str, str]:
    """A type for argparse: `name=value`."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (equals and name and value):
        raise fault(
            "C004",
            f"`--set {text}` does not say what to set to what",
            expected="--set name=value",
            help="for example: --set train.epochs=3",
        )
    return name, value


def number(low: int, high: int = 2**63 - 1) -> _Number:
    return _Number(low, high)


class _Number:
    """A type for argparse: a whole number of a range."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def __call__(self, text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ArgumentTypeError(f"`{text}` is not a whole number") from None
        if not self.low <= value <= self.high:
            raise ArgumentTypeError(f"{value} is not between {self.low} and {self.high}")
        return value


def add_overrides(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        type=assignment,
        default=[],
        metavar="NAME=VALUE",
        dest="overrides",
        help="give a clause or hyper-parameter another value: train.epochs=3, Digits.hidden=128",
    )


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="answer in JSON on standard output")


def add_numbers(parser: ArgumentParser) -> None:
    """What runs it, and in which precision."""
    parser.add_argument("--backend", default="numpy", metavar="B", help="numpy, torch or onnx")
    parser.add_argument("--dtype", metavar="D", help="float32 (which it is if not said) or float64")
