"""Runs one spec on several backends, and says where and by how much they differ."""

from specc.compare.compare import Comparison, Pair, compare

__all__ = ["Comparison", "Pair", "compare"]
