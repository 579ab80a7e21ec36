"""Valid specs drawn by a seed, in the language's own text, that all backends must agree on."""
