"""A program between arrays that stay the same: they are checked once. Plans nothing.

What a run still checks is what it is given anew; whatever is not as the first time goes the
program's own way, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from specc.backends.numpy.program import Array, Program


class Wired:
    """`wired(batch)`: the results by name, valid until the next run; scalars as NumPy's numbers.

    Results that have an array in `out` are written there, and are not among those that it gives.
    Whoever calls it has NumPy ignore overflow and the like: once around all that a step does.
    """

    def __init__(
        self, program: Program, fixed: Mapping[str, Array], out: Mapping[str, Array]
    ) -> None:
        self.program, self.fixed, self.out = program, fixed, out
        self._told = [(n, place) for place, n in enumerate(program.outputs) if n not in out]
        taken = program.taken(out)
        self._copied = [
            (n, place) for place, n in enumerate(program.outputs) if n in out and n not in taken
        ]
        self._arrays: list[Any] = [None] * len(program.inputs)
        self._fresh: list[tuple[str, int, np.dtype[Any]]] = []
        for place, (name, dtype) in enumerate(program.dtypes.items()):
            array = fixed.get(name)
            if array is None:
                self._fresh.append((name, place, dtype))
            else:
                assert array.dtype == dtype, f"{name} holds {array.dtype}"
                self._arrays[place] = array
        program.check_writeable(fixed)
        self._sizes: dict[tuple[tuple[int, ...], ...], tuple[int, ...]] = {}
        self._homes: tuple[Any, Any] = (None, None)  # of the binding that ran last
        self._run: Any = None  # and its steps
        self._whole: Any = None  # where nothing is given anew: what to run, and where results go

    def __call__(self, fresh: Mapping[str, Any]) -> dict[str, Any]:
        """Raises as `Program.run` does."""
        if not self._fresh and not fresh:
            return self._again()
        arrays = self._arrays.copy()
        lengths: list[tuple[int, ...]] = []
        for name, place, dtype in self._fresh:
            array = fresh.get(name)
            if type(array) is not np.ndarray or array.dtype != dtype:
                return self._checked(fresh)
            arrays[place] = array
            lengths.append(array.shape)
        if len(fresh) != len(lengths):
            return self._checked(fresh)
        shapes = tuple(lengths)
        sizes = self._sizes.get(shapes)
        if sizes is None:
            results = self._checked(fresh)
            if len(self._sizes) < 1024:
                self._sizes[shapes] = self.program.sizes(arrays)
            return results
        made = self.program.bound(sizes)
        if made is not self._homes[0]:
            self._homes = made, self.program.homes(made[1], self.out)
            self._run = made[0].__wrapped__
        return self._results(self._run, arrays, self._homes[1])

    def _again(self) -> dict[str, Any]:
        if self._whole is None:
            run, own = self.program.bound(self.program.sizes(self._arrays))
            self._whole = run.__wrapped__, self.program.homes(own, self.out)
        return self._results(self._whole[0], self._arrays, self._whole[1])

    def _results(self, run: Any, arrays: Sequence[Any], homes: Any) -> dict[str, Any]:
        made = self.program.made(run, arrays, homes)
        for name, place in self._copied:
            np.copyto(self.out[name], made[place])
        return {name: made[place] for name, place in self._told}

    def _checked(self, fresh: Mapping[str, Any]) -> dict[str, Any]:
        made = self.program.run({**self.fixed, **fresh}, self.out)
        return {name: made[name] for name, _ in self._told}
