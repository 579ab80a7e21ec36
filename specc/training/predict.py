"""A model run forward on given arrays, and written as a program of its own. Trains nothing."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from specc import backends, pipeline
from specc.diagnostics import did_you_mean, fault
from specc.ir.graph import Graph, Output
from specc.ir.model import Model, Spec
from specc.ir.size import axes
from specc.passes.rules import scalar
from specc.training import folder as run_folder
from specc.training.blocks import counted
from specc.training.expectations import check_figures, judge
from specc.training.feeds import Feeds, batch_inputs
from specc.training.files import check_file, check_outputs, write_atomically
from specc.training.finite import witnessed
from specc.training.initial import Initials, arrays_of, stored
from specc.training.learner import Streams
from specc.training.progress import Progress
from specc.training.results import Result
from specc.training.sizes import check_settled, with_sizes_of
from specc.training.sources import files_of, read_npz
from specc.training.tensors import Arrays, assign, read_tensors

if TYPE_CHECKING:
    from specc.training.run import Options


class Forward:
    """A model's outputs as a function of its inputs, with weights by seed or given.

    `forward(image=x)["logits"]`: inputs are converted as a data block's columns are, results are
    the caller's own. States with a dynamic axis begin anew at each call.
    """

    def __init__(
        self,
        model: Model,
        *,
        dtype: str = "float32",
        seed: int = 0,
        weights: Mapping[str, np.ndarray] | str | Path | None = None,
        backend: str = "numpy",
    ) -> None:
        self.model, self.dtype, self.seed, self.backend = model, dtype, seed, backend
        self.graph, self.program, witnesses = program_of(pipeline.forward(model), backend, dtype)
        self.weights = initial_weights(model, seed, dtype)
        if weights is not None:
            load_weights(self.weights, weights)
        self._witnesses = witnesses
        self._fitted = Feeds(
            self.graph,
            model.inference.taking("input"),
            dtype,
            missing="the input `{}` is not given",
            unknown=f"`{{}}` is no input of `{model.name}`",
            seen=witnesses,
        )
        self._streams = Streams(model.streams, Initials(seed), dtype)
        if backend == "numpy":
            for name, order in self.program.stored.items():
                self.weights[name] = stored(self.weights[name], order)
        own = {**self.weights, "key": np.array([seed, 0], np.int64), "step": np.zeros(())}
        names = {node.attributes["name"] for node in self.graph.inputs}
        self._run = _between(self.program, {n: v for n, v in own.items() if n in names}, backend)

    @property
    def source(self) -> str:
        """The Python text of the program, which runs without specc."""
        if self.backend != "numpy":
            return self.program.source
        graph = pipeline.lower(carrying(self.model))
        states = {each.name: each for each in self.model.streams}
        last = [node for node in graph.inputs if node.attributes["name"] in states]
        first = [node for node in graph.inputs if node not in last]  # they tell the axes
        told = {name for node in first for extent in node.shape for name in axes(extent)}
        begins = {
            name: number
            for name, each in states.items()
            if (number := scalar(pipeline.lower(each.init).results[0])) is not None
            if all(axis in told for extent in each.type.shape for axis in axes(extent))
        }
        outputs = tuple(replace(each, name=next_name(each)) for each in graph.outputs)
        graph = replace(graph, inputs=(*first, *last), outputs=outputs)
        return pipeline.source_of(graph, self.dtype, begins)

    @np.errstate(all="ignore")
    def __call__(self, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        batch = fresh = self._fitted(inputs)
        if self._streams.variables:
            fresh = {**self._streams.at(self.graph, batch), **batch}
        made = self._run(fresh)
        for name, witness in self._witnesses.items():
            if not math.isfinite(made.pop(witness)):
                self._fitted.check_finite(name, batch[name])
        self._streams.reset()
        if self.backend != "numpy":
            return dict(made)  # the caller's own already
        return {name: np.array(each) for name, each in made.items()}


def carrying(model: Model) -> Graph:
    """A model in inference: its outputs, and what it carries from batch to batch."""
    streams = {each.name for each in model.streams}

    def wanted(output: Output) -> bool:
        return output.role == "output" or (output.role == "state" and output.name in streams)

    return pipeline.pruned(model.inference, wanted)


def next_name(output: Output) -> str:
    """The language's own: s' is the next s."""
    carried = output.role in ("parameter", "moment", "state", "metric_state")
    return f"{output.name.rstrip(chr(39))}'" if carried else output.name


def _between(program: Any, fixed: Arrays, backend: str) -> Callable[[Arrays], dict[str, Any]]:
    """The program as a function of what is not fixed."""
    if backend != "onnx":
        return program.wired(fixed)
    return lambda fresh: dict(program({**fixed, **fresh}))


def program_of(graph: Graph, backend: str, dtype: str) -> tuple[Graph, Any, Mapping[str, str]]:
    """The graph as a backend runs it, its program, and what in its results tells of inputs.

    Only NumPy's has no calls, and only its program witnesses.
    """
    if backend == "numpy":
        flat = pipeline.lower(graph)
        whole, witnesses = witnessed(flat)
        return flat, pipeline.compile(whole, dtype), witnesses
    return graph, backends.backend(backend).compile(graph, dtype), {}


def initial_weights(model: Model, seed: int, dtype: str) -> dict[str, np.ndarray]:
    """Parameters and states of fixed shape as a training with this seed begins them."""
    return arrays_of([*model.parameters, *model.states], Initials(seed), dtype)


def load_weights(
    weights: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray] | str | Path
) -> None:
    """Copies weights from a file or a mapping into arrays of the same names."""
    if isinstance(given, str | Path):
        assign(weights, read_tensors(Path(given))[0], f"`{given}`")
    else:
        assign(weights, {n: np.asarray(v) for n, v in given.items()}, "the given weights")


def chosen_model(spec: Spec, name: str | None = None) -> Model:
    """The named model; without a name that of the last train block, or the file's only one.

    Raises:
        SpecError: R213 if there is no such model, H001 if a hyper-parameter of it has no value.
    """
    model = named_model(spec, name)
    check_settled(model)
    return model


def named_model(spec: Spec, name: str | None) -> Model:
    """`chosen_model`, some of whose hyper-parameters may have no value yet."""
    if name is not None:
        if name not in spec.models:
            raise fault(
                "R213",
                f"the file has no model `{name}`",
                expected=", ".join(spec.models),
                help=did_you_mean(name, spec.models),
            )
        return spec.models[name]
    if spec.trains:
        return spec.trains[-1].model
    if len(spec.models) != 1:
        raise fault(
            "R213",
            "which model to run isn't said",
            found=f"{len(spec.models)} models: {', '.join(spec.models)}" if spec.models else "none",
            help="a file that is run without a train block has one model",
        )
    return next(iter(spec.models.values()))


def predict(
    path: str | Path,
    *,
    weights: str | Path | None,
    inputs: str | Path,
    output: str | Path | None = None,
    overrides: Mapping[str, str] | None = None,
    model: str | None = None,
    backend: str = "numpy",
    dtype: str | None = None,
) -> dict[str, np.ndarray]:
    """A model's outputs for the arrays of an .npz file, written to another if `output` is given.

    Raises:
        SpecError: for a fault in the spec, the weights or the inputs.
    """
    pipeline.check_options(backend, dtype or "float32", None)
    spec, _ = with_sizes_of(pipeline.build(path, overrides), weights)
    if output is not None:
        check_outputs([Path(output)], [*files_of(spec), weights, inputs])
    chosen = chosen_model(spec, model)
    forward = Forward(chosen, dtype=dtype or "float32", weights=weights, backend=backend)
    outputs = forward(**read_inputs(inputs, forward.graph))
    if output is not None:
        write_npz(Path(output), outputs)
    return outputs


def read_inputs(path: str | Path, graph: Graph) -> Arrays:
    """The arrays of an .npz that the graph takes."""
    where = Path(path)
    check_file(where, "D001", "input file")
    table = read_npz(where, None)
    names = [name for name in batch_inputs(graph) if name in table.readers]
    missing = [n for n in batch_inputs(graph) if n in table.unusable]
    if missing:
        raise fault("D006", f"`{missing[0]}` in `{path}`: {table.unusable[missing[0]]}")
    if not names:
        return {name: table.readers[name]() for name in table.readers}
    return {name: table.readers[name]() for name in names}


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    write_atomically(path, content.getvalue())


def run_forward(spec: Spec, options: Options, progress: Progress) -> Result:
    """A file without train: outputs for the given inputs, and the claims that need no run."""
    counts = counted(spec.trains, spec.models)
    check_figures(spec)
    for name in options.how or {}:
        raise fault(
            "B103",
            f"`{pipeline.option(name)}` is a choice of training, and `{spec.path}` trains nothing",
            help="leave it out: the model runs forward on the inputs",
        )
    result = Result(metrics=dict(counts))
    if options.inputs is None and not spec.expects:
        raise fault(
            "R212",
            f"`{spec.path}` has no train block and no inputs are given, so there is nothing to run",
            help="add `train { ... }`, or give the model's inputs with --input X.npz",
        )
    if options.inputs is not None:
        forward = Forward(
            chosen_model(spec),
            dtype=options.dtype or "float32",
            seed=options.seed or 0,
            weights=options.weights,
            backend=options.backend,
        )
        result.outputs = forward(**read_inputs(options.inputs, forward.graph))
        result.parameters = forward.weights
        for name, value in result.outputs.items():
            progress.say(f"{name}: {value.dtype}[{', '.join(map(str, value.shape))}]")
        if options.save:
            out = options.out
            fresh = run_folder.new_folder(spec.path) if out is None else Path(out)
            result.folder = run_folder.given_folder(fresh)
            write_npz(result.folder / "outputs.npz", result.outputs)
    result.verdicts = judge(spec.expects, counts)
    for verdict in result.verdicts:
        progress.say(str(verdict))
    if result.folder is not None:
        progress.say(f"results in {result.folder}")
    return result
