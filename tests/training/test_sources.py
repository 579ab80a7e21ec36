"""Sources against scikit-learn's own loaders, and files that are not what they claim to be."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from specc import language
from specc.diagnostics import SpecError
from specc.ir.model import Data
from specc.training import columns
from specc.training.bundled import BUNDLED, bundled
from specc.training.sources import read_table
from specc.training.table import Table


def block(source: str, argument: str, folder: Path) -> Data:
    def nothing(types):
        raise AssertionError

    return Data("D", source, argument, str(folder), {}, (), (), nothing, nothing)


def read(folder: Path, name: str) -> Table:
    return read_table(block(Path(name).suffix[1:], name, folder))


def code_of(error: pytest.ExceptionInfo[SpecError]) -> str:
    return error.value.diagnostics[0].code


# ── scikit-learn's sets ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sets_are_what_scikit_learn_loads(name: str) -> None:
    from sklearn import datasets

    wanted = getattr(datasets, f"load_{name}")()
    table = bundled(name, None)
    data, target = table.readers["data"](), table.readers["target"]()
    np.testing.assert_array_equal(target, wanted.target)
    assert target.dtype == (np.int64 if hasattr(wanted, "target_names") and wanted.target.ndim == 1
                            and wanted.target.dtype.kind == "i" else np.float64)  # fmt: skip
    np.testing.assert_allclose(data, wanted.data, rtol=1e-13, atol=1e-15)
    for feature in table.types.keys() - {"data", "target"}:
        assert feature.isidentifier()
        values = table.readers[feature]()
        assert any(np.array_equal(values, column) for column in [*data.T, *np.atleast_2d(target.T)])


def test_features_have_scikit_learns_names() -> None:
    from sklearn import datasets

    for name in ("diabetes", "linnerud"):
        table = bundled(name, None)
        for at, feature in enumerate(getattr(datasets, f"load_{name}")().feature_names):
            np.testing.assert_array_equal(table.readers[feature](), table.readers["data"]()[:, at])


def test_unknown_set_is_told_the_near_one() -> None:
    with pytest.raises(SpecError) as error:
        bundled("digit", None)
    assert code_of(error) == "D002"
    assert "digits" in error.value.diagnostics[0].help


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SpecError) as error:
        bundled("iris", None)
    assert code_of(error) == "D003"
    assert "specc[data]" in error.value.diagnostics[0].help


# ── csv ──────────────────────────────────────────────────────────────────────────────────────────
def csv(folder: Path, text: str) -> Table:
    (folder / "t.csv").write_bytes(text.encode())
    return read(folder, "t.csv")


def test_csv_columns_have_the_narrowest_type_that_fits(tmp_path: Path) -> None:
    table = csv(tmp_path, 'n,x,yes,"a word"\n1,1.5,true,"one, two"\n\n-2,3,False,"say ""b"""\n')
    kinds = {name: table.types[name].dtype for name in table.types}
    assert kinds == {"n": "int", "x": "float", "yes": "bool", "a word": "text"}
    np.testing.assert_array_equal(table.readers["n"](), [1, -2])
    np.testing.assert_array_equal(table.readers["x"](), [1.5, 3.0])
    np.testing.assert_array_equal(table.readers["yes"](), [True, False])
    assert table.texts["a word"]() == ["one, two", 'say "b"']
    assert table.unusable["a word"] == 'it holds text: "one, two" in line 2'


def test_csv_types_are_of_the_whole_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("specc.training.text_files.LINES_AT_ONCE", 2)
    table = csv(tmp_path, "n,m,t\n1,true,1\n2,false,2\n3.5,3,x7\n4,4,8\n")
    np.testing.assert_array_equal(table.readers["n"](), [1, 2, 3.5, 4])
    assert "mixes" in table.unusable["m"]
    assert table.unusable["t"] == 'it holds text: "x7" in line 4'


def test_csv_empty_cells_are_missing_numbers(tmp_path: Path) -> None:
    values = csv(tmp_path, "n,m\n1,2\n,3\n").readers["n"]()
    assert values[0] == 1
    assert np.isnan(values[1])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n3\n", "line 3"),
        ("a,a\n1,2\n", "two columns `a`"),
        ('a\n"open\n', "not CSV in line"),
    ],
)
def test_csv_faults_name_the_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SpecError) as error:
        csv(tmp_path, text)
    assert code_of(error) == "D004"
    assert says in str(error.value)


def test_csv_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(SpecError, match="UTF-8"):
        read(tmp_path, "t.csv")


# ── npz ──────────────────────────────────────────────────────────────────────────────────────────
def test_npz_columns_are_typed_by_their_headers(tmp_path: Path) -> None:
    arrays = {
        "x": np.arange(12, dtype=np.float32).reshape(3, 2, 2),
        "n": np.arange(3, dtype=np.uint8),
        "yes": np.array([True, False, True]),
        "word": np.array(["a", "b", "c"]),
        "alone": np.array(3.0),
    }
    np.savez(tmp_path / "t.npz", **arrays)
    table = read(tmp_path, "t.npz")
    assert {n: str(t) for n, t in table.types.items()} == {
        "x": "float[row, 2, 2]", "n": "int[row]", "yes": "bool[row]"
    }  # fmt: skip
    assert table.readers["x"]().dtype == np.float64
    assert table.readers["n"]().dtype == np.int64
    assert set(table.unusable) == {"word", "alone"}


def test_npz_pickles_are_never_loaded(tmp_path: Path) -> None:
    bomb = np.array([Bomb()], dtype=object)
    np.savez(tmp_path / "t.npz", bomb=bomb, x=np.zeros(1))
    table = read(tmp_path, "t.npz")
    assert "pickled" in table.unusable["bomb"]
    assert not Bomb.exploded


class Bomb:
    exploded = False

    def __reduce__(self):
        return explode, ()


def explode() -> None:
    Bomb.exploded = True


def test_npz_header_that_claims_too_much_is_refused_before_memory(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(4))
    content = (tmp_path / "x.npy").read_bytes().replace(b"(4,), ", b"(4000000000000,), ")
    header = content[: content.index(b"\n") + 1]
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("x.npy", header + b"\0" * 32)
    with pytest.raises(SpecError) as error:
        read(tmp_path, "t.npz")
    assert code_of(error) == "D004"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"x" * 100])
def test_npz_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(SpecError) as error:
        read(tmp_path, "t.npz")
    assert code_of(error) == "D004"


def test_npz_size_is_limited_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from specc.limits import Limit

    np.savez_compressed(tmp_path / "t.npz", x=np.zeros(100_000))
    monkeypatch.setattr("specc.training.sources.DATA_BYTES", Limit(1000, "L008", "bytes"))
    with pytest.raises(SpecError) as error:
        read(tmp_path, "t.npz")
    assert code_of(error) == "L008"


# ── parquet ──────────────────────────────────────────────────────────────────────────────────────
def test_parquet_without_pyarrow_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(SpecError) as error:
        read(tmp_path, "t.parquet")
    assert code_of(error) == "D003"
    assert "specc[data]" in error.value.diagnostics[0].help


def test_parquet_columns(tmp_path: Path) -> None:
    pairs = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(np.arange(6.0)), 2)
    columns = {"n": [1, 2, 3], "x": [1.0, None, 2.0], "word": ["a", "b", "c"], "pair": pairs}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    table = read(tmp_path, "t.parquet")
    assert str(table.types["pair"]) == "float[row, 2]"
    np.testing.assert_array_equal(table.readers["pair"](), [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(table.readers["n"](), [1, 2, 3])
    assert np.isnan(table.readers["x"]()[1])
    assert "word" in table.unusable


# ── places ───────────────────────────────────────────────────────────────────────────────────────
def test_missing_file_is_told_the_near_one(tmp_path: Path) -> None:
    (tmp_path / "digits.csv").write_text("a\n1\n")
    with pytest.raises(SpecError) as error:
        read(tmp_path, "digit.csv")
    assert code_of(error) == "D001"
    assert "digits.csv" in error.value.diagnostics[0].help


@pytest.mark.parametrize("argument", ["/etc/passwd.csv", "../t.csv", "in/../../t.csv"])
def test_paths_stay_in_the_specs_folder(tmp_path: Path, argument: str) -> None:
    (tmp_path / "spec").mkdir()
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(SpecError) as error:
        read(tmp_path / "spec", argument)
    assert code_of(error) == "I101"


def test_links_don_t_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "spec").mkdir()
    (tmp_path / "t.csv").write_text("a\n1\n")
    (tmp_path / "spec" / "t.csv").symlink_to(tmp_path / "t.csv")
    with pytest.raises(SpecError) as error:
        read(tmp_path / "spec", "t.csv")
    assert code_of(error) == "I101"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(SpecError) as error:
        read(tmp_path, "t.csv")
    assert code_of(error) == "D001"


def test_a_column_s_fault_says_what_the_source_holds(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,word\n1,hot\n2,cold\n")
    (tmp_path / "t.nn").write_text(
        """
data D {
    source csv("t.csv")
    x = a * word
    z = a - mean(train.word)
    y = wrd
}
"""
    )
    (block,) = language.load(str(tmp_path / "t.nn")).datas.values()
    with pytest.raises(SpecError) as error:
        columns.load(block, 0, {"x"})
    fitted, text, near = error.value.diagnostics
    assert text.found == fitted.found == 'it holds text: "hot" in line 2'
    assert near.expected == "a column: a, word, row"
    assert near.help == "did you mean `word`?"
