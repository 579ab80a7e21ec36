"""Graphs to graphs: gradients, the training step, fewer nodes, no calls. Runs nothing."""

from specc.passes.differentiate import differentiate
from specc.passes.divide import Division, Undividable, divide
from specc.passes.expand import expand
from specc.passes.recall import recall
from specc.passes.shake import shake
from specc.passes.simplify import simplify
from specc.passes.step import gradient_pairs, gradients, matches, objective, step, trained, update

__all__ = [
    "Division", "Undividable", "differentiate", "divide", "expand", "gradient_pairs", "gradients",
    "matches", "objective", "recall", "shake", "simplify", "step", "trained", "update",
]  # fmt: skip
