"""A file's train blocks in order, or its model forward; then its claims. Knows no command line."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from specc import pipeline
from specc.diagnostics import SpecError, did_you_mean, fault, labels
from specc.ir.model import Spec, Train
from specc.training import blocks, sizes
from specc.training import folder as run_folder
from specc.training.columns import Dataset
from specc.training.engines import engine
from specc.training.evaluate import Evaluator
from specc.training.expectations import check_figures, judge
from specc.training.files import contained
from specc.training.learner import Learner
from specc.training.loop import Loop, Material
from specc.training.progress import Progress, Silent, chosen, shown
from specc.training.results import Result
from specc.training.signals import Signals
from specc.training.tensors import Arrays, assign, read_tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run; what is None is the spec's own, or of a resumed run what it began with."""

    overrides: Mapping[str, str] | None = None
    inputs: str | Path | None = None  # an .npz for a file without train
    weights: str | Path | None = None
    backend: str = "numpy"
    dtype: str | None = None
    seed: int | None = None
    out: str | Path | None = None
    resume: bool = False
    how: Mapping[str, Any] | None = None  # what a backend takes beside: device, precision, compiled
    save: bool = True  # False: a caller in Python who wants no folder


def run(
    path: str | Path,
    *,
    overrides: Mapping[str, str] | None = None,
    inputs: str | Path | None = None,
    weights: str | Path | None = None,
    backend: str | None = None,
    dtype: str | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    how: Mapping[str, Any] | None = None,
    quiet: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Runs a spec's file; prints through `progress`: a bar or lines, or if `quiet` nothing.

    `overrides` are texts of the language ("train.epochs" → "3"); `backend` is numpy and `dtype`
    float32 unless given, or of a resumed run what it began with; `out` is the run's folder,
    runs/<spec>-<n> unless given; `resume` goes on with the run there.
    The exit code is `result.status`.

    Raises:
        SpecError: whatever is wrong with the spec, the data, the options or the folder.
    """
    begun: Mapping[str, Any] = {}
    folder = None
    if resume:
        folder = Path(out) if out is not None else run_folder.latest_folder(str(path))
        begun = run_folder.read_description(folder)
        if backend not in (None, begun["backend"]):
            raise _changed("backend", begun["backend"], backend)
    on: str = backend or begun.get("backend", "numpy")
    pipeline.check_options(on, dtype or "float32", seed)
    pipeline.check_how(on, how or {})
    options = Options(
        overrides=overrides, inputs=inputs, weights=weights, backend=on, dtype=dtype,
        seed=seed, out=out, resume=resume, how=how,
    )  # fmt: skip
    if resume:
        options = _as_begun(options, begun)
    spec = pipeline.build(path, options.overrides)
    return execute(spec, options, progress or (Silent() if quiet else chosen()), folder)


def _as_begun(options: Options, begun: Mapping[str, Any]) -> Options:
    """What a resumed run isn't told, it takes from how it began; other than that is an error."""
    for name, what in (("overrides", "set of overrides"), ("seed", "seed"), ("dtype", "dtype")):
        given = getattr(options, name)
        if given not in (None, {}) and given != begun.get(name):
            raise _changed(what, begun.get(name), given)
    how = {**begun.get("how", {}), **(options.how or {})}
    pipeline.check_how(options.backend, how)
    return replace(
        options, overrides=begun["overrides"], seed=begun["seed"], dtype=begun["dtype"], how=how
    )


def _changed(what: str, before: object, now: object) -> SpecError:
    return fault(
        "R209",
        f"the run began with another {what}, so it can't go on to the same weights",
        expected=str(before),
        found=str(now),
        help="run it anew, in another folder",
    )


def execute(
    spec: Spec, options: Options, progress: Progress | None = None, folder: Path | None = None
) -> Result:
    """Runs a built spec; `folder` is that of the run to resume."""
    progress = progress or Silent()
    if not spec.trains:
        from specc.training.predict import run_forward

        return run_forward(sizes.with_sizes_of(spec, options.weights)[0], options, progress)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        running = Running(spec, options, progress, signals)
        if options.save:
            running.open_folder(folder, stack)
        return running.run()


class Running:
    """The blocks of a file, prepared before the first step and run one after another."""

    def __init__(self, spec: Spec, options: Options, progress: Progress, signals: Signals) -> None:
        self.options, self.progress, self.signals = options, progress, signals
        check_figures(spec)
        self.spec, read = sizes.with_sizes(spec, options.seed)
        spec = self.spec
        self.dtype = options.dtype or "float32"
        self.folder: Path | None = None
        for train in spec.trains:
            sizes.check_settled(train.model)
        self.counts = blocks.counted(spec.trains, spec.models)
        self.datasets = self._datasets(read)
        self.prepared = [self._prepare(train) for train in spec.trains]
        self.weights: dict[
            str, dict[str, np.ndarray]
        ] = {}  # of each block that has run, by its name

    def _datasets(self, read: Mapping[str, Dataset]) -> dict[str, Dataset]:
        # One split for all blocks, whatever their seeds: no block trains on another's test rows.
        seed = self._seed(self.spec.trains[0])
        return {
            train.name: read.get(train.data.name if train.data else "")
            or blocks.dataset_of(train, seed)
            for train in self.spec.trains
        }

    def _seed(self, train: Train) -> int:
        return train.seed if self.options.seed is None else self.options.seed

    def _prepare(self, train: Train) -> tuple[Learner, Evaluator, Material]:
        seed = self._seed(train)
        learner, evaluator = engine(
            train, self.options.backend, seed=seed, dtype=self.dtype, how=self.options.how
        )
        if not self.options.resume:
            self._from_file(train, learner)  # before the first step: no block's work is lost to it
        dataset = self.datasets[train.name]
        return learner, evaluator, blocks.material_of(train, dataset, learner, evaluator.measured)

    # ── the folder ───────────────────────────────────────────────────────────────────────────────
    def open_folder(self, resumed: Path | None, stack: ExitStack) -> None:
        description = self._description()
        if resumed is not None:
            self.folder = resumed
            stack.enter_context(run_folder.held(resumed))
            self._check_unchanged(run_folder.read_description(resumed), description)
            return
        out = self.options.out
        fresh = run_folder.new_folder(self.spec.path) if out is None else Path(out)
        self.folder = run_folder.given_folder(fresh)
        stack.enter_context(run_folder.held(self.folder))
        sizes.write_vocabularies(self.folder, self.datasets)
        run_folder.write_description(self.folder, description, self.spec.path, self.spec.text)

    def _description(self) -> dict[str, Any]:
        return {
            "spec": self.spec.path,
            "overrides": dict(self.options.overrides or {}),
            "seed": self.options.seed,
            "seeds": [self._seed(train) for train in self.spec.trains],
            "dtype": self.dtype,
            "backend": self.options.backend,
            "how": {**(self.options.how or {})},
            "versions": run_folder.versions(self.options.backend),
            "threads": str((self.options.how or {}).get("threads") or run_folder.threads()),
            "digests": [learner.digest() for learner, _, _ in self.prepared],
            "data": [material.digest() for _, _, material in self.prepared],
        }

    def _check_unchanged(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        for name, what in (
            ("versions", "version of the software"),
            ("seeds", "seed"),
            ("digests", "spec"),
            ("data", "content of its data"),
        ):
            if before.get(name) != now[name]:
                raise _changed(what, before.get(name), now[name])
        if before.get("threads") != now["threads"]:
            self.progress.say(
                f"note: the run began with {before.get('threads')} threads and goes on with "
                f"{now['threads']}; its weights may differ in their last bits"
            )

    def _block_folder(self, train: Train) -> Path | None:
        if self.folder is None or len(self.spec.trains) == 1:
            return self.folder
        folder = self.folder / train.name
        folder.mkdir(exist_ok=True)
        return folder

    # ── running ──────────────────────────────────────────────────────────────────────────────────
    def run(self) -> Result:
        result = Result(folder=self.folder)
        measured: dict[str, float] = dict(self.counts)
        for train, prepared in zip(self.spec.trains, self.prepared, strict=True):
            loop = self._loop(train, *prepared)
            try:
                result.interrupted = loop.run()
            except SpecError:
                if self.folder is not None:
                    self.progress.say(f"what was trained before is in {self.folder}")
                raise
            result.history = loop.history
            if result.interrupted is not None:
                result.parameters = loop.learner.weights()
                break
            result.parameters = self.weights[train.name] = self._kept(loop)
            result.metrics = self._final(train, loop, result.parameters)
            measured |= {f"{train.name}.{name}": value for name, value in result.metrics.items()}
        else:
            measured |= result.metrics
            result.verdicts = judge(self.spec.expects, measured)
        self._tell(result)
        return result

    def _loop(
        self, train: Train, learner: Learner, evaluator: Evaluator, material: Material
    ) -> Loop:
        folder = self._block_folder(train)
        loop = Loop(
            learner, evaluator, material,
            seed=self._seed(train), folder=folder, progress=self.progress, signals=self.signals,
        )  # fmt: skip
        checkpoint = folder / run_folder.CHECKPOINT if folder else None
        if self.options.resume and checkpoint is not None and checkpoint.exists():
            loop.resume(checkpoint)
            self.progress.say(
                f"resumed {train.name} from {checkpoint}: epoch {loop.position.epoch}, "
                f"step {learner.steps}"
            )
        else:
            self._begin(train, learner)
            if folder is not None and self.options.resume:
                run_folder.restore_metrics(folder, 0)
        return loop

    def _begin(self, train: Train, learner: Learner) -> None:
        """Weights from a file or from an earlier block, where the spec or the caller says so."""
        if train is self.spec.trains[0] and self.options.weights is not None:
            path = Path(self.options.weights)
            start_from(learner, read_tensors(path)[0], f"`{path}`")
        self._from_file(train, learner)
        origin = train.origin
        if origin is None or origin.is_file:
            return
        if origin.source in self.weights:
            given = self.weights[origin.source]
            start_from(learner, given, f"the block `{origin.source}`", origin.on)
        else:
            raise fault(
                "R204",
                f"no train block `{origin.source}` runs before `{train.name}`",
                origin.span,
                help=did_you_mean(origin.source, self.weights),
            )

    def _from_file(self, train: Train, learner: Learner) -> None:
        origin = train.origin
        if origin is None or not origin.is_file:
            return
        path = contained(str(Path(self.spec.path).parent), origin.source, origin.span)
        try:
            start_from(learner, read_tensors(path)[0], f"`{path}`", origin.on)
        except SpecError as error:
            at = labels(origin.span)
            raise SpecError([replace(each, labels=at) for each in error.diagnostics]) from None

    def _kept(self, loop: Loop) -> dict[str, np.ndarray]:
        """Copies of the kept weights, or of the last."""
        if loop.kept is None and loop.position.best and loop.folder is not None:
            loop.kept = read_tensors(loop.folder / run_folder.BEST)[0]
        kept = loop.kept if loop.kept is not None else loop.learner.weights()
        return {name: np.array(values) for name, values in kept.items()}

    def _final(self, train: Train, loop: Loop, weights: Arrays) -> dict[str, float]:
        last = train is self.spec.trains[-1]
        shown_of_train = loop.history[-1] if loop.history else {}
        metrics = {n: v for n, v in shown_of_train.items() if n.startswith("train.")}
        for split in loop.material.splits:
            if blocks.split_needed(split, train, self.spec.expects, last):
                metrics |= loop.measure(split, weights)
        return metrics

    def _tell(self, result: Result) -> None:
        say = self.progress.say
        if result.interrupted is not None:
            say("interrupted; go on with --resume" if self.folder else "interrupted")
        else:
            final = {n: v for n, v in result.metrics.items() if not n.startswith("train.")}
            say(f"measured  {shown(final or result.metrics)}")
        for verdict in result.verdicts:
            say(str(verdict))
        if self.folder is not None:
            if result.interrupted is None:
                record = {"metrics": run_folder.finite(result.metrics),
                          "expect": [verdict.json() for verdict in result.verdicts]}  # fmt: skip
                run_folder.write_results(self.folder, record)
            say(f"results in {self.folder}")


def start_from(learner: Learner, given: Arrays, where: str, on: tuple[str, ...] = ()) -> None:
    """Parameters by name from elsewhere; states too, where it has them."""
    learner.fetch()
    states = {name: values for name, values in learner.states.items() if name in given}
    assign({**learner.parameters, **states}, given, where, on)
    learner.begin_averages()
    learner.changed()


def load_into(learner: Learner, weights: Mapping[str, np.ndarray] | str | Path) -> None:
    """Some or all of a learner's weights, from a file or by name."""
    if isinstance(weights, str | Path):
        given, where = read_tensors(Path(weights))[0], f"`{weights}`"
    else:
        given = {name: np.asarray(values) for name, values in weights.items()}
        where = "the given weights"
    learner.fetch()
    own = {**learner.parameters, **learner.states}
    assign({n: v for n, v in own.items() if n in given} or own, given, where)
    learner.begin_averages()
    learner.changed()
