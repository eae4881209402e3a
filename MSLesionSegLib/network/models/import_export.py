"""Carrying models between computers: one zip file with card and weights, refused when it is not just that."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from MSLesionSegLib.errors import ModelError, OutputError
from MSLesionSegLib.files.atomic import output_errors
from MSLesionSegLib.files.file_names import check_new, is_hidden_file
from MSLesionSegLib.files.zip_archive import extract, open_zip, write_zip
from MSLesionSegLib.network.models.card_page import card_html
from MSLesionSegLib.network.models.store import (
    MOST_CARD,
    check_name,
    load_model,
    read_card,
    user_models_folder,
    write_card,
)
from MSLesionSegLib.network.models.weight_checks import largest_file

CARD, WEIGHTS = NEEDED = ("card.json", "weights.safetensors")
PAGE = "card.html"
_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".npy", ".joblib")


def export_model(name: str | Path, target: Path) -> Path:
    """Write a model as a zip file with its card, its weights and a page to read.

    Args:
        name: model name or folder.
        target: file to make; ``.zip`` is added where it is missing.

    Raises:
        ModelError: no such model, or one that is damaged.
        OutputError: the file exists already or cannot be written.
    """
    target = target if target.suffix == ".zip" else target.with_name(f"{target.name}.zip")
    check_new(target)
    model = load_model(name)
    files = [(f"{model.card.name}/{file}", model.folder / file) for file in NEEDED]
    write_zip(target, [*files, (f"{model.card.name}/{PAGE}", card_html(model.card).encode())])
    return target


def import_model(source: Path, name: str | None = None) -> Path:
    """Take a model from a zip file or a folder into the user's store; it is loaded once to prove that it works.

    The card is judged before weights are unpacked, and the head of the weights before memory is taken for them.

    Args:
        source: zip file of :func:`export_model`, or a model folder.
        name: another name for it, where its own is taken.

    Returns:
        Its folder in the store.

    Raises:
        ModelError: not a model, with anything in it but card, weights and page of a single one, damaged, for an
            architecture that its weights do not fit, with weights that are not finite, or with a pickle in it.
        OutputError: the name is taken, or the store cannot be written.
    """
    _require_source(source)
    root = user_models_folder()
    with output_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=root) as temporary:
            folder = Path(temporary) / source.stem  # the name that sentences give
            folder.mkdir()
            _copy(source, folder, NEEDED)
            card = load_model(folder).card
            card = replace(card, name=name or card.name)
            try:
                check_name(root, card.name)
            except OutputError as error:
                if name is not None:
                    raise
                raise OutputError(f"{error} Give it with --name.") from None
            write_card(folder, card)
            return folder.rename(root / card.name)


def proposed_name(source: Path) -> str:
    """The name of the model in a zip file or a folder, with a number behind it where it is taken.

    Raises:
        ModelError: not a model, as far as that can be told without its weights.
    """
    _require_source(source)
    with tempfile.TemporaryDirectory(prefix="mslesionseg-") as temporary:
        folder = Path(temporary) / source.stem
        folder.mkdir()
        _copy(source, folder, (CARD,))
        name = read_card(folder).name
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(proposed for proposed in itertools.chain([name], numbered) if _is_free(proposed))


def _is_free(name: str) -> bool:
    try:
        check_name(user_models_folder(), name)
    except OutputError:
        return False
    return True


def _require_source(source: Path) -> None:
    if not os.path.exists(source):
        raise ModelError(f"There is no file or folder {source}. Check the path.")
    if source.is_file() and not zipfile.is_zipfile(source):
        raise ModelError(_no_model(source, [source.name]))


def _copy(source: Path, folder: Path, names: Sequence[str]) -> None:
    """Copy some of a model's files, the card first, as far as they are what they should be."""
    if source.is_dir():
        _require_only(source, [path.name for path in source.iterdir() if not is_hidden_file(path.name)])
        for name in names:
            _check_size(source, name, (source / name).stat().st_size, _most(name, folder))
            shutil.copyfile(source / name, folder / name)
        return
    with open_zip(source, ModelError) as archive:
        entries = _entries(source, archive)
        for name in names:
            most = _most(name, folder)
            _check_size(source, name, entries[name].file_size, most)
            extract(archive, entries[name], folder / name, most)


def _entries(source: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files of the one model in a zip file, by name."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    paths = [
        PurePosixPath(entry.filename.replace("\\", "/")) for entry in entries
    ]  # as some Windows packers write
    for path in paths:
        if path.is_absolute() or ".." in path.parts:
            raise ModelError(f"{source} holds a file that would be written elsewhere ({path}).")
    found = [
        (path, entry) for path, entry in zip(paths, entries, strict=True) if not is_hidden_file(path.name)
    ]
    _require_only(source, [path.name for path, _ in found])
    by_name = {path.name: entry for path, entry in found}
    folders = sorted({str(path.parent) for path, _ in found})
    if len(folders) > 1 or len(by_name) < len(found):
        raise ModelError(
            f"{source} holds more than one model, or one in several folders ({', '.join(folders[:4])}). Export "
            "each model into a zip file of its own."
        )
    return by_name


def _most(name: str, folder: Path) -> int:
    """How many bytes a file can have; weights those that belong to the card in a folder.

    Raises:
        ModelError: the card cannot be used, or does not say which weights it was written for.
    """
    if name == CARD:
        return MOST_CARD
    card = read_card(folder)
    if not card.weights_sha256:
        raise ModelError(f"The card of {card.name} holds no checksum of its weights: it cannot be checked.")
    return largest_file(card.architecture)


def _check_size(source: Path, name: str, size: int, most: int) -> None:
    if size > most:
        raise ModelError(
            f"{source} is refused: its {name} has {size / 1e6:.1f} MB, and at most {most / 1e6:.1f} MB fit the "
            "network that its card describes."
            if name == WEIGHTS
            else f"{source} is refused: its {name} has {size / 1e6:.1f} MB, more than a card can have."
        )


def _require_only(source: Path, names: list[str]) -> None:
    foreign = [name for name in names if name not in (*NEEDED, PAGE)]
    if foreign or any(name not in names for name in NEEDED):
        raise ModelError(_no_model(source, foreign or names))


def _no_model(source: Path, names: list[str]) -> str:
    pickles = [name for name in names if Path(name).suffix.lower() in _PICKLES]
    if pickles:
        return (
            f"{source} is refused: {pickles[0]} is a pickle, and opening such a file can run programs on this "
            "computer. Ask for the model as safetensors, as MSLesionSeg exports it."
        )
    return (
        f"{source} is not a model of MSLesionSeg: it must hold {' and '.join(NEEDED)} and nothing else "
        f"but {PAGE}. Found: {', '.join(sorted(names)[:4]) or 'nothing'}."
    )
