"""Files that people write: CSV tables and plain text. Each gives a table."""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path

import numpy as np

from specc.diagnostics import Span
from specc.ir.types import Type
from specc.training.table import ROW, ReadText, Table, malformed


# ── text ──────────────────────────────────────────────────────────────────────────────────────────
def read_text(path: Path, unit: str, span: Span | None) -> Table:
    """A UTF-8 file as a column `text`: a row a line, or a row a paragraph between blank lines."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise malformed(path, f"is not UTF-8 text: {error}", span) from None
    except OSError as error:
        raise malformed(path, f"can't be read: {error}", span) from None
    content = content.replace("\r\n", "\n")
    if unit == "paragraph":
        rows = [each.strip("\n") for each in re.split(r"\n[ \t]*(?:\n[ \t]*)+", content)]
        rows = [each for each in rows if each.strip()]
    else:
        rows = content.removesuffix("\n").split("\n") if content else []
    table = Table(str(path))
    table.add_text("text", rows)
    return table


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
            rows = 0
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
                rows += 1
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
    for at, (name, column) in enumerate(zip(header, columns, strict=True)):
        column.finish(table, name, partial(_texts, path, at), rows)
    return table


def _texts(path: Path, at: int) -> list[str]:
    """A column as it stands, read once more: only one that holds text is wanted so."""
    import csv

    with path.open(encoding="utf-8-sig", newline="") as text:
        rows = [cells for cells in csv.reader(text, strict=True) if cells]
    return [cells[at] for cells in rows[1:]]


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

    def finish(self, table: Table, name: str, texts: ReadText, rows: int) -> None:
        kinds = {part.dtype.kind for part in self.parts}
        if self.text is not None:
            line, cell = self.text
            table.unusable[name] = f'it holds text: "{cell[:40]}" in line {line}'
            table.types[name], table.lengths[name] = Type("text", (ROW,)), rows
            table.texts[name] = texts
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
