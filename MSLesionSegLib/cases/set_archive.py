"""A case set as one file that can be carried to another computer, and back into a set."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.bids_writing import (
    NewCase,
    check_folder,
    write_case,
    write_descriptions,
    write_register,
)
from MSLesionSegLib.cases.case_set import all_versions, left_out, list_cases, read_cases, require_set, usable
from MSLesionSegLib.cases.defacing import save_without_face
from MSLesionSegLib.cases.nnunet_monai_export import EXPORT, ExportedSet
from MSLesionSegLib.cases.record import Case, check_files, read_record
from MSLesionSegLib.cases.splits import Split, SplitRegister, read_register
from MSLesionSegLib.errors import MSLesionSegError, SettingsError
from MSLesionSegLib.files.atomic import output_errors
from MSLesionSegLib.files.file_names import check_new
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.files.transaction import Transaction, transaction
from MSLesionSegLib.files.zip_archive import pack_folder, unpack_folder
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.deidentification import content_hash
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.tasks import TASKS, get_task

KIND = "training cases"
IMPORT = "import cases"


@dataclass(frozen=True)
class ImportedSet:
    """What an import brought: cases that are new, cases that were there already, and what was left out."""

    added: tuple[Case, ...]
    known: int
    findings: tuple[InputWarning, ...]


def export_archive(
    folder: Path,
    to: Path,
    *,
    task: str | None = None,
    strip_face: bool = False,
    progress: Progress | None = None,
) -> ExportedSet:
    """Write all versions of the good cases of a set into one zip file with hashes.

    Args:
        folder: of the set.
        to: file to make.
        task: whose cases; all when None.
        strip_face: leave only the brain in the scans.

    Raises:
        SettingsError: no such set, or no usable case.
        OutputError: the file exists or cannot be written.
    """
    progress = progress or Silent()
    check_new(to)
    require_set(folder)
    tasks = [task] if task else list(TASKS)
    sets = [read_cases(folder, name) for name in tasks]
    good = {case.case_id: case for found in sets for case in found.cases}
    findings = list(dict.fromkeys(finding for found in sets for finding in found.findings))
    versions = [case for case in all_versions(folder) if case.case_id in good]
    if not versions:
        raise SettingsError(f"{folder} holds no usable cases to export.")
    with _beside(to) as temporary:
        change = Transaction(Path(temporary))
        write_descriptions(change)
        contents: dict[Path, str] = {}
        for k, case in enumerate(versions):
            progress.stage(EXPORT, k / len(versions))
            try:
                _copy(folder, case, strip_face, contents, change)
            except MSLesionSegError as error:
                findings.append(left_out(case, error))
                good.pop(case.case_id, None)
        if not good:
            reasons = " ".join(finding.sentence for finding in findings)
            raise SettingsError(f"{folder} holds no cases that can be exported. {reasons}")
        kept = [case for case in versions if case.case_id in good]
        write_register(change, _part(read_register(folder), kept))
        _leave_only(change.new, kept, folder)
        for finding in findings:
            progress.warning(finding.code, finding.sentence)
        progress.stage(EXPORT, 1.0)  # the last moment to cancel
        pack_folder(Path(temporary), to, KIND, {"face_removed": strip_face})
    sides = [case.split for case in good.values()]
    return ExportedSet(to, sides.count("training"), sides.count("validation"), tuple(findings))


def import_archive(folder: Path, archive: Path, progress: Progress | None = None) -> ImportedSet:
    """Add the cases of a zip file to a set, which is made if it does not exist.

    The file is checked as a whole before anything is added. Then each case comes in whole or not at all; repeating a
    stopped import adds the rest. Versions keep their order, also where a reviewer went back to an earlier mask: the
    archive's newest becomes the newest here, unless the set holds them all and went on from there. A patient of whom
    the set knows a single scan keeps id and side of the split here, for all cases that come; others bring theirs.

    Raises:
        SettingsError: the file is damaged or no archive of cases; nothing was added.
        OutputError: the set cannot be written.
    """
    progress = progress or Silent()
    check_folder(folder)
    with tempfile.TemporaryDirectory(prefix="mslesionseg-import-") as temporary:
        source = Path(temporary)
        unpack_folder(archive, source, KIND)
        versions = _versions(source, archive)
        added: dict[str, Case] = {}
        known, findings = 0, list(list_cases(source).findings)
        scans: dict[str, set[str]] = {}
        cases: dict[str, list[Case]] = {}
        for case in versions:
            scans.setdefault(case.subject, set()).update(case.scans.values())
            cases.setdefault(case.case_id, []).append(case)
        for k, history in enumerate(cases.values()):
            progress.stage(IMPORT, k / len(cases))
            good = usable(history, findings)
            missing = _missing(folder, good)
            known += len(good) - len(missing)
            for case in missing:
                try:
                    brought = _bring(folder, case, scans[case.subject], findings)
                except MSLesionSegError as error:
                    findings.append(left_out(case, error))
                    continue
                if brought is None:
                    known += 1
                else:
                    added[brought.case_id] = brought
    progress.stage(IMPORT, 1.0)
    told = tuple(replace(f, sentence=_in_archive(f.sentence, source, archive)) for f in findings)
    return ImportedSet(tuple(added.values()), known, told)


def _versions(source: Path, archive: Path) -> list[Case]:
    """All versions of all cases of an archive that was unpacked.

    Raises:
        SettingsError: there are none, or the list of patients is damaged.
    """
    try:
        require_set(source)
        versions = all_versions(source)
    except MSLesionSegError as error:
        raise SettingsError(_in_archive(str(error), source, archive)) from error
    if not versions:
        raise SettingsError(f"{archive.name} holds no usable cases.")
    return versions


def _in_archive(sentence: str, source: Path, archive: Path) -> str:
    """What is said of an unpacked file, said of the archive: the folder for unpacking will be gone."""
    return sentence.replace(str(source), archive.name)


@contextlib.contextmanager
def _beside(to: Path) -> Iterator[str]:
    """A hidden folder beside a file to make; what cannot be written there becomes a sentence."""
    with output_errors(to):
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=to.parent) as temporary:
            yield temporary


def _missing(folder: Path, history: Sequence[Case]) -> Sequence[Case]:
    """Those versions of a case, oldest first, that have to be added to the set's own, so that the newest counts.

    A reviewer may go back to an earlier mask, so what matters is the order: known are the versions whose masks the
    set's own hold one after the other. The rest comes, unless all its masks are here and the newest is the newest.
    """
    if not history:
        return []
    first = history[0]
    same = [other for other in all_versions(folder) if other.is_of(get_task(first.task), first.scans)]
    here = [other.contents["mask"] for other in same]
    wanted = [case.contents["mask"] for case in history]
    if set(wanted) <= set(here) and here[-1] == wanted[-1]:
        return []
    known = 0
    for mask in here:
        if known < len(wanted) and mask == wanted[known]:
            known += 1
    return history[known:]


def _bring(folder: Path, case: Case, scans: set[str], findings: list[InputWarning]) -> Case | None:
    """Add one version of a case that was unpacked; None where it is the set's newest already.

    Args:
        scans: content hashes of all scans of the case's patient in the archive.
    """
    new = _new_case(case)
    with transaction(folder) as change:
        there = all_versions(folder)
        subject, side = _patient_here(read_register(folder), there, case, scans)
        if side not in (None, case.split):
            text = f"{case.case_id} was for {case.split} elsewhere, but is and stays for {side} here."
            findings.append(InputWarning("case-side", text))
        if subject is not None:  # site and side are this set's
            new = replace(new, subject=subject, site=None, split=None)
        elif side is not None:
            new = replace(new, split=side)
        written = write_case(folder, new, change)
    if not written.stored:
        return None
    return read_record(folder, folder / written.record, read_register(folder))


def _patient_here(
    register: SplitRegister, there: Sequence[Case], case: Case, scans: set[str]
) -> tuple[str | None, Split | None]:
    """Id and side that a set has for a patient already, by any of the patient's scans or by id.

    Raises:
        SettingsError: the set knows scans of this patient under several ids, or on both sides.
    """
    owners = {other.subject for other in there if scans & set(other.scans.values())}
    if len(owners) > 1:
        raise SettingsError(
            f"Scans of its patient are in the set under different ids ({', '.join(sorted(owners))})."
        )
    person = register.person(next(iter(owners), case.subject))
    sides = {register.scans[scan] for scan in scans if scan in register.scans}
    if person is not None:
        sides.add(person.split)
    if len(sides) > 1:
        raise SettingsError("Scans of its patient are in the training and in the validation part of the set.")
    return person.subject if person else None, next(iter(sides), None)


def _new_case(case: Case) -> NewCase:
    """A case of another set as what can be added to this one, with every file checked."""
    images = check_files(case)
    return NewCase(
        task=get_task(case.task),
        scans={name: read_scan(path) for name, path in case.images.items()},
        hashes=case.scans,
        contents={name: case.contents[name] for name in case.images},
        grid=case.grid,
        mask=images["mask"],
        draft=images.get("draft"),
        review=case.review,
        site=case.site,
        subject=None,
        split=case.split,
        id_elsewhere=case.subject,
    )


def _part(register: SplitRegister, cases: Sequence[Case]) -> SplitRegister:
    """What a register says of some cases."""
    subjects = {case.subject for case in cases}
    scans = {scan for case in cases for scan in case.scans.values()}
    return SplitRegister(
        {name: person for name, person in register.participants.items() if name in subjects},
        {scan: side for scan, side in register.scans.items() if scan in scans},
    )


def _copy(folder: Path, case: Case, strip_face: bool, contents: dict[Path, str], change: Transaction) -> None:
    """Put the files of a case into an archive's folder; ``contents`` remembers what became of each scan."""
    for path in case.images.values():
        name = path.relative_to(folder).as_posix()
        if path in contents:
            continue
        target = change.path(name)
        if strip_face:
            save_without_face(path, target)
        else:
            shutil.copyfile(path, target)
        contents[path] = content_hash(read_scan(target).own_values)
        facts = folder / layout.record_name(name)
        if facts.exists():
            shutil.copyfile(facts, change.path(layout.record_name(name)))
    for path in filter(None, (case.mask, case.draft)):
        shutil.copyfile(path, change.path(path.relative_to(folder).as_posix()))
    record = layout.record_name(case.mask.relative_to(folder).as_posix())
    content = read_json(folder / record)
    content["Contents"] |= {role: contents[path] for role, path in case.images.items()}
    change.write_json(record, content)


def _leave_only(work: Path, cases: Sequence[Case], folder: Path) -> None:
    """Delete what was copied of patients' files before their case was left out."""
    wanted = {path.relative_to(folder).as_posix() for case in cases for path in case.files}
    wanted |= {layout.record_name(name) for name in wanted}
    for path in work.rglob("sub-*"):
        if path.is_file() and path.relative_to(work).as_posix() not in wanted:
            path.unlink()
