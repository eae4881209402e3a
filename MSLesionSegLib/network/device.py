"""Where a network computes."""

from __future__ import annotations

from MSLesionSegLib.errors import SettingsError

DEVICES = ("auto", "cpu", "cuda")


def check_device(wanted: str) -> None:
    """Refuse an unknown device without loading torch.

    Raises:
        SettingsError: it is none of ``auto``, ``cpu`` and ``cuda``.
    """
    if wanted not in DEVICES:
        raise SettingsError(f"The device must be auto, cpu or cuda, not '{wanted}'.")


def free_card_bytes() -> int:
    """What this process can still use of a GPU's memory, with what torch keeps ready for it."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()


def choose_device(wanted: str) -> str:
    """``cpu`` or ``cuda``; for ``auto`` a GPU if there is one.

    Raises:
        SettingsError: an unknown device, or a GPU is wanted that is not there.
    """
    import torch

    check_device(wanted)
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise SettingsError("No usable NVIDIA GPU was found. Choose CPU or auto as the device.")
    return "cuda" if available and wanted != "cpu" else "cpu"
