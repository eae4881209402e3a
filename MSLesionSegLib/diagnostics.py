"""What a developer asks first when something does not work, as a text without patient data."""

from __future__ import annotations

import os
import platform
import sys

from MSLesionSegLib.versions import versions


def diagnostic_text() -> str:
    """Return versions, devices and models, one fact per line, without paths and file names."""
    lines = [f"{name} {version}" for name, version in versions().items()]
    lines += [
        f"Python {platform.python_version()} ({sys.implementation.name}, {platform.machine()})",
        f"System {platform.system()} {platform.release()}",
        f"CPU cores {os.cpu_count()}, memory {_memory()}",
        *_devices(),
        *_models(),
    ]
    return "\n".join(lines)


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"
    except (AttributeError, ValueError, OSError):
        return "unknown"


def _devices() -> list[str]:
    try:
        import torch
    except ImportError as error:
        return [f"torch cannot be loaded: {type(error).__name__}"]
    lines = [f"torch threads {torch.get_num_threads()}, CUDA build {torch.version.cuda or 'no'}"]
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        lines.append(f"GPU {gpu.name}, {gpu.total_memory / 2**30:.1f} GiB")
    if not torch.cuda.is_available():
        lines.append("GPU none that can be used; everything runs on the CPU")
    return lines


def _models() -> list[str]:
    from MSLesionSegLib.network.models.store import SHIPPED, list_models

    shipped = {folder.name for folder in SHIPPED.glob("*") if folder.is_dir()}
    cards = list_models()
    lines = [
        f"Shipped model {c.name} ({c.task}, weights {c.weights_sha256[:12]})"
        for c in cards
        if c.name in shipped
    ]
    # names of own models may name a hospital: only their number is told
    return [*lines, f"Own models {sum(card.name not in shipped for card in cards)}"]
