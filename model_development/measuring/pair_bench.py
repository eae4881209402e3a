"""The two models of a comparison, and what was computed with them once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import nibabel as nib

from MSLesionSegLib.files.atomic import atomic_file
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.network.models.model_in_use import model_in_use
from MSLesionSegLib.network.models.store import Model, load_model
from MSLesionSegLib.segmentation.longitudinal.comparison import ChangeSettings, Timepoint, with_lesions
from MSLesionSegLib.segmentation.longitudinal.new_lesions import change_settings
from MSLesionSegLib.segmentation.request import SegmentRequest

Scanned = tuple[nib.Nifti1Image, nib.Nifti1Image]  # a FLAIR and its brain mask


class Bench:
    """The models, and what was computed with them once, below ``work``."""

    def __init__(self, work: Path, model: str | None, flair_model: str | None) -> None:
        self.work = work
        self.model: Model = load_model(model or model_in_use("new"), task="new")
        self.flair_model: Model = load_model(flair_model or model_in_use("flair"), task="flair")
        cards = {"model": self.model.card, "flair_model": self.flair_model.card}
        request = SegmentRequest("new", {}, Path())
        self.settings: ChangeSettings = change_settings(request, cards, "cpu")

    @property
    def key(self) -> str:
        """Tells models and settings from others."""
        weights = self.model.card.weights_sha256, self.flair_model.card.weights_sha256
        return hashlib.sha256(json.dumps([asdict(self.settings), weights]).encode()).hexdigest()[:12]

    def scan(self, file: Path) -> Scanned:
        """A scan with its brain mask, which is kept on disk."""
        image = read_scan(file).image
        return image, read_mask(self._kept(file, "brain", lambda: brain_mask(image)), image)

    def with_lesions(self, scanned: Scanned) -> Timepoint:
        """The scan with its lesion probability."""
        return with_lesions(*scanned, self.flair_model, self.settings)

    def timepoint(self, file: Path) -> Timepoint:
        """A scan with brain mask and lesion probability; both are kept on disk."""
        scanned = self.scan(file)
        weights = self.flair_model.card.weights_sha256[:12]
        found = self._kept(file, weights, lambda: self.with_lesions(scanned).lesions)
        return Timepoint(*scanned, nib.Nifti1Image.from_filename(found))

    def _kept(self, scan: Path, name: str, make: Callable[[], nib.Nifti1Image]) -> Path:
        file = self.work / "timepoints" / f"{scan.name.removesuffix('.nii.gz')}_{name}.nii.gz"
        if not file.exists():
            with atomic_file(file) as partial:
                nib.save(make(), partial)
        return file
