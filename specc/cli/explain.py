"""`specc explain CODE`: prints a diagnostic's page. The pages are in specc/codes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from specc.codes import codes, explanation, title
from specc.diagnostics import did_you_mean, fault


def declare(parser: ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", metavar="CODE", help="for example T001; none lists all")


def run(options: Namespace) -> int:
    if options.code is None:
        for code in codes():
            print(f"{code}  {title(code)}")
        return 0
    code = options.code.upper()
    if code not in codes():
        near = did_you_mean(code, codes()) or "`specc explain` lists them"
        raise fault("C003", f"`{options.code}` is no diagnostic's code", help=near)
    print(explanation(code).rstrip())
    return 0
