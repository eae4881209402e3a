"""Architectures, model store, inference and brain extraction."""
