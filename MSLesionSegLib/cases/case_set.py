"""Training cases on disk: reading them, with the bad ones named and left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel as nib

from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.splits import Split, SplitRegister, read_register
from MSLesionSegLib.errors import ImageError, ModelError, MSLesionSegError, SettingsError
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.imaging.checks.scan_checks import Finding
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.imaging.scrubbing import content_hash
from MSLesionSegLib.network.models.card_checks import check_model_name
from MSLesionSegLib.tasks import TASKS, get_task

FORMAT = 1
FORMAT_KEY = "MSLesionSegCases"


@dataclass(frozen=True)
class Review:
    """What a person did to the draft of a mask.

    Attributes:
        model: that made the draft; empty when unknown or when there was none.
        reviewer: a code, never a name.
        minutes: time spent, or None.
        voxels_added, voxels_removed: against the draft, or None without a draft.
        lesions_added: lesions (26-connected) that no voxel of the draft touches, or None.
        lesions_rejected: lesions of the draft of which nothing was kept, or None.
    """

    model: str = ""
    reviewer: str = ""
    minutes: float | None = None
    voxels_added: int | None = None
    voxels_removed: int | None = None
    lesions_added: int | None = None
    lesions_rejected: int | None = None


@dataclass(frozen=True)
class Case:
    """One examination with its corrected mask, in its newest version.

    Attributes:
        case_id: e.g. ``sub-k3m9x2qa_ses-01_flair``; unique in the set, says nothing about the patient.
        subject, session: BIDS labels; of two examinations the one on whose grid the mask lies.
        task: of the task table.
        images: file by input name, each on its own native grid.
        grid: name of the input on whose voxel grid the masks lie.
        mask: the corrected mask.
        draft: what the model had proposed, or None.
        version: 1 for the first correction of the scans, 2 for the second ...
        split: the patient's side; never changes.
        site: the patient's hospital.
        lesions, volume_mm3: of the mask (26-connected).
        sha256: of the content of images, mask and draft.
        scans: content hash of each original scan by input name; a scan is the same wherever this is the same.
        contents: content hash of each file of the case by role (``mask``, ``draft`` or input name).
        review: what the person did.
    """

    case_id: str
    subject: str
    session: str
    task: str
    images: Mapping[str, Path]
    grid: str
    mask: Path
    draft: Path | None
    version: int
    split: Split
    site: str
    lesions: int
    volume_mm3: float
    sha256: str
    scans: Mapping[str, str]
    contents: Mapping[str, str]
    review: Review

    @property
    def reference(self) -> Path:
        """The image on whose grid the mask lies."""
        return self.images[self.grid]

    @property
    def segmentation(self) -> Path | None:
        """Slicer's own file of the mask, where it was kept."""
        path = self.mask.with_name(layout.segmentation_name(self.mask.name))
        return path if path.is_file() else None

    def summary(self) -> dict[str, Any]:
        """What lists show, as JSON types."""
        return {
            "case": self.case_id,
            "subject": self.subject,
            "task": self.task,
            "version": self.version,
            "split": self.split,
            "site": self.site,
            "lesions": self.lesions,
            "volume_mm3": self.volume_mm3,
            **asdict(self.review),
        }


@dataclass(frozen=True)
class CaseSet:
    """The cases of a set.

    Attributes:
        folder: of the set.
        cases: usable ones, in the order of their ids.
        findings: what is wrong with the others, and what else a person should know.
    """

    folder: Path
    cases: tuple[Case, ...]
    findings: tuple[Finding, ...]

    @property
    def training(self) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if case.split == "training")

    @property
    def validation(self) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if case.split == "validation")


def read_cases(folder: Path, task: str = "flair") -> CaseSet:
    """The newest version of every case of a task whose files were read and found good.

    A bad case never stops anything: it is left out and a finding names it. See :func:`check_files` and
    :func:`repeated` for what is looked at; :mod:`~MSLesionSegLib.cases.checking` looks at more.

    Raises:
        SettingsError: the folder holds no case set, or there is no such task.
    """
    get_task(task)
    listed = list_cases(folder)
    twice = repeated(listed.cases)
    good, findings = [], list(listed.findings)
    for case in listed.cases:
        if case.task != task:
            continue
        if case.case_id in twice:
            findings.append(Finding("case-repeated", f"{case.case_id} is left out: {twice[case.case_id]}"))
            continue
        try:
            check_files(case)
        except MSLesionSegError as error:
            findings.append(Finding(f"case-{error.code}", f"{case.case_id} is left out: {error}"))
        else:
            good.append(case)
    return CaseSet(folder, tuple(good), tuple(findings))


def list_cases(folder: Path, task: str | None = None) -> CaseSet:
    """The newest version of every case by its record alone: quick, images are not opened.

    Args:
        folder: of the set.
        task: only its cases; all when None.

    Raises:
        SettingsError: the folder holds no case set.
    """
    require_set(folder)
    register = read_register(folder)
    newest: dict[str, Case] = {}
    findings = []
    for record in records(folder):
        try:
            case = read_record(folder, record, register)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            findings.append(
                Finding("case-record", f"{record.name} is left out: it cannot be read ({reason}).")
            )
            continue
        if task in (None, case.task) and (
            case.case_id not in newest or case.version > newest[case.case_id].version
        ):
            newest[case.case_id] = case
    cases = tuple(newest[name] for name in sorted(newest))
    return CaseSet(folder, cases, tuple(findings))


def repeated(cases: Iterable[Case]) -> dict[str, str]:
    """Cases whose scans are in the set a second time under another patient, each with a sentence.

    The patient who is for validation stays, so that nobody is trained on who is measured on; else the first one.
    Adding and importing notice such scans; they come into a set only by hand.
    """
    ordered = sorted(cases, key=lambda case: (case.split != "validation", case.case_id))
    owner: dict[str, Case] = {}
    found = {}
    for case in ordered:
        for scan in case.scans.values():
            first = owner.setdefault(scan, case)
            if first.subject != case.subject:
                found[case.case_id] = f"A scan of it is in the set as {first.case_id} of another patient."
    return found


def all_versions(folder: Path) -> list[Case]:
    """Every readable version of every case, oldest first."""
    register = read_register(folder)
    found = []
    for record in records(folder):
        try:
            found.append(read_record(folder, record, register))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return sorted(found, key=lambda case: (case.case_id, case.version))


def records(folder: Path) -> Iterator[Path]:
    """The records of all versions of all cases; a case exists as soon as its record does."""
    for path in sorted((folder / layout.MANUAL).glob("sub-*/ses-*/anat/*_mask.json")):
        if layout.RECORD.fullmatch(path.relative_to(folder).as_posix()):
            yield path


def read_record(folder: Path, record: Path, register: SplitRegister) -> Case:
    """A case from its record, which is the JSON file beside the mask.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError: the record is damaged.
    """
    match = layout.RECORD.fullmatch(record.relative_to(folder).as_posix())
    content = read_json(record)
    subject, session, version = match["subject"], match["session"], int(match["version"])
    task = next((task for task in TASKS.values() if task.label == match["label"]), None)
    if task is None or content["Task"] != task.name or content["Version"] != version:
        raise ValueError("its name and its content disagree")
    files = {name: _inside(folder, path) for name, path in content["Images"].items()}
    if not set(task.required) <= files.keys() <= set(task.names) or content["Grid"] not in files:
        raise ValueError("its images are not those of its task")
    person = register.participants[subject]
    contents = {str(role): str(value) for role, value in content["Contents"].items()}
    return Case(
        case_id=case_id(subject, session, task.name),
        subject=subject,
        session=session,
        task=task.name,
        images=files,
        grid=content["Grid"],
        mask=folder / layout.mask_name(subject, session, task.label, version),
        draft=_inside(folder, content["Draft"]) if content["Draft"] else None,
        version=version,
        split=person.split,
        site=person.site,
        lesions=int(content["Lesions"]),
        volume_mm3=float(content["VolumeMm3"]),
        sha256=hashlib.sha256(json.dumps(sorted(contents.items())).encode()).hexdigest(),
        scans={str(name): str(value) for name, value in content["Scans"].items()},
        contents=contents,
        review=_review(**content["Review"]),
    )


def _review(**facts: Any) -> Review:
    review = Review(**facts)
    if review.reviewer and not layout.CODE.fullmatch(review.reviewer):
        raise ValueError("its reviewer is not a code")
    if review.model:
        try:
            check_model_name(review.model)
        except ModelError as error:
            raise ValueError(error) from None
    numbers = [value for name, value in facts.items() if name not in ("model", "reviewer")]
    if not all(value is None or isinstance(value, (int, float)) for value in numbers):
        raise ValueError("its review holds text where numbers belong")
    return review


def case_id(subject: str, session: str, task: str) -> str:
    """Name of a case."""
    return f"{subject}_{session}_{task}"


def check_files(case: Case) -> dict[str, nib.Nifti1Image]:
    """Read all files of a case; an empty mask is good, it says that there are no lesions.

    Returns:
        The images by role: input names, ``mask`` and ``draft`` if there is one.

    Raises:
        ImageError: a file is missing, unreadable, empty or full of values that are no numbers, has been changed
            since it was added, or a mask lies on another grid than its image.
    """
    scans = {name: read_scan(path) for name, path in case.images.items()}
    images = {name: scan.image for name, scan in scans.items()}
    reference = images[case.grid]
    for role, path in (("mask", case.mask), ("draft", case.draft)):
        if path is not None:
            images[role] = read_mask(path, reference)
    for role, image in images.items():
        own = scans[role].own_values if role in scans else image
        if case.contents.get(role) != content_hash(own):
            raise ImageError(
                f"Its {role} was changed after it had been added. Restore the file, or remove the case and add "
                "it again."
            )
    return images


def require_set(folder: Path) -> None:
    """Make sure that a folder holds a case set.

    Raises:
        SettingsError: it does not, or one of a newer version of the program.
    """
    try:
        version = read_json(folder / layout.DESCRIPTION)[FORMAT_KEY]
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(
            f"{folder} holds no training cases. Check the path, or add a first case with: mslesionseg cases add"
        ) from None
    if version > FORMAT:
        raise SettingsError(f"The cases in {folder} were made by a newer MSLesionSeg; update to use them.")


def find_case(folder: Path, name: str) -> Case:
    """The newest version of the case called ``name``.

    Raises:
        SettingsError: no such case; the sentence lists some that there are.
    """
    cases = {case.case_id: case for case in list_cases(folder).cases}
    if name not in cases:
        some = ", ".join(list(cases)[:5]) or "none"
        raise SettingsError(
            f"There is no case '{name}' in {folder}. Cases: {some}{' ...' if len(cases) > 5 else ''}."
        )
    return cases[name]


def _inside(folder: Path, name: str) -> Path:
    """A file below the set; a record cannot point anywhere else."""
    if not (layout.IMAGE.fullmatch(name) or layout.MASK.fullmatch(name)):
        raise ValueError(f"{name[:80]} is not the name of a file of a case set")
    return folder / name
