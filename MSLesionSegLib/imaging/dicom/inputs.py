"""The scans that a task asks for, found among the series of DICOM studies."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.files.private_folder import private_folder
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.dicom.choice import Chosen, choose, named, patients_of
from MSLesionSegLib.imaging.dicom.media import is_media, opened_media
from MSLesionSegLib.imaging.dicom.study import SeriesInfo, all_files, list_series
from MSLesionSegLib.tasks import InputScan, Task


@dataclass(frozen=True)
class FoundScans:
    """Where each scan of a task lies, by input name, and what a person should know about the choice.

    ``paths`` are files, or folders in which the files of one series lie alone.
    """

    paths: dict[str, Path]
    remarks: tuple[InputWarning, ...] = ()


@dataclass(frozen=True)
class _Media:
    """What a person gave for an input, opened; ``sure`` where it is one series and nobody asked for another."""

    name: str
    folder: Path
    series: tuple[SeriesInfo, ...]
    sure: bool


@contextlib.contextmanager
def found_scans(task: Task, given: Mapping[str, Path], wanted: Sequence[str] = ()) -> Iterator[FoundScans]:
    """Find the scans of a task in what is given for them; files, and folders of one series, are taken as they are.

    For any input a folder with a study may be given, its DICOMDIR or a zip file; the same one for several inputs. The
    role of a series decides which it is. A task that compares two visits takes the earlier of two studies as the
    first.

    Args:
        task: a row of the task table.
        given: path by input name.
        wanted: series that are named instead: number, UID or description, for one input of several ``INPUT=...``.

    Yields:
        Paths that are good within the ``with`` block.

    Raises:
        ImageError: no series fits, or several do; nothing is guessed. A zip file or disc that cannot be used.
        SettingsError: no series is called as ``wanted`` says.
    """
    names = series_by_input(task, list(given), wanted)
    with contextlib.ExitStack() as stack:
        opened: dict[Path, _Media] = {}
        for path in given.values():
            if is_media(path) and path not in opened:
                opened[path] = _open(path, stack, asked=bool(names))
        media = {name: opened[path] for name, path in given.items() if path in opened}
        chosen = _choose(task, media, names)
        paths = dict(given)
        remarks = []
        for name, choice in chosen.items():
            if media[name].sure and choice.series.files[0].parent == given[name]:
                continue
            folder = stack.enter_context(private_folder())
            beside = all_files(media[name].series)
            paths[name] = place_series(choice.series, beside, folder)
            if len(media[name].series) > 1:
                remarks.append(_remark(task.scan(name), media[name], choice))
        if len({choice.series.patient for choice in chosen.values() if choice.series.patient}) > 1:
            sentence = (
                "The headers of the scans name different patients. Check that the scans are of one patient."
            )
            remarks.append(InputWarning("patients", sentence))
        yield FoundScans(paths, tuple(remarks))


def place_series(series: SeriesInfo, known: AbstractSet[Path], folder: Path) -> Path:
    """Make a folder in which the files of one series lie alone, as links, and whose name names nobody.

    What lies beside them and is in none of the series comes along: it may be what is left of a damaged slice.

    Args:
        known: files of all series that may lie beside it.
        folder: to make it in.
    """
    own = set(series.files)
    target = folder / ("series" if series.number is None else f"series {series.number}")
    target.mkdir(parents=True)
    for number, source in enumerate(sorted({file.parent for file in series.files})):
        for file in sorted(source.iterdir()):
            if file in own or (file not in known and file.is_file() and not file.name.startswith(".")):
                _link(file.absolute(), target / f"{number}-{file.name}")
    return target


def _link(file: Path, name: Path) -> None:
    try:
        os.symlink(file, name)
    except OSError:  # Windows keeps links for administrators
        shutil.copyfile(file, name)


def series_by_input(task: Task, given: Sequence[str], texts: Sequence[str]) -> dict[str, str]:
    """What is asked for by ``--series``, by input name.

    Args:
        task: a row of the task table.
        given: names of the inputs that it is asked for.
        texts: see :func:`found_scans`.

    Raises:
        SettingsError: it is not clear for which input a series is named.
    """
    wanted: dict[str, str] = {}
    for text in texts:
        name, sign, rest = text.partition("=")
        if sign and name in task.names:
            if name not in given:
                raise SettingsError(f"--series {text} is of no use without --{name}.")
            wanted[name] = rest
        elif len(given) == 1 or task.compares:  # two visits have the same protocol
            wanted |= dict.fromkeys(given, text)
        else:
            raise SettingsError(
                f"Say for which scan --series {text} is meant: {' or '.join(f'{name}={text}' for name in given)}."
            )
    return wanted


def _open(path: Path, stack: contextlib.ExitStack, *, asked: bool) -> _Media:
    folder = stack.enter_context(opened_media(path))
    name, series = path.name or str(path), list_series(folder)
    if not series and not path.is_dir():
        raise ImageError(f"{name} holds no DICOM images.")
    direct = tuple(
        one for one in series if path.is_dir() and all(file.parent == folder for file in one.files)
    )
    alone = direct if len(direct) == 1 else series
    sure = len(alone) == 1 and not asked
    return _Media(name, folder, alone if sure else series, sure)  # no series is refused where it is read


def _choose(task: Task, media: Mapping[str, _Media], wanted: Mapping[str, str]) -> dict[str, Chosen]:
    pools = {name: one.series for name, one in media.items() if one.series}
    if task.compares and len(pools) == 2 and len({one.folder for one in media.values() if not one.sure}) == 1:
        pools = dict(zip(pools, _visits(task, media, wanted), strict=True))
    return {
        name: Chosen(pool[0], "the only series")
        if media[name].sure
        else choose(media[name].name, pool, task.scan(name).suffix, wanted.get(name))
        for name, pool in pools.items()
    }


def _visits(
    task: Task, media: Mapping[str, _Media], wanted: Mapping[str, str]
) -> list[tuple[SeriesInfo, ...]]:
    """The series of two studies that lie in one folder, the earlier one first."""
    name, first = next(iter(media.items()))
    series = first.series
    if wanted and (
        len(wanted) < len(media) or len(set(wanted.values())) > 1
    ):  # each visit is named by itself
        return [series for _ in media]
    if wanted:
        fitting = named(first.name, series, wanted[name])
    else:
        fitting = [one for one in series if one.role == task.scan(name).suffix]
    studies = {(one.patient, one.study_uid): one.date for one in fitting}
    patients, days = patients_of(fitting), len(set(studies.values()) - {""})
    if (len(studies), patients, days) != (2, "one patient", 2):
        raise ImageError(
            f"{first.name} holds {len(studies)} studies with a FLAIR ({patients}, {days} days). Two of one patient "
            "on two days are needed: give the folders of the two studies, or name both series with "
            "--series baseline=UID --series followup=UID ('mslesionseg dicom list' shows them)."
        )
    ordered = sorted(studies, key=lambda study: studies[study])
    return [tuple(one for one in series if (one.patient, one.study_uid) == study) for study in ordered]


def _remark(entry: InputScan, media: _Media, choice: Chosen) -> InputWarning:
    number = "a series without number" if choice.series.number is None else f"series {choice.series.number}"
    return InputWarning(
        "series",
        f"Of {len(media.series)} series, {number} was taken as the {entry.title}: {choice.reason}.",
    )
