"""Loading MONAI in less than half of its time."""

from __future__ import annotations

import sys

from MSLesionSegLib.jobs.own_process import is_own_process

_FOR_TABLES_AND_DRAWINGS = ("matplotlib", "pandas", "scipy.signal", "scipy.stats", "skimage", "sklearn")


def load_monai() -> None:
    """Import MONAI; in a process of our own without the packages that networks do not need.

    MONAI loads them when they are there. It treats them as optional: what it would do with them says so when it is
    called, as long as the process lives. Other code imports them as usual afterwards, though not from a thread
    meanwhile; one that is loaded already stays so.
    """
    if "monai" in sys.modules:
        return
    hidden = (
        [name for name in _FOR_TABLES_AND_DRAWINGS if name not in sys.modules] if is_own_process() else []
    )
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import of the name fail
    try:
        import monai  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
