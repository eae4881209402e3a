"""Experiments as commands."""
