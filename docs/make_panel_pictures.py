"""Draws the pictures of the user guide: the real panel, offscreen, reviewing the sample patient by the default model.

It then goes through a training with a small patient and a small model.

Run with the project's environment (extra ``panel``): python docs/make_panel_pictures.py
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PICTURES = ROOT / "docs" / "images"
sys.path[:0] = [str(ROOT), str(ROOT / "Testing"), str(ROOT / "Testing" / "harness")]


def main() -> None:
    import panel as harness
    from folders import useFolders

    harness.start()
    importlib.import_module("__feature__").set_selection(2, __name__)
    with tempfile.TemporaryDirectory() as temporary:
        useFolders(Path(temporary), os.environ.__setitem__)
        draw(harness, Path(temporary))


def draw(harness, folder: Path) -> None:
    """Go through the story and save a picture at every step."""
    import scene
    from MSLesionSegModule.setup.sampleData import addSyntheticPatient

    from phantoms.hospital import save_bright_model, save_patient

    save_bright_model(folder / "models", "bright")
    from MSLesionSegLib.network.models.model_in_use import use_model

    panel = harness.openPanel()
    ui = panel.ui

    def picture(name: str) -> None:
        harness.picture(panel, PICTURES / f"panel-{name}.png")

    def only(*names: str) -> None:
        for name in ("inputs", "segment", "lesions", "editor", "cases", "train", "models", "packages"):
            getattr(ui, f"{name}CollapsibleButton").collapsed = name not in names

    picture("start")
    panel.parameters.node.flairVolume = addSyntheticPatient()
    harness.wait(lambda: ui.segmentButton.enabled)
    only("inputs", "segment", "lesions")
    ui.segmentButton.click()
    harness.wait(lambda: ui.segmentProgressBar.value > 30)
    picture("searching")
    harness.wait(lambda: panel.search.row.job is None, 600)
    ui.nextButton.click()
    ui.acceptButton.click()
    ui.rejectButton.click()
    only("lesions")
    picture("review")
    only("lesions", "editor")
    ui.editButton.click()
    picture("editor")

    use_model("bright")
    scan = folder / "patient-1_FLAIR.nii.gz"
    save_patient(scan, "LAS", seed=1)
    panel.parameters.node.flairVolume = scene.loadVolume(scan)
    harness.wait(lambda: ui.segmentButton.enabled)
    ui.modelComboBox.currentIndex = ui.modelComboBox.findData("bright")
    ui.segmentButton.click()
    harness.wait(lambda: panel.search.row.job is None)
    for _ in panel.review.session.review.rows:
        ui.acceptButton.click()  # and on to the next

    file_others(folder)
    ui.casesFolderButton.directory = str(folder / "cases")
    ui.reviewerEdit.text = "R1"
    ui.addCaseButton.click()
    harness.wait(lambda: panel.cases.job is None)
    only("cases")
    harness.diskRead(panel)
    ui.casesFolderButton.text = "/data/training-set"
    picture("training-set")

    only("train")
    panel.parameters.node.minutes = 1
    ui.startComboBox.currentIndex = ui.startComboBox.findData("bright")
    ui.trainButton.click()
    harness.wait(lambda: len(panel.train._plot._points.get("dice", ())) > 2 or panel.train.row.job is None)
    picture("training")
    harness.wait(lambda: panel.train.row.job is None, 600)
    picture("gate")
    only("models")
    ui.modelTable.selectRow(ui.modelTable.rowCount - 1)
    picture("models")
    harness.closePanel(panel)


def file_others(folder: Path) -> None:
    """Patients that were corrected earlier: their lesions are the true ones."""
    import nibabel as nib
    import numpy as np

    from MSLesionSegLib.cases.adding import AddRequest, add_case
    from phantoms.hospital import save_patient

    for seed, split in (
        (2, "training"),
        (3, "training"),
        (4, "validation"),
        (5, "validation"),
        (6, "validation"),
    ):
        scan = folder / f"patient-{seed}_FLAIR.nii.gz"
        lesions = save_patient(scan, "LAS", seed=seed)
        image = nib.load(scan)
        mask = folder / f"patient-{seed}_mask.nii.gz"
        nib.save(nib.Nifti1Image(lesions.astype(np.uint8), image.affine, image.header), mask)
        add_case(AddRequest(folder / "cases", "flair", {"flair": scan}, mask, split=split))


if __name__ == "__main__":
    main()
