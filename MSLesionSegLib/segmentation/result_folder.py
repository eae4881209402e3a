"""The result folder: names, and writing that is all or nothing."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.files.atomic import atomic_folder, hidden_beside, output_errors, recover
from MSLesionSegLib.files.file_names import absolute, check_name_length, is_hidden_file
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.imaging.formats import without_ending

MANIFEST = "result.json"
PROGRAM = "mslesionseg"
DICOM_FOLDER = "dicom"
DICOM_FILES = {
    "segmentation": "segmentation.dcm",
    "probability": "probability.dcm",
    "structured_report": "report_sr.dcm",
    "pdf": "report.pdf",
    "encapsulated_pdf": "report_pdf.dcm",
    "registration": "registration.dcm",
}
_LONGEST_STEM = 180  # the longest output name has 43 characters more
_ANOTHER_OUTPUT = "Choose another output folder."


def stem_of(path: Path, sequence: str = "flair") -> str:
    """Start of the output names: the input's name without ending and, for a BIDS name, without suffix.

    ``sub-01_ses-02_FLAIR.nii.gz`` gives ``sub-01_ses-02``. A DICOM folder gives ``sequence``, because such
    folders are often named after the patient. Characters outside ``A-Za-z0-9._-`` become ``-``; what
    would make the outputs' names too long is cut off.
    """
    name = without_ending(path.name)
    if name is None:
        return sequence
    *entities, suffix = name.split("_")
    if name.startswith("sub-") and entities and "-" not in suffix:
        name = "_".join(entities)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:_LONGEST_STEM] or sequence


def output_names(
    stem: str,
    *,
    uncertainty: bool = False,
    subtraction: bool = False,
    regions: bool = False,
    possible: bool = False,
) -> dict[str, str]:
    """File names of one result, in the manner of BIDS derivatives. Only the regions lie on another grid (1 mm)."""
    names = {
        "mask": f"{stem}_label-lesion_mask.nii.gz",
        "probability": f"{stem}_label-lesion_probseg.nii.gz",
        "lesions": f"{stem}_label-lesion_dseg.nii.gz",
        "brain": f"{stem}_desc-brain_mask.nii.gz",
    }
    if uncertainty:
        names["uncertainty"] = f"{stem}_label-lesion_desc-uncertainty_map.nii.gz"
    if subtraction:
        names["subtraction"] = f"{stem}_desc-subtraction_map.nii.gz"
    if regions:
        names["regions"] = f"{stem}_res-1mm_desc-regions_dseg.nii.gz"
    if possible:
        names["possible"] = f"{stem}_label-possible_dseg.nii.gz"
        names["possible_table"] = "possible.csv"
    return names | {"table": "lesions.csv", "report": "report.html", "manifest": MANIFEST}


def check_output(folder: Path, task: str, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse an output that cannot or must not be written, before any work is done.

    Args:
        folder: to be made.
        task: what is done, as the manifest names it.
        overwrite: replace an earlier result of the same task, if its folder holds nothing else.
        inputs: files and folders that are read; none may lie in a folder that would be replaced.

    Raises:
        OutputError: with a sentence that says what to do.
    """
    folder = absolute(folder)
    check_name_length(folder)
    with output_errors(folder, _ANOTHER_OUTPUT):
        recover(folder)
        if folder.exists():
            _check_existing(folder, task, overwrite, inputs)
        place = next((parent for parent in folder.parents if parent.exists()), None)
        if place is None:
            raise OutputError(f"{folder} lies on a drive that is not there.")
        probe = place / hidden_beside(folder).name
        probe.mkdir()
        probe.rmdir()


@contextlib.contextmanager
def staged(folder: Path, task: str, *, overwrite: bool = False) -> Iterator[Path]:
    """A hidden folder beside ``folder`` to write into; it takes the name ``folder`` when the block ends well.

    As :func:`~MSLesionSegLib.files.atomic.atomic_folder`, but a folder that is there is replaced with ``overwrite``
    alone, and only if :func:`check_output` allows it.

    Raises:
        OutputError: as :func:`check_output`, for what came into being in the meantime.
    """
    folder = absolute(folder)

    def check() -> None:
        if folder.exists():
            _check_existing(folder, task, overwrite, ())

    with output_errors(folder, _ANOTHER_OUTPUT), atomic_folder(folder, check) as work:
        yield work


def write_manifest(content: dict[str, Any], folder: Path) -> Path:
    """Write ``result.json``; its presence marks a complete result."""
    path = folder / MANIFEST
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _check_existing(folder: Path, task: str, overwrite: bool, inputs: Sequence[Path]) -> None:
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file. Give the name of a folder that does not exist yet.")
    found = sorted(path for path in folder.iterdir() if not is_hidden_file(path.name))
    if not found:
        return
    manifest = read_manifest(folder)
    if manifest is None:
        raise OutputError(
            f"{folder} holds files that are not a result of MSLesionSeg. Give another output folder."
        )
    if manifest.get("task") != task:
        raise OutputError(
            f"{folder} holds a result of another command, which is never replaced. Give another output folder."
        )
    if not overwrite:
        raise OutputError(
            f"{folder} holds a result already. Give another output folder, or --overwrite to replace it."
        )
    for path in inputs:
        if absolute(path).is_relative_to(folder):
            raise OutputError(f"The input {path} lies in {folder}, which would be replaced. Move it first.")
    own = [MANIFEST, *manifest["files"].values()]
    foreign = [
        path.name for path in found if (path.name not in own or path.is_dir()) and not _is_export(path)
    ]
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise OutputError(
            f"{folder} holds files beside its result, which would be lost: {', '.join(foreign[:3])}{more}. "
            "Move them first, or give another output folder."
        )


def _is_export(path: Path) -> bool:
    """Whether a folder within a result holds nothing but what was written of it as DICOM."""
    if path.name != DICOM_FOLDER or not path.is_dir():
        return False
    return all(is_dicom_file(each.name) and each.is_file() for each in path.iterdir())


def is_dicom_file(name: str) -> bool:
    """Whether a file that was written as DICOM has such a name."""
    return name in DICOM_FILES.values() or re.fullmatch(r"key_image_\d+\.dcm", name) is not None


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a result of this program, or None where there is none."""
    try:
        content = read_json(folder / MANIFEST)
        ours = content["program"] == PROGRAM and isinstance(content["files"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if ours else None
