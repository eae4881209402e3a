"""Training cases on disk: reading them, with the bad ones named and left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.record import Case, check_files, read_record
from MSLesionSegLib.cases.splits import read_register
from MSLesionSegLib.errors import MSLesionSegError, SettingsError
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.tasks import get_task

FORMAT = 1
FORMAT_KEY = "MSLesionSegCases"


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
    findings: tuple[InputWarning, ...]

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
    single, findings = [], list(listed.findings)
    for case in listed.cases:
        if case.task == task and case.case_id in twice:
            text = f"{case.case_id} is left out: {twice[case.case_id]}"
            findings.append(InputWarning("case-repeated", text))
        elif case.task == task:
            single.append(case)
    return CaseSet(folder, tuple(usable(single, findings)), tuple(findings))


def usable(cases: Iterable[Case], findings: list[InputWarning]) -> list[Case]:
    """The cases whose files are good; the others get a finding."""
    good = []
    for case in cases:
        try:
            check_files(case)
            good.append(case)
        except MSLesionSegError as error:
            findings.append(left_out(case, error))
    return good


def left_out(case: Case, error: MSLesionSegError) -> InputWarning:
    """What is said of a case that cannot be used."""
    return InputWarning(f"case-{error.code}", f"{case.case_id} is left out: {error}")


def list_cases(folder: Path, task: str | None = None) -> CaseSet:
    """The newest version of every case by its record alone: quick, images are not opened.

    Args:
        folder: of the set.
        task: only its cases; all when None.

    Raises:
        SettingsError: the folder holds no case set.
    """
    require_set(folder)
    newest: dict[str, Case] = {}
    findings = []
    for record, case in _read_records(folder):
        if isinstance(case, Exception):
            reason = f"{type(case).__name__}: {case}"
            findings.append(
                InputWarning("case-record", f"{record.name} is left out: it cannot be read ({reason}).")
            )
        elif task in (None, case.task) and (
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
    found = [case for _, case in _read_records(folder) if isinstance(case, Case)]
    return sorted(found, key=lambda case: (case.case_id, case.version))


def _read_records(folder: Path) -> Iterator[tuple[Path, Case | Exception]]:
    """Every record with its case, or with what is wrong with it."""
    register = read_register(folder)
    for record in records(folder):
        try:
            yield record, read_record(folder, record, register)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            yield record, error


def records(folder: Path) -> Iterator[Path]:
    """The records of all versions of all cases; a case exists as soon as its record does."""
    for path in sorted((folder / layout.MANUAL).glob("sub-*/ses-*/anat/*_mask.json")):
        if layout.RECORD.fullmatch(path.relative_to(folder).as_posix()):
            yield path


def require_set(folder: Path) -> None:
    """Make sure that a folder holds a case set.

    Raises:
        SettingsError: it does not, or one of a newer version of the program.
    """
    try:
        version = read_json(folder / layout.DESCRIPTION)[FORMAT_KEY]
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(
            f"{folder} holds no training cases. Check the path, or add a first case."
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
