"""What decides the form of NumPy's convolutions and poolings: convolution_forms, for one core.

For the sizes of the benchmarked networks: a convolution with other numbers of columns in a product
and with other room for patches, and pooling's gradient in pieces of other sizes. Times are of the
processor, in µs, all forms in turns. Proves no number, it shows where they turn:
`OPENBLAS_NUM_THREADS=1 python -m benchmarks.convolution_forms`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from specc.backends.numpy import convolution, runtime

# channels, filters, taps of a row, rows, batch
SIZES = [(1, 6, 5, 28, 64), (6, 16, 5, 10, 64), (3, 32, 3, 32, 32), (32, 64, 3, 16, 32),
         (64, 64, 3, 8, 32), (64, 64, 3, 56, 8)]  # fmt: skip
ROUNDS = 15
Form = Callable[[], object]


def times(forms: Mapping[str, Form]) -> dict[str, int]:
    """The lower quartile of each form's rounds."""
    taken: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(ROUNDS):
        for name, form in forms.items():
            form()
            started = time.thread_time()
            form()
            taken[name].append(time.thread_time() - started)
    return {name: round(sorted(each)[ROUNDS // 4] * 1e6) for name, each in taken.items()}


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def convolved(size: tuple[int, ...], room: int, unpacked: int, columns: int) -> Form:
    channels, filters, taps, rows, batch = size
    kept = convolution.UNPACKED, convolution.COLUMNS
    convolution.UNPACKED, convolution.COLUMNS = unpacked, columns
    framed = rows + taps - 1
    x, y = floats(framed, channels, framed, batch), floats(rows, filters, 2, rows // 2, batch)
    steps = ((taps, taps), (1, 1), (1, 1))
    bands = convolution.convolution(x, *steps, y, np.empty(room, np.float32), halved=True)
    convolution.UNPACKED, convolution.COLUMNS = kept
    matrix = floats(filters, channels * taps * taps)
    return lambda: convolution.convolve(bands, matrix)


def unpooled(size: tuple[int, ...], piece: int) -> Form:
    _, filters, _, rows, batch = size
    kept, runtime.PIECE = runtime.PIECE, piece
    x = floats(rows, filters, 2, rows // 2, batch)
    y, g = floats(2, rows // 2, filters, 1, rows // 2, batch)
    window = ((0, 2), (2, 2), (2, 2), (1, 1))
    seen = runtime.windows(x, *window)
    into = runtime.windows(x, *window, writeable=True)  # in place, as in a program
    runtime.max_pool(runtime.pooling(seen, y))
    left, part, same = (np.empty(y.size, dtype) for dtype in ("f4", "f4", "?"))
    views = runtime.pooling_back(seen, y, g, into, left, part, same)
    runtime.PIECE = kept
    return lambda: runtime.max_pool_gradient(views, apart=True)


def main() -> None:
    for size in SIZES:
        print("channels {}, filters {}, taps {}, rows {}, batch {}".format(*size))
        room, unpacked, columns = 1 << 19, convolution.UNPACKED, convolution.COLUMNS
        whole = 1 << 30
        print("  parts    ", times({
            "whole": convolved(size, room, 0, whole),
            "unpacked": convolved(size, room, unpacked, whole),
            **{f"{n} columns": convolved(size, room, 0, n) for n in (512, columns)},
            "chosen": convolved(size, room, unpacked, columns),
        }))  # fmt: skip
        powers = (17, 18, 19, 20, 21)
        least = size[0] * size[2] ** 2 * size[3] * size[4]
        rooms = {f"2^{n}": convolved(size, 1 << n, unpacked, columns)
                 for n in powers if 1 << n >= least}  # fmt: skip
        print("  room     ", times(rooms))
        pieces = {f"2^{n}": unpooled(size, 1 << n) for n in (14, 15, 16, 17, 20)}
        print("  unpooling", times(pieces))


if __name__ == "__main__":
    main()
