"""`specc compare FILE`: one spec on several backends, and whether they agree. Judges nothing."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from specc.cli.arguments import add_json, add_overrides, number
from specc.cli.output import print_json
from specc.training.files import check_outputs, write_atomically


def declare(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a spec")
    parser.add_argument(
        "--backends",
        default="numpy,torch,onnx",
        metavar="LIST",
        help="who is compared (numpy,torch,onnx); numpy:float64 has a precision of its own",
    )
    parser.add_argument(
        "--dtype", default="float32", metavar="D", help="float32 (if not said) or float64"
    )
    parser.add_argument(
        "--steps", type=number(0), default=5, metavar="N", help="steps of training (5)"
    )
    parser.add_argument("--seed", type=number(0, 2**32 - 1), metavar="N", help="not the spec's")
    parser.add_argument("--weights", metavar="W.safetensors", help="instead of initial weights")
    parser.add_argument(
        "--against", metavar="M.onnx", help="compare the outputs with a model from elsewhere"
    )
    parser.add_argument("--all", action="store_true", help="every tensor, not each kind's worst")
    parser.add_argument("--html", metavar="F", help="write a page that shows it, to read offline")
    add_overrides(parser)
    add_json(parser)


def run(options: Namespace) -> int:
    from specc.compare import compare, page, report

    if options.html is not None:
        check_outputs([Path(options.html)], [options.file, options.weights, options.against])
    found = compare(
        options.file,
        backends=[name.strip() for name in options.backends.split(",") if name.strip()],
        dtype=options.dtype,
        steps=options.steps,
        seed=options.seed,
        weights=options.weights,
        against=options.against,
        overrides=dict(options.overrides),
        trace=options.html is not None,
    )
    if options.html is not None:
        write_atomically(Path(options.html), page.html(found).encode())
    if options.json:
        print_json(report.json(found))
    else:
        print(report.text(found, options.all))
        if options.html is not None:
            print(f"\nthe page is in {Path(options.html)}")
    return found.status
