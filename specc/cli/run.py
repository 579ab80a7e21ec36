"""`specc run FILE`: trains what a spec says and judges its claims. Training is training's."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from specc import pipeline
from specc.cli.arguments import add_json, add_numbers, add_overrides, number
from specc.cli.output import print_json
from specc.training.folder import finite
from specc.training.progress import Silent
from specc.training.results import Result


def declare(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a spec")
    parser.add_argument("--input", metavar="X.npz", help="inputs for a file without train block")
    parser.add_argument("--weights", metavar="W.safetensors", help="begin with these weights")
    add_numbers(parser)
    parser.set_defaults(backend=None)  # numpy, or that of the run that goes on
    parser.add_argument(
        "--seed",
        type=number(0, pipeline.SEED_LIMIT - 1),
        metavar="N",
        help="not the spec's",
    )
    parser.add_argument("--out", metavar="DIR", help="where results go; else a new folder in runs/")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument(
        "--threads",
        type=number(1, pipeline.THREADS),
        metavar="N",
        help="compute on N threads; NumPy has each take a part of the batch where that pays",
    )
    parser.add_argument("--device", metavar="D", help="torch's: cpu (unless said), cuda, cuda:1")
    parser.add_argument("--precision", metavar="P", help="torch's: bf16, fp16, or on CUDA tf32")
    parser.add_argument("--compile", action="store_true", help="have torch.compile make the step")
    parser.add_argument(
        "--without",
        metavar="PASS",
        action="append",
        default=[],
        help="leave out a pass of NumPy's: rewrite, layout, fuse, plan, halve",
    )
    add_overrides(parser)
    add_json(parser)


def run(options: Namespace) -> int:
    result = pipeline.run(
        options.file,
        overrides=dict(options.overrides),
        backend=options.backend,
        dtype=options.dtype,
        seed=options.seed,
        weights=options.weights,
        inputs=options.input,
        out=options.out,
        resume=options.resume,
        how=_how(options),
        progress=Silent() if options.json else None,
    )
    if options.json:
        print_json(_answer(result))
    return result.status


def _how(options: Namespace) -> dict[str, Any]:
    """What of a backend's own choices was made."""
    said = {
        "device": options.device,
        "precision": options.precision,
        "compiled": options.compile,
        "without": tuple(options.without),
        "threads": options.threads,
    }
    return {name: value for name, value in said.items() if value}


def _answer(result: Result) -> dict[str, Any]:
    claims = [
        {"claim": each.text, "holds": each.holds, "values": dict(each.values)}
        for each in result.verdicts
    ]
    return {
        "status": result.status,
        "metrics": finite(result.metrics),
        "expect": claims,
        "folder": str(result.folder) if result.folder else None,
    }
