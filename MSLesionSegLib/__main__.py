"""``python -m MSLesionSegLib`` is the command ``mslesionseg``, where scripts are not on the path."""

from __future__ import annotations

from MSLesionSegLib.cli import main

main()
