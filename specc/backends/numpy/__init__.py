"""NumPy: graphs as readable source over a plan of buffers, which runs with NumPy alone."""

from specc.backends.numpy.generate import PASSES
from specc.backends.numpy.program import Program, compile, export
from specc.backends.numpy.stages import STAGES, stages
from specc.backends.numpy.wired import Wired

__all__ = ["PASSES", "STAGES", "Program", "Wired", "compile", "export", "stages"]
