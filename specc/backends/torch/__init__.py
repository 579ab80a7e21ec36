"""torch: graphs as readable modules and functions, which run with torch alone."""

from specc.backends.torch.load import load_source, loaded, prepare_device, saved, set_threads
from specc.backends.torch.modes import Pair
from specc.backends.torch.module import Written, module_source
from specc.backends.torch.optimizers import Stepped, row_of
from specc.backends.torch.program import Program, compile, out_of_range, placed, scalar_function
from specc.backends.torch.trainer import How, Trainer

__all__ = [
    "How", "Pair", "Program", "Stepped", "Trainer", "Written", "compile",
    "load_source", "loaded", "module_source", "out_of_range", "placed", "prepare_device",
    "row_of", "saved", "scalar_function", "set_threads",
]  # fmt: skip
