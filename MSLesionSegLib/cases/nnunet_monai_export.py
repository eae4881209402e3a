"""Cases in the layouts of other training programs: nnU-Net's raw data and MONAI's datalist."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.cases.case_set import left_out, read_cases
from MSLesionSegLib.cases.defacing import brain_of, brain_to_keep, check_same_brain, without_face
from MSLesionSegLib.cases.record import Case, check_files
from MSLesionSegLib.errors import MSLesionSegError, SettingsError
from MSLesionSegLib.files.atomic import atomic_folder, output_errors
from MSLesionSegLib.files.file_names import check_new
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.writing import save_image
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.tasks import get_task

EXPORT = "export cases"
_DATASET = re.compile(r"Dataset\d{3}_[A-Za-z0-9]+")
_LABELS = {"background": 0, "lesion": 1}


@dataclass(frozen=True)
class ExportedSet:
    """What was written: where, how many cases of each side, and what was left out."""

    path: Path
    training: int
    validation: int
    findings: tuple[InputWarning, ...] = ()


def export_nnunet(
    folder: Path, to: Path, *, task: str = "flair", strip_face: bool = False, progress: Progress | None = None
) -> ExportedSet:
    """Write nnU-Net's raw layout (https://github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md).

    Training cases go into imagesTr and labelsTr, validation cases into imagesTs and labelsTs. All scans of a case
    come onto the mask's grid, as nnU-Net wants it: further scans are registered rigidly. Bad cases are left out.

    Args:
        folder: of the case set.
        to: folder to make, called ``Dataset`` + three digits + ``_`` + name.
        task: whose cases.
        strip_face: leave only the brain in the images.

    Raises:
        SettingsError: no such set or task, or a name that nnU-Net does not take.
        OutputError: the folder exists or cannot be written.
    """
    if not _DATASET.fullmatch(to.name):
        raise SettingsError(
            f"nnU-Net wants a folder called Dataset501_Name (three digits, a name), not {to.name}."
        )

    def write(case: Case, channels: Mapping[str, nib.Nifti1Image], mask: nib.Nifti1Image, work: Path) -> None:
        side = "Tr" if case.split == "training" else "Ts"
        for number, image in enumerate(channels.values()):
            nib.save(image, _place(work / f"images{side}" / f"{case.case_id}_{number:04d}.nii.gz"))
        _save_mask(mask, work / f"labels{side}" / f"{case.case_id}.nii.gz")

    def conclude(cases: list[Case], work: Path) -> None:
        content = {
            "channel_names": {str(number): name for number, name in enumerate(get_task(task).required)},
            "labels": _LABELS,
            "numTraining": sum(case.split == "training" for case in cases),
            "file_ending": ".nii.gz",
        }
        (work / "dataset.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    return _export(folder, to, task, strip_face, write, conclude, progress or Silent())


def export_monai(
    folder: Path, to: Path, *, task: str = "flair", strip_face: bool = False, progress: Progress | None = None
) -> ExportedSet:
    """Write images, labels and ``datalist.json`` with the lists ``training`` and ``validation``.

    ``monai.data.load_decathlon_datalist`` reads it; paths are relative to it. Arguments, grids and errors as for
    :func:`export_nnunet`; any folder name will do.
    """
    listed: dict[str, list[dict[str, object]]] = {"training": [], "validation": []}

    def write(case: Case, channels: Mapping[str, nib.Nifti1Image], mask: nib.Nifti1Image, work: Path) -> None:
        files = []
        for name, image in channels.items():
            files.append(f"images/{case.case_id}_{name}.nii.gz")
            nib.save(image, _place(work / files[-1]))
        label = f"labels/{case.case_id}.nii.gz"
        _save_mask(mask, work / label)
        listed[case.split].append({"image": files[0] if len(files) == 1 else files, "label": label})

    def conclude(cases: list[Case], work: Path) -> None:
        content = {
            "name": f"MS lesions ({task})",
            "tensorImageSize": "3D",
            "modality": {str(number): name for number, name in enumerate(get_task(task).required)},
            "labels": {str(value): name for name, value in _LABELS.items()},
            "numTraining": len(listed["training"]),
            **listed,
        }
        (work / "datalist.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    return _export(folder, to, task, strip_face, write, conclude, progress or Silent())


def _export(
    folder: Path,
    to: Path,
    task: str,
    strip_face: bool,
    write: Callable[[Case, Mapping[str, nib.Nifti1Image], nib.Nifti1Image, Path], None],
    conclude: Callable[[list[Case], Path], None],
    progress: Progress,
) -> ExportedSet:
    check_new(to)
    found = read_cases(folder, task)
    findings, written = list(found.findings), []
    with output_errors(to), atomic_folder(to, lambda: check_new(to)) as work:
        for k, case in enumerate(found.cases):
            progress.stage(EXPORT, k / len(found.cases))
            try:
                images = check_files(case)
                channels = dict(_on_one_grid(case, images, strip_face))
            except MSLesionSegError as error:
                findings.append(left_out(case, error))
                continue
            write(case, channels, images["mask"], work)
            written.append(case)
        if not written:
            raise SettingsError(f"{folder} holds no usable cases of the task '{task}'.")
        conclude(written, work)
        for finding in findings:
            progress.warning(finding.code, finding.sentence)
        progress.stage(EXPORT, 1.0)  # the last moment to cancel
    sides = [case.split for case in written]
    return ExportedSet(to, sides.count("training"), sides.count("validation"), tuple(findings))


def _on_one_grid(
    case: Case, images: Mapping[str, nib.Nifti1Image], strip_face: bool
) -> Iterator[tuple[str, nib.Nifti1Image]]:
    """The required scans in the order of the task, all on the grid of the mask."""
    fixed = images[case.grid]
    required = get_task(case.task).required
    find = brain_to_keep if strip_face else brain_of
    brain = find(fixed) if len(required) > 1 or strip_face else None
    kept = brain if strip_face else None
    for name in required:
        image = images[name]
        if name != case.grid:
            from MSLesionSegLib.imaging.registration import register

            own = find(image)
            found = register(image, fixed, moving_mask=own, fixed_mask=brain)
            image = found.apply(image, fixed)
            if kept is not None:
                check_same_brain(kept, found.apply(own, fixed, "nearest"))
        yield name, image if kept is None else without_face(image, kept)


def _save_mask(mask: nib.Nifti1Image, path: Path) -> None:
    save_image(np.asarray(mask.dataobj), mask, _place(path))


def _place(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
