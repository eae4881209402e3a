"""Cases, patches, recipes and the training loop."""
