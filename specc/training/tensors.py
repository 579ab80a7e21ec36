"""Named tensors in safetensors files: written whole, read with every claim checked. No pickles."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from specc import passes
from specc.diagnostics import SpecError, did_you_mean, fault
from specc.training.files import read_bytes, write_atomically

Arrays = Mapping[str, np.ndarray]

# Dtypes of the format that NumPy holds; the others (bfloat16, 8-bit floats) are refused by name.
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "|i1", "U8": "|u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "|b1",
}  # fmt: skip


def write_tensors(path: Path, tensors: Arrays, metadata: Mapping[str, Any]) -> None:
    """The metadata is one JSON text under one key, so that equal content is equal bytes."""
    from safetensors.numpy import save

    # safetensors reads the memory from its first byte on, whatever the strides: make it C order.
    dense = {name: np.array(value, order="C") for name, value in tensors.items()}
    described = {"specc": json.dumps(metadata)}
    write_atomically(path, save(dense, metadata=described))


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Every tensor of a file and the metadata that specc wrote, {} if another program wrote it."""
    from safetensors import SafetensorError, deserialize

    content = read_bytes(path, "R203", "weight file")
    try:
        entries = deserialize(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = json.loads(header.get("__metadata__", {}).get("specc", "{}"))
    except (SafetensorError, ValueError) as error:
        raise fault(
            "R203",
            f"`{path}` is not a whole safetensors file",
            found=str(error),
            help="weights are read from safetensors alone; a pickle (.pt, .bin) is never loaded",
        ) from None
    tensors: dict[str, np.ndarray] = {}
    for name, entry in entries:
        if entry["dtype"] not in DTYPES:
            raise fault(
                "R205",
                f"`{name}` in `{path}` has a dtype that this program can't read",
                expected=", ".join(DTYPES),
                found=entry["dtype"],
            )
        values = np.frombuffer(entry["data"], dtype=DTYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors, metadata if isinstance(metadata, dict) else {}


def matching(names: Collection[str], globs: Collection[str]) -> list[str]:
    """The names that one of the globs takes, all if there are none."""
    return [name for name in names if passes.matches(name, tuple(globs))]


def assign(target: Arrays, given: Arrays, where: str, on: Collection[str] = ()) -> None:
    """Copies `given` into the arrays of the same names; every difference is reported at once."""
    wanted = matching(target.keys(), on)
    offered = matching(given.keys(), on)
    missing = [name for name in wanted if name not in given]
    unexpected = [name for name in offered if name not in target]
    if missing or unexpected:
        raise _names_differ(where, missing, unexpected)
    for name in wanted:
        array, value = target[name], given[name]
        if array.shape != value.shape:
            raise fault(
                "R205",
                f"`{name}` from {where} has another shape",
                expected=_shape(array),
                found=_shape(value),
                help=_transposition(array.shape, value.shape),
            )
        same_kind = array.dtype.kind == value.dtype.kind
        if not same_kind and not (array.dtype.kind == "f" and value.dtype.kind in "iub"):
            raise fault(
                "R205",
                f"`{name}` from {where} has another dtype",
                expected=str(array.dtype),
                found=str(value.dtype),
            )
        if value.dtype.kind == "f" and np.isnan(value).any():
            raise fault(
                "R214",
                f"`{name}` from {where} is not a number everywhere",
                found=f"{int(np.isnan(value).sum())} NaN among {value.size} numbers",
                help="the run that wrote it diverged; take weights from before",
            )
    for name in wanted:
        np.copyto(target[name], given[name], casting="unsafe")


def _names_differ(where: str, missing: list[str], unexpected: list[str]) -> SpecError:
    parts: list[str] = []
    if missing:
        parts.append(f"{where} lacks {_listed(missing)}")
    if unexpected:
        parts.append(f"{where} holds {_listed(unexpected)}, which the model doesn't have")
    near = [
        f"`{name}` may be `{other}`: {did_you_mean(name, [other])}"
        for name, other in zip(missing, unexpected, strict=False)
        if did_you_mean(name, [other])
    ]
    help = near[0].split(":")[0] if near else 'take a part of it with from ..., on = "glob"'
    return fault("R204", "; ".join(parts), help=help)


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:6])
    return shown if len(names) <= 6 else f"{shown} and {len(names) - 6} more"


def _shape(array: np.ndarray) -> str:
    return f"[{', '.join(map(str, array.shape))}]"


def _transposition(wanted: tuple[int, ...], found: tuple[int, ...]) -> str:
    if len(wanted) > 1 and wanted == found[::-1]:
        return "it is the transpose"
    return ""
