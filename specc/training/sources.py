"""Where data comes from: each source gives a table of typed columns. Runs no graph."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from specc.diagnostics import Span, fault
from specc.ir.model import Data, Spec
from specc.limits import DATA_BYTES
from specc.training.bundled import bundled, python_texts
from specc.training.files import check_file, contained, too_large
from specc.training.table import ARRAY_DTYPE, DTYPE_OF_KIND, Table, malformed
from specc.training.text_files import read_csv, read_text


def files_of(spec: Spec) -> list[Path]:
    """The spec's own file, and those that its data blocks read."""
    blocks = [each for each in spec.datas.values() if each.source not in ("sklearn", "python")]
    return [Path(spec.path), *(Path(each.folder) / each.argument for each in blocks)]


def read_table(block: Data) -> Table:
    """The table of a data block's source; D and I codes for what is wrong with it."""
    if block.source == "sklearn":
        return bundled(block.argument, block.span)
    if block.source == "python":
        return python_texts(block.argument, block.span)
    path = contained(block.folder, block.argument, block.span)
    check_file(path, "D001", "data file", block.span)
    if block.source == "text":
        return read_text(path, block.unit, block.span)
    return FILE_READERS[block.source](path, block.span)


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
