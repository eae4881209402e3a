"""Pre-training of an encoder on scans without masks."""
