"""The cells of ``study transfer``: which networks are trained on whom, and how each scan is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.models.store import find_model, read_card
from MSLesionSegLib.studies.engine.cells import Cell
from MSLesionSegLib.studies.engine.native_scoring import score_reader, train_and_test
from MSLesionSegLib.studies.engine.protocols import (
    DE_NOVO,
    DEFAULT,
    EXTERNAL,
    FINE_TUNED,
    LEAVE_ONE_OUT,
    ROTATION,
    SECOND,
)
from MSLesionSegLib.studies.engine.recipes import with_length
from MSLesionSegLib.studies.engine.rotation import rotation
from MSLesionSegLib.studies.engine.study_cases import NativeCase, StudyCase, by_patient
from MSLesionSegLib.studies.transfer.settings import TransferSettings


class RotationSettings(Protocol):
    """What the settings of a study by rotation hold; see :class:`TransferSettings`."""

    @property
    def subset(self) -> int: ...
    @property
    def sizes(self) -> tuple[int, ...]: ...
    @property
    def recipe(self) -> dict[str, Any]: ...
    @property
    def threshold(self) -> float: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True)
class Network:
    """One architecture with its base: how a cell starts from it, and where its files and forerunners are."""

    label: str
    architecture: Architecture
    start: dict[str, str]
    files: dict[str, str]
    needs: tuple[str, ...] = ()
    segments: bool = True  # a base from `pretrain` finds nothing before it is fine-tuned
    tuned: str = FINE_TUNED  # what training from the start is called
    de_novo: bool = True  # whether the same architecture is trained from random weights as well

    @property
    def methods(self) -> dict[str, dict[str, str] | None]:
        """Trainings to compare, each with where it starts; None is random weights."""
        return {self.tuned: self.start} | ({DE_NOVO: None} if self.de_novo else {})


def transfer_cells(
    settings: TransferSettings,
    subsets: Sequence[Sequence[NativeCase]],
    external: Sequence[NativeCase],
    others: Sequence[StudyCase],
) -> list[Cell]:
    """All cells of the study, each after those that it needs."""
    cells = [_base_cell(settings, levels, others) for levels in settings.levels]
    for network in [*_given(settings), *_trained(settings)]:
        cells += network_cells(settings, network, subsets, external)
    if any(case.second for case in subsets[0]):
        what = {"network": "", "method": SECOND, "n": 0, "protocol": ROTATION}
        cells.append(_cell("second-reader", score_reader, {"what": what}, test=subsets[0]))
    return cells


def _given(settings: TransferSettings) -> list[Network]:
    return [given_network(model) for model in settings.bases]


def given_network(model: str) -> Network:
    """A model of the store, or of a folder, as a base."""
    folder = find_model(model)
    card = read_card(folder)
    start = {"model": card.name, "sha256": card.weights_sha256}
    files = {"base": str(folder.absolute())}
    return Network(card.name, card.architecture, start, files, segments="pretext" not in card.recipe)


def _trained(settings: TransferSettings) -> list[Network]:
    return [
        Network(
            f"{levels}-levels",
            Architecture(levels=levels, feature_maps=settings.base),
            {"cell": f"base-{levels}-levels"},
            {},
            (f"base-{levels}-levels",),
        )
        for levels in settings.levels
    ]


def _base_cell(settings: TransferSettings, levels: int, others: Sequence[StudyCase]) -> Cell:
    content = {
        "what": {"network": f"{levels}-levels", "method": "base", "n": 0, "protocol": "base"},
        "architecture": Architecture(levels=levels, feature_maps=settings.base).as_dict(),
        "start": None,
        "seed": settings.seed,
        "recipe": with_length(settings.base_recipe, len(others)),
        "keep": True,
    }
    return _cell(f"base-{levels}-levels", train_and_test, content, train=others)


def network_cells(
    settings: RotationSettings,
    network: Network,
    subsets: Sequence[Sequence[NativeCase]],
    external: Sequence[NativeCase],
) -> list[Cell]:
    """The trainings and tests of a network by rotation, and on another institution's scans if there are any."""
    common = {
        "architecture": network.architecture.as_dict(),
        "threshold": settings.threshold,
        "seed": settings.seed,
    }

    def cell(
        name: str, method: str, n: int, protocol: str, start: dict[str, str] | None, **rest: Any
    ) -> Cell:
        what = {"network": network.label, "method": method, "n": n, "protocol": protocol}
        training = rest.get("train")
        trained = with_length(settings.recipe, len(training)) if training else None
        content = {**common, "what": what, "start": start, "recipe": trained, "keep": rest.pop("keep", False)}
        from_base = start == network.start
        needs = rest.pop("needs", network.needs if from_base else ())
        files = network.files if from_base else {}
        return _cell(f"{network.label}.{name}", train_and_test, content, files=files, needs=needs, **rest)

    cells = []
    if network.segments:
        cells.append(cell("default", DEFAULT, 0, ROTATION, network.start, test=subsets[0]))
    if network.segments and external:
        cells.append(cell("default.external", DEFAULT, 0, EXTERNAL, network.start, test=external))
    for n in settings.sizes:
        for method, start in network.methods.items():
            stem = f"{method.replace(' ', '-')}.n{n}"
            for k, fold in enumerate(rotation(len(subsets), n // settings.subset)):
                train = [case for index in fold.train for case in subsets[index]]
                name, keep = f"{stem}.fold{k}", bool(external) and k == 0
                test = subsets[fold.test]
                cells.append(cell(name, method, n, ROTATION, start, train=train, test=test, keep=keep))
            if external:
                parent = f"{network.label}.{stem}.fold0"
                tuned, needs = {"cell": parent}, (parent,)
                cells.append(cell(f"{stem}.external", method, n, EXTERNAL, tuned, needs=needs, test=external))
                for k, group in enumerate(by_patient(external, settings.seed)):
                    train = [case for case in external if case not in group]
                    if train:
                        lists = {"train": train, "test": group}
                        name = f"{stem}.external{k}"
                        cells.append(cell(name, method, n, LEAVE_ONE_OUT, tuned, needs=needs, **lists))
    return cells


def _cell(
    name: str,
    work: Any,
    settings: Mapping[str, Any],
    *,
    train: Sequence[StudyCase] = (),
    test: Sequence[NativeCase] = (),
    files: Mapping[str, str] | None = None,
    needs: tuple[str, ...] = (),
) -> Cell:
    places = dict(files or {})
    for case in train:
        places[f"example:{case.site}/{case.name}"] = str(case.example.folder.absolute())
    for case in test:
        key = f"{case.site}/{case.name}"
        places[f"scan:{key}"] = str(case.scan.image.absolute())
        places[f"mask:{key}"] = str(case.scan.mask.absolute())
        places[f"brain:{key}"] = str(case.brain.absolute())
        if case.second:
            places[f"second:{key}"] = str(case.second.absolute())
    content = {
        **settings,
        "train": [case.described() for case in train],
        "test": [case.described() for case in test],
    }
    return Cell(name, work, content, places, needs)
