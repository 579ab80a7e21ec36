"""`specc show FILE`: a model's layers and costs, or the text of a stage. Passes do the counting."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from typing import Any

from specc import pipeline
from specc.cli.arguments import add_json, add_overrides, number
from specc.cli.output import print_json, table
from specc.diagnostics import did_you_mean, fault
from specc.ir import Extent, Graph
from specc.ir.model import Model, Spec
from specc.ir.text import write
from specc.language.format import format
from specc.language.syntax import Module
from specc.passes.costs import Row, Totals, layers, totals


def declare(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a spec")
    parser.add_argument(
        "--stage",
        metavar="STAGE",
        help="print what a stage of the compiler makes of it: " + ", ".join(pipeline.STAGES),
    )
    parser.add_argument(
        "--depth", type=number(1), default=1, metavar="N", help="levels of layers within layers"
    )
    add_overrides(parser)
    add_json(parser)


def run(options: Namespace) -> int:
    overrides = dict(options.overrides)
    if options.stage is not None:
        print(_stage(options.file, options.stage, overrides))
        return 0
    spec = pipeline.build(options.file, overrides)
    if options.json:
        print_json({"models": [_json(each, options.depth) for each in spec.models.values()]})
    else:
        print("\n\n".join(_text(each, options.depth) for each in spec.models.values()))
    return 0


# ── a stage ──────────────────────────────────────────────────────────────────────────────────────
def _stage(file: str, wanted: str, overrides: dict[str, str]) -> str:
    if wanted not in pipeline.STAGES:
        raise fault(
            "C005",
            f"`{wanted}` is not a stage of the compiler",
            expected=", ".join(pipeline.STAGES),
            help=did_you_mean(wanted, pipeline.STAGES),
        )
    for name, made in pipeline.stages(file, overrides):
        if name == wanted:
            return _stage_text(made).rstrip()
    raise fault(
        "C005",
        f"`{file}` does not pass through the stage `{wanted}`",
        help="a file with a train block has `objective`, one with a model alone has `forward`",
    )


def _stage_text(made: Any) -> str:
    if isinstance(made, Module):
        return format(made)
    if isinstance(made, Graph):
        return write(made)
    if isinstance(made, Spec):
        parts: list[str] = []
        for model in made.models.values():
            parts += [f"# {model.name}, training\n{write(model.training)}"]
            parts += [f"# {model.name}, inference\n{write(model.inference)}"]
        return "\n".join(parts)
    return str(getattr(made, "source", made))


# ── a model ──────────────────────────────────────────────────────────────────────────────────────
def _text(model: Model, depth: int) -> str:
    graph = pipeline.forward(model)
    rows = [("layer", "kind", "result", "parameters", "FLOPs", "memory")]
    rows += [_cells(row) for row in layers(graph, depth)]
    lines = [f"model {model.name}", *_ends(graph)]
    if len(rows) > 1:
        lines += ["", table(rows, right=(3, 4, 5))]
    return "\n".join([*lines, "", *_sums(totals(graph)), *_draws(model)])


def _ends(graph: Graph) -> list[str]:
    inputs = [f"  input   {name}: {node.type}" for name, node in graph.taking("input").items()]
    outputs = [f"  output  {name}: {node.type}" for name, node in graph.named("output").items()]
    return inputs + outputs


def _cells(row: Row) -> tuple[str, ...]:
    return (
        "  " * row.depth + (row.path or "-"),
        row.kind,
        ", ".join(map(str, row.results)),
        _number(row.parameters),
        _number(row.flops),
        _bytes(row.memory),
    )


def _sums(sums: Totals) -> list[str]:
    return [
        f"  parameters   {_number(sums.parameters)} ({_bytes(sums.parameter_bytes)})",
        f"  forward      {_number(sums.flops)} FLOPs",
        f"  activations  {_bytes(sums.activation_bytes)}",
        "  memory is counted in float32",
    ]


def _draws(model: Model) -> list[str]:
    """Each random draw of the model, and the number by which the generator's counter knows it."""
    if not model.draws:
        return []
    rows = [(f"  {path}", str(number)) for path, number in model.draws.items()]
    return ["", table([("  draw", "id"), *rows], right=(1,))]


def _number(extent: Extent) -> str:
    return re.sub(r"\d{4,}", lambda digits: f"{int(digits[0]):,}", str(extent))


def _bytes(extent: Extent) -> str:
    if not isinstance(extent, int):
        return f"{_number(extent)} B"
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if extent >= size:
            return f"{extent / size:.1f} {unit}"
    return f"{extent} B"


def _json(model: Model, depth: int) -> dict[str, Any]:
    graph = pipeline.forward(model)
    sums = totals(graph)
    return {
        "name": model.name,
        "inputs": {name: str(node.type) for name, node in graph.taking("input").items()},
        "outputs": {name: str(node.type) for name, node in graph.named("output").items()},
        "layers": [
            {
                "layer": row.path,
                "kind": row.kind,
                "depth": row.depth,
                "results": [str(each) for each in row.results],
                "parameters": _plain(row.parameters),
                "flops": _plain(row.flops),
                "memory_bytes": _plain(row.memory),
            }
            for row in layers(graph, depth)
        ],
        "draws": dict(model.draws),
        "parameters": _plain(sums.parameters),
        "parameter_bytes": _plain(sums.parameter_bytes),
        "flops": _plain(sums.flops),
        "activation_bytes": _plain(sums.activation_bytes),
    }


def _plain(extent: Extent) -> int | str:
    return extent if isinstance(extent, int) else str(extent)
