"""Gradients of any graph by torch.autograd, through the functions written for it. Trains nothing.

They owe nothing to the pass that differentiates graphs, so that each can be held against the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from specc.backends.entrance import Array, Entrance
from specc.backends.torch.load import load_source
from specc.backends.torch.program import is_host, keyed, out_of_range, source_of
from specc.ir import Graph


class Gradients:
    """`gradients(feeds)`: "gradient.<input>" of one scalar output for each input that is named."""

    def __init__(self, graph: Graph, dtype: str, of: str, names: Sequence[str]) -> None:
        self._graph, self._names = graph, tuple(names)
        self._place = [output.name for output in graph.outputs].index(of)
        self._entrance = Entrance(graph, dtype)
        self._module = load_source(source_of(graph, dtype, trainable=True))

    def __call__(self, feeds: Mapping[str, Any]) -> dict[str, Array]:
        import torch

        leaves: dict[str, Any] = {}
        given: list[Any] = []
        for node, array in zip(self._graph.inputs, self._entrance.arrays(feeds), strict=True):
            name = node.attributes["name"]
            if node.attributes["role"] == "key":
                if "DRAW" in self._module:
                    self._module["DRAW"] = keyed(torch.tensor(array))
            elif is_host(node) and name not in self._names:
                given.append(array.item())
            else:
                leaves[name] = torch.tensor(array, requires_grad=name in self._names)
                given.append(leaves[name])
        try:
            total = self._module["run"](*given)[self._place]
            if not isinstance(total, torch.Tensor) or not total.requires_grad:
                found = (None,) * len(self._names)
            else:
                wanted = [leaves[name] for name in self._names]
                found = torch.autograd.grad(total, wanted, allow_unused=True)
        except (IndexError, RuntimeError) as error:
            raise out_of_range(error) from error
        return {
            f"gradient.{name}": np.zeros(leaves[name].shape, leaves[name].detach().numpy().dtype)
            if gradient is None
            else gradient.numpy()
            for name, gradient in zip(self._names, found, strict=True)
        }
