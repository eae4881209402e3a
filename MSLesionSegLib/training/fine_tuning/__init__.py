"""From a start model and a hospital's cases to a better model in use."""
