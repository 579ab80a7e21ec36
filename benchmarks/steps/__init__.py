"""How fast a training step is, in systems that are fed the same. Nothing of specc imports this."""
