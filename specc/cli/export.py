"""`specc export FILE`: a model as a program of its own. Writing it is the backend's."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from specc import pipeline
from specc.cli.arguments import add_overrides, number


def declare(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a spec")
    parser.add_argument(
        "--to", required=True, metavar="FORMAT", help="numpy, torch, onnx or onnx-train"
    )
    parser.add_argument("-o", "--output", required=True, metavar="PATH", help="the file to write")
    parser.add_argument(
        "--weights", metavar="W.safetensors", help="weights to write, not those that a seed draws"
    )
    parser.add_argument("--dtype", metavar="D", help="float32 (which it is if not said) or float64")
    parser.add_argument(
        "--opset", type=number(1), metavar="N", help="ONNX's, 18 to 23 (21 if not said)"
    )
    parser.add_argument("--model", metavar="NAME", help="which one, if the file has several")
    add_overrides(parser)


def run(options: Namespace) -> int:
    path = pipeline.export(
        options.file,
        overrides=dict(options.overrides),
        to=options.to,
        output=options.output,
        weights=options.weights,
        model=options.model,
        dtype=options.dtype,
        opset=options.opset,
    )
    print(f"written to {path}")
    return 0
