"""Parameters and gradients as views of two flat vectors. Knows no layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

LINE = 16  # floats of a cache line: every view begins at one


def aligned(shape: Sequence[int]) -> np.ndarray:
    """Zeros that begin at a cache line."""
    room = np.zeros(math.prod(shape) + LINE, np.float32)
    start = -room.ctypes.data % 64 // 4
    return room[start : start + math.prod(shape)].reshape(shape)


class Vectors:
    """`parameters` and `gradients`, and in `p` and `g` their views by name."""

    def __init__(self, initial: Mapping[str, np.ndarray]) -> None:
        starts, length = {}, 0
        for name, values in initial.items():
            starts[name] = length
            length += -(-values.size // LINE) * LINE
        self.parameters, self.gradients = aligned((length,)), aligned((length,))
        self.p: dict[str, np.ndarray] = {}
        self.g: dict[str, np.ndarray] = {}
        for name, values in initial.items():
            place = slice(starts[name], starts[name] + values.size)
            self.p[name] = self.parameters[place].reshape(values.shape)
            self.g[name] = self.gradients[place].reshape(values.shape)
            self.p[name][...] = values
