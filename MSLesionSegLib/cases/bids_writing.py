"""Putting a case into a set's files: under which patient and examination, with which record."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from MSLesionSegLib import __version__
from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.case_set import FORMAT, FORMAT_KEY, all_versions, require_set
from MSLesionSegLib.cases.corrections import compare_with_draft
from MSLesionSegLib.cases.known_scans import StoredScan, find_stored, known_turned, turned_to
from MSLesionSegLib.cases.record import Case, CaseReview
from MSLesionSegLib.cases.splits import Split, SplitRegister, read_register
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.files.file_names import is_hidden_file
from MSLesionSegLib.files.transaction import Transaction
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.deidentification import content_hash, save_scrubbed
from MSLesionSegLib.imaging.reading import Scan
from MSLesionSegLib.imaging.scanner import scanner_facts
from MSLesionSegLib.imaging.writing import save_image
from MSLesionSegLib.lesions.components import label_components
from MSLesionSegLib.tasks import Task

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # no 0, 1, i, l, o: they are mistaken for one another


@dataclass(frozen=True, eq=False)
class NewCase:
    """An examination that was read and found good.

    Attributes:
        task: of the task table.
        scans: by input name.
        hashes: content hash of each original scan; ``contents`` those of the files, other ones if faces were removed.
        grid: name of the input on whose grid the masks lie.
        mask, draft: the corrected mask, and what the model had proposed.
        segmentation: Slicer's own file of the mask, kept beside it.
        review: who, with what, how long; the counts are filled in here.
        site, subject, split: as in :class:`~MSLesionSegLib.cases.adding.AddRequest`.
        id_elsewhere: what the patient is called in the set that the case comes from, taken if it is free here.
        findings: about the files.
    """

    task: Task
    scans: Mapping[str, Scan]
    hashes: Mapping[str, str]
    contents: Mapping[str, str]
    grid: str
    mask: nib.Nifti1Image
    draft: nib.Nifti1Image | None
    review: CaseReview
    site: str | None
    subject: str | None
    split: Split | None
    findings: tuple[InputWarning, ...] = ()
    id_elsewhere: str | None = None
    segmentation: Path | None = None


@dataclass(frozen=True)
class WrittenCase:
    """The record of a case below the set; whether it is new; what the person should know."""

    record: str
    stored: bool
    findings: tuple[InputWarning, ...] = ()


def check_folder(folder: Path) -> None:
    """Make sure that a case set lies or can be made in ``folder``.

    Raises:
        SettingsError: it holds something else.
    """
    if (folder / layout.DESCRIPTION).exists():
        require_set(folder)
    elif folder.exists() and not (
        folder.is_dir()
        and all(path.name.startswith(".") or is_hidden_file(path.name) for path in folder.iterdir())
    ):
        raise SettingsError(
            f"{folder} holds other files and no training cases. Give a folder that does not exist yet."
        )


def write_case(folder: Path, new: NewCase, change: Transaction) -> WrittenCase:
    """Put what the set in ``folder`` does not hold yet into ``change``.

    Raises:
        SettingsError: patient, site or split contradict what the set knows.
        ImageError: a scan that the set holds is given at another place, or turned.
    """
    if not (folder / layout.DESCRIPTION).exists():
        write_descriptions(change)
    register, known = read_register(folder), all_versions(folder)
    subject = _subject(new, known, register)
    same = [case for case in known if case.is_of(new.task, new.hashes)]
    findings = []
    with_face = {name: own for name, own in new.contents.items() if own == new.hashes[name]}
    turned = known_turned(with_face, new.scans, register.scans, known)
    stored = find_stored(folder, new.hashes, new.scans, new.task, known)
    new = _on_stored_grid(folder, new, stored)
    if same:
        latest = same[-1]
        record = layout.record_name(latest.mask.relative_to(folder).as_posix())
        if latest.contents["mask"] == content_hash(new.mask):
            text = f"These scans with this mask are in the set already: {latest.case_id}. Nothing was added."
            return WrittenCase(record, False, (InputWarning("case-known", text),))
        session = latest.session
        version = _highest_version(folder, subject, session, new.task.label) + 1
        text = f"These scans are in the set already: {latest.case_id}. The mask becomes version {version}."
        findings.append(InputWarning("case-version", text))
    write_register(change, _registered(register, subject, new, turned))
    scans, free_session = _place_scans(folder, subject, new, stored, change)
    if not same:
        session, version = free_session, 1
    mask = _write_masks(subject, session, version, scans, new, change)
    return WrittenCase(layout.record_name(mask), True, tuple(findings))


def take_out(folder: Path, case: Case, change: Transaction) -> None:
    """Put into ``change`` that all versions of a case go, with the scans that no other case needs."""
    versions = all_versions(folder)
    gone = [version for version in versions if version.case_id == case.case_id]
    rest = [version for version in versions if version.case_id != case.case_id]
    needed = {path for version in rest for path in version.files}
    names = [layout.record_name(version.mask.relative_to(folder).as_posix()) for version in gone]
    for path in sorted({path for version in gone for path in version.files} - needed):
        name = path.relative_to(folder).as_posix()
        names += [name, layout.record_name(name)] if layout.IMAGE.fullmatch(name) else [name]
    change.removals += names  # the records come first: without its record there is no case
    if all(version.subject != case.subject for version in rest):
        write_register(change, read_register(folder).without(case.subject))


def write_register(change: Transaction, register: SplitRegister) -> None:
    """Put the list of patients into a change."""
    change.path(layout.PARTICIPANTS).write_text(register.participants_tsv(), encoding="utf-8")
    change.write_json(layout.SPLITS, register.splits_json())


def write_descriptions(change: Transaction) -> None:
    """Put what makes a folder a case set into a change."""
    common = {"BIDSVersion": "1.10.0", "GeneratedBy": [{"Name": "MSLesionSeg", "Version": __version__}]}
    raw = {"Name": "MS lesion training cases", "DatasetType": "raw", **common, FORMAT_KEY: FORMAT}
    manual = {"Name": "Corrected lesion masks", "DatasetType": "derivative", **common}
    change.write_json(layout.DESCRIPTION, raw, last=True)
    change.write_json(f"{layout.MANUAL}/{layout.DESCRIPTION}", manual | {"DatasetLinks": {"raw": "../.."}})
    change.write_json("participants.json", _COLUMNS)
    change.path("README").write_text(_README, encoding="utf-8")


_COLUMNS = {
    "site": {"Description": "Code of the hospital."},
    "split": {
        "Description": "Whether models are trained on the patient's cases or only measured on them; never changed.",
        "Levels": {"training": "trained on", "validation": "measured on"},
    },
}
_README = """Training cases of MSLesionSeg, laid out as a BIDS dataset.

Scans lie under sub-*/ as they were given, without header text. Under derivatives/manual there are, for each case,
the corrected mask (desc-v1, desc-v2 ... for repeated corrections; the highest counts), the model's draft
(desc-v1draft ...) and a record in the JSON file of the mask's name.
"""


def _on_stored_grid(folder: Path, new: NewCase, stored: Mapping[str, StoredScan]) -> NewCase:
    """The masks on the voxels of the scan as the set holds it, which may be turned another way."""
    if new.grid not in stored:
        return new
    scan = nib.Nifti1Image.from_filename(folder / stored[new.grid].name)
    draft = new.draft and turned_to(new.draft, scan)
    return replace(new, mask=turned_to(new.mask, scan), draft=draft)


def _subject(new: NewCase, known: Sequence[Case], register: SplitRegister) -> str:
    """Whose examination it is: the patient of its scans if they are in the set, the one named, or a new one."""
    hashes = set(new.hashes.values())
    owners = {case.subject for case in known if hashes & set(case.scans.values())}
    if len(owners) > 1:
        raise SettingsError(
            f"The scans are in the set under different patients ({', '.join(sorted(owners))}). Give scans of one "
            "patient, or remove the case that is wrong."
        )
    named = new.subject and f"sub-{new.subject.removeprefix('sub-')}"
    if named and register.person(named) is None:
        raise SettingsError(f"There is no patient {named} in the set. Leave the patient out for a new one.")
    owner = next(iter(owners), None)
    if named and owner and owner != named:
        raise SettingsError(f"A scan of this case is in the set under the patient {owner}, not {named}.")
    subject = owner or named or new.id_elsewhere
    if subject:
        return subject
    while True:
        subject = "sub-" + "".join(secrets.choice(_ALPHABET) for _ in range(8))
        if register.person(subject) is None:
            return subject


def _registered(register: SplitRegister, subject: str, new: NewCase, turned: Sequence[str]) -> SplitRegister:
    """The register with the patient; ``turned``: hashes of removed scans whose side these scans keep."""
    site = new.site or next((person.site for person in register.participants.values()), "local")
    known = register.person(subject)
    if known and new.site not in (None, known.site):
        raise SettingsError(f"The patient {subject} belongs to the site {known.site}, not {new.site}.")
    return register.register(subject, site, (*new.hashes.values(), *turned), new.split)


def _place_scans(
    folder: Path, subject: str, new: NewCase, known: Mapping[str, StoredScan], change: Transaction
) -> tuple[dict[str, StoredScan], str]:
    """Store the scans that are not in the set; return where all of them are, and the mask's session."""
    stored = dict(known)
    visits: dict[int, str] = {}
    sessions = {
        path.name for root in (folder, folder / layout.MANUAL) for path in (root / subject).glob("ses-*")
    }
    for entry in new.task.inputs:
        if entry.name in stored:
            visits.setdefault(entry.visit, layout.session_of(stored[entry.name].name))
    for entry in new.task.inputs:
        if entry.name in stored or entry.name not in new.scans:
            continue
        session = visits.get(entry.visit)
        if session is None or (folder / layout.image_name(subject, session, entry.suffix)).exists():
            session = _next_session(sessions)
            visits[entry.visit] = session
        sessions.add(session)
        name = layout.image_name(subject, session, entry.suffix)
        source = new.scans[entry.name].path
        save_scrubbed(source, change.path(name))
        facts = scanner_facts(source)
        if facts:
            change.write_json(layout.record_name(name), facts)
        stored[entry.name] = StoredScan(name, new.contents[entry.name])
    session = layout.session_of(stored[new.grid].name)
    if _highest_version(folder, subject, session, new.task.label):
        session = _next_session(sessions)  # another case of this task has its mask on the same scan
    return stored, session


def _highest_version(folder: Path, subject: str, session: str, label: str) -> int:
    """Highest number among the masks, drafts and records of a case, readable or not; 0 where there is none."""
    place = (folder / layout.mask_name(subject, session, label, 1)).parent
    names = (
        layout.VERSION.match(path.name) for path in place.glob(f"{subject}_{session}_label-{label}_desc-v*")
    )
    return max((int(name["version"]) for name in names if name), default=0)


def _next_session(sessions: Iterable[str]) -> str:
    numbers = [int(name[4:]) for name in sessions if name[4:].isdecimal()]
    return f"ses-{max(numbers, default=0) + 1:02d}"


def _write_masks(
    subject: str,
    session: str,
    version: int,
    scans: Mapping[str, StoredScan],
    new: NewCase,
    change: Transaction,
) -> str:
    """Put masks and record into ``change``; return the mask's name."""
    label = new.task.label
    data = np.asarray(new.mask.dataobj)
    mask = layout.mask_name(subject, session, label, version)
    save_image(data, new.mask, change.path(mask))
    if new.segmentation is not None:
        shutil.copyfile(new.segmentation, change.path(layout.segmentation_name(mask)))
        change.path(f"{layout.MANUAL}/.bidsignore").write_text("*.seg.nrrd\n", encoding="utf-8")
    contents = {name: scan.content for name, scan in scans.items()} | {"mask": content_hash(new.mask)}
    review, draft = new.review, None
    if new.draft is not None:
        proposed = np.asarray(new.draft.dataobj)
        draft = layout.mask_name(subject, session, label, version, draft=True)
        save_image(proposed, new.draft, change.path(draft))
        contents["draft"] = content_hash(new.draft)
        changes = compare_with_draft(data, proposed)
        review = replace(
            review,
            voxels_added=changes.voxels_added,
            voxels_removed=changes.voxels_removed,
            lesions_added=changes.lesions_added,
            lesions_rejected=changes.lesions_rejected,
        )
    record: dict[str, Any] = {
        "Type": "Lesion",
        "Task": new.task.name,
        "Version": version,
        "Sources": [f"bids:raw:{scan.name}" for scan in scans.values()],
        "Images": {name: scan.name for name, scan in scans.items()},
        "Grid": new.grid,
        "Draft": draft,
        "Lesions": label_components(data)[1],
        "VolumeMm3": round(float(np.count_nonzero(data) * np.prod(voxel_sizes(new.mask.affine))), 2),
        "Review": asdict(review),
        "Scans": dict(new.hashes),
        "Contents": contents,
    }
    change.write_json(layout.record_name(mask), record, last=True)
    return mask
