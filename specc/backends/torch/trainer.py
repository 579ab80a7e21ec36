"""A training step in torch: the model's own forward, torch's gradients, an update. Reads no data.

Arrays that the caller gives are the parameters' memory where the device is the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from specc.backends.torch.load import allow_tf32, load_source
from specc.backends.torch.modes import Pair
from specc.backends.torch.module import module_source
from specc.backends.torch.program import channels_last, keyed, out_of_range
from specc.ir import Graph
from specc.ir.model import Model

Array = np.ndarray[Any, Any]
FEW = 32  # numbers that are read one by one faster than gathered first
GROWTH = 2000  # steps after which fp16's loss scale doubles, as in torch's GradScaler


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What a user chooses of torch."""

    device: str = "cpu"
    precision: str | None = None  # "bf16" or "fp16": the forward's, by autocast; "tf32"
    compiled: bool = False


class Trainer:
    """A module with its parameters' gradients."""

    def __init__(
        self,
        model: Model,
        measured: tuple[Graph, Graph],
        dtype: str,
        how: How,
        draw: Callable[..., Any] | None,
        parts: int = 1,
    ) -> None:
        """`parts` are those of the loss that are sent back one by one."""
        import torch

        self._torch, self.how = torch, how
        written = module_source(model, Pair(*measured), dtype)
        self.source, self._takes = written.text, written.measure
        self._namespace = load_source(self.source)
        self.module = self._namespace[written.name]().to(getattr(torch, dtype)).to(how.device)
        self.module.train()
        self.tensor_of: dict[str, Any] = self.module.state_dict(keep_vars=True)
        self._learned = [each for each in self.tensor_of.values() if each.requires_grad]
        self._key = torch.zeros(2, dtype=torch.int64, device=how.device)
        self._draws = "DRAW" in self._namespace
        if self._draws:
            self._namespace["DRAW"] = draw or keyed(self._key)
        self._measure = self.module.measure
        if how.compiled:
            self._measure = compiled(self.module.measure, parts)
        self._loss_scale = 2.0**16 if how.precision == "fp16" else 1.0
        self._since = 0
        self._state_places = self._places()
        self._reduced = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(how.precision or "")
        # Channels last is what the CPU's convolutions are faster in, and CUDA's in fewer bits.
        images = any(each.dim() == 4 for each in self.tensor_of.values())
        self._channels_last = images and (how.device == "cpu" or self._reduced is not None)

    def bind(self, arrays: Mapping[str, Array]) -> None:
        """Has the parameters and states by name begin as these, and on the CPU lie in them."""
        for name, array in arrays.items():
            placed = name in self._state_places
            own = getattr(*self._state_places[name]) if placed else self.tensor_of[name]
            if own.requires_grad and self.how.device == "cpu":
                own.data = self._torch.from_numpy(array)
            else:
                self.put(own, array)

    def put(self, tensor: Any, values: Any) -> None:
        """Copies an array or a tensor into a tensor."""
        with self._torch.no_grad():
            tensor.copy_(self._torch.as_tensor(values))

    def tensor(self, array: Array) -> Any:
        """A tensor over an array, or on a device a copy of it."""
        if self.how.device != "cpu" or not array.flags.writeable:
            return self._torch.tensor(array, device=self.how.device)
        return self._torch.from_numpy(array)

    def precision(self) -> AbstractContextManager[None]:
        """What forward and backward run in."""
        return tf32() if self.how.precision == "tf32" else nullcontext()

    # ── forward and backward ─────────────────────────────────────────────────────────────────────
    def measure(self, key: Sequence[int], feeds: Mapping[str, Any]) -> dict[str, Any]:
        """What the module's `measure` gives, with a graph for autograd. Lets the last gradients go:
        what it computes can lie where they lay.
        """
        torch = self._torch
        if self._draws:
            self._key.copy_(torch.tensor(key))
        for each in self._learned:
            each.grad = None
        given = [self.entering(feeds[name]) for name in self._takes]
        try:
            if self._reduced is None:
                return self._measure(*given)
            with torch.autocast(self.how.device.partition(":")[0], dtype=self._reduced):
                return self._measure(*given)
        except (IndexError, RuntimeError) as error:
            raise out_of_range(error) from error

    def entering(self, value: Any) -> Any:
        """An image goes with its channels last where convolutions are faster so."""
        return channels_last(value) if self._channels_last else value

    def gradients(self, parts: Sequence[tuple[Any, Sequence[str]]], names: Sequence[str]) -> None:
        """Leaves in each parameter's `grad` the sum of the parts' gradients for those they reach.
        The parts are of the last `measure`.

        In fp16 the parts are scaled first, and the gradients back.
        """
        torch = self._torch
        parameters = [self.tensor_of[name] for name in names]
        scale = self._loss_scale
        if len(parts) == 1 and len(parts[0][1]) == len(names):
            ((whole, _),) = parts
            if whole.requires_grad:
                (whole * scale if scale != 1.0 else whole).backward()
            for each in parameters:
                if each.grad is None:
                    each.grad = torch.zeros_like(each)
        else:
            for each in parameters:
                each.grad = torch.zeros_like(each)
            for place, (part, on) in enumerate(parts, start=1):
                reached = [self.tensor_of[name] for name in on]
                if not reached or not part.requires_grad:
                    continue
                more = place < len(parts)
                found = torch.autograd.grad(
                    part * scale, reached, retain_graph=more, allow_unused=True
                )
                for parameter, gradient in zip(reached, found, strict=True):
                    if gradient is not None:
                        parameter.grad += gradient
        if scale != 1.0:
            torch._foreach_mul_([each.grad for each in parameters], 1 / scale)

    def figures(
        self, results: Sequence[Any], names: Sequence[str], feeds: Sequence[Any] = ()
    ) -> tuple[list[float], float, list[float]]:
        """Results of no axes; the length of these parameters' gradients as one vector; the sum of
        each feed's squares. Finite only where all that they are of is. A device is waited for once.
        """
        torch = self._torch
        gradients = [self.tensor_of[name].grad for name in names]
        norms = torch._foreach_norm(gradients) if gradients else []
        flat = [each.reshape(-1) for each in feeds]
        squares = [torch.dot(each, each) for each in flat]
        if self.how.device == "cpu":
            if len(norms) > FEW:
                norms = [torch.linalg.vector_norm(torch.stack(norms))]
            numbers = [each.item() for each in (*norms, *squares)]
            shown = [float(self.array(each)) for each in results]
        else:
            tensors = [torch.as_tensor(each, device=self.how.device).detach() for each in results]
            floats = [each if each.is_floating_point() else each.double() for each in tensors]
            try:
                numbers = torch.stack([*floats, *norms, *squares]).tolist()
            except RuntimeError as error:
                raise out_of_range(error) from error
            shown, numbers = numbers[: len(results)], numbers[len(results) :]
        return shown, math.hypot(*numbers[: len(norms)]), numbers[len(norms) :]

    def finite(self, names: Sequence[str]) -> bool:
        return all(bool(self.tensor_of[name].grad.isfinite().all()) for name in names)

    def clip(self, names: Sequence[str], kind: str, bound: float, norm: float) -> None:
        torch = self._torch
        grads = [self.tensor_of[name].grad for name in names]
        if kind == "value":
            torch._foreach_clamp_min_(grads, -bound)
            torch._foreach_clamp_max_(grads, bound)
        elif (factor := bound / (norm + 1e-6)) < 1.0:
            torch._foreach_mul_(grads, factor)

    def rescaled(self, finite: bool) -> bool:
        """fp16's loss scale after a step: whether a step whose gradients overflowed is left out."""
        if self._loss_scale == 1.0:
            return False
        self._since = self._since + 1 if finite else 0
        if finite:
            if self._since % GROWTH == 0:
                self._loss_scale *= 2.0
            return False
        self._loss_scale /= 2.0
        return self._loss_scale > 1.0

    # ── for those who look ───────────────────────────────────────────────────────────────────────
    def held(self, names: Collection[str]) -> dict[str, Any]:
        """States' tensors now; a layer may have put another in a state's place."""
        places = self._state_places
        return {name: getattr(*places[name]) for name in names}

    def _places(self) -> dict[str, tuple[Any, str]]:
        """Which module holds a state, and as which attribute."""
        names = {id(tensor): name for name, tensor in self.tensor_of.items()}
        return {
            names[id(tensor)]: (module, attribute)
            for module in self.module.modules()
            for attribute, tensor in module.named_buffers(recurse=False)
            if id(tensor) in names
        }

    def kept(self, names: Collection[str], before: Mapping[str, Any]) -> dict[str, Any]:
        """Copies of states, in the tensors of the copies made before where they fit."""
        now = self.held(names)
        if [each.shape for each in before.values()] != [each.shape for each in now.values()]:
            return {name: tensor.clone() for name, tensor in now.items()}
        if now:
            self._torch._foreach_copy_(list(before.values()), list(now.values()))
        return dict(before)

    def array(self, tensor: Any) -> Array:
        """A tensor's numbers; a Python number's too."""
        if isinstance(tensor, self._torch.Tensor):
            tensor = tensor.detach().cpu()
            reduced = tensor.dtype in (self._torch.bfloat16, self._torch.float16)
            return (tensor.float() if reduced else tensor).numpy()
        return np.asarray(tensor)

    def gradient(self, name: str) -> Array:
        return self.array(self.tensor_of[name].grad)

    def sound(self, names: Sequence[str]) -> bool:
        """Whether the parameters are finite, by one sum over each."""
        torch = self._torch
        if not names:
            return True
        with torch.no_grad():
            sums = torch.stack([self.tensor_of[name].detach().sum() for name in names])
        return bool(sums.sum().isfinite()) or bool(
            all(self.tensor_of[name].isfinite().all() for name in names)
        )


def compiled(measure: Callable[..., Any], parts: int) -> Callable[..., Any]:
    """torch's compilation of it."""
    import torch
    from torch._functorch import config

    if parts > 1:
        config.donated_buffer = False  # else the first's way back takes what the next one reads
    return torch.compile(measure, fullgraph=True)


@contextmanager
def tf32() -> Iterator[None]:
    allow_tf32(True)
    try:
        yield
    finally:
        allow_tf32(False)
