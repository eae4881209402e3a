"""The result folder: names, images without patient text, and writing that is all or nothing."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import re
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import Cancelled, OutputError
from MSLesionSegLib.files.file_names import check_name_length
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.files.hidden_files import is_litter
from MSLesionSegLib.imaging.formats import without_ending

MANIFEST = "result.json"
PROGRAM = "mslesionseg"
_LONGEST_STEM = 180  # the longest output name has 43 characters more
_ANOTHER_OUTPUT = "Choose another output folder."
_STALE_AFTER_S = 24 * 3600.0
_GEOMETRY = ("pixdim", "qform_code", "quatern", "qoffset", "sform_code", "srow")


def stem_of(path: Path, sequence: str = "flair") -> str:
    """Start of the output names: the input's name without ending and, for a BIDS name, without suffix.

    ``sub-01_ses-02_FLAIR.nii.gz`` gives ``sub-01_ses-02``. A DICOM folder gives ``sequence``, because such
    folders are often named after the patient. Characters outside ``A-Za-z0-9._-`` become ``-``; what
    would make the outputs' names too long is cut off.
    """
    name = without_ending(path.name)
    if name is None:
        return sequence
    *entities, suffix = name.split("_")
    if name.startswith("sub-") and entities and "-" not in suffix:
        name = "_".join(entities)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:_LONGEST_STEM] or sequence


def output_names(stem: str, *, uncertainty: bool = False, regions: bool = False) -> dict[str, str]:
    """File names of one result, in the manner of BIDS derivatives. Only the regions lie on another grid (1 mm)."""
    names = {
        "mask": f"{stem}_label-lesion_mask.nii.gz",
        "probability": f"{stem}_label-lesion_probseg.nii.gz",
        "lesions": f"{stem}_label-lesion_dseg.nii.gz",
        "brain": f"{stem}_desc-brain_mask.nii.gz",
    }
    if uncertainty:
        names["uncertainty"] = f"{stem}_label-lesion_desc-uncertainty_map.nii.gz"
    if regions:
        names["regions"] = f"{stem}_res-1mm_desc-regions_dseg.nii.gz"
    return names | {"table": "lesions.csv", "report": "report.html", "manifest": MANIFEST}


def check_output(folder: Path, task: str, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse an output that cannot or must not be written, before any work is done.

    Args:
        folder: to be made.
        task: what is done, as the manifest names it.
        overwrite: replace an earlier result of the same task, if its folder holds nothing else.
        inputs: files and folders that are read; none may lie in a folder that would be replaced.

    Raises:
        OutputError: with a sentence that says what to do.
    """
    folder = _absolute(folder)
    check_name_length(folder)
    with _sentences(folder):
        _restore(folder)
        if folder.exists():
            _check_existing(folder, task, overwrite, inputs)
        _remove_stale(folder)
        place = next((parent for parent in folder.parents if parent.exists()), None)
        if place is None:
            raise OutputError(f"{folder} lies on a drive that is not there.")
        probe = place / _hidden(folder, "unfinished").name
        probe.mkdir()
        probe.rmdir()


@contextlib.contextmanager
def staged(
    folder: Path, task: str, *, overwrite: bool = False, way_out: str = _ANOTHER_OUTPUT
) -> Iterator[Path]:
    """A hidden folder beside ``folder`` to write into; it takes the name ``folder`` when the block ends well.

    When the block fails nothing is left. With ``overwrite`` the new folder takes the old one's place in one
    step where the system can (Linux, macOS); elsewhere in two, and the old one is found again by
    :func:`check_output` should the computer stop in between. Signals wait until this is done.

    Args:
        way_out: what a person can do where nothing can be written.

    Raises:
        OutputError: as :func:`check_output`, for what came into being in the meantime.
    """
    folder = _absolute(folder)
    check_name_length(folder)
    with _sentences(folder, way_out):
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = _hidden(folder, "unfinished")
        work.mkdir()
        try:
            yield work
            with _undisturbed():
                if folder.exists():
                    _check_existing(folder, task, overwrite, ())
                    _replace(work, folder)
                else:
                    work.rename(folder)
        finally:
            with _undisturbed():
                shutil.rmtree(work, ignore_errors=True)


def save_image(data: np.ndarray, reference: nib.Nifti1Image, path: Path) -> None:
    """Save ``data`` (X, Y, Z) on ``reference``'s grid with a fresh header: geometry and units, no free text.

    uint8, int16 and int32 labels and float32 maps keep their type. sform, qform and their codes are those of
    ``reference``, so that every reader finds ``data`` where it finds the reference, also where the two
    positions differ.

    Raises:
        ValueError: the shapes differ.
    """
    if data.shape != reference.shape[:3]:
        raise ValueError(f"data {data.shape} does not lie on the grid {reference.shape[:3]}")
    header = nib.Nifti1Header()
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    for field in header:
        if field.startswith(_GEOMETRY):
            header[field] = reference.header[field]
    header["pixdim"][4:] = 1
    header.set_xyzt_units("mm")
    nib.save(nib.Nifti1Image(data, header.get_best_affine(), header), path)


def save_in_folder(folder: Path, images: Mapping[str, tuple[np.ndarray, nib.Nifti1Image]]) -> None:
    """Save images (data, reference) by file name into a folder; each file whole or not at all."""
    folder = _absolute(folder)
    with _sentences(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, (data, reference) in images.items():
            work = folder / f".{secrets.token_hex(4)}-{name}"
            try:
                save_image(data, reference, work)
                work.replace(folder / name)
            finally:
                work.unlink(missing_ok=True)


def write_manifest(content: dict[str, Any], folder: Path) -> Path:
    """Write ``result.json``; its presence marks a complete result."""
    path = folder / MANIFEST
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def write_text(path: Path, text: str) -> None:
    """Write a file in one step.

    Raises:
        OutputError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error


def _check_existing(folder: Path, task: str, overwrite: bool, inputs: Sequence[Path]) -> None:
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file. Give the name of a folder that does not exist yet.")
    found = sorted(path for path in folder.iterdir() if not is_litter(path.name))
    if not found:
        return
    manifest = read_manifest(folder)
    if manifest is None:
        raise OutputError(
            f"{folder} holds files that are not a result of MSLesionSeg. Give another output folder."
        )
    if manifest.get("task") != task:
        raise OutputError(
            f"{folder} holds a result of another command, which is never replaced. Give another output folder."
        )
    if not overwrite:
        raise OutputError(
            f"{folder} holds a result already. Give another output folder, or --overwrite to replace it."
        )
    for path in inputs:
        if _absolute(path).is_relative_to(folder):
            raise OutputError(f"The input {path} lies in {folder}, which would be replaced. Move it first.")
    own = [MANIFEST, *manifest["files"].values()]
    foreign = [path.name for path in found if path.name not in own or path.is_dir()]
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise OutputError(
            f"{folder} holds files beside its result, which would be lost: {', '.join(foreign[:3])}{more}. "
            "Move them first, or give another output folder."
        )


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a result of this program, or None where there is none."""
    try:
        content = read_json(folder / MANIFEST)
        ours = content["program"] == PROGRAM and isinstance(content["files"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if ours else None


def _absolute(path: Path) -> Path:
    try:
        return Path(os.path.realpath(Path(path).expanduser()))
    except RuntimeError as error:  # a home folder of nobody
        raise OutputError(f"{path}: {error}") from error


def _hidden(folder: Path, kind: str) -> Path:
    return folder.parent / f".{folder.name}.{kind}-{secrets.token_hex(4)}"


def _replace(new: Path, old: Path) -> None:
    if _exchange(new, old):
        return  # `new` now names the old result; the caller removes it
    aside = old.parent / f".{old.name}.previous"
    shutil.rmtree(aside, ignore_errors=True)
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step of the file system; False where that does not exist."""
    function, swap = {"linux": ("renameat2", 2), "darwin": ("renameatx_np", 2)}.get(sys.platform, ("", 0))
    if not function:
        return False
    current_folder = -100 if sys.platform == "linux" else -2
    try:
        call = getattr(ctypes.CDLL(None, use_errno=True), function)
    except (OSError, AttributeError):
        return False
    return call(current_folder, os.fsencode(one), current_folder, os.fsencode(other), swap) == 0


def _restore(folder: Path) -> None:
    aside = folder.parent / f".{folder.name}.previous"
    if aside.exists() and not folder.exists():
        aside.rename(folder)


def _remove_stale(folder: Path) -> None:
    """Clear what a killed run left. Younger folders may belong to a run that is still going."""
    for path in folder.parent.glob(f".{_escape(folder.name)}.unfinished-*"):
        if time.time() - path.stat().st_mtime > _STALE_AFTER_S:
            shutil.rmtree(path, ignore_errors=True)


def _escape(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off Ctrl-C and SIGTERM to the end of the block. A job that is stopped there ends with its result."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []
    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda number, frame: asked.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in asked:
        with contextlib.suppress(Cancelled):
            signal.raise_signal(number)


@contextlib.contextmanager
def _sentences(folder: Path, way_out: str = _ANOTHER_OUTPUT) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(_sentence(error, folder, way_out)) from error


def _sentence(error: OSError, folder: Path, way_out: str) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"The disk has no room for the result in {folder}. Free some space or choose another disk."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"You are not allowed to write in {folder.parent}. {way_out}"
    if error.errno == errno.ENAMETOOLONG:
        return f"The path {str(folder)[:60]}... is too long. Choose an output folder in fewer folders."
    return f"The result cannot be written to {folder}: {error.strerror or error}. {way_out}"
