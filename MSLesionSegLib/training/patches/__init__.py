"""Patches drawn from examples: place, deformation, inserted lesions and intensity changes."""
