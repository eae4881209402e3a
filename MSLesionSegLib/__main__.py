"""``python -m MSLesionSegLib`` is the command ``mslesionseg``, where scripts are not on the path.

``MSLESIONSEG_PACKAGES`` may name a folder with packages that this Python lacks. It comes last on the path, so that
nothing in it hides a package of this Python. With ``--await-job`` alone it waits for the command.
"""

from __future__ import annotations

import os
import sys

from MSLesionSegLib.cli import main
from MSLesionSegLib.warm_start import AWAIT_JOB, await_job

if os.environ.get("MSLESIONSEG_PACKAGES"):
    sys.path.append(os.environ["MSLESIONSEG_PACKAGES"])
if sys.argv[1:] == [AWAIT_JOB]:
    sys.argv[1:] = await_job()
main()
