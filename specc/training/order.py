"""Orders drawn from Philox: the split's shuffle and each epoch's. Knows no data.

Purpose 2 of the counter is the order of data; draw 0 is the split, draw 1 an epoch, and draw 2 the
order of batches that were sorted by length.
"""

from __future__ import annotations

import numpy as np

from specc.backends.numpy.runtime import random_bits

PURPOSE = 2
SPLIT, EPOCH, BATCHES = 0, 1, 2
POOL = 64  # batches that are sorted by length together: near in length, and still of any rows


def permutation(count: int, seed: int, epoch: int, draw: int) -> np.ndarray:
    """The rows 0..count-1 in an order that (seed, epoch, draw) alone decide."""
    # Two words make a 63-bit key a row: two rows in a million million draw the same one, and a
    # stable sort orders even those in the same way everywhere.
    words = np.empty((count, 2), dtype=np.int64)
    random_bits((seed, epoch), draw, 32, PURPOSE, words)
    keys = (words[:, 0] << 31) ^ words[:, 1]
    return np.argsort(keys, kind="stable")


def epoch_of(
    count: int, size: int, seed: int, epoch: int, lengths: np.ndarray | None
) -> np.ndarray:
    """An epoch's rows, batch after batch of `size`; with `lengths`, like to like within a batch."""
    order = permutation(count, seed, epoch, EPOCH)
    if lengths is None:
        return order
    for start in range(0, count, POOL * size):
        pool = order[start : start + POOL * size]
        pool[...] = pool[np.argsort(lengths[pool], kind="stable")]
    whole = count // size
    shuffled = permutation(whole, seed, epoch, BATCHES)
    order[: whole * size] = order[: whole * size].reshape(whole, size)[shuffled].reshape(-1)
    return order


def rows_of_epoch(
    rows: np.ndarray,
    size: int,
    seed: int,
    epoch: int,
    *,
    lengths: np.ndarray | None = None,
    carried: bool = False,
) -> np.ndarray:
    """These rows in the order of an epoch, batch after batch of `size`.

    Args:
        lengths: each row's of the data, where they differ.
        carried: whether a state goes on from batch to batch, so that rows come in streams.
    """
    if carried:
        return rows[streams_of(len(rows), size)]
    return rows[epoch_of(len(rows), size, seed, epoch, None if lengths is None else lengths[rows])]


def streams_of(count: int, size: int) -> np.ndarray:
    """Rows cut into `size` streams of one run each, batch after batch: row k of a batch goes on
    with what row k of the batch before ended with. Where they don't divide, the first streams are
    a row longer, and the last batch is theirs."""
    steps, longer = divmod(count, size)
    begins = steps * np.arange(size) + np.minimum(np.arange(size), longer)
    whole = begins + np.arange(steps)[:, None]  # (steps, size)
    return np.concatenate([whole.reshape(-1), begins[:longer] + steps])
