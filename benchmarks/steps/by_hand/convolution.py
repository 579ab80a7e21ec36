"""Convolution of square images with stride 1, without an im2col of all its taps. Knows no network.

Images lie as (row, channel, column, image): what is done to each element, or along a channel, is
done in long runs. Columns of results lie even ones first, so that pooling over two of them is over
two halves. For each tap of a row the columns are copied once, k times the image instead of k²; a
row of results is then one product with k such rows, which lie next to each other. (After Cho &
Brand, "MEC: memory-efficient convolution for deep neural network", ICML 2017.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.steps.by_hand.vectors import aligned

# OpenBLAS multiplies without packing where m · n · k is at most this, half as fast again for the
# narrow matrices of small channels.
UNPACKED = 1_000_000


def view(array: np.ndarray, shape: Sequence[int], strides: Sequence[int]) -> np.ndarray:
    """A view by strides that count elements, from the array's first."""
    return np.lib.stride_tricks.as_strided(array, shape, [4 * step for step in strides])


def stored(weight: np.ndarray) -> np.ndarray:
    """(filter, channel, row, column) as (row, column, channel · filter), in which products read."""
    filters, channels, size, _ = weight.shape
    return weight.transpose(2, 3, 1, 0).reshape(size * size * channels, filters)


class Band:
    """A few rows of a convolution's result, and what makes them: small enough for the cache, so
    that what follows a product finds its result there.
    """

    def __init__(self, conv: Convolution, start: int, stop: int) -> None:
        rows = slice(start, stop)
        # the rows of taps that no band above has copied
        new = slice(start + conv.kernel - 1 if start else 0, stop + conv.kernel - 1)
        self.seen, self.taken = conv.seen[new], conv.taken[new]
        self.weight, self.windows, self.y_parts = (
            conv.weight,
            conv.windows[rows],
            conv.y_parts[rows],
        )
        self.start, self.stop, self.y = start, stop, conv.y[rows]
        if conv.d_weight is not None:
            self.taps, self.y_columns = conv.taps[rows], self.y.swapaxes(1, 2)
            self.d_taps = conv.d_taps[rows]

    def forward(self) -> None:
        np.copyto(self.seen, self.taken)
        np.matmul(self.weight.T, self.windows, out=self.y_parts)

    def weight_gradient(self) -> None:
        np.matmul(self.taps, self.y_columns, out=self.d_taps)


class Convolution:
    """Write the input into `inside` and call each band's `forward`, from the top: the result is
    in `y`. Turn `y` into its gradient in place and call each band's `weight_gradient`, then
    `sum_gradients` and `input_gradient`, whose result is in `d_inside`.
    """

    def __init__(
        self,
        weight: np.ndarray,  # as `stored`
        kernel: int,
        padding: int,
        size: int,
        batch: int,
        band: int,
        d_weight: np.ndarray | None = None,
        d_input: bool = False,
    ) -> None:
        taps, filters = weight.shape
        channels = taps // kernel**2
        framed = size + 2 * padding
        out = framed - kernel + 1
        columns = out * batch
        self.kernel, self.weight, self.d_weight = kernel, weight, d_weight

        self.padded = aligned((framed, channels, framed, batch))
        self.inside = self.padded[:, :, padding : padding + size][padding : padding + size]
        step_y, step_c, step_x = channels * framed * batch, framed * batch, batch
        split, pairs = (2, out // 2) if batch > 1 else (1, out)
        shape = (framed, kernel, channels, split, pairs, batch)
        self.taken = view(self.padded, shape, (step_y, step_x, step_c, step_x, split * step_x, 1))
        seen = aligned((framed, kernel * channels, columns))
        self.seen = seen.reshape(shape)
        row = kernel * channels * columns

        frame = kernel - 1 - padding  # rows of zeros around y, for the gradient of the input
        self.framed = aligned((out + 2 * frame, filters, columns))
        self.y = self.framed[frame : frame + out]
        parts, part = _parts(filters, taps, columns)
        self.windows = view(seen, (out, parts, taps, part), (row, part, columns, 1))
        shape = (out, parts, filters, part)
        self.y_parts = view(self.y, shape, (filters * columns, part, columns, 1))
        if d_weight is not None:
            self.taps = view(seen, (out, taps, columns), (row, columns, 1))
            self.d_taps = aligned((out, taps, filters))
        if d_input:
            self._prepare_input_gradient(channels, filters, framed, out, batch, padding)
        self.bands = [Band(self, top, min(top + band, out)) for top in range(0, out, band)]

    def _prepare_input_gradient(
        self, channels: int, filters: int, framed: int, out: int, batch: int, padding: int
    ) -> None:
        """Products make, for a row of the input, each tap's share; the shares are then added up."""
        kernel, columns = self.kernel, out * batch
        size = framed - 2 * padding
        inner, outer = kernel * channels, kernel * filters
        parts, part = _parts(inner, outer, columns)
        shape = (size, parts, outer, part)
        self.d_windows = view(self.framed, shape, (filters * columns, part, columns, 1))
        shares = aligned((size, kernel, channels, columns))
        shape = (size, parts, inner, part)
        self.d_shares = view(shares, shape, (inner * columns, part, columns, 1))
        self.flipped = aligned((inner, outer))
        self.flipped_view = self.flipped.reshape(kernel, channels, kernel, filters)
        weight_view = self.weight.reshape(kernel, kernel, channels, filters)
        self.weight_view = weight_view[::-1].transpose(1, 2, 0, 3)

        self.d_padded = aligned((size, channels, framed, batch))
        self.d_inside = self.d_padded[:, :, padding : padding + size]
        shape = (size, channels, 2, out // 2, batch)
        steps = (channels * framed * batch, framed * batch, batch, 2 * batch, 1)
        self.sums = [
            (view(self.d_padded[:, :, tap:], shape, steps), shares[:, tap].reshape(shape))
            for tap in range(kernel)
        ]

    def sum_gradients(self) -> None:
        np.add.reduce(self.d_taps, axis=0, out=self.d_weight)

    def input_gradient(self) -> None:
        np.copyto(self.flipped_view, self.weight_view)
        np.matmul(self.flipped, self.d_windows, out=self.d_shares)
        self.d_padded.fill(0)
        for target, share in self.sums:
            np.add(target, share, out=target)


def _parts(rows: int, middle: int, columns: int) -> tuple[int, int]:
    """In how many parts columns are cut so that no product is packed, and how long a part is."""
    for parts in (1, 2, 4):
        if columns % parts == 0 and rows * middle * columns // parts <= UNPACKED:
            return parts, columns // parts
    return 1, columns
