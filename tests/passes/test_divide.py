"""A batch in parts: what they give adds up to what the whole gives, or the pass says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import specc
from specc import pipeline
from specc.ir.size import evaluate
from specc.passes import Undividable
from specc.training.initial import array_dtype
from specc.training.threads import Divided

SPECS = Path(__file__).parent.parent.parent / "specs"
COUNT = 11

MODEL = """
model M {{
    input  x: float[batch, time, 6]
    input  word: int[batch, time]
    target y: int[batch]
    {body}
}}
train {{
    optimizer sgd(lr = 0.1)
    batch 11
    {train}
}}
"""


def graph_of(body, train=""):
    text = MODEL.format(body=body, train=train)
    return pipeline.training_graph(specc.loads(text).built.trains[0])


def feeds_of(graph, seed=3):
    random = np.random.default_rng(seed)
    feeds = {}
    for node in graph.inputs:
        shape = tuple(evaluate(e, {"batch": COUNT, "time": 5}) for e in node.shape)
        whole = node.dtype == "int"
        values = random.integers(0, 3, shape) if whole else random.normal(size=shape)
        feeds[node.attributes["name"]] = values.astype(array_dtype(node.dtype, "float64"))
    return feeds


def assert_parts_add_up(graph, threads=3):
    whole = pipeline.compile(graph, "float64")
    division = pipeline.divide(graph, "batch")
    divided = Divided(whole, division, threads, ())
    feeds = feeds_of(graph)
    expected = {name: np.array(values) for name, values in whole(feeds).items()}
    found = divided.run(feeds)
    assert found.keys() >= expected.keys()
    for name, values in expected.items():
        scale = max(np.abs(values).max(initial=0), 1e-12)
        assert np.abs(found[name] - values).max(initial=0) <= 1e-12 * scale, name
    return division


BODIES = {
    "a product": "loss cross_entropy(mean(x, axis = 1) -> Linear(3), y)",
    "a penalty": "loss cross_entropy(mean(x, axis = 1) -> Linear(3), y)",
    "dropout": "loss cross_entropy(mean(x, axis = 1) -> dropout(0.5) -> Linear(3), y)",
    "embedding": "loss cross_entropy(mean(word -> Embedding(3, 4), axis = 1) -> Linear(3), y)",
    "every step's own": "loss mean((x -> Linear(4) -> tanh -> Linear(1))^2)",
    "layer norm": "loss cross_entropy(mean(x -> LayerNorm(), axis = 1) -> Linear(3), y)",
    "attention": "loss cross_entropy(attention(x, x, x)[:, 0, :] -> Linear(3), y)",
    "a sum, not a mean": "loss sum(x -> Linear(2))",
    "two losses": "loss a = mean(x -> Linear(2))\n    loss b = sum((x[:, 0, :] -> Linear(1))^2)",
    "a convolution": "loss mean((x[:, none, :, :] -> Conv2d(2, 2) -> max_pool2d(2))^2)",
    "a metric of whole sums": (
        "logits = mean(x, axis = 1) -> Linear(3)\n    loss cross_entropy(logits, y)\n"
        "    metric surprise = exp(cross_entropy(logits, y))\n"
        "    metric accuracy = accuracy(logits, y)"
    ),
    "a metric with a state": (
        "logits = mean(x, axis = 1) -> Linear(3)\n    loss cross_entropy(logits, y)\n"
        "    metric perplexity = perplexity(logits, y)"
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_parts_add_up(name):
    penalty = "penalty l2(0.1)" if name == "a penalty" else ""
    assert_parts_add_up(graph_of(BODIES[name], penalty))


@pytest.mark.parametrize("name", ["digits", "iris", "lenet", "softmax_digits", "own", "xor"])
def test_the_specs_add_up(name):
    train = specc.load(SPECS / f"{name}.nn").built.trains[0]
    assert_parts_add_up(pipeline.training_graph(train), threads=2)


def test_draws_are_the_whole_batch_s():
    division = assert_parts_add_up(graph_of(BODIES["dropout"]))
    assert division.drawn
    assert [node.dtype for node in division.drawn.results] == ["bool"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("loss mean((mean(x, axis = 1) -> BatchNorm())^2)", "the number of examples"),
        ("loss mean(max(x -> Linear(2), axis = 0))", "not as a sum"),
        (
            'h = mean(x, axis = 1)\n    loss mean((h @ rearrange(h, "b f -> f b"))^2)',
            "pairs examples",
        ),
        ("loss mean((x - mean(x))^2)", "read a sum over all"),
        ("loss mean(x[1:, :, :])", "mixes examples"),
        ("loss sqrt(mean((x -> Linear(1))^2))", "read a sum over all"),
    ],
)
def test_what_needs_the_whole_batch_is_not_divided(body, says):
    with pytest.raises(Undividable, match=says):
        pipeline.divide(graph_of(body), "batch")
