"""`specc fmt FILE...`: rewrites specs in their one format. The format is language's."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from specc.cli.output import report
from specc.cli.rewrite import rewrite
from specc.diagnostics import Diagnostic, Source, SpecError
from specc.language import parse
from specc.language.build.library import read
from specc.language.format import format

STANDARD_INPUT = "-"


def declare(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a spec; - is standard input")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with 1 if a file would change"
    )


def run(options: Namespace) -> int:
    found: list[Diagnostic] = []
    changed = False
    for file in options.files:
        try:
            source = _read(file)
            text = format(parse(source))
        except SpecError as error:
            found.extend(error.diagnostics)
            continue
        differs = text != source.text
        changed |= differs
        if options.check:
            if differs:
                print(f"{file}: not in the format")
        elif file == STANDARD_INPUT:
            sys.stdout.write(text)
        elif differs:
            rewrite(file, text)
            print(f"{file}: formatted")
    report(found)
    if found:
        return 2
    return 1 if options.check and changed else 0


def _read(file: str) -> Source:
    if file == STANDARD_INPUT:
        return Source("<stdin>", sys.stdin.read())
    return Source(file, read(Path(file), file))
