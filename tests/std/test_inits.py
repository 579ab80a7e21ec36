"""Each init's distribution against SciPy's, and against the bounds that torch.nn.init documents."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from specc import pipeline
from specc.language import loads

ROWS, COLUMNS = 300, 400


def values(init: str, seed: int = 7, dtype: str = "float64") -> np.ndarray:
    """A parameter of 300 x 400 as the init makes it."""
    spec = loads(
        "model M {\n"
        f"    param w: float[{ROWS}, {COLUMNS}] = {init}\n"
        f"    input x: float[batch, {COLUMNS}]\n"
        '    output einsum("batch column, row column -> batch row", x, w)\n}\n'
    )
    variable = spec.models["M"].parameters[0]
    graph = pipeline.lower(variable.init)
    program = pipeline.compile(graph, dtype)
    feeds = {
        "key": np.array([seed, 0]),
        **{name: np.int64(number) for name, number in variable.draws.items()},
    }
    names = {node.attributes["name"] for node in graph.inputs}
    made = program({name: value for name, value in feeds.items() if name in names})
    return next(iter(made.values()))


def uniform(bound: float):
    return stats.uniform(-bound, 2 * bound)


def torch_bound(fill, **options) -> float:
    """The bound that torch documents, measured on a large tensor of its own."""
    torch.manual_seed(0)
    return float(fill(torch.empty(ROWS, COLUMNS), **options).abs().max())


DRAWN = {
    "uniform()": stats.uniform(0, 1),
    "uniform(-2, 3)": stats.uniform(-2, 5),
    "normal()": stats.norm(0, 1),
    "normal(1, 0.02)": stats.norm(1, 0.02),
    "kaiming_uniform(400)": uniform(math.sqrt(6 / 400)),
    "kaiming_uniform(fan = 400, gain = sqrt(1 / 3))": uniform(1 / 20),
    "kaiming_normal(400)": stats.norm(0, math.sqrt(2 / 400)),
    "xavier_uniform(400, 300)": uniform(math.sqrt(6 / 700)),
    "xavier_uniform(400, 300, gain = 2)": uniform(2 * math.sqrt(6 / 700)),
    "xavier_normal(400, 300)": stats.norm(0, math.sqrt(2 / 700)),
}


@pytest.mark.parametrize("init", DRAWN)
def test_distribution(init: str) -> None:
    made = values(init)
    assert made.shape == (ROWS, COLUMNS)
    assert stats.kstest(made.ravel(), DRAWN[init].cdf).pvalue > 1e-3
    assert np.unique(made).size > 0.99 * made.size  # a fine grid: hardly two are the same
    by_row = abs(np.corrcoef(made[:40]) - np.eye(40)).max()
    assert by_row < 5.5 / math.sqrt(COLUMNS)


@pytest.mark.parametrize(
    ("init", "bound"),
    [
        ("kaiming_uniform(400)", torch_bound(torch.nn.init.kaiming_uniform_)),
        ("xavier_uniform(400, 300)", torch_bound(torch.nn.init.xavier_uniform_)),
    ],
)
def test_bound_is_torchs(init: str, bound: float) -> None:
    assert float(abs(values(init)).max()) == pytest.approx(bound, rel=1e-3)


def test_linear_and_convolution_begin_as_torchs() -> None:
    spec = loads(
        "model M {\n    input x: float[batch, 3, 8, 8]\n"
        "    output x -> Conv2d(64, 3) as c -> flatten -> Linear(200) as l\n}\n"
    )
    mirrors = {"c": torch.nn.Conv2d(3, 64, 3), "l": torch.nn.Linear(64 * 36, 200)}
    for variable in spec.models["M"].parameters:
        layer, name = variable.name.split(".")
        program = pipeline.compile(pipeline.lower(variable.init), "float64")
        draws = {name: np.int64(number) for name, number in variable.draws.items()}
        made = next(iter(program({"key": np.array([1, 0]), **draws}).values()))
        mirror = getattr(mirrors[layer], name).detach().numpy()
        assert made.shape == mirror.shape
        assert made.std() == pytest.approx(mirror.std(), rel=0.2)
        assert abs(made).max() == pytest.approx(abs(mirror).max(), rel=0.1)


def test_constants() -> None:
    for init, value in (("zeros()", 0), ("ones()", 1), ("constant(-2.5)", -2.5)):
        assert (values(init) == value).all()


def test_bernoulli() -> None:
    for p in (0, 0.1, 0.5, 1):
        share = values(f"float(bernoulli({p}))").mean()
        assert share == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / (ROWS * COLUMNS)))


def test_a_uniform_draw_is_the_same_number_in_every_precision() -> None:
    double, single = values("uniform()"), values("uniform()", dtype="float32")
    assert (double == single).all()
    assert double.min() > 0
    assert double.max() < 1


def test_the_seed_decides() -> None:
    assert (values("normal()") == values("normal()")).all()
    assert (values("normal()", seed=8) != values("normal()")).mean() > 0.99
