"""The one place of this backend that runs generated source, and that imports torch for others."""

from __future__ import annotations

import builtins
import ctypes
import io
import linecache
import os
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from specc.diagnostics import fault

if TYPE_CHECKING:
    from specc.backends.torch.module import Written

_numbers = count(1)
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h


def load_source(source: str, name: str = "specc_torch") -> dict[str, Any]:
    """The module of generated source; its lines are shown in tracebacks and read by compilers."""
    file = f"<{name} {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {"__name__": name, "__file__": file}
    exec(builtins.compile(source, file, "exec"), namespace)  # noqa: S102
    return namespace


def loaded(written: Written, weights: Mapping[str, Any], dtype: str) -> Any:
    """The module of a text, with these weights by the spec's names."""
    import torch

    module = load_source(written.text)[written.name]()
    if dtype == "float64":
        module = module.double()
    state = {name: torch.tensor(values) for name, values in weights.items()}
    module.load_state_dict(state)
    return module


def prepare_device(device: str) -> None:
    """Has a device compute in float32 what is float32: CUDA's convolutions would round to TF32.
    Has the CPU's memory stay with the process.

    Raises:
        SpecError: B103 where torch can't reach the device.
    """
    import torch

    if device == "cpu":
        _keep_memory()
        return

    count = torch.cuda.device_count() if device.startswith("cuda") else 1
    place = int(device.partition(":")[2] or 0)
    if place >= count:
        found = f"{count} CUDA devices" if count else "no CUDA device"
        raise fault("B103", f"torch has no `{device}` here", expected="cpu", found=found)
    if device.startswith("cuda"):
        allow_tf32(False)


def _keep_memory() -> None:
    """Has glibc keep the memory that torch frees: each step asks for what the last one gave back,
    and to have it mapped, cleared and paged in again takes up to a quarter of a step.

    For the whole process; not where its user has told glibc what to keep.
    """
    told = os.environ.get("GLIBC_TUNABLES", "") + "".join(os.environ)
    if "malloc" in told.lower():
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another system's memory
    mallopt(M_MMAP_MAX, 0)  # no block has a mapping of its own, which would end with it
    mallopt(M_TRIM_THRESHOLD, -1)  # and the heap's end is never given back


def allow_tf32(allowed: bool) -> None:
    """Whether CUDA may round the factors of products and convolutions to 10 bits, process-wide."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def set_threads(count: int) -> None:
    """From now on torch's operations take so many threads, in the whole process."""
    import torch

    torch.set_num_threads(count)


def saved(weights: Mapping[str, Any]) -> bytes:
    """A state_dict as torch.save writes it."""
    import torch

    content = io.BytesIO()
    torch.save({name: torch.tensor(values) for name, values in weights.items()}, content)
    return content.getvalue()
