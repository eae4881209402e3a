"""Which versions made a result."""

from __future__ import annotations

from importlib import metadata

from MSLesionSegLib import __version__

PACKAGES = ("torch", "monai", "nibabel", "numpy", "scipy", "SimpleITK")


def versions() -> dict[str, str]:
    """Return the versions of this program and of the packages that decide its numbers; imports none."""
    found = {"mslesionseg": __version__}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
