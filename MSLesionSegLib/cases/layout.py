"""Where the files of a case set lie: a BIDS dataset with its masks under ``derivatives/manual``."""

from __future__ import annotations

import re

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
    rf"(?P=subject)_(?P=session)_(ce-gadolinium_)?(FLAIR|T1w)\.(nii\.gz|json)"
)
MASK = re.compile(
    rf"{MANUAL}/(?P<subject>sub-{_WORD})/(?P<session>ses-{_WORD})/anat/"
    rf"(?P=subject)_(?P=session)_label-{_WORD}_desc-v[1-9][0-9]{{0,3}}(draft)?_mask\.nii\.gz"
)
# any file of a version: record, mask, draft, Slicer's segmentation
VERSION = re.compile(
    rf"sub-{_WORD}_ses-{_WORD}_label-{_WORD}_desc-v(?P<version>[1-9][0-9]{{0,3}})(draft)?_mask\."
)


def image_name(subject: str, session: str, suffix: str) -> str:
    """Path of a scan below the set."""
    return f"{subject}/{session}/anat/{subject}_{session}_{suffix}.nii.gz"


def session_of(image: str) -> str:
    """Session of a scan by its path below the set."""
    return image.split("/")[1]


def suffix_of(image: str) -> str:
    """BIDS suffix of a scan by its path below the set."""
    return image.split("_", 2)[2].removesuffix(".nii.gz")


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
