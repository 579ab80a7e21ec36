"""Shuffles come from Philox alone: permutations, and the same ones everywhere."""

from __future__ import annotations

import numpy as np

from specc.training.order import EPOCH, SPLIT, permutation


def test_every_row_comes_once() -> None:
    for count in (0, 1, 2, 1000):
        assert sorted(permutation(count, 7, 3, EPOCH)) == list(range(count))


def test_orders_differ_by_seed_epoch_and_draw_and_by_nothing_else() -> None:
    first = permutation(100, 7, 0, EPOCH)
    np.testing.assert_array_equal(first, permutation(100, 7, 0, EPOCH))
    for other in (permutation(100, 8, 0, EPOCH), permutation(100, 7, 1, EPOCH),
                  permutation(100, 7, 0, SPLIT)):  # fmt: skip
        assert not np.array_equal(first, other)


def test_a_known_order() -> None:
    # Recorded: an order that changes would change every trained model.
    np.testing.assert_array_equal(permutation(10, 7, 0, EPOCH), KNOWN)


def test_places_are_uniform() -> None:
    counts = np.zeros((8, 8))
    for epoch in range(4000):
        counts[np.arange(8), permutation(8, 1, epoch, EPOCH)] += 1
    # χ² of 64 cells with 49 degrees of freedom: below 100 but once in a hundred thousand seeds.
    assert ((counts - 500) ** 2 / 500).sum() < 100


KNOWN = [0, 1, 5, 7, 9, 3, 2, 8, 6, 4]
