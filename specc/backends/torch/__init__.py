"""torch: graphs as readable modules and functions, which run with torch alone."""

from specc.backends.torch.program import Program, compile

__all__ = ["Program", "compile"]
