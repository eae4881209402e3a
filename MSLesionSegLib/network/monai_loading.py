"""Loading MONAI in less than half of its time."""

from __future__ import annotations

import sys

_FOR_TABLES_AND_DRAWINGS = ("matplotlib", "pandas", "scipy.signal", "scipy.stats", "skimage", "sklearn")


def load_monai() -> None:
    """Import MONAI without the packages that it loads when they are there and that networks do not need.

    MONAI treats them as optional: what it would do with them says so when it is called. They can be imported as usual
    afterwards, and one that is loaded already stays so.
    """
    if "monai" in sys.modules:
        return
    hidden = [name for name in _FOR_TABLES_AND_DRAWINGS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import of the name fail
    try:
        import monai  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
