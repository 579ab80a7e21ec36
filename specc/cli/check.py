"""`specc check FILE...`: builds each spec and reports what is wrong. The work is language's."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from specc.cli.arguments import add_json, add_overrides
from specc.cli.output import count, report
from specc.diagnostics import Diagnostic, SpecError
from specc.language import load


def declare(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a spec")
    add_overrides(parser)
    add_json(parser)


def run(options: Namespace) -> int:
    found: list[Diagnostic] = []
    wrong = 0
    for file in options.files:
        try:
            found.extend(load(file, dict(options.overrides)).notes)
        except SpecError as error:
            found.extend(error.diagnostics)
            wrong += 1
    report(found, as_json=options.json)
    if not (wrong or options.json):
        print(f"no errors in {count(len(options.files), 'file')}")
    return 2 if wrong else 0
