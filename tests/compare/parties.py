"""A party with a fault of its own, and a small spec to hold it against. Compares nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from specc import passes, pipeline
from specc.compare.numbers import Value
from specc.compare.parties import Party, Run, Trained, reading
from specc.compare.subject import Subject, prepared
from specc.ir import Graph, Node, emit, rewrite
from specc.language import loads

SPEC = """
layer Block(out: int) {
    input x: float[..., features]
    y = x -> Linear(out) as inner
    return tanh(y)
}
model M {
    input x: float[batch, 5]
    target t: float[batch, 2]
    a = x -> Block(4) as first
    b = a -> Block(3) as second
    y = sigmoid(b) -> Linear(2) as last
    output y
    loss mse(y, t)
}
train {
    optimizer sgd(lr = 0.1)
    steps 10
}
"""


def subject(text: str = SPEC, steps: int = 3, precision: str = "float64") -> Subject:
    return prepared(loads(text, "m.nn"), {}, 0, steps, None, precision)


class Faulty(Party):
    """NumPy with every node of one operation replaced, in all that it computes."""

    def __init__(self, op: str, fault: Callable[[Node], Node], dtype: str = "float64") -> None:
        super().__init__(dtype, "faulty")
        self.op, self.fault = op, fault

    def planted(self, graph: Graph) -> Graph:
        def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
            new = node if inputs == node.inputs else Node(
                node.op, inputs, node.attributes, node.type, node.origin
            )  # fmt: skip
            return self.fault(new) if node.op.name == self.op else new

        return rewrite(pipeline.lower(graph), rule)

    def compile(self, graph: Graph) -> Run:
        return reading(pipeline.compile(self.planted(graph), self.dtype))


class Careless(Faulty):
    """Whose forward is right and whose gradient isn't: the fault is planted before it."""

    def compile(self, graph: Graph) -> Run:
        return Party.compile(self, graph)

    def trained_once(self, subject: Subject) -> dict[Value, np.ndarray]:
        found = super().trained_once(subject)
        train = subject.train
        graph = self.planted(passes.objective(train))
        made = passes.differentiate(graph, passes.gradient_pairs(train))
        gradients = pipeline.pruned(made, lambda output: output.role == "gradient")
        results = Party.compile(self, gradients)(self.feeds(gradients, subject))
        named = {name.removeprefix("gradient."): v for name, v in results.items()}
        return found | {("gradient", name): np.array(v) for name, v in named.items()}

    def local_gradients(self, graph: Graph, total: str, names: Sequence[str]) -> Run:
        return super().local_gradients(self.planted(graph), total, names)


class Hasty(Party):
    """Whose updates are a little too long."""

    def train(self, subject: Subject) -> Trained:
        made = super().train(subject)
        for (kind, name), values in made.values.items():
            if kind == "trained":
                began = subject.weights[name]
                made.values[kind, name] = began + (values - began) * 1.01
        return made


def off(node: Node) -> Node:
    return node * 1.001


def cut(node: Node) -> Node:
    return emit("stop_gradient", node)


__all__ = ["SPEC", "Careless", "Faulty", "Hasty", "cut", "off", "subject"]
