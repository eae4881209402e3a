"""Models on disk: a folder with weights.safetensors and card.json."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from MSLesionSegLib.errors import ModelError, OutputError
from MSLesionSegLib.files.atomic import atomic_folder, output_errors, write_text
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.card_checks import check_card, check_model_name
from MSLesionSegLib.network.models.eight_bit_weights import unpack
from MSLesionSegLib.network.models.weight_checks import check_head, check_numbers, unique_tensors
from MSLesionSegLib.resources import RESOURCES

if TYPE_CHECKING:
    import torch

SHIPPED = RESOURCES / "Models"
FORMAT = 1
MOST_CARD = 1 << 20  # bytes


@dataclass(frozen=True)
class Model:
    """A network in evaluation mode with its card."""

    card: ModelCard
    network: torch.nn.Module
    folder: Path


def user_models_folder() -> Path:
    """Where models trained by the user live: the user's data folder, or ``MSLESIONSEG_MODELS`` when that is set."""
    chosen = os.environ.get("MSLESIONSEG_MODELS")
    if chosen:
        return Path(chosen)
    from platformdirs import user_data_dir

    return Path(user_data_dir("MSLesionSeg", appauthor=False)) / "Models"


def find_model(name: str | Path) -> Path:
    """Folder of a model given by name (the user's first, then shipped ones) or by path.

    Args:
        name: a name; or a path, which is a Path or a string with a separator in it, such as ``./mine``. A folder of
            the working directory that happens to have a model's name is never taken for the model.

    Raises:
        ModelError: no such model; the sentence lists those there are.
    """
    if isinstance(name, Path) or "/" in name or os.sep in name:
        if os.path.isdir(name):
            return Path(name)
        raise ModelError(f"There is no model folder {name}. Check the path, or give a model's name.")
    for root in (user_models_folder(), SHIPPED):
        folder = root / name
        if re.fullmatch(r"[\w.-]+", name) and os.path.isfile(folder / "card.json"):
            return folder
    known = ", ".join(card.name for card in list_models()) or "none"
    raise ModelError(f"There is no model '{name}'. Installed models: {known}.")


def list_models() -> list[ModelCard]:
    """Cards of all readable models, shipped ones first; broken folders are left out."""
    cards = []
    for root in (SHIPPED, user_models_folder()):
        for file in sorted(root.glob("[!.]*/card.json")):
            try:
                cards.append(read_card(file.parent))
            except ModelError:
                continue
    return cards


def read_card(folder: Path) -> ModelCard:
    """Read card.json of a model folder.

    Raises:
        ModelError: missing, unreadable, of a newer format, with missing fields, or with values that are out of their
            range or unknown to the program.
    """
    file = folder / "card.json"
    if not file.is_file():
        raise ModelError(f"{folder} is not a model folder: card.json is missing.")
    try:
        content = read_json(file, MOST_CARD)
        version = content.pop("format")
        if int(version) > FORMAT:
            raise ModelError(f"Model {folder.name} was written by a newer MSLesionSeg; update to use it.")
        content["architecture"] = Architecture.from_dict(content["architecture"])
        content["channels"] = tuple(content["channels"])
        content["mirroring"] = content.pop("flips", False)
        for name in ("credits", "earlier_sha256"):
            content[name] = tuple(content.get(name, ()))
        known = {entry.name for entry in fields(ModelCard)}
        card = ModelCard(**{key: value for key, value in content.items() if key in known})
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ModelError(f"The card of model {folder.name} cannot be read ({error}).") from error
    check_card(card)
    return card


def load_model(name: str | Path, task: str | None = None) -> Model:
    """Load a model and check that it is what its card says.

    Args:
        name: model name or folder, as in :func:`find_model`.
        task: when given, the model must be for this task.

    Returns:
        Model with a float32 network in evaluation mode on the CPU.

    Raises:
        ModelError: missing or damaged files, weights that are not safetensors, another task, or weights that do
            not fit the architecture or are not finite; the sentence gives the reason.
    """
    from safetensors.torch import load_file

    folder = find_model(name)
    card = read_card(folder)
    if task is not None and card.task != task:
        raise ModelError(f"Model {card.name} is for the task '{card.task}', not for '{task}'.")
    file = weights_file(folder, card)
    check_head(file, card.architecture, card.name)
    weights = unpack(load_file(file))
    check_numbers(weights, card.name)
    network = build(card.architecture)
    _fill(network, weights)
    return Model(card, network.eval(), folder)


def weights_file(folder: Path, card: ModelCard) -> Path:
    """The weights of a model folder, which are the ones that its card was written for.

    Raises:
        ModelError: there are none, none as safetensors, or others than the card's.
    """
    file = folder / "weights.safetensors"
    if not file.is_file():
        others = sorted(
            path.name for path in folder.iterdir() if path.suffix in {".pt", ".pth", ".pkl", ".ckpt"}
        )
        hint = f" ({others[0]} is refused: such files can run programs)" if others else ""
        raise ModelError(f"Model {card.name} has no weights.safetensors{hint}.")
    if card.weights_sha256 and file_sha256(file) != card.weights_sha256:
        raise ModelError(
            f"The weights of model {card.name} are damaged: their checksum differs from the card's."
        )
    return file


def _fill(network: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Copy weights that fit into a network."""
    import torch

    with torch.no_grad():
        for key, value in unique_tensors(network).items():
            value.copy_(weights[key])


def save_model(root: Path, network: torch.nn.Module, card: ModelCard) -> Path:
    """Write a new model folder ``root/card.name`` in one step; an existing model is never overwritten.

    Weights are stored as float16. The card's date, version and checksum are filled in.

    Raises:
        OutputError: a model of that name exists, or the folder cannot be written.
        ModelError: the name is not usable as a folder name, or the weights are not finite.
    """
    import datetime

    import torch
    from safetensors.torch import save

    from MSLesionSegLib import __version__

    check_name(root, card.name)
    target = root / card.name
    weights = {
        key: value.detach().cpu().to(torch.float16 if value.is_floating_point() else value.dtype).contiguous()
        for key, value in unique_tensors(network).items()
    }
    check_numbers(weights, card.name)
    with output_errors(target), atomic_folder(target, lambda: check_name(root, card.name)) as folder:
        (folder / "weights.safetensors").write_bytes(save(weights))
        card = replace(
            card,
            created=card.created or datetime.date.today().isoformat(),
            code_version=__version__,
            weights_sha256=file_sha256(folder / "weights.safetensors"),
            earlier_sha256=(),
        )
        write_card(folder, card)
    return target


def check_name(root: Path, name: str) -> None:
    """Refuse a name that a new model below ``root`` cannot have, before it takes hours to make.

    Raises:
        ModelError: the name is not usable as a folder name.
        OutputError: a model of that name exists, or ``root`` is the user's folder and one of the shipped models has
            it: the user's would be taken for the shipped one.
    """
    check_model_name(name)
    if _is_users(root) and name.lower() in {folder.name.lower() for folder in SHIPPED.iterdir()}:
        raise OutputError(f"{name} is the name of a model that came with the program; choose another name.")
    if (root / name).exists():
        raise OutputError(f"A model named {name} exists already in {root}; choose another name.")


def _is_users(root: Path) -> bool:
    return root.resolve() == user_models_folder().resolve()


def write_card(folder: Path, card: ModelCard) -> None:
    """Write (or replace in one step) card.json of a model folder."""
    content = {"format": FORMAT, **card.as_dict()}
    write_text(folder / "card.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
