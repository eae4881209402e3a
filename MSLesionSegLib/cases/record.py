"""One case of a set and its record: what it is of, where its files lie, and whether they are good."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel as nib

from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.splits import Split, SplitRegister
from MSLesionSegLib.errors import ImageError, ModelError
from MSLesionSegLib.files.checksums import json_sha256
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.imaging.deidentification import content_hash
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.lesions.possible import MOST as MOST_POSSIBLE
from MSLesionSegLib.network.models.card_checks import check_model_name
from MSLesionSegLib.tasks import TASKS, Task

Place = tuple[float, float, float]


@dataclass(frozen=True)
class CaseReview:
    """What a person did to the draft of a mask.

    Attributes:
        model: that made the draft; empty when unknown or when there was none.
        reviewer: a code, never a name.
        minutes: time spent, or None.
        voxels_added, voxels_removed: against the draft, or None without a draft.
        lesions_added: lesions (26-connected) that no voxel of the draft touches, or None.
        lesions_rejected: lesions of the draft of which nothing was kept, or None.
        possible_taken: possible lesions of the draft that the person made lesions, or None.
        possible_places: where each of them is most probable, mm in RAS; None where that is not known, as in the
            records of earlier versions.
    """

    model: str = ""
    reviewer: str = ""
    minutes: float | None = None
    voxels_added: int | None = None
    voxels_removed: int | None = None
    lesions_added: int | None = None
    lesions_rejected: int | None = None
    possible_taken: int | None = None
    possible_places: tuple[Place, ...] | None = None


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
    review: CaseReview

    @property
    def reference(self) -> Path:
        """The image on whose grid the mask lies."""
        return self.images[self.grid]

    @property
    def segmentation(self) -> Path | None:
        """Slicer's own file of the mask, where it was kept."""
        path = self.mask.with_name(layout.segmentation_name(self.mask.name))
        return path if path.is_file() else None

    @property
    def files(self) -> list[Path]:
        """All files of this version but its record."""
        files = (*self.images.values(), self.mask, self.draft, self.segmentation)
        return [path for path in files if path is not None]

    def is_of(self, task: Task, scans: Mapping[str, str]) -> bool:
        """Whether it is a case of a task and of scans with these content hashes by input name."""
        return self.task == task.name and all(self.scans[name] == scans[name] for name in task.required)

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


def read_record(folder: Path, record: Path, register: SplitRegister) -> Case:
    """A case from its record, which is the JSON file beside the mask.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError: the record is damaged.
    """
    match = layout.RECORD.fullmatch(record.relative_to(folder).as_posix())
    if match is None:
        raise ValueError("its name is not that of a record")
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
        sha256=json_sha256(sorted(contents.items())),
        scans={str(name): str(value) for name, value in content["Scans"].items()},
        contents=contents,
        review=_review(**content["Review"]),
    )


def checked_places(places: Sequence[Sequence[float]]) -> tuple[Place, ...]:
    """Places of possible lesions in mm, RAS; none is there twice, and there are no more than a review offers.

    Raises:
        ValueError: they are not, or are no places; the message is a sentence.
    """
    if not (isinstance(places, (list, tuple)) and all(_is_place(place) for place in places)):
        raise ValueError("Places of possible lesions are three numbers each, in mm.")
    checked = tuple((float(x), float(y), float(z)) for x, y, z in places)
    if len(checked) > MOST_POSSIBLE or len(set(checked)) < len(checked):
        raise ValueError(f"There are at most {MOST_POSSIBLE} possible lesions, each at a place of its own.")
    return checked


def _is_place(place: object) -> bool:
    return (
        isinstance(place, (list, tuple))
        and len(place) == 3
        and all(type(value) in (int, float) and math.isfinite(value) for value in place)
    )


def _review(possible_places: Any = None, **facts: Any) -> CaseReview:
    places = None if possible_places is None else checked_places(possible_places)
    review = CaseReview(**facts, possible_places=places)
    if places is not None and review.possible_taken != len(places):
        raise ValueError("its possible lesions are not as many as their places")
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


def _inside(folder: Path, name: str) -> Path:
    """A file below the set; a record cannot point anywhere else."""
    if not (layout.IMAGE.fullmatch(name) or layout.MASK.fullmatch(name)):
        raise ValueError(f"{name[:80]} is not the name of a file of a case set")
    return folder / name
