"""The patients of a study: prepared examples by centre, and the scans in native space where a study needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from MSLesionSegLib.cases.case_set import read_cases, require_set
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.imaging.writing import save_in_folder
from MSLesionSegLib.jobs.progress import Progress, Within
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.training.examples.case_examples import prepare_cases
from MSLesionSegLib.training.examples.dataset_examples import TrainingScan, find_scans, prepare_dataset
from MSLesionSegLib.training.examples.example import Example, check_untouched, read_examples
from MSLesionSegLib.training.examples.unlabelled import prepare_unlabelled

PREPARE = "prepare cases"
SECOND_READER = "reader2"


@dataclass(frozen=True)
class StudyCase:
    """One scan of a patient in a study.

    Attributes:
        site: centre that it comes from.
        patient: all scans of a patient stay together in training or in testing.
        example: prepared for the network.
        files: SHA-256 of the files that the study reads for it besides the example: ``image``, ``mask``,
            ``brain`` and ``second``, those that there are.
    """

    site: str
    patient: str
    example: Example
    files: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.example.name

    def described(self) -> dict[str, str]:
        """What ``study.json`` and a cell's settings hold of it: a cell is not reused when any of it has changed."""
        return {"name": self.name, "site": self.site, "sha256": self.example.sha256, **self.files}


@dataclass(frozen=True, kw_only=True)
class NativeCase(StudyCase):
    """A case that is also tested in native space.

    Attributes:
        scan: its files.
        brain: brain mask on the scan's grid.
        second: mask of a second reader (``..._desc-reader2_label-lesion_mask.nii.gz`` beside the first), or None.
    """

    scan: TrainingScan
    brain: Path
    second: Path | None = None


AnyCase = TypeVar("AnyCase", bound=StudyCase)


def patient_of(name: str) -> str:
    """Subject of a BIDS name: what stands before the first underscore."""
    return name.split("_")[0]


def prepared_centre(source: Path, work: Path, progress: Progress) -> list[StudyCase]:
    """Cases of one centre for training and testing on the network's grid.

    Args:
        source: a case set, another BIDS dataset with masks under ``derivatives/manual``, or a folder of prepared
            examples.
        work: where examples are prepared; those that are there are kept.

    Raises:
        SettingsError: nothing usable in ``source``.
    """
    examples = read_examples(source)
    if not examples and source.is_dir():
        examples = [example for _, example in _prepared_scans(source, work, progress)]
    if not examples:
        raise SettingsError(f"{source} holds neither scans with lesion masks nor prepared examples.")
    for example in examples:
        check_untouched(example)
    return [StudyCase(source.name, patient_of(example.name), example) for example in examples]


def unlabelled_centre(source: Path, work: Path, progress: Progress) -> list[StudyCase]:
    """Scans of a folder without looking for masks, for pre-training.

    Raises:
        SettingsError: no scans in ``source``.
    """
    examples = prepare_unlabelled(source, work / "scans" / source.name, progress)
    for example in examples:
        check_untouched(example)
    return [StudyCase(source.name, patient_of(example.name), example) for example in examples]


def native_centre(source: Path, work: Path, progress: Progress) -> list[NativeCase]:
    """Cases of one case set or other BIDS dataset for training, and for testing in native space.

    Brain masks are found once, by the shipped network, as a user gets them.

    Raises:
        SettingsError: no scans with lesion masks in ``source``.
    """
    pairs = _prepared_scans(source, work, progress) if source.is_dir() else []
    if not pairs:
        raise SettingsError(f"{source} holds no FLAIRs with lesion masks under derivatives/manual.")
    cases = []
    for scan, example in pairs:
        check_untouched(example)
        file = (
            work / "brains" / source.name / f"{example.name}_{file_sha256(scan.image)[:12]}.nii.gz"
        )  # of this very scan
        if not file.exists():
            progress.stage(PREPARE)
            image = read_scan(scan.image).image
            save_in_folder(file.parent, {file.name: (np.asarray(brain_mask(image).dataobj), image)})
        second = _second_reader(scan.mask)
        read = {"image": scan.image, "mask": scan.mask, "brain": file, "second": second}
        files = {what: file_sha256(path) for what, path in read.items() if path}
        patient = patient_of(example.name)
        cases.append(NativeCase(source.name, patient, example, files, scan=scan, brain=file, second=second))
    return cases


def _prepared_scans(source: Path, work: Path, progress: Progress) -> list[tuple[TrainingScan, Example]]:
    """Scans and their examples; what cannot be used is told and left out.

    The frozen split of a case set is not looked at: the networks of a study never come into the model store.
    """
    out, progress = work / "examples" / source.name, Within(progress, PREPARE)
    if not is_case_set(source):
        scans = {scan.name: scan for scan in find_scans(source)}
        return [(scans[e.name], e) for e in prepare_dataset(source, out, progress=progress)]
    found = read_cases(source)
    for finding in found.findings:
        progress.warning(finding.code, finding.sentence)
    scans = {
        f"{case.case_id}_{case.sha256[:12]}": TrainingScan(
            case.case_id, case.images["flair"], case.mask, None, case.site
        )
        for case in found.cases
    }
    return [(scans[example.name], example) for example in prepare_cases(found.cases, out, progress)]


def is_case_set(source: Path) -> bool:
    """Whether a folder was made by ``mslesionseg cases``."""
    try:
        require_set(source)
    except SettingsError:
        return False
    return True


def _second_reader(mask: Path) -> Path | None:
    name = mask.name.replace("_label-", f"_desc-{SECOND_READER}_label-")
    file = mask.with_name(name)
    return file if file.exists() and name != mask.name else None


def check_names(sources: Sequence[Path]) -> None:
    """Centres are told apart by the names of their folders.

    Raises:
        SettingsError: two have the same one.
    """
    names = [source.name for source in sources]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise SettingsError(f"Two centres are called {', '.join(double)}. Rename one of the folders.")


def by_patient(cases: Sequence[AnyCase], seed: int) -> list[list[AnyCase]]:
    """Cases grouped by patient, patients in random order (the order of the names decides nothing)."""
    groups: dict[tuple[str, str], list[AnyCase]] = {}
    for case in sorted(cases, key=lambda case: (case.site, case.name)):
        groups.setdefault((case.site, case.patient), []).append(case)
    order = np.random.default_rng(seed).permutation(len(groups))
    listed = list(groups.values())
    return [listed[k] for k in order]
