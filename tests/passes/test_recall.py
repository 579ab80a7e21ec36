"""What scans' gradients recall: nothing is computed twice, and the numbers stay the same."""

from __future__ import annotations

import numpy as np
import pytest

from specc import language, passes, pipeline
from specc.ir import Graph, Node, toposort
from specc.ir.verify import verify
from tests import evaluate

CELLS = {"RNNCell": "tanh", "GRUCell": "sigmoid tanh", "LSTMCell": "sigmoid tanh"}


def trained(cell: str) -> Graph:
    text = f"""
model M {{
    input xs: float[batch, time, 4]
    ys, last = xs -> scan({cell}(3)) as rnn
    output ys
    loss sum(ys * ys)
}}
"""
    graph = language.loads(text).models["M"].training
    names = [n.attributes["name"] for n in graph.inputs if n.attributes["role"] == "parameter"]
    return pipeline.lower(passes.differentiate(graph, [("loss", ["xs", *names])]))


def scans(graph: Graph) -> list[Node]:
    return [node for node in toposort(graph.results) if node.op.name == "scan"]


@pytest.mark.parametrize("cell", CELLS)
def test_a_gradient_reads_what_the_scan_computed(cell: str) -> None:
    graph = trained(cell)
    recalled = verify(passes.recall(graph))
    for each, found in ((graph, {*CELLS[cell].split()}), (recalled, set())):
        forth, back = [toposort(scan.attributes["body"].results) for scan in scans(each)]
        assert {*CELLS[cell].split()} <= {node.op.name for node in forth}
        assert {"sigmoid", "tanh"} & {node.op.name for node in back} == found
    draw = np.random.default_rng(0)
    sizes = {"batch": 2, "time": 5}
    feeds = {
        n.attributes["name"]: draw.normal(
            size=[e if isinstance(e, int) else sizes[str(e)] for e in n.shape]
        )
        for n in graph.inputs
    }
    before, after = evaluate.run(graph, feeds), evaluate.run(recalled, feeds)
    for name, array in before.items():
        assert np.array_equal(array, after[name]), name


def test_what_recalls_nothing_is_itself() -> None:
    graph = trained("LSTMCell")
    recalled = passes.recall(graph)
    assert passes.recall(recalled) is recalled
    inference = pipeline.lower(
        language.loads("model M {\n    input x: float[2]\n    output x\n}\n").models["M"].inference
    )
    assert passes.recall(inference) is inference
