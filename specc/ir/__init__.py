"""The graph and its types: immutable, backend-free, and ignorant of the operations it holds."""

from specc.ir.graph import (
    NOWHERE,
    Graph,
    Node,
    Origin,
    Output,
    Requirement,
    applied,
    bodies,
    call,
    constant,
    emit,
    like,
    make_input,
    origin,
    replace,
    rewrite,
    toposort,
    with_nodes,
)
from specc.ir.op import Op, Refusal, Sample, TypeFault, register, registry, zero_gradient
from specc.ir.size import Axis, Extent, Size, Unknown
from specc.ir.types import DTYPES, Tuple, Type

__all__ = [
    "DTYPES", "NOWHERE", "Axis", "Extent", "Graph", "Node", "Op", "Origin", "Output", "Refusal",
    "Requirement", "Sample", "Size", "Tuple", "Type", "TypeFault", "Unknown", "applied", "bodies",
    "call", "constant", "emit", "like", "make_input", "origin", "register", "registry", "replace",
    "rewrite", "toposort", "with_nodes", "zero_gradient",
]  # fmt: skip
