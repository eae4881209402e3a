"""Which number format a processor computes fastest in."""

from __future__ import annotations


def has_fast_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively; emulation would be slower than float32."""
    import torch

    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    amx = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool((check and check()) or (amx and amx()))
