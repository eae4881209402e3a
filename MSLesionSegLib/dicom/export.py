"""A result written as DICOM: segmentation, measurements, page and registration of its study."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.dicom.source_files import source_files
from MSLesionSegLib.errors import OutputError, SettingsError
from MSLesionSegLib.files.atomic import atomic_folder, output_errors
from MSLesionSegLib.files.file_names import absolute
from MSLesionSegLib.imaging.dicom.series import series_files
from MSLesionSegLib.imaging.linear_transform import linear_matrix
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.segmentation.result_folder import DICOM_FILES, DICOM_FOLDER, is_dicom_file, read_manifest
from MSLesionSegLib.tasks import get_task

if TYPE_CHECKING:
    from pydicom import Dataset

    from MSLesionSegLib.dicom.exported import ExportedResult
    from MSLesionSegLib.dicom.source_series import SourceSeries
    from MSLesionSegLib.segmentation.request import SegmentRequest
    from MSLesionSegLib.segmentation.segment import SegmentationResult

EXPORT_STAGE = "write DICOM"
EXPORT_SECONDS = 3.0


@dataclass(frozen=True)
class ExportRequest:
    """Which result to write, and what of it.

    Attributes:
        result: folder of the result.
        output: folder to make; ``dicom`` within the result when None. One that an export has made is replaced.
        sources: folder with the series of an input, by its name, where it is not where the result was made on it.
        reviewed: numbered lesions as a person has reviewed them, on the voxels of the reviewed scan.
        former: DICOM Segmentation of an earlier export of one of its scans, whose tracking UIDs lesions keep; or a
            folder, of which the latest that this program made is taken, if there is one.
        probability: write the probability as a fractional segmentation too.
        key_images: write the slices of the page as secondary captures too.
    """

    result: Path
    output: Path | None = None
    sources: Mapping[str, Path] = field(default_factory=dict)
    reviewed: Path | None = None
    former: Path | None = None
    probability: bool = False
    key_images: bool = False

    @property
    def folder(self) -> Path:
        """That is made."""
        return absolute(self.output or self.result / DICOM_FOLDER)


@dataclass(frozen=True)
class Exported:
    """The files of an export by what they are, such as ``segmentation``, and how many lesions they hold.

    The objects of a role are one, but of key images there are as many as slices: ``key_image_1`` and so on.
    """

    folder: Path
    files: dict[str, Path]
    lesions: int


def export_result(request: ExportRequest, progress: Progress) -> Exported:
    """Write a result as DICOM, all files or none.

    There is no segmentation where there are no lesions, since it needs a segment, and no registration where it is not
    linear or the baseline was no DICOM series.

    Raises:
        MSLesionSegError: no result, one whose counts are withheld, its series cannot be found, a package is missing,
            or nothing can be written there.
    """
    from MSLesionSegLib.dicom.source_series import without_names, writing_packages

    manifest = _manifest(request.result)
    _check_free(request.folder)
    progress.stage(EXPORT_STAGE)
    with writing_packages(), without_names():
        return _export(request, manifest, progress)


def segment_to_dicom(request: SegmentRequest, progress: Progress) -> SegmentationResult:
    """Find lesions and write the result as DICOM within its folder, both or neither; not where counts are withheld.

    Raises:
        MSLesionSegError: nothing can be found or written; at once where that is for the scans.
    """
    from MSLesionSegLib.dicom.source_series import read_series
    from MSLesionSegLib.segmentation.segment import segment

    check_exportable(request.task, request.inputs)
    for folder in filter(Path.is_dir, request.inputs.values()):
        read_series(series_files(folder))
    return segment(request, progress, lambda folder: export_result(ExportRequest(folder), progress))


def _export(request: ExportRequest, manifest: Mapping[str, Any], progress: Progress) -> Exported:
    from MSLesionSegLib.dicom.copied import mend_copied
    from MSLesionSegLib.dicom.encapsulated_pdf import EncapsulatedPDF
    from MSLesionSegLib.dicom.exported import read_exported
    from MSLesionSegLib.dicom.key_images import key_images
    from MSLesionSegLib.dicom.source_series import read_series
    from MSLesionSegLib.dicom.tracking import tracked_before
    from MSLesionSegLib.segmentation.report.pdf import write_pdf

    task = get_task(manifest["task"])
    source = source_files(request.result, manifest, request.sources)
    if task.reviewed_on not in source.files:
        raise SettingsError(
            f"The DICOM series of the {task.scan(task.reviewed_on).title} was not found: the result was made on "
            f"another file, or the series was moved. Give its folder with --source {task.reviewed_on}=FOLDER."
        )
    series = {name: read_series(found) for name, found in source.files.items()}
    own = series[task.reviewed_on]
    if request.former is not None:
        known = tracked_before(request.former, _numbered(request.result, manifest), series)
        source = replace(source, tracking=known)
    result = read_exported(request.result, manifest, own, source, request.reviewed)
    progress.stage(EXPORT_STAGE, 0.3)
    made = {DICOM_FILES[role]: one for role, one in _objects(request, result, series).items()}
    progress.stage(EXPORT_STAGE, 0.6)
    page = _page(request, result)
    if request.key_images:
        made |= {f"key_image_{n}.dcm": one for n, one in enumerate(key_images(page, own), start=1)}
    now = datetime.now()  # by which series of several exports are told apart
    with output_errors(request.folder), atomic_folder(request.folder) as work:
        pdf = work / DICOM_FILES["pdf"]
        write_pdf(page, pdf, _heading(own.header))
        made[DICOM_FILES["encapsulated_pdf"]] = EncapsulatedPDF(pdf.read_bytes(), own)
        told = mend_copied(made.values(), own.header)
        if told:
            progress.warning("header", told)
        for name, one in made.items():
            one.SeriesDate, one.SeriesTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
            one.save_as(work / name, enforce_file_format=True)
    roles = {name: role for role, name in DICOM_FILES.items()}
    written = [*made, pdf.name]
    return Exported(
        request.folder,
        {roles.get(name, Path(name).stem): request.folder / name for name in written},
        len(result.lesions),
    )


def _numbered(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Path]:
    """Files with numbered lesions by the name of the scan on whose voxels they lie."""
    task, names = get_task(manifest["task"]), manifest["files"]
    if not task.compares:
        return {task.reviewed_on: folder / names["lesions"]}
    return {name: folder / names[f"{name}_lesions"] for name in task.names}


def check_exportable(task: str, inputs: Mapping[str, Path]) -> None:
    """Refuse to find lesions on inputs (path by name) whose result could not be written as DICOM.

    Raises:
        MSLesionSegError: the reviewed scan is a file, or a package is missing.
    """
    from MSLesionSegLib.dicom.source_series import writing_packages

    with writing_packages():
        import highdicom  # noqa: F401
        import reportlab  # noqa: F401
    row = get_task(task)
    if not inputs[row.reviewed_on].is_dir():
        raise SettingsError(
            f"--dicom writes into the study of the {row.scan(row.reviewed_on).title}, which has to be a DICOM series."
        )


def _objects(
    request: ExportRequest, result: ExportedResult, series: Mapping[str, SourceSeries]
) -> dict[str, Dataset]:
    """All objects but the page, by what they are."""
    from MSLesionSegLib.dicom.registration import SpatialRegistration
    from MSLesionSegLib.dicom.segmentation import lesion_segmentation, probability_map
    from MSLesionSegLib.dicom.structured_report import structured_report

    found = lesion_segmentation(result) if result.lesions else None
    objects: dict[str, Any] = {} if found is None else {"segmentation": found}
    objects["structured_report"] = structured_report(result, found)
    named = {role: request.result / name for role, name in result.manifest["files"].items()}
    if request.probability:
        probability = nib.Nifti1Image.from_filename(named[result.task.reviewed_file("probability")])
        objects["probability"] = probability_map(result, np.asarray(probability.dataobj))
    if result.task.compares and "baseline" in series:
        matrix = linear_matrix(named["transform"])
        if matrix is not None:
            to_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
            objects["registration"] = SpatialRegistration(
                to_lps @ matrix @ to_lps, series["baseline"], series["followup"]
            )
    return objects


def _manifest(folder: Path) -> dict[str, Any]:
    manifest = read_manifest(folder)
    if manifest is None:
        raise SettingsError(
            f"{folder} is no result of this program. Give the folder that holds a result.json."
        )
    if manifest.get("comparability", {}).get("counts") == "withheld":
        raise SettingsError(
            "These scans cannot be compared, so the result holds no lesions that could be written."
        )
    return manifest


def _check_free(folder: Path) -> None:
    """Refuse a folder that holds anything but an earlier export."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file. Give the name of a folder.")
    foreign = sorted(path.name for path in folder.glob("*") if not is_dicom_file(path.name))
    if foreign:
        raise OutputError(
            f"{folder} holds other files ({foreign[0]}). Give a folder that does not exist yet."
        )


def _page(request: ExportRequest, result: ExportedResult) -> str:
    """The page of the result, or as it is after a review."""
    if result.reviewed:
        from MSLesionSegLib.dicom.reviewed_page import reviewed_page

        brain = result.manifest["files"][result.task.reviewed_file("brain")]
        return reviewed_page(result, request.result / brain)
    return (request.result / result.manifest["files"]["report"]).read_text(encoding="utf-8")


def _heading(header: Dataset) -> str:
    """Whose scan it is, for paper: as the series tells it."""
    name = str(header.PatientName or "").split("=")[0].replace("^", " ").strip()
    day = _readable(header.StudyDate)
    told = (name, _readable(header.PatientBirthDate), str(header.PatientID or ""), day and f"study of {day}")
    return " · ".join(text for text in told if text)


def _readable(date: object) -> str:
    """A date of DICOM (YYYYMMDD) as a person writes it."""
    return re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", str(date or ""))
