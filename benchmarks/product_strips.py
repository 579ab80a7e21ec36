"""What decides where a product is made in strips: product_strips, for one core.

For products about the size of a small layer's, its rows plain or turned in memory: a product in
strips of rows, against the whole one. Proves no number, it shows where they turn:
`OPENBLAS_NUM_THREADS=1 python -m benchmarks.product_strips`.
"""

from __future__ import annotations

import numpy as np

from benchmarks.convolution_forms import Form, floats, times
from specc.backends.numpy.runtime import strips
from specc.training.initial import stored

# rows, terms of a sum, columns
SIZES = [(64, 784, 128), (784, 64, 128), (64, 128, 784), (120, 64, 400), (64, 120, 400),
         (64, 400, 120), (32, 784, 128), (128, 784, 128), (256, 64, 256), (200, 200, 200),
         (256, 256, 256), (512, 64, 512)]  # fmt: skip


def laid(*shape: int) -> np.ndarray:
    """Beginning with a cache line, as a program's arrays do."""
    return stored(floats(*shape), tuple(range(len(shape))))


def multiplied(size: tuple[int, ...], turned: bool, count: int) -> Form:
    rows, depth, columns = size
    left = laid(depth, rows).T if turned else laid(rows, depth)
    right, out = laid(depth, columns), laid(count, rows // count, columns)
    left = left.reshape(count, rows // count, depth)
    return lambda: np.matmul(left, right, out=out)


def main() -> None:
    for size in SIZES:
        rows, depth, columns = size
        chosen = strips(rows, depth * columns)
        print("rows {}, depth {}, columns {}".format(*size), f"chosen: {chosen}")
        for turned in (False, True):
            counts = [n for n in (1, 2, 4, 5, 7, 8, 16, 32) if rows % n == 0]
            forms = {str(n): multiplied(size, turned, n) for n in sorted({*counts, chosen})}
            print("  turned" if turned else "  plain ", times(forms))


if __name__ == "__main__":
    main()
