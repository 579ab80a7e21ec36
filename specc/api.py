"""The Python interface: a spec, its models and its trainer as objects. Holds no logic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specc import language, pipeline
from specc.diagnostics import did_you_mean, fault
from specc.ir import model as ir

if TYPE_CHECKING:
    import numpy as np

    from specc.training.learner import Learner
    from specc.training.predict import Forward
    from specc.training.progress import Progress
    from specc.training.results import Result


class Spec:
    """A file, checked and built. `spec.run()` is `specc run FILE`."""

    def __init__(self, built: ir.Spec, overrides: Mapping[str, str]) -> None:
        self.built = built
        self.overrides = dict(overrides)

    def _with(self, overrides: Mapping[str, str]) -> ir.Spec:
        if not overrides:
            return self.built
        merged = {**self.overrides, **overrides}
        if Path(self.built.path).is_file():
            return language.load(self.built.path, merged)
        return language.loads(self.built.text, self.built.path, merged)

    def model(self, name: str | None = None, **hypers: Any) -> Model:
        """A model by name (the file's only one without), with other hyper-parameters.

        Raises:
            SpecError: R213 for an unknown name; what the hyper-parameters make wrong.
        """
        from specc.training.predict import chosen_model, named_model
        from specc.training.sizes import with_sizes

        found = named_model(self.built, name)
        texts = {f"{found.name}.{key}": text_of(value) for key, value in hypers.items()}
        spec, _ = with_sizes(self._with(texts))
        return Model(spec, chosen_model(spec, found.name))

    def run(
        self,
        *,
        backend: str = "numpy",
        dtype: str = "float32",
        seed: int | None = None,
        threads: int | None = None,
        out: str | Path | None = None,
        weights: str | Path | None = None,
        inputs: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Trains the file's blocks. Nothing is printed, and files are written to `out` alone.

        Raises:
            SpecError: as `specc run` reports; KeyboardInterrupt after an orderly stop.
        """
        from specc.training.run import Options, execute

        pipeline.check_options(backend, dtype, seed)
        how = {} if threads is None else {"threads": threads}
        pipeline.check_how(backend, how)
        options = Options(
            overrides=self.overrides, inputs=inputs, weights=weights, backend=backend,
            dtype=dtype, seed=seed, out=out, save=out is not None, how=how,
        )  # fmt: skip
        result = execute(self.built, options, progress)
        if result.interrupted is not None:
            raise KeyboardInterrupt
        return result

    def trainer(
        self,
        name: str | None = None,
        *,
        backend: str = "numpy",
        dtype: str = "float32",
        seed: int | None = None,
        threads: int | None = None,
        device: str | None = None,
        precision: str | None = None,
        compiled: bool | None = None,
    ) -> Trainer:
        """A train block's step for your own loop; the last block unless one is named.

        `threads` is as in `specc run --threads`; it holds for the whole process. `device`,
        `precision` and `compiled` are torch's, as in `specc run`.
        """
        pipeline.check_options(backend, dtype, seed)
        said = {"threads": threads, "device": device, "precision": precision, "compiled": compiled}
        how = {name: value for name, value in said.items() if value is not None}
        pipeline.check_how(backend, how)
        trains = {train.name: train for train in self.built.trains}
        if not trains or (name is not None and name not in trains):
            raise fault(
                "R213",
                f"the file has no train block `{name}`" if name else "the file has no train block",
                help=did_you_mean(name or "", trains),
            )
        from specc.training.sizes import check_settled, with_sizes

        sized, _ = with_sizes(self.built, seed)
        train = next((each for each in sized.trains if each.name == name), sized.trains[-1])
        check_settled(train.model)
        seed = train.seed if seed is None else seed
        return Trainer(train, backend=backend, dtype=dtype, seed=seed, how=how)


class Model:
    """One model of a spec, for some hyper-parameters."""

    def __init__(self, spec: ir.Spec, built: ir.Model) -> None:
        self.spec, self.built = spec, built

    def compile(
        self,
        backend: str = "numpy",
        *,
        dtype: str = "float32",
        seed: int = 0,
        weights: Mapping[str, np.ndarray] | str | Path | None = None,
    ) -> Forward:
        """The model's outputs as a function: `model.compile()(image=x)["logits"]`.

        Weights are drawn by the seed, or given by name or as a safetensors file.
        """
        from specc.training.predict import Forward

        pipeline.check_options(backend, dtype, seed)
        return Forward(self.built, dtype=dtype, seed=seed, weights=weights, backend=backend)

    def torch(
        self,
        *,
        dtype: str = "float32",
        seed: int = 0,
        weights: Mapping[str, np.ndarray] | str | Path | None = None,
    ) -> Any:
        """An nn.Module whose state_dict has the spec's names; weights as in `compile`."""
        from specc.training.torch import module_of

        pipeline.check_options("torch", dtype, seed)
        return module_of(self.spec, self.built, dtype=dtype, seed=seed, weights=weights)

    def export(self, path: str | Path, *, dtype: str = "float32", seed: int = 0) -> Path:
        """Writes the model as a program: .py is NumPy source, .onnx an ONNX file with its weights.

        Raises:
            SpecError: B101 for another ending.
        """
        from specc.training.exports import write_onnx
        from specc.training.files import write_atomically

        where = Path(path)
        if where.suffix == ".onnx":
            pipeline.check_options("onnx", dtype, seed)
            write_onnx(self.built, self.spec, where, dtype, seed=seed)
            return where
        formats = {".py": "numpy"}
        pipeline.check_options(formats.get(where.suffix, where.suffix), dtype, seed)
        write_atomically(where, self.compile(dtype=dtype, seed=seed).source.encode())
        return where


class Trainer:
    """A train block's step: `trainer.step(image=x, label=y)` updates and returns the metrics."""

    def __init__(
        self, train: ir.Train, *, backend: str, dtype: str, seed: int, how: Mapping[str, Any]
    ) -> None:
        from specc.training.engines import engine

        self._learner: Learner = engine(train, backend, seed=seed, dtype=dtype, how=how)[0]

    def step(self, /, **batch: np.ndarray) -> dict[str, float]:
        """One update. Arrays are converted as a data block's columns are.

        Raises:
            SpecError: a D code for a batch that doesn't fit, R201 before a NaN reaches a parameter.
        """
        return self._learner.step(self._learner.fitted(batch))

    def load(self, weights: Mapping[str, np.ndarray] | str | Path) -> None:
        """Parameters by name, some or all; states too where they are given."""
        from specc.training.run import load_into

        load_into(self._learner, weights)

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """Copies of the parameters by name."""
        self._learner.fetch()
        return {name: values.copy() for name, values in self._learner.parameters.items()}

    @property
    def state(self) -> dict[str, np.ndarray]:
        """Copies of the model's states by name and of the optimizers' by "parameter:state"."""
        learner = self._learner
        learner.fetch()
        both = {**learner.states, **learner.optimizer_states()}
        return {name: values.copy() for name, values in both.items()}

    @property
    def steps(self) -> int:
        """Updates made."""
        return self._learner.steps


def text_of(value: Any) -> str:
    """A Python value as the language writes it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(text_of, value))}]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)
