"""The one place that says which specc this is. Imports nothing, so that asking costs nothing."""

__version__ = "0.1.0"
