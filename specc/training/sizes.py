"""Sizes that data gives a spec, such as a vocabulary's: found before anything is compiled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from specc.diagnostics import fault
from specc.ir.model import Model, Spec
from specc.ir.size import Size, axes
from specc.training.columns import Dataset, load
from specc.training.feeds import batch_inputs
from specc.training.files import write_atomically

VOCABULARY = "vocabulary.json"  # beside the weights: each vocabulary's tokens by its name


def with_sizes(spec: Spec, seed: int | None = None) -> tuple[Spec, dict[str, Dataset]]:
    """The spec built with the sizes that its data gives, and the data blocks read for them.

    `seed` stands in for the first train block's: it decides which rows are training's.

    Raises:
        SpecError: a D code for what is wrong with the data.
    """
    datasets: dict[str, Dataset] = {}
    sizes: dict[str, int] = {}
    for name in sorted(spec.open):
        block, made, _ = name.split(".")
        if block not in datasets:
            datasets[block] = _read(spec, block, seed)
        tokens = datasets[block].vocabularies.get(made)
        if tokens is None:
            raise fault("N004", f"`{block}.{made}` is no vocabulary, so it has no size",
                        spec.open[name], expected="a name bound to `vocabulary(...)`")  # fmt: skip
        sizes[name] = len(tokens)
    return (_rebuilt(spec, sizes) if sizes else spec), datasets


def with_sizes_of(
    spec: Spec, weights: str | Path | None, seed: int | None = None
) -> tuple[Spec, dict[str, Dataset]]:
    """The same with the sizes of the run that wrote the weights, where its folder tells them."""
    folders = Path(weights).parents[:2] if weights is not None else ()  # of the block, of the run
    beside = next((each / VOCABULARY for each in folders if (each / VOCABULARY).is_file()), None)
    if beside is None or not spec.open:
        return with_sizes(spec, seed)
    try:
        told = json.loads(beside.read_text(encoding="utf-8"))
        sizes = {f"{name}.size": len(tokens) for name, tokens in told.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise fault("R203", f"`{beside}` holds no vocabularies: {error}") from None
    missing = [name for name in spec.open if name not in sizes]
    if missing:
        raise fault("R203", f"`{beside}` has no vocabulary `{missing[0].removesuffix('.size')}`")
    return _rebuilt(spec, sizes), {}


def _rebuilt(spec: Spec, sizes: Mapping[str, int]) -> Spec:
    assert spec.rebuilt is not None, "a spec that was read is built by the language"
    return spec.rebuilt(sizes)


def _read(spec: Spec, block: str, seed: int | None) -> Dataset:
    trains = [each for each in spec.trains if each.data is not None and each.data.name == block]
    needed = {name for train in trains for name in batch_inputs(train.model.training)}
    first = spec.trains[0].seed if spec.trains else 0
    return load(spec.datas[block], first if seed is None else seed, needed)


def check_settled(model: Model) -> None:
    """
    Raises:
        SpecError: H001 if a hyper-parameter has no value: it may be a name while it is checked.
    """
    for name, value in model.hypers.items():
        if isinstance(value, Size):
            where = next(iter(axes(value)))
            raise fault(
                "H001",
                f"`{model.name}` needs `{name}`",
                (model.span, "this model") if model.span else None,
                found=f"`{where}`, which has no value" if where != name else "no value",
                help=f"give one: `--set {model.name}.{name}=...`",
            )


def write_vocabularies(folder: Path, datasets: Mapping[str, Dataset]) -> None:
    """Each vocabulary's tokens in the order of their numbers."""
    found = {
        f"{dataset.block.name}.{name}": list(tokens)
        for dataset in datasets.values()
        for name, tokens in dataset.vocabularies.items()
    }
    if found:
        text = json.dumps(found, ensure_ascii=False, indent=0)
        write_atomically(folder / VOCABULARY, f"{text}\n".encode("utf-8", "surrogatepass"))
