"""The card of a model: what it is, where it comes from and how good it was measured to be."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from MSLesionSegLib.network.architectures import Architecture


@dataclass(frozen=True)
class ModelCard:
    """What a model is, where it comes from and how good it was measured to be.

    Attributes:
        name: folder name; letters, digits, dot, dash and underscore.
        task: name in the task table, or ``brain``.
        architecture: how to rebuild the network.
        channels: what each input channel is, in order, for example ``("FLAIR",)``.
        spacing_mm: edge of the isotropic voxels that the network works on.
        parent: name of the model that training started from, or None.
        threshold, minimum_mm3, minimum_peak: what counts as a lesion, see
            :class:`~MSLesionSegLib.lesions.components.LesionRule`.
        mirroring: whether it averages over mirrored inputs unless told otherwise.
        activation: what makes probabilities of its output, see :mod:`~MSLesionSegLib.network.activation`.
        recipe: the whole training recipe.
        training: cases, their number by source and a fingerprint of them.
        results: measured results, each with how they were measured.
        confidence: how far its results can be trusted, see :mod:`~MSLesionSegLib.network.models.confidence`; empty
            where that was not measured, as of a model that was trained further.
        description, limits, licence, credits, hardware, created, code_version: for people.
        weights_sha256: of the weights file.
        earlier_sha256: of files that held the same weights at more bits, or bore this name before; what was trained
            from them has this model as its parent.
    """

    name: str
    task: str
    architecture: Architecture
    channels: tuple[str, ...]
    spacing_mm: float = 1.0
    parent: str | None = None
    threshold: float = 0.5
    minimum_mm3: float = 0.0
    minimum_peak: float = 0.0
    mirroring: bool = False
    activation: str = "sigmoid"
    recipe: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    confidence: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    limits: str = ""
    licence: str = ""
    credits: tuple[str, ...] = ()
    hardware: str = ""
    created: str = ""
    code_version: str = ""
    weights_sha256: str = ""
    earlier_sha256: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON types, the content of ``card.json``."""
        content = asdict(self) | {"architecture": self.architecture.as_dict()}
        return {"flips" if name == "mirroring" else name: value for name, value in content.items()}
