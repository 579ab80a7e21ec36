"""What trains a block and what measures it, by the name of a backend. Trains nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from specc.ir.model import Train
from specc.training.evaluate import Evaluator
from specc.training.learner import Learner


def engine(
    train: Train,
    backend: str,
    *,
    seed: int,
    dtype: str,
    how: Mapping[str, Any] | None = None,
) -> tuple[Learner, Evaluator]:
    """A learner and an evaluator; `how` are a backend's own choices, such as a device.

    `how["threads"]` holds for the whole process, as torch's own setting does.

    Raises:
        SpecError: B002 where the backend's library isn't installed.
    """
    threads = (how or {}).get("threads", 0)
    if backend == "torch":
        from specc.backends import backend as loaded
        from specc.training.torch import TorchLearner, compiled

        how = {name: value for name, value in (how or {}).items() if name != "threads"}
        if threads:
            loaded("torch").set_threads(threads)
        learner = TorchLearner(train, seed=seed, dtype=dtype, how=how)
        return learner, Evaluator(train.model, seed=seed, dtype=dtype, compile=compiled(how))
    if backend == "onnx":
        from specc.backends import backend as loaded
        from specc.training.onnx import OnnxLearner

        learner = OnnxLearner(train, seed=seed, dtype=dtype, how=how)
        compile = partial(loaded("onnx").compile, threads=threads)
        return learner, Evaluator(train.model, seed=seed, dtype=dtype, compile=compile)
    without = tuple((how or {}).get("without", ()))
    if threads:
        from specc.training.threads import limit

        limit(threads)
    learner = Learner(train, seed=seed, dtype=dtype, without=without, threads=threads)
    return learner, Evaluator(train.model, seed=seed, dtype=dtype, without=without)
