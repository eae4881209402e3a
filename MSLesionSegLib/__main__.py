"""``python -m MSLesionSegLib`` is the command ``mslesionseg``, where scripts are not on the path.

``MSLESIONSEG_PACKAGES`` may name a folder with packages that this Python lacks. It comes last on the path, so that
nothing in it hides a package of this Python.
"""

from __future__ import annotations

import os
import sys

from MSLesionSegLib.cli import main

if os.environ.get("MSLESIONSEG_PACKAGES"):
    sys.path.append(os.environ["MSLESIONSEG_PACKAGES"])
main()
