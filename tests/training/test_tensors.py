"""Weight files: what is written is read to the bit, and what doesn't fit is said by name."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from specc.diagnostics import SpecError
from specc.training.tensors import assign, read_tensors, write_tensors


def refused(*arguments, **keywords) -> SpecError:
    with pytest.raises(SpecError) as error:
        assign(*arguments, **keywords)
    return error.value


def test_tensors_are_read_as_they_were_written(tmp_path: Path) -> None:
    tensors = {
        "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "scalar": np.array(3.0),
        "empty": np.zeros((0, 3)),
        "count": np.array([1, 2]),
        "yes": np.array([True]),
        "nan": np.array([np.nan, -0.0, np.inf]),
    }
    write_tensors(tmp_path / "w.safetensors", tensors, {"step": 3})
    read, metadata = read_tensors(tmp_path / "w.safetensors")
    assert metadata == {"step": 3}
    assert read.keys() == tensors.keys()
    for name, value in tensors.items():
        assert read[name].dtype == value.dtype
        assert read[name].shape == value.shape
        assert read[name].tobytes() == value.tobytes("C")


def test_equal_tensors_are_equal_files(tmp_path: Path) -> None:
    tensors = {f"p{n}": np.full(3, float(n)) for n in range(20)}
    for name in ("a", "b"):
        write_tensors(tmp_path / name, tensors, {"x": 1, "y": 2, "z": {"w": [1, 2]}})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("keep", [0, 4, 20, 150])
def test_torn_files_are_diagnosed(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "w.safetensors"
    write_tensors(path, {"a": np.zeros(100)}, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SpecError) as error:
        read_tensors(path)
    assert error.value.diagnostics[0].code == "R203"


def test_every_flipped_byte_of_a_header_is_read_or_diagnosed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write_tensors(path, {"a": np.zeros(3)}, {"step": 1})
    content = bytearray(path.read_bytes())
    for at in range(len(content) - 24):
        for flip in (0x01, 0x80):
            content[at] ^= flip
            path.write_bytes(content)
            with suppress(SpecError):  # nothing else may come out of it
                read_tensors(path)
            content[at] ^= flip


def test_a_pickle_is_no_weight_file(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    path.write_bytes(b"\x80\x04\x95cos\nsystem\n")
    with pytest.raises(SpecError, match="never loaded"):
        read_tensors(path)


def test_missing_file(tmp_path: Path) -> None:
    write_tensors(tmp_path / "best.safetensors", {"a": np.zeros(3)}, {})
    with pytest.raises(SpecError, match=r"best\.safetensors"):
        read_tensors(tmp_path / "bset.safetensors")


def test_names_that_differ_are_all_listed() -> None:
    target = {"fc1.weight": np.zeros(2), "fc1.bias": np.zeros(2), "same": np.zeros(2)}
    given = {"fc1.wieght": np.ones(2), "other": np.ones(2), "same": np.ones(2)}
    error = refused(target, given, "`w`")
    text = str(error)
    assert error.diagnostics[0].code == "R204"
    for name in ("fc1.weight", "fc1.bias", "fc1.wieght", "other"):
        assert name in text
    assert target["same"].sum() == 0


def test_shapes_and_dtypes_are_checked_before_anything_is_copied() -> None:
    target = {"a": np.zeros(2), "b": np.zeros((2, 3))}
    error = refused(target, {"a": np.ones(2), "b": np.ones((3, 2))}, "`w`")
    assert error.diagnostics[0].code == "R205"
    assert "transpose" in error.diagnostics[0].help
    assert not target["a"].any()
    error = refused({"n": np.zeros(2, dtype=np.int64)}, {"n": np.ones(2)}, "`w`")
    assert error.diagnostics[0].found == "float64"


def test_a_part_is_taken_by_globs() -> None:
    target = {"enc.a": np.zeros(2), "enc.b.c": np.zeros(2), "head": np.zeros(2)}
    assign(
        target, {"enc.a": np.ones(2), "enc.b.c": np.ones(2), "old": np.ones(9)}, "`w`", ("enc.*",)
    )
    assert target["enc.a"].all()
    assert target["enc.b.c"].all()
    assert not target["head"].any()


def test_weights_that_are_no_numbers_are_refused() -> None:
    held = {"w": np.ones((2, 2), np.float32)}
    with pytest.raises(SpecError) as error:
        assign(held, {"w": np.array([[1, np.nan], [2, 3]], np.float32)}, "`w.safetensors`")
    assert error.value.diagnostics[0].code == "R214"
    assert (held["w"] == 1).all(), "nothing is taken from a mapping that is refused"
