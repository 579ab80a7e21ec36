"""Data that installed packages bring: scikit-learn's sets from its own files, Python's texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np

from specc.diagnostics import Span, did_you_mean, fault
from specc.ir.recipe import PYTHON
from specc.training.table import Table
from specc.training.texts import numbered

WINE = """alcohol malic_acid ash alcalinity_of_ash magnesium total_phenols flavanoids
nonflavanoid_phenols proanthocyanins color_intensity hue od280 proline"""


def _check_known(name: str, known: Collection[str], none: str, span: Span | None) -> None:
    if name not in known:
        help = did_you_mean(name, known)
        raise fault("D002", f'{none} "{name}"', span, expected=", ".join(known), help=help)


def bundled(name: str, span: Span | None) -> Table:
    """A set as scikit-learn's loader gives it, read without importing scikit-learn."""
    _check_known(name, BUNDLED, "scikit-learn has no bundled set", span)
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


# ── Python's own texts ────────────────────────────────────────────────────────────────────────────
def python_texts(name: str, span: Span | None) -> Table:
    """What this Python brings: its documentation, or its library's source under `tokenize`."""
    from specc.training import python_texts as texts

    table = Table(f'python("{name}")')
    _check_known(name, PYTHON, "Python brings no text", span)
    if name == "documentation":
        found = texts.documentation()
    elif name == "summaries":
        found = texts.summaries()
    else:
        lines = list(texts.source_lines())
        found = [numbered([pair[at] for pair in line] for line in lines) for at in (0, 1)]
    for column, values in zip(PYTHON[name], found, strict=True):
        table.add_text(column, values)
    return table
