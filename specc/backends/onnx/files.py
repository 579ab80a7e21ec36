"""A model as a file: checked, whole or absent, its large weights beside it. Makes no model."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import onnx

INSIDE = 1_500_000_000  # bytes of weights that a file may hold; protobuf ends at 2^31
LARGE = 1024  # bytes from which a tensor goes beside the file
PAGE = 4096
Write = Callable[[Path, bytes], None]


def check(model: onnx.ModelProto) -> None:
    """The standard's own check of the form, the types and the shapes; a failure is our bug."""
    onnx.checker.check_model(model, full_check=True)


def save(model: onnx.ModelProto, path: Path, write: Write, inside: int = INSIDE) -> None:
    """Writes the model by `write`, which replaces a file whole.

    Weights of more than `inside` bytes go to a file beside it, named by its content, so that the
    model never reads another's.
    """
    if sum(len(each.raw_data) for each in model.graph.initializer) <= inside:
        check(model)
        write(path, model.SerializeToString())
        return
    contents = bytearray()
    places: list[tuple[onnx.TensorProto, int, int]] = []
    for each in model.graph.initializer:
        if len(each.raw_data) >= LARGE:
            contents += bytes(-len(contents) % PAGE)
            places.append((each, len(contents), len(each.raw_data)))
            contents += each.raw_data
    beside = path.with_name(f"{path.stem}.{sha256(contents).hexdigest()[:16]}.data")
    for each, offset, length in places:
        each.ClearField("raw_data")
        each.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", beside.name), ("offset", offset), ("length", length)):
            each.external_data.add(key=key, value=str(value))
    write(beside, bytes(contents))
    write(path, model.SerializeToString())
    onnx.checker.check_model(str(path), full_check=True)
