"""What `specc export` writes: a model, or a training step, as a file that runs without specc."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from specc import passes, pipeline
from specc.backends import backend
from specc.diagnostics import did_you_mean, fault
from specc.ir.model import Model, Spec, Train
from specc.training.files import check_outputs, write_atomically
from specc.training.initial import Initials, arrays_of
from specc.training.packing import optimizer_of
from specc.training.predict import (
    Forward,
    carrying,
    chosen_model,
    initial_weights,
    load_weights,
    next_name,
    write_npz,
)
from specc.training.sizes import check_settled, with_sizes_of
from specc.training.sources import files_of
from specc.training.steps import counted, step_graph
from specc.training.tensors import Arrays
from specc.version import __version__

FORMATS = ("numpy", "torch", "onnx", "onnx-train")
BESIDE = {"numpy": ".npz", "torch": ".pt"}  # where weights go that are no part of the file


def export(
    path: str | Path,
    *,
    to: str,
    output: str | Path,
    weights: str | Path | None = None,
    overrides: Mapping[str, str] | None = None,
    model: str | None = None,
    dtype: str | None = None,
    opset: int | None = None,
) -> Path:
    """Writes a model's program, which runs without specc.

    Weights go inside an ONNX file, beside NumPy's source as .npz and beside torch's as .pt.
    "onnx-train" is the training step of the file's last train block.

    Raises:
        SpecError: for a fault in the spec or the weights, or a format that isn't there.
    """
    check_format(to, opset)
    pipeline.check_options("numpy", dtype or "float32", None)
    spec, _ = with_sizes_of(pipeline.build(path, overrides), weights)
    where, precision = Path(output), dtype or "float32"
    beside = [where.with_suffix(end) for name, end in BESIDE.items() if name == to and weights]
    check_outputs([where, *beside], [*files_of(spec), weights])
    if to == "onnx":
        write_onnx(chosen_model(spec, model), spec, where, precision, weights, opset)
    elif to == "onnx-train":
        write_onnx_step(spec, where, precision, weights, opset)
    elif to == "torch":
        from specc.training.torch import export_module

        export_module(spec, chosen_model(spec, model), where, precision, weights)
    else:
        forward = Forward(chosen_model(spec, model), dtype=precision, weights=weights)
        write_atomically(where, forward.source.encode())
        if weights is not None:
            write_npz(where.with_suffix(BESIDE[to]), forward.weights)
    return where


def check_format(to: str, opset: int | None) -> None:
    if to not in FORMATS:
        raise fault(
            "B101",
            f"specc {__version__} can't export to `{to}`",
            expected=" or ".join(FORMATS),
            found=to,
            help=did_you_mean(to, FORMATS),
        )
    if opset is None:
        return
    if not to.startswith("onnx"):
        raise fault("C006", f"an opset is ONNX's, and `{to}` has none")
    versions = backend("onnx").IR_VERSIONS
    if opset not in versions:
        raise fault(
            "C006",
            f"opset {opset} can't be written",
            expected=f"{min(versions)} to {max(versions)}",
            found=str(opset),
        )


# ── ONNX ─────────────────────────────────────────────────────────────────────────────────────────
def write_onnx(
    model: Model,
    spec: Spec | None,
    where: Path,
    dtype: str = "float32",
    weights: Mapping[str, np.ndarray] | str | Path | None = None,
    opset: int | None = None,
    seed: int = 0,
) -> None:
    """The model in inference, its weights inside under the spec's names.

    A state that is carried from batch to batch is an input, and its next value an output: s'.
    """
    onnx = backend("onnx")
    held = initial_weights(model, seed, dtype)
    if weights is not None:
        load_weights(held, weights)
    opset = opset or onnx.OPSET
    graph = onnx.lower(carrying(model), dtype, opset)
    metadata = described(spec, {"specc.model": model.name})
    form = onnx.Form(dtype, opset, held, metadata=metadata, name=next_name)
    onnx.save(onnx.model_of(graph, form), where, write_atomically)


def write_onnx_step(
    spec: Spec, where: Path, dtype: str, weights: str | Path | None, opset: int | None
) -> None:
    """The last train block's step; each state's next value is the output of its name and '."""
    onnx = backend("onnx")
    if not spec.trains:
        raise fault("R213", f"`{spec.path}` has no train block, so it has no training step")
    train = spec.trains[-1]
    check_settled(train.model)
    held = first_values(train, train.seed, dtype)
    named = [each.name for each in (*train.model.parameters, *train.model.states)]
    if weights is not None:
        load_weights({name: held[name] for name in named}, weights)
    opset = opset or onnx.OPSET
    graph = onnx.lower(counted(step_graph(train)), dtype, opset)
    # With what no step reads: all that weights are, so that they can be taken out again.
    names = {*named, *(node.attributes["name"] for node in graph.inputs)}
    held = {name: array for name, array in held.items() if name in names}
    more = {"specc.train": train.name, "specc.seed": str(train.seed)}
    metadata = described(spec, {**more, "specc.weights": " ".join(named)})
    form = onnx.Form(dtype, opset, held, overridable=True, metadata=metadata, name=next_name)
    onnx.save(onnx.model_of(graph, form), where, write_atomically)


def first_values(train: Train, seed: int, dtype: str) -> Arrays:
    """What a training begins with, by the names of its step's inputs."""
    initials = Initials(seed)
    held = initial_weights(train.model, seed, dtype)
    held |= moments_of(train, initials, dtype)
    metrics = [state for metric in train.model.metrics for state in metric.states]
    return held | arrays_of(metrics, initials, dtype) | {"scale": np.ones(())}


def moments_of(train: Train, initials: Initials, dtype: str) -> Arrays:
    """The optimizers' states by `parameter:state`."""
    found: Arrays = {}
    for each in passes.trained(train):
        optimizer = optimizer_of(train, each.name)
        states = optimizer.update(each.type).states if optimizer else ()
        made = arrays_of(states, initials, dtype)
        found |= {f"{each.name}:{name}": array for name, array in made.items()}
    return found


def described(spec: Spec | None, more: Mapping[str, str]) -> dict[str, str]:
    """Where a file comes from: the spec's text, its digest, and who wrote it."""
    found: dict[str, Any] = {"specc.version": __version__, **more}
    if spec is not None:
        digest = sha256(spec.text.encode()).hexdigest()
        found |= {"specc.spec": spec.text, "specc.sha256": digest}
    return found
