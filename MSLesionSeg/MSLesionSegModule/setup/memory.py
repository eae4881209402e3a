"""Free memory, looked at before a search begins."""

from slicer.i18n import tr as _

_NEEDED_GIB = 2.0  # a search was measured with 1.6 (docs/performance.md)


def memoryWarning() -> str:
    """What to say when a search may not fit into this computer's free memory; empty if it does."""
    import psutil

    free = psutil.virtual_memory().available / 2**30
    if free >= _NEEDED_GIB:
        return ""
    return _(
        "Only {free} GiB of memory are free, and a search takes up to {needed} GiB. "
        "Close other programs if it fails."
    ).format(free=f"{free:.1f}", needed=f"{_NEEDED_GIB:.0f}")
