"""Whether weights fit an architecture: told from the head of their file, before any memory is taken for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MSLesionSegLib.errors import ModelError
from MSLesionSegLib.network.architectures import Architecture, build_by_monai
from MSLesionSegLib.network.models.eight_bit_weights import SCALE

if TYPE_CHECKING:
    import torch

# kinds of numbers in safetensors that a tensor of this kind may be stored as
_STORED = {
    "torch.float32": ("F16", "BF16", "F32", "I8 and scales"),
    "torch.int64": ("I64",),
    "torch.bool": ("BOOL",),
}
_MOST_HEAD = 8 << 20


def check_head(file: Path, architecture: Architecture, model: str) -> None:
    """Compare names, shapes and types in the head of a safetensors file with those of an architecture.

    Neither the tensors are read nor the network is built: it takes no more memory for a huge one.

    Args:
        file: the weights.
        architecture: what the card says.
        model: its name, for sentences.

    Raises:
        ModelError: it is no safetensors file, or its tensors are not those of the architecture.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with file.open("rb") as stream:
            if int.from_bytes(stream.read(8), "little") > _MOST_HEAD:
                raise ModelError(
                    f"The weights of model {model} are not a valid safetensors file (its header)."
                )
        with safe_open(file, "pt") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
            stored = {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"The weights of model {model} are not a valid safetensors file ({error})."
        ) from error
    expected = expected_tensors(architecture)
    stored = _without_scales(stored)
    common = expected.keys() & stored.keys()
    parts = {
        "missing": expected.keys() - stored.keys(),
        "unknown": stored.keys() - expected.keys(),
        "of another shape": {name for name in common if stored[name][0] != tuple(expected[name].shape)},
        "of another type": {
            name for name in common if stored[name][1] not in _STORED.get(str(expected[name].dtype), ())
        },
    }
    reason = ", ".join(f"{len(names)} tensors {what}" for what, names in parts.items() if names)
    if reason:
        raise ModelError(
            f"The weights of model {model} do not fit its architecture ({architecture}): {reason}."
        )


def _without_scales(
    stored: Mapping[str, tuple[tuple[int, ...], str]],
) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shapes and types in which tensors at eight bits are one with their scales."""
    packed = {
        name
        for name, (shape, kind) in stored.items()
        if kind == "I8" and shape and stored.get(name + SCALE) == (shape[:1], "F32")
    }
    return {
        name: (shape, "I8 and scales" if name in packed else kind)
        for name, (shape, kind) in stored.items()
        if not (name.endswith(SCALE) and name.removesuffix(SCALE) in packed)
    }


def check_numbers(weights: Mapping[str, torch.Tensor], model: str) -> None:
    """Refuse weights that are not finite: a network makes no numbers of them, and no number counts as no lesion.

    Raises:
        ModelError: with how many tensors hold such values.
    """
    wrong = sum(not bool(value.isfinite().all()) for value in weights.values())
    if wrong:
        raise ModelError(
            f"The weights of model {model} are not finite (NaN or infinite in {wrong} of {len(weights)} tensors). "
            "Ask for the model again: it is damaged, or its training failed."
        )


def largest_file(architecture: Architecture) -> int:
    """Bytes that the weights of an architecture have at most.

    Raises:
        ModelError: as :func:`~MSLesionSegLib.network.architectures.build`.
    """
    tensors = expected_tensors(architecture).values()
    return _MOST_HEAD + sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def expected_tensors(architecture: Architecture) -> dict[str, torch.Tensor]:
    """Parameters and buffers of a network, without values (on torch's ``meta`` device).

    Raises:
        ModelError: as :func:`~MSLesionSegLib.network.architectures.build`.
    """
    import torch

    with torch.device("meta"), _without_values():
        return unique_tensors(build_by_monai(architecture))


def unique_tensors(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, each once: MONAI's U-Net lists its blocks under two names."""
    return dict(network.named_parameters()) | dict(network.named_buffers())


def _without_values() -> Any:
    """Leave out what would only fill tensors; torch loads its compiler for it where they have no values.

    ``torch.linspace`` stays on the CPU: MONAI's SwinUNETR reads its drop-out rates from one.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class WithoutValues(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function in (torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.erfinv_):
                return args[0]
            if function is torch.linspace:
                kwargs = {**(kwargs or {}), "device": "cpu"}
            return function(*args, **(kwargs or {}))

    return WithoutValues()
