"""Where the files of a case set lie: a BIDS dataset with its masks under ``derivatives/manual``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from MSLesionSegLib.errors import SettingsError

MANUAL = "derivatives/manual"
DESCRIPTION = "dataset_description.json"
PARTICIPANTS = "participants.tsv"
SPLITS = f"{MANUAL}/splits.json"
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")  # where people might write names
_WORD = "[A-Za-z0-9]+"
RECORD = re.compile(
    rf"{MANUAL}/(?P<subject>sub-{_WORD})/(?P<session>ses-{_WORD})/anat/"
    rf"(?P=subject)_(?P=session)_label-(?P<label>{_WORD})_desc-v(?P<version>[1-9][0-9]{{0,3}})_mask\.json"
)
IMAGE = re.compile(
    rf"(?P<subject>sub-{_WORD})/(?P<session>ses-{_WORD})/anat/"
    rf"(?P=subject)_(?P=session)_(?P<suffix>(ce-gadolinium_)?(FLAIR|T1w))\.(nii\.gz|json)"
)
MASK = re.compile(
    rf"{MANUAL}/(?P<subject>sub-{_WORD})/(?P<session>ses-{_WORD})/anat/"
    rf"(?P=subject)_(?P=session)_label-{_WORD}_desc-v[1-9][0-9]{{0,3}}(draft)?_mask\.nii\.gz"
)
# any file of a version: record, mask, draft, Slicer's segmentation
VERSION = re.compile(
    rf"sub-{_WORD}_ses-{_WORD}_label-{_WORD}_desc-v(?P<version>[1-9][0-9]{{0,3}})(draft)?_mask\."
)


@dataclass(frozen=True)
class InputFile:
    """How an input of a task is called in BIDS.

    Attributes:
        name: of the input, as in the task table.
        suffix: end of the file name.
        visit: 0 for the first examination of the case, 1 for the next.
        optional: the case is complete without it.
    """

    name: str
    suffix: str
    visit: int = 0
    optional: bool = False

    @property
    def sequence(self) -> str:
        """What the reader checks its contrast against: ``FLAIR`` or ``T1w``."""
        return self.suffix.rpartition("_")[2]


@dataclass(frozen=True)
class CaseKind:
    """The files of the cases of one task.

    Attributes:
        task: of the task table.
        label: what the mask shows, as in its file name.
        inputs: the scans.
        grids: inputs on whose grid the mask may lie; the task's reference comes first.
    """

    task: str
    label: str
    inputs: tuple[InputFile, ...]
    grids: tuple[str, ...]

    @property
    def required(self) -> frozenset[str]:
        """Names of the inputs without which there is no case."""
        return frozenset(entry.name for entry in self.inputs if not entry.optional)

    @property
    def known(self) -> frozenset[str]:
        """Names of all inputs."""
        return frozenset(entry.name for entry in self.inputs)


KINDS: dict[str, CaseKind] = {
    kind.task: kind
    for kind in (
        CaseKind("flair", "lesion", (InputFile("flair", "FLAIR"),), ("flair",)),
        CaseKind(
            "new",
            "newlesion",
            (InputFile("baseline", "FLAIR"), InputFile("followup", "FLAIR", 1)),
            ("baseline", "followup"),
        ),
        CaseKind(
            "enhancing",
            "enhancing",
            (
                InputFile("pre", "T1w"),
                InputFile("post", "ce-gadolinium_T1w"),
                InputFile("flair", "FLAIR", optional=True),
            ),
            ("post",),
        ),
    )
}
_TASK_OF_LABEL = {kind.label: kind.task for kind in KINDS.values()}


def kind_of(task: str) -> CaseKind:
    """The files of a task's cases.

    Raises:
        SettingsError: no such task.
    """
    if task not in KINDS:
        raise SettingsError(f"There is no task '{task}'. Known tasks: {', '.join(KINDS)}.")
    return KINDS[task]


def task_of_label(label: str) -> str | None:
    """The task whose masks are called so."""
    return _TASK_OF_LABEL.get(label)


def image_name(subject: str, session: str, suffix: str) -> str:
    """Path of a scan below the set."""
    return f"{subject}/{session}/anat/{subject}_{session}_{suffix}.nii.gz"


def mask_name(subject: str, session: str, label: str, version: int, *, draft: bool = False) -> str:
    """Path of a mask below the set; its record is the JSON file of the same name."""
    desc = f"v{version}{'draft' if draft else ''}"
    folder = f"{MANUAL}/{subject}/{session}/anat"
    return f"{folder}/{subject}_{session}_label-{label}_desc-{desc}_mask.nii.gz"


def segmentation_name(mask: str) -> str:
    """Path of Slicer's segmentation beside a mask, for further editing."""
    return f"{mask.removesuffix('.nii.gz')}.seg.nrrd"


def record_name(mask: str) -> str:
    """Path of the record beside a mask."""
    return f"{mask.removesuffix('.nii.gz')}.json"
