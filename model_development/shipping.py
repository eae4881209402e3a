"""Models stored for shipping: their weights at eight bits each, half the size of what training wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file, save

from MSLesionSegLib.files.atomic import atomic_file
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.network.models.eight_bit_weights import pack, unpack
from MSLesionSegLib.network.models.store import SHIPPED, load_model, read_card, weights_file, write_card


def ship(folder: Path, models: Path = SHIPPED) -> Path:
    """Write a model folder below ``models`` with packed weights, in place of the one of its name.

    Its card keeps the checksum of the weights as they were, so that models trained from those find their parent.
    Packing what is packed already changes nothing.
    """
    card = read_card(folder)
    file = weights_file(folder, card)
    target = models / card.name
    with atomic_file(target / "weights.safetensors") as partial:
        partial.write_bytes(save(pack(unpack(load_file(file)))))
        digest = file_sha256(partial)
    if digest != card.weights_sha256:
        card = replace(
            card, weights_sha256=digest, earlier_sha256=(*card.earlier_sha256, card.weights_sha256)
        )
    write_card(target, card)
    load_model(target)
    return target
