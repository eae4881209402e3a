"""Which number format a processor computes fastest in."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.files.atomic import write_text

if TYPE_CHECKING:
    import torch

_RUNS = 3
_TRIAL = "fast layers"  # what is tried; answers about another trial do not count
_CLEARLY = 0.8  # bfloat16 must take less than this share of float32's time to be worth its rounding


@functools.cache
def has_fast_bfloat16() -> bool:
    """Whether this CPU convolves faster in bfloat16 than in float32; emulation would be slower.

    Intel and AMD processors tell by their instructions. On all others a convolution of a few milliseconds is tried,
    once per processor and version of torch: the answer is kept in the user's cache folder (or
    ``MSLESIONSEG_CACHE`` when that is set), so that the same scan never gets another result on another day.
    """
    if _has_instructions():
        return True
    import torch

    processor = f"{platform.machine()} {platform.processor()} {torch.backends.cpu.get_cpu_capability()}"
    key = f"{processor}, torch {torch.__version__}, {_TRIAL}"
    known = _read()
    if key not in known:
        known[key] = _is_faster()
        _write(known)
    return known[key]


def computes_in_bfloat16(device: str) -> bool:
    """Whether ``cpu`` or ``cuda`` is fast in bfloat16; NVIDIA's cards have it since Ampere."""
    if device == "cpu":
        return has_fast_bfloat16()
    import torch

    return torch.cuda.get_device_capability() >= (8, 0)


def trains_in_bfloat16(network: torch.nn.Module, inputs: Any, device: str) -> bool:
    """Whether a training may compute in bfloat16.

    On a CPU oneDNN's bfloat16 gradient of a convolution over fewer than four voxels per edge holds numbers of no
    meaning, infinite ones too, so that such a network is trained in float32.

    Args:
        network: called once, without gradients; torch's random numbers stay where they were.
        inputs: what it will be trained on, one batch.
        device: ``cpu`` or another one.
    """
    import torch

    if device != "cpu" or not has_fast_bfloat16():
        return computes_in_bfloat16(device)
    edges = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output: edges.append(min(output.shape[2:])))
        for module in network.modules()
        if isinstance(module, torch.nn.Conv3d)
    ]
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), torch.autocast(device, torch.bfloat16):
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return min(edges, default=4) >= 4


def _has_instructions() -> bool:
    import torch

    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    amx = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool((check and check()) or (amx and amx()))


def _is_faster() -> bool:
    """Try a layer such as our networks have, in both formats by turns."""
    import torch

    from MSLesionSegLib.network.fast_layers import with_fast_layers

    layer = with_fast_layers(torch.nn.Conv3d(32, 32, 3, padding=1, bias=False)).eval()
    data = torch.zeros(1, 32, 24, 24, 24)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    with torch.inference_mode():
        for _ in range(_RUNS + 1):
            for half, times in seconds.items():
                with torch.autocast("cpu", torch.bfloat16, enabled=half):
                    begin = time.perf_counter()
                    layer(data)
                    times.append(time.perf_counter() - begin)
    # the first run of each prepares
    return min(seconds[True][1:]) < _CLEARLY * min(seconds[False][1:])


def _file() -> Path:
    chosen = os.environ.get("MSLESIONSEG_CACHE")
    if chosen:
        return Path(chosen) / "processor.json"
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("MSLesionSeg", appauthor=False)) / "processor.json"


def _read() -> dict[str, bool]:
    try:
        content = json.loads(_file().read_text(encoding="utf-8"))
        return {key: value for key, value in content.items() if isinstance(value, bool)}
    except (OSError, ValueError, AttributeError):
        return {}


def _write(known: dict[str, bool]) -> None:
    with contextlib.suppress(OutputError):  # it is tried again next time
        write_text(_file(), json.dumps(known, indent=1) + "\n")
