"""Orders drawn from Philox: the split's shuffle and each epoch's. Knows no data.

Purpose 2 of the counter is the order of data; draw 0 is the split, draw 1 an epoch.
"""

from __future__ import annotations

import numpy as np

from specc.backends.numpy.runtime import random_bits

PURPOSE = 2
SPLIT, EPOCH = 0, 1


def permutation(count: int, seed: int, epoch: int, draw: int) -> np.ndarray:
    """The rows 0..count-1 in an order that (seed, epoch, draw) alone decide."""
    # Two words make a 63-bit key a row: two rows in a million million draw the same one, and a
    # stable sort orders even those in the same way everywhere.
    words = np.empty((count, 2), dtype=np.int64)
    random_bits((seed, epoch), draw, 32, PURPOSE, words)
    keys = (words[:, 0] << 31) ^ words[:, 1]
    return np.argsort(keys, kind="stable")
