"""The scans of the scene: whose they are, when they were made, and which is which input."""
