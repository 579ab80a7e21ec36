"""The command `specc`: finds a command's file, calls it, answers with an exit code. No logic."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from specc.cli.arguments import Parser
from specc.cli.faults import guarded
from specc.diagnostics import did_you_mean, fault
from specc.version import __version__

# Each is a file of this folder with `declare(parser)` and `run(options) -> exit code`, which is
# imported when it is asked for and not before: `specc check` never meets NumPy.
COMMANDS = {
    "run": "train what a spec says, or run its model forward, and check its claims",
    "check": "find every error in specs, without running anything",
    "fmt": "put specs into their one format",
    "show": "list a model's layers, shapes, parameters and costs, or any stage of the compiler",
    "explain": "explain a diagnostic's code",
    "predict": "run a trained model on inputs from a file",
    "compare": "run a spec on several backends, and say where they differ and by how much",
    "export": "write a model as a program that runs without specc",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done and true, 1 the answer is no, 2 the input is wrong, 70 a fault of specc's
    own, 130 and 143 interrupted, 141 when the reader of our output went away."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(lambda: _call(words), words)


def _call(words: list[str]) -> int:
    if not words:
        print(_help(), file=sys.stderr)
        return 2
    name, *rest = words
    if name in ("-h", "--help", "help"):
        if rest and rest[0] in COMMANDS:
            return _call([rest[0], "--help"])
        print(_help())
        return 0
    if name in ("-V", "--version"):
        print(f"specc {__version__}")
        return 0
    if name not in COMMANDS:
        what = "an option" if name.startswith("-") else "a command"
        near = did_you_mean(name, COMMANDS) or "`specc --help` lists the commands"
        raise fault("C002", f"`{name}` is not {what} of specc", help=near)
    command = import_module(f"specc.cli.{name}")
    parser = Parser(prog=f"specc {name}", description=COMMANDS[name].capitalize() + ".")
    command.declare(parser)
    return command.run(parser.read(rest))


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        (
            "usage: specc COMMAND ...",
            "",
            "A small language for neural networks, and the compiler that trains what it says.",
            "",
            *lines,
            "",
            "`specc COMMAND --help` tells a command's options, `specc --version` the version.",
        )
    )
