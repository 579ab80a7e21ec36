"""Where data comes from: each source gives a table of typed columns. Runs no graph."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from specc.diagnostics import Span, SpecError, did_you_mean, fault
from specc.ir.model import Data
from specc.ir.size import axis
from specc.ir.types import Type
from specc.limits import DATA_BYTES
from specc.training.files import check_file, contained, too_large

ROW = axis("row")
Read = Callable[[], np.ndarray]


@dataclass(slots=True)
class Table:
    """Columns by name: what a graph may know of them, and how to read one.

    A read column is float64, int64 or bool; its first axis is the row. `unusable` says why a
    column that the source has is none.
    """

    name: str
    types: dict[str, Type] = field(default_factory=dict[str, Type])
    lengths: dict[str, int] = field(default_factory=dict[str, int])
    readers: dict[str, Read] = field(default_factory=dict[str, Read])
    unusable: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, name: str, dtype: str, shape: tuple[int, ...], read: Read) -> None:
        self.types[name] = Type(dtype, (ROW, *shape[1:]))
        self.lengths[name] = shape[0]
        self.readers[name] = read

    def add_array(self, name: str, values: np.ndarray) -> None:
        self.add(name, DTYPE_OF_KIND[values.dtype.kind], values.shape, lambda: values)


# NumPy's kinds of dtype → what a graph calls them.
DTYPE_OF_KIND = {"f": "float", "i": "int", "u": "int", "b": "bool"}
ARRAY_DTYPE = {"float": np.float64, "int": np.int64, "bool": np.bool_}


def read_table(block: Data) -> Table:
    """The table of a data block's source; D and I codes for what is wrong with it."""
    if block.source == "sklearn":
        return bundled(block.argument, block.span)
    reader = FILE_READERS.get(block.source)
    if reader is None:
        raise fault(
            "D013",
            f"a `{block.source}` source can be checked, but not yet run",
            block.span,
            expected=", ".join(["sklearn", *FILE_READERS]),
        )
    path = contained(block.folder, block.argument, block.span)
    check_file(path, "D001", "data file", block.span)
    return reader(path, block.span)


# ── scikit-learn's bundled sets, from its own files ──────────────────────────────────────────────
WINE = """alcohol malic_acid ash alcalinity_of_ash magnesium total_phenols flavanoids
nonflavanoid_phenols proanthocyanins color_intensity hue od280 proline"""


def bundled(name: str, span: Span | None) -> Table:
    """A set as scikit-learn's loader gives it, read without importing scikit-learn."""
    if name not in BUNDLED:
        raise fault(
            "D002",
            f'scikit-learn has no bundled set "{name}"',
            span,
            expected=", ".join(BUNDLED),
            help=did_you_mean(name, BUNDLED),
        )
    folder = _bundled_folder(span)
    try:
        data, target, names = BUNDLED[name](folder)
    except (OSError, ValueError) as error:
        raise fault(
            "D001", f"scikit-learn's files of \"{name}\" can't be read: {error}", span
        ) from None
    table = Table(f'sklearn("{name}")')
    table.add_array("data", data)
    table.add_array("target", target)
    for column, values in names.items():
        table.add_array(column, values)
    return table


def _bundled_folder(span: Span | None) -> Path:
    from importlib.util import find_spec

    package = find_spec("sklearn")  # finds a top-level package without importing it
    if package is None or not package.submodule_search_locations:
        raise fault(
            "D003",
            "scikit-learn, whose files hold this set, isn't installed",
            span,
            help="pip install specc[data]",
        )
    return Path(package.submodule_search_locations[0]) / "datasets" / "data"


Bundled = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]


def _digits(folder: Path) -> Bundled:
    table = np.loadtxt(folder / "digits.csv.gz", delimiter=",")
    return table[:, :-1], table[:, -1].astype(np.int64), {}


def _classes(file: str, names: str = "") -> Callable[[Path], Bundled]:
    def read(folder: Path) -> Bundled:
        table = np.loadtxt(folder / file, delimiter=",", skiprows=1)
        features = {name: table[:, at] for at, name in enumerate(names.split())}
        return table[:, :-1], table[:, -1].astype(np.int64), features

    return read


def _diabetes(folder: Path) -> Bundled:
    """Columns of mean 0 and sum of squares 1, as load_diabetes(scaled=True) gives them."""
    data = np.loadtxt(folder / "diabetes_data_raw.csv.gz")
    target = np.loadtxt(folder / "diabetes_target.csv.gz")
    deviation = np.std(data, axis=0)
    data = data - np.mean(data, axis=0)
    data = data - np.mean(data, axis=0)  # once more, for what the first mean was rounded by
    data = data / deviation / math.sqrt(len(data))
    names = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
    return data, target, {name: data[:, at] for at, name in enumerate(names)}


def _linnerud(folder: Path) -> Bundled:
    data, exercises = _with_header(folder / "linnerud_exercise.csv")
    target, measures = _with_header(folder / "linnerud_physiological.csv")
    return data, target, {**exercises, **measures}


def _with_header(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    with path.open(encoding="utf-8") as lines:
        names = lines.readline().split()
        table = np.loadtxt(lines)
    return table, {name: table[:, at] for at, name in enumerate(names)}


BUNDLED: Mapping[str, Callable[[Path], Bundled]] = {
    "digits": _digits,
    "iris": _classes("iris.csv", "sepal_length sepal_width petal_length petal_width"),
    "wine": _classes("wine_data.csv", WINE),
    "breast_cancer": _classes("breast_cancer.csv"),
    "diabetes": _diabetes,
    "linnerud": _linnerud,
}


# ── npz ──────────────────────────────────────────────────────────────────────────────────────────
def read_npz(path: Path, span: Span | None) -> Table:
    """Arrays are typed by their headers and read when they are used; pickles never are."""
    table = Table(str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if size > DATA_BYTES.value:
                raise too_large(path, size, span)
            for member in members:
                with archive.open(member) as content:
                    _declare(table, path, member, content, span)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError) as error:
        raise malformed(path, f"is not a whole .npz archive: {error}", span) from None
    return table


def _declare(
    table: Table, path: Path, member: zipfile.ZipInfo, content: IO[bytes], span: Span | None
) -> None:
    name = member.filename.removesuffix(".npy")
    form = np.lib.format
    version = form.read_magic(content)
    read_header = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
    shape, _, dtype = read_header(content)
    count = math.prod(shape)
    if dtype.hasobject:
        table.unusable[name] = "it holds pickled Python objects, which are never loaded"
    elif dtype.kind not in DTYPE_OF_KIND:
        table.unusable[name] = f"its dtype is {dtype}"
    elif not shape:
        table.unusable[name] = "it has no axis, so no rows"
    elif count * dtype.itemsize + content.tell() != member.file_size:
        # A header that claims more than the file holds would have its memory reserved first.
        raise malformed(path, f"holds an array `{name}` whose header doesn't fit its size", span)
    else:
        to = ARRAY_DTYPE[DTYPE_OF_KIND[dtype.kind]]
        table.add(name, DTYPE_OF_KIND[dtype.kind], shape, lambda: _member(path, name, to, span))


def _member(path: Path, name: str, to: type, span: Span | None) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as archive:
            values = archive[name]
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, KeyError) as error:
        raise malformed(path, f"can't give its array `{name}`: {error}", span) from None
    if values.dtype == np.uint64 and values.size and values.max() > np.iinfo(np.int64).max:
        raise malformed(path, f"holds numbers in `{name}` that 64 bits with a sign can't", span)
    return values.astype(to, copy=False)


def malformed(path: Path | str, what: str, span: Span | None, **more: str) -> SpecError:
    return fault("D004", f"`{path}` {what}", span, **more)


# ── csv ──────────────────────────────────────────────────────────────────────────────────────────
LINES_AT_ONCE = 65_536
TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def read_csv(path: Path, span: Span | None) -> Table:
    """A header row, then rows; a column's type is the narrowest of bool, int, float that fits."""
    import csv

    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header, span)
            columns = [CsvColumn() for _ in header]
            cells: list[list[str]] = []
            numbers: list[int] = []
            for cells_of_row in reader:
                if not cells_of_row:
                    continue  # a blank line
                if len(cells_of_row) != len(header):
                    raise malformed(
                        path,
                        f"has a row of another length in line {reader.line_num}",
                        span,
                        expected=f"{len(header)} cells, as in the header",
                        found=f"{len(cells_of_row)} cells",
                    )
                cells.append(cells_of_row)
                numbers.append(reader.line_num)
                if len(cells) == LINES_AT_ONCE:
                    _take(columns, cells, numbers)
            _take(columns, cells, numbers)
    except csv.Error as error:
        raise malformed(path, f"is not CSV in line {reader.line_num}: {error}", span) from None
    except UnicodeDecodeError as error:
        raise malformed(path, f"is not UTF-8 text: {error}", span) from None
    except OSError as error:
        raise malformed(path, f"can't be read: {error}", span) from None
    table = Table(str(path))
    for name, column in zip(header, columns, strict=True):
        column.finish(table, name)
    return table


def _check_header(path: Path, header: list[str], span: Span | None) -> None:
    if not header:
        raise malformed(path, "is empty", span, expected="a first line with the columns' names")
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise malformed(path, f"names two columns `{twice}`", span)


def _take(columns: list[CsvColumn], cells: list[list[str]], numbers: list[int]) -> None:
    for column, values in zip(columns, zip(*cells, strict=True), strict=bool(cells)):
        column.take(values, numbers)
    cells.clear()
    numbers.clear()


class CsvColumn:
    """A column as it is read, in parts; the widest part's type is the column's."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []
        self.text: tuple[int, str] | None = None  # the first cell that is no number

    def take(self, cells: tuple[str, ...], lines: list[int]) -> None:
        if self.text is not None:
            return
        for parse in (_bools, _ints, _floats):
            try:
                self.parts.append(parse(cells))
                return
            except (ValueError, KeyError, OverflowError):
                continue
        self.text = next(
            (line, cell) for line, cell in zip(lines, cells, strict=True) if not _is_number(cell)
        )

    def finish(self, table: Table, name: str) -> None:
        kinds = {part.dtype.kind for part in self.parts}
        if self.text is not None:
            line, cell = self.text
            table.unusable[name] = f'it holds text: "{cell[:40]}" in line {line}'
        elif "b" in kinds and len(kinds) > 1:
            table.unusable[name] = "it mixes true and false with numbers"
        elif not self.parts:
            table.add_array(name, np.zeros(0))
        else:
            table.add_array(name, np.concatenate(self.parts))


def _bools(cells: tuple[str, ...]) -> np.ndarray:
    return np.array([TRUTH[cell] for cell in cells], dtype=np.bool_)


def _ints(cells: tuple[str, ...]) -> np.ndarray:
    return np.array([int(_plain(cell)) for cell in cells], dtype=np.int64)


def _floats(cells: tuple[str, ...]) -> np.ndarray:
    """An empty cell is a NaN: a missing number, which is reported where it is used."""
    return np.array([float(_plain(cell)) if cell.strip() else math.nan for cell in cells])


def _plain(cell: str) -> str:
    if "_" in cell:  # Python would read 1_0 as a number; a CSV file means text
        raise ValueError(cell)
    return cell


def _is_number(cell: str) -> bool:
    try:
        _floats((cell,))
    except ValueError:
        return False
    return True


# ── parquet ──────────────────────────────────────────────────────────────────────────────────────
def read_parquet(path: Path, span: Span | None) -> Table:
    """Number and bool columns, and lists of one fixed length, read when they are used."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise fault(
            "D003",
            "reading a parquet file takes pyarrow, which isn't installed",
            span,
            help="pip install specc[data]",
        ) from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
        rows, schema = file.metadata.num_rows, file.schema_arrow
    except (pyarrow.ArrowException, OSError) as error:
        raise malformed(path, f"is not a whole parquet file: {error}", span) from None
    table = Table(str(path))
    for column in schema:
        kind, width = column.type, ()
        while pyarrow.types.is_fixed_size_list(kind):
            kind, width = kind.value_type, (*width, kind.list_size)
        try:
            dtype = np.dtype(kind.to_pandas_dtype())
        except NotImplementedError:
            dtype = np.dtype(object)
        if dtype.kind not in DTYPE_OF_KIND:
            table.unusable[column.name] = f"its type is {column.type}"
            continue
        graph_dtype = DTYPE_OF_KIND[dtype.kind]
        shape, to = (rows, *width), ARRAY_DTYPE[graph_dtype]

        def read(
            name: str = column.name, shape: tuple[int, ...] = shape, to: type = to
        ) -> np.ndarray:
            values = file.read(columns=[name]).column(0).combine_chunks()
            if values.null_count and to is not np.float64:
                raise malformed(path, f"has {values.null_count} nulls in `{name}`", span)
            for _ in shape[1:]:
                values = values.flatten()
            return values.to_numpy(zero_copy_only=False).astype(to).reshape(shape)

        table.add(column.name, graph_dtype, shape, read)
    return table


FILE_READERS: Mapping[str, Callable[[Path, Span | None], Table]] = {
    "npz": read_npz,
    "csv": read_csv,
    "parquet": read_parquet,
}
