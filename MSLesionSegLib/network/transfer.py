"""Carrying models between computers: one zip file with card and weights, refused when it is not just that."""

from __future__ import annotations

import os
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

from MSLesionSegLib.errors import ModelError, OutputError
from MSLesionSegLib.litter import is_litter
from MSLesionSegLib.network.card_page import card_html
from MSLesionSegLib.network.store import (
    check_name,
    load_model,
    read_card,
    user_models_folder,
    write_card,
)
from MSLesionSegLib.zip_files import extract, open_zip, write_zip

NEEDED = ("card.json", "weights.safetensors")
PAGE = "card.html"
_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".npy", ".joblib")
_LARGEST_BYTES = 4 * 2**30


def export_model(name: str | Path, target: Path) -> Path:
    """Write a model as a zip file with its card, its weights and a page to read.

    Args:
        name: model name or folder.
        target: file to make; ``.zip`` is added where it is missing.

    Raises:
        ModelError: no such model, or one that is damaged.
        OutputError: the file exists already or cannot be written.
    """
    model = load_model(name)
    target = target if target.suffix == ".zip" else target.with_name(f"{target.name}.zip")
    files = [(f"{model.card.name}/{file}", model.folder / file) for file in NEEDED]
    write_zip(target, [*files, (f"{model.card.name}/{PAGE}", card_html(model.card).encode())])
    return target


def import_model(source: Path, name: str | None = None) -> Path:
    """Take a model from a zip file or a folder into the user's store; it is loaded once to prove that it works.

    Args:
        source: zip file of :func:`export_model`, or a model folder.
        name: another name for it, where its own is taken.

    Returns:
        Its folder in the store.

    Raises:
        ModelError: not a model, with anything in it but card, weights and page, damaged, for an architecture that its
            weights do not fit, or with a pickle in it.
        OutputError: the name is taken, or the store cannot be written.
    """
    if source.is_file() and not zipfile.is_zipfile(source):
        raise ModelError(_no_model(source, [source.name]))
    if not source.exists():
        raise ModelError(f"There is no file or folder {source}. Check the path.")
    root = user_models_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=root) as temporary:
            folder = Path(temporary) / source.stem  # the name that sentences give
            folder.mkdir()
            _copy(source, folder)
            card = read_card(folder)
            if not card.weights_sha256:
                raise ModelError(
                    f"The card of {card.name} holds no checksum of its weights: it cannot be checked."
                )
            load_model(folder)
            card = replace(card, name=name or card.name)
            try:
                check_name(root, card.name)
            except OutputError as error:
                raise OutputError(f"{error} Give it with --name.") from None
            write_card(folder, card)
            os.rename(folder, root / card.name)
    except OSError as error:
        raise OutputError(f"The model cannot be written to {root}: {error.strerror}.") from error
    return root / card.name


def _copy(source: Path, folder: Path) -> None:
    if source.is_dir():
        names = [path.name for path in source.iterdir() if not is_litter(path.name)]
        _require_only(source, names)
        for name in NEEDED:
            (folder / name).write_bytes((source / name).read_bytes())
        return
    with open_zip(source, ModelError) as archive:
        entries = {}
        for entry in archive.infolist():
            path = PurePosixPath(entry.filename)
            if path.is_absolute() or ".." in path.parts:
                raise ModelError(f"{source} holds a file that would be written elsewhere ({entry.filename}).")
            if not entry.is_dir() and not is_litter(path.name):
                entries[path.name] = entry
        _require_only(source, list(entries))
        for name in NEEDED:
            if extract(archive, entries[name], folder / name, _LARGEST_BYTES) is None:
                raise ModelError(f"{source} is too large for a model ({name}).")


def _require_only(source: Path, names: list[str]) -> None:
    foreign = [name for name in names if name not in (*NEEDED, PAGE)]
    if foreign or any(name not in names for name in NEEDED):
        raise ModelError(_no_model(source, foreign or names))


def _no_model(source: Path, names: list[str]) -> str:
    pickles = [name for name in names if Path(name).suffix.lower() in _PICKLES]
    if pickles:
        return (
            f"{source} is refused: {pickles[0]} is a pickle, and opening such a file can run programs on this "
            "computer. Ask for the model as safetensors (mslesionseg models export)."
        )
    return (
        f"{source} is not a model of MSLesionSeg: it must hold {' and '.join(NEEDED)} and nothing else "
        f"but {PAGE}. Found: {', '.join(sorted(names)[:4]) or 'nothing'}."
    )
