"""A block's step in torch, over the arrays of the NumPy learner. Reaches torch by its backend.

On the CPU parameters and optimizer states are the learner's own arrays; on another device they are
copied back when somebody looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from specc import passes, pipeline
from specc.backends import backend
from specc.backends.numpy.runtime import random_bits
from specc.diagnostics import SpecError, fault
from specc.ir.graph import Graph
from specc.ir.model import Model, Spec, Train
from specc.training import bounds
from specc.training.feeds import batch_inputs
from specc.training.files import write_atomically
from specc.training.learner import Arrays, Learner
from specc.training.predict import initial_weights, load_weights

# Below it no gradient's square overflows, and no update of an optimizer that divides by an epsilon
# can make a finite parameter infinite without first having made one that the loss would show.
TAME = 1e12
ROLES = ("loss", "part", "metric", "metric_state", "state")


def compiled(how: Mapping[str, Any] | None) -> Callable[[Graph, str], Any]:
    """The backend's compile on the device that was chosen."""
    where = {name: value for name, value in (how or {}).items() if name == "device"}
    return lambda graph, dtype: backend("torch").compile(graph, dtype, **where)


def measured(train: Train) -> tuple[Graph, Graph]:
    """What a step computes of a batch but gradients, in training and in inference."""
    model = train.model
    inference = replace(train, model=replace(model, training=model.inference))
    made = [passes.objective(each) for each in (train, inference)]
    first, second = (pipeline.pruned(g, lambda output: output.role in ROLES) for g in made)
    return first, second


def written(spec: Spec, model: Model, dtype: str) -> Any:
    """A model's module as text; its `measure` is the objective of the train block that has it."""
    train = next((each for each in reversed(spec.trains) if each.model is model), None)
    if train is not None:
        graphs = measured(train)
    else:
        both = (model.training, model.inference)
        first, second = (pipeline.pruned(g, lambda output: output.role in ROLES) for g in both)
        graphs = first, second
    torch = backend("torch")
    return torch.module_source(model, torch.Pair(*graphs), dtype)


def module_of(
    spec: Spec,
    model: Model,
    *,
    dtype: str = "float32",
    seed: int = 0,
    weights: Mapping[str, np.ndarray] | str | Path | None = None,
) -> Any:
    """The nn.Module of a model with the seed's weights, or those that are given."""
    torch = backend("torch")
    values = initial_weights(model, seed, dtype)
    if weights is not None:
        load_weights(values, weights)
    return torch.loaded(written(spec, model, dtype), values, dtype)


def export_module(
    spec: Spec, model: Model, where: Path, dtype: str, weights: str | Path | None
) -> Path:
    """Writes the module's text, and given weights beside it as a state_dict, in a .pt file."""
    write_atomically(where, written(spec, model, dtype).text.encode())
    if weights is not None:
        values = initial_weights(model, 0, dtype)
        load_weights(values, weights)
        write_atomically(where.with_suffix(".pt"), backend("torch").saved(values))
    return where


class TorchLearner(Learner):
    """A learner whose step is torch's."""

    def __init__(
        self, train: Train, *, seed: int, dtype: str, how: Mapping[str, Any] | None = None
    ) -> None:
        self._torch = backend("torch")
        self.how = self._torch.How(**(how or {}))
        if self.how.precision is not None and dtype != "float32":
            raise fault(
                "B103",
                f"`--precision {self.how.precision}` computes in fewer bits than float32",
                expected="--dtype float32",
                found=f"--dtype {dtype}",
            )
        self._torch.prepare_device(self.how.device)
        super().__init__(train, seed=seed, dtype=dtype)
        self._make_optimizers()

    # ── what is made once ────────────────────────────────────────────────────────────────────────
    def _make_programs(self, update: Graph) -> None:
        on_cpu = self.how.device == "cpu" and not self.how.compiled
        graphs = measured(self.train)
        draw = self._draw if on_cpu else None
        self._parts = passes.gradient_pairs(self.train)
        self.trainer = self._torch.Trainer(
            self.train.model, graphs, self.dtype, self.how, draw, len(self._parts)
        )
        self._measured = graphs[0]
        self._update_graph = update
        inputs = batch_inputs(self._measured)
        self._witnesses = {n: n for n, node in inputs.items() if node.dtype == "float"}
        self._trained = [each.name for each in passes.trained(self.train)]

    def _draw(self, number: int, bits: int, shape: Sequence[int], purpose: int, device: Any) -> Any:
        """Philox's bits by NumPy's blocked generator, which is faster than torch's dropout."""
        out = np.empty(tuple(shape), np.int64)
        random_bits(self._key, int(number), bits, purpose, out)
        return self.trainer.tensor(out)

    def _make_optimizers(self) -> None:
        """torch's optimizers where each group has one; else the spec's own update."""
        self._away: list[tuple[Any, np.ndarray]] = []  # moments on a device, each with its array
        self._ahead = False  # whether the device's tensors are newer than the arrays
        self._kept_states: dict[str, Any] = {}  # a device's, as they were before the step
        self.changed()
        self._rates: list[Callable[[float], float]] = []
        self._stepped: list[Any] = []
        self._own: Any = None
        epsilons = [
            each.optimizer.hypers.get("eps", 1.0) for each in self._groups if each.optimizer
        ]
        self._tame = all(each > 0 for each in epsilons)
        groups = self._groups
        if all(each.optimizer and self._torch.row_of(each.optimizer) for each in groups):
            members = self._member_states()
            for group in groups:
                assert group.optimizer is not None
                names = [each.name for each in group.members]
                tensors = [self.trainer.tensor_of[name] for name in names]
                states = {
                    state: [self.trainer.tensor(values[name]) for name in names]
                    for state, values in members.items()
                    if all(name in values for name in names)
                }
                self._stepped.append(self._torch.Stepped(group.optimizer, tensors, states))
                if self._on_device:
                    for state, away in states.items():
                        arrays = [members[state][name] for name in names]
                        self._away += zip(away, arrays, strict=True)
                self._rates.append(self._rate(group.optimizer.lr))
        else:
            self._own = self._torch.compile(self._update_graph, self.dtype)

    def _member_states(self) -> dict[str, Arrays]:
        states: dict[str, Arrays] = {}
        for name, values in self.optimizer_states().items():
            parameter, _, state = name.rpartition(":")
            states.setdefault(state, {})[parameter] = values
        return states

    def _rate(self, lr: float) -> Callable[[float], float]:
        """The learning rate after so many updates, without the plateaus' factor."""
        if self.train.schedule is None:
            return lambda _: lr
        factor = self._torch.scalar_function(self.train.schedule)
        takes = bool(self.train.schedule.inputs)
        return lambda made: lr * factor(*[made] * takes)

    # ── a step ───────────────────────────────────────────────────────────────────────────────────
    def step(self, batch: Mapping[str, np.ndarray]) -> dict[str, float]:
        """As the learner's. In fp16 a step whose gradients overflow is left out, once it is known.

        Raises:
            SpecError: D008, on a device D009, or R201 before anything has changed; R202 if the
                update made a parameter that isn't finite.
        """
        trainer = self.trainer
        self._key[1] = self.steps
        self._step[...] = self.steps
        streams = self.streams.at(self.graph, batch)
        if self._on_device:
            bounds.check(self.graph, batch, None)  # CUDA would end the process, and not say why
        feeds = self._feeds_of({**self.metric_states, **streams, **batch})
        if self._on_device:
            self._kept_states = trainer.kept(self.states, self._kept_states)
        with trainer.precision():
            try:
                results = trainer.measure((self.seed, self.steps), feeds)
            except SpecError as error:
                self._restore_states()
                fed = {**self._feeds, **self.metric_states, **streams, **batch}
                raise self._torch.placed(error, self.graph, self.dtype, fed) from error
            parts = [(results[name], on) for name, on in self._parts]
            trainer.gradients(parts, self._trained)
        figures, norm, squares = trainer.figures(
            [results[name] for name in self._reported],
            self._trained,
            [feeds[name] for name in self._witnesses],
        )
        reported = dict(zip(self._reported, figures, strict=True))
        for name, square in zip(self._witnesses, squares, strict=True):
            if not math.isfinite(square):
                self._restore_states()
                self.fitted.check_finite(name, batch[name])
        finite = math.isfinite(norm) or trainer.finite(self._trained)
        if not (math.isfinite(reported["objective"]) and finite):
            if trainer.rescaled(False):
                self._restore_states()
                self.steps += 1
                return reported
            self._restore_states()
            raise self._fault(streams, batch)
        trainer.rescaled(True)
        self._take(results)
        self._update(norm)
        self.steps += 1
        return reported

    def _feeds_of(self, offered: Mapping[str, np.ndarray]) -> dict[str, Any]:
        wanted = self._wanted
        feeds = {n: self.trainer.tensor(v) for n, v in offered.items() if n in wanted}
        if "step" in wanted:
            feeds["step"] = float(self.steps)
        return feeds

    @property
    def _wanted(self) -> set[str]:
        if not hasattr(self, "_wanted_names"):
            held = self.trainer.tensor_of
            names = {node.attributes["name"] for node in self._measured.inputs}
            self._wanted_names = {name for name in names if name not in held} - {"key"}
        return self._wanted_names

    def _fault(self, streams: Arrays, batch: Mapping[str, np.ndarray]) -> Exception:
        from specc.training.nonfinite import explain

        self.fetch()
        feeds = {**self._feeds, **self.metric_states, **streams, **batch}
        return explain(self.train, self.graph, self.dtype, feeds, self._when())

    @property
    def _on_device(self) -> bool:
        return self.how.device != "cpu"

    def changed(self) -> None:
        """States lie in the module's own buffers; on a device parameters do too."""
        held = {**self.parameters, **self.states}
        self.trainer.bind({n: v for n, v in held.items() if n in self.trainer.tensor_of})
        for tensor, array in self._away:
            self.trainer.put(tensor, array)
        self._ahead = False

    def fetch(self) -> None:
        """From a device, on which parameters, moments and states stay from step to step."""
        if not self._ahead:
            return
        try:
            self._fetch()
        except RuntimeError as error:
            raise self._torch.out_of_range(error) from error

    def _fetch(self) -> None:
        for name in self._trained:
            np.copyto(self.parameters[name], self.trainer.array(self.trainer.tensor_of[name]))
        for tensor, array in self._away:
            np.copyto(array, self.trainer.array(tensor))
        self._take_states()
        self._ahead = False

    def _restore_states(self) -> None:
        now = self.trainer.held(self.states)
        for name, tensor in now.items():
            self.trainer.put(tensor, self._kept_states.get(name, self.states[name]))

    def _take_states(self) -> None:
        for name, tensor in self.trainer.held(self.states).items():
            np.copyto(self.states[name], self.trainer.array(tensor))

    def _take(self, results: Mapping[str, Any]) -> None:
        """The next values of states: what the module moved itself, and what it gave."""
        if not self._on_device:
            self._take_states()
        arrays = {
            name: self.trainer.array(results[name])
            for name in (*self.metric_states, *self.streams.values)
            if name in results
        }
        for name, values in self.metric_states.items():
            np.copyto(values, arrays[name])
        self.streams.take(arrays)

    def _update(self, norm: float) -> None:
        self._ahead = self._on_device
        if self._own is not None:
            self._own_update()
        else:
            if self.train.clip is not None:
                self.trainer.clip(self._trained, *self.train.clip, norm)
            scale = float(self.scale)
            rates = [rate(float(self.steps)) * scale for rate in self._rates]
            for stepped, rate in zip(self._stepped, rates, strict=True):
                stepped.step(rate, self.steps)
            if self._tame and norm < TAME and max(rates, default=0.0) < TAME:
                return
        if not self.trainer.sound(self._trained):
            self.fetch()
            self._check_parameters()

    def _own_update(self) -> None:
        """The spec's update: its functions in torch, over the packed arrays."""
        for name in self._trained:
            np.copyto(self.gradients[f"gradient.{name}"], self.trainer.gradient(name))
        results = self._own.run(self._update_feeds)
        for name, values in results.items():
            if name in self._update_feeds:
                np.copyto(self._update_feeds[name], values)
            elif name in self.averages:
                np.copyto(self.averages[name], values)
        if self._on_device:
            self.trainer.bind({name: self.parameters[name] for name in self._trained})

    def digest(self) -> str:
        said = f"{self.trainer.source}\n{self.how}\n{self.dtype}"
        return sha256(said.encode()).hexdigest()[:32]
