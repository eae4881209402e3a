"""Adding a corrected examination to a case set, and taking one out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib

from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.bids_writing import NewCase, check_folder, take_out, write_case
from MSLesionSegLib.cases.case_set import find_case, require_set
from MSLesionSegLib.cases.checking import check_lesion_share
from MSLesionSegLib.cases.record import Case, CaseReview, Place, checked_places, read_record
from MSLesionSegLib.cases.splits import Split, read_register
from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.files.transaction import transaction
from MSLesionSegLib.imaging.checks.lesion_mask import parse_label, read_lesion_mask
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.deidentification import content_hash
from MSLesionSegLib.imaging.grid import voxel_at
from MSLesionSegLib.imaging.reading import read_scan, warnings_of
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.network.models.card_checks import check_model_name
from MSLesionSegLib.tasks import get_task

READ, STORE = "read files", "store case"


@dataclass(frozen=True)
class AddRequest:
    """What to add.

    Attributes:
        folder: of the set; made when it does not exist.
        task: of the task table.
        images: scan file (or DICOM folder) by input name.
        mask: the corrected mask, on the grid of the scan (of either one for new lesions); may be empty.
        draft: what the model had proposed, on the same grid.
        lesion_label: which label of mask and draft is the lesion, if they hold several; see
            :func:`~MSLesionSegLib.imaging.checks.lesion_mask.parse_label`.
        model: that made the draft.
        reviewer: a code of the person, not a name.
        minutes: time spent.
        possible_places: where (mm, RAS) those of the draft's possible lesions are that the person made lesions.
        segmentation: Slicer's own file of the mask (.seg.nrrd), kept beside it for further editing; it is copied as
            it is, so its segments' names must name nobody.
        site: code of the hospital; None takes that of the set's first patient, ``local`` in a new set.
        subject: id of a patient of the set whose further examination this is; None: a new patient, unless one of
            the scans is in the set.
        split: side of a new patient; None leaves it to chance (one patient in four is for validation).
    """

    folder: Path
    task: str
    images: Mapping[str, Path]
    mask: Path
    draft: Path | None = None
    lesion_label: str | None = None
    model: str = ""
    reviewer: str = ""
    minutes: float | None = None
    possible_places: tuple[Place, ...] | None = None
    segmentation: Path | None = None
    site: str | None = None
    subject: str | None = None
    split: Split | None = None


@dataclass(frozen=True)
class AddedCase:
    """What came of it.

    Attributes:
        case: as it now stands in the set.
        stored: False when scans and mask were in the set already, so that nothing changed.
        findings: what a person should know about the files.
    """

    case: Case
    stored: bool
    findings: tuple[InputWarning, ...] = ()


def add_case(request: AddRequest, progress: Progress | None = None) -> AddedCase:
    """Add a corrected examination: the scans as they are but without header text, the masks, and a record.

    Scans that are in the set already, under whatever name, are not stored again. With the same scans a changed mask
    becomes the next version and the earlier ones stay; an unchanged mask changes nothing. All or nothing.

    Raises:
        SettingsError: an argument is wrong, or contradicts what the set knows.
        ModelError: no model can be called so.
        ImageError: a file cannot be used; the mask lies on another grid than its scan.
        OutputError: the set cannot be written.
    """
    progress = progress or Silent()
    _check(request)
    check_folder(request.folder)
    progress.stage(READ)
    new = _read(request)
    progress.stage(STORE)
    with transaction(request.folder) as change:
        written = write_case(request.folder, new, change)
        findings = (*new.findings, *written.findings)
        for finding in findings:
            progress.warning(finding.code, finding.sentence)
        progress.stage(STORE, 1.0)  # the last moment to cancel
    record = request.folder / written.record
    case = read_record(request.folder, record, read_register(request.folder))
    return AddedCase(case, written.stored, findings)


def remove_case(folder: Path, name: str) -> Case:
    """Delete a case with all its versions, and its scans unless another case needs them. It cannot be undone.

    The fingerprints of its scans stay, with their side of the split: they return to it when they are added again.

    Raises:
        SettingsError: no such case.
        OutputError: the set cannot be written.
    """
    require_set(folder)
    with transaction(folder) as change:
        case = find_case(folder, name)
        take_out(folder, case, change)
    return case


def _check(request: AddRequest) -> None:
    """Refuse anything but short codes where people might write names, and inputs that are not the task's."""
    codes = {"site": request.site, "reviewer": request.reviewer}
    for what, code in codes.items():
        if code and not layout.CODE.fullmatch(code):
            raise SettingsError(
                f"The {what} must be a code of at most 32 letters, digits, '.', '-' and '_' without spaces."
            )
    parse_label(request.lesion_label)
    if request.model:
        check_model_name(request.model)
    if request.minutes is not None and not 0 <= request.minutes < 10_000:
        raise SettingsError("The minutes spent must be a number from 0 to 9999.")
    if request.segmentation is not None and not _is_nrrd(request.segmentation):
        raise SettingsError(f"{request.segmentation} is not a segmentation of 3D Slicer (.seg.nrrd).")
    task = get_task(request.task)
    if not set(task.required) <= request.images.keys() <= set(task.names):
        optional = ", ".join(sorted({*task.names} - {*task.required}))
        raise SettingsError(
            f"A case of the task '{task.name}' has the scans {', '.join(task.required)}"
            f"{f' and may have {optional}' if optional else ''}, but these were given: "
            f"{', '.join(request.images) or 'none'}."
        )


def _is_nrrd(path: Path) -> bool:
    if not (path.is_file() and path.name.lower().endswith(".seg.nrrd")):
        return False
    with path.open("rb") as stream:
        return stream.read(4) == b"NRRD"


def _read(request: AddRequest) -> NewCase:
    task = get_task(request.task)
    scans = {
        entry.name: read_scan(request.images[entry.name], sequence=entry.sequence)
        for entry in task.inputs
        if entry.name in request.images
    }
    hashes = {name: content_hash(scan.own_values) for name, scan in scans.items()}
    if len(set(hashes.values())) < len(hashes):
        raise SettingsError("The same scan was given twice. Give each scan of the case once.")
    label = request.lesion_label
    grid, mask = _read_on_a_grid(request.mask, {name: scans[name].image for name in task.grids}, label)
    check_lesion_share(mask, scans[grid].image)
    draft = None if request.draft is None else read_lesion_mask(request.draft, scans[grid].image, label)
    taken = request.possible_places
    if taken is not None:
        taken = _places_on(mask, taken)
    findings = [finding for scan in scans.values() for finding in scan.findings]
    findings += [finding for image in (mask, draft) if image for finding in warnings_of(image)]
    return NewCase(
        task=task,
        scans=scans,
        hashes=hashes,
        contents=hashes,
        grid=grid,
        mask=mask,
        draft=draft,
        review=CaseReview(
            request.model,
            request.reviewer,
            request.minutes,
            possible_taken=None if taken is None else len(taken),
            possible_places=taken,
        ),
        site=request.site,
        subject=request.subject,
        split=request.split,
        findings=tuple(findings),
        segmentation=request.segmentation,
    )


def _places_on(mask: nib.Nifti1Image, places: tuple[Place, ...]) -> tuple[Place, ...]:
    """The places (mm, RAS); they must lie on the mask's grid."""
    try:
        checked = checked_places(places)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if any(voxel_at(place, mask.affine, mask.shape) is None for place in checked):
        raise SettingsError(
            "A possible lesion that was taken lies outside the scan; its place is in mm, RAS."
        )
    return checked


def _read_on_a_grid(
    path: Path, images: Mapping[str, nib.Nifti1Image], label: str | None
) -> tuple[str, nib.Nifti1Image]:
    """Read a mask; return the name of the first image on whose grid it lies, and the mask."""
    refused = []
    for name, image in images.items():
        try:
            return name, read_lesion_mask(path, image, label)
        except ImageError as error:
            refused.append(error)
    raise refused[0]
