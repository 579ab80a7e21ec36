"""From a built spec to trained weights: data, batches, steps, files. Builds no graph."""
