"""`specc predict FILE`: a trained model's outputs for a file of inputs. Running is training's."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from specc import pipeline
from specc.cli.arguments import add_numbers, add_overrides


def declare(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a spec")
    parser.add_argument("--weights", required=True, metavar="FILE", help="trained weights")
    parser.add_argument("--input", required=True, metavar="X.npz", help="its inputs by name")
    parser.add_argument("--output", required=True, metavar="Y.npz", help="where its outputs go")
    add_numbers(parser)
    parser.add_argument("--model", metavar="NAME", help="which one, if the file has several")
    add_overrides(parser)


def run(options: Namespace) -> int:
    outputs = pipeline.predict(
        options.file,
        overrides=dict(options.overrides),
        weights=options.weights,
        model=options.model,
        inputs=options.input,
        output=options.output,
        backend=options.backend,
        dtype=options.dtype,
    )
    for name, value in outputs.items():
        print(f"{name}: {value.dtype}[{', '.join(map(str, value.shape))}]")
    print(f"written to {options.output}")
    return 0
