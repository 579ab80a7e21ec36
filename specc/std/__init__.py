"""The standard library's own folder: definitions in .nn, and an index of where each one stands."""
