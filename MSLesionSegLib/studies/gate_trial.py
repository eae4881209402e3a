"""``study gate``: is a model that was taught something wrong kept out of use?

The whole loop of a user - cases filed, fine-tuning, replay, gate - in a model store of its own, once with the right
masks and once with each of several wrong lessons. The validation cases are right: they were filed and frozen before.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.cluster import check_executor
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.network.store import find_model, read_card
from MSLesionSegLib.progress import Progress
from MSLesionSegLib.segmentation.outputs import save_in_folder
from MSLesionSegLib.studies.base_models import look_at_bases
from MSLesionSegLib.studies.cells import Cell, Finished, Workplace, known_as
from MSLesionSegLib.studies.executor import run_cells
from MSLesionSegLib.studies.material import PREPARE, StudyCase, by_patient, native_centre
from MSLesionSegLib.studies.page import Section, Table, shown, write_page
from MSLesionSegLib.studies.recipes import stored_recipe, with_length
from MSLesionSegLib.studies.record import check_study_folder, open_study, write_csv

RIGHT, SHIFTED, INVERTED, OTHER_CONTRAST = "right", "shifted", "inverted", "other-contrast"
LESSONS = {
    RIGHT: "masks as they are",
    SHIFTED: "masks shifted by 12 mm",
    INVERTED: "all of the brain but the lesions",
    OTHER_CONTRAST: "the T1-weighted scan filed as the FLAIR",
}
SHIFT_MM = 12.0
SITE = "taught"
VALIDATION_PATIENTS = 3


@dataclass(frozen=True)
class GateSettings:
    """All that decides the study, besides the cases.

    Attributes:
        start: model (name or folder) that is in use, and fine-tuned. It must never have seen those who validate.
        train: number of patients to train on.
        validate: patients to validate on; three by chance when empty.
        recipe: of every fine-tuning; a fixed length.
        seed: of the order of the patients.
        threads: of each cell.
    """

    start: str
    train: int = 5
    validate: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True)
class GateData:
    """A BIDS dataset with FLAIRs, lesion masks under ``derivatives/manual`` and, for one lesson, T1w scans."""

    cases: str


def run_gate(settings: GateSettings, data: GateData, folder: Path, executor: str, progress: Progress) -> Path:
    """Run the study in ``folder``, or go on with it; returns its page.

    Raises:
        SettingsError: impossible settings or too few patients; OutputError: the folder holds something else.
    """
    if settings.train < 1:
        raise SettingsError("Give at least one patient to train on.")
    check_executor(executor)
    check_study_folder(folder)
    progress.stage(PREPARE)
    cases = native_centre(Path(data.cases), folder / "material", progress)
    training, validation = split(settings, [group[0] for group in by_patient(cases, settings.seed)])
    cells = plan(settings, training, validation)
    if len(cells) < len(LESSONS):
        progress.warning("no-t1", f"No FLAIR has a T1w scan beside it: no lesson '{OTHER_CONTRAST}'.")
    described = [case.described() for case in (*training, *validation)]
    bases = look_at_bases([settings.start], validation, progress)
    record = open_study(folder, "gate", asdict(settings), asdict(data), described, bases)
    done = run_cells(cells, folder, executor=executor, threads=settings.threads, progress=progress)
    progress.stage("write report")
    return _write_report(folder, done, record)


def split(settings: GateSettings, patients: Sequence[StudyCase]) -> tuple[list[StudyCase], list[StudyCase]]:
    """Patients to train on and to validate on.

    Raises:
        SettingsError: a patient to validate on is not there, or there are too few.
    """
    by_name = {case.patient: case for case in patients}
    names = settings.validate or tuple(by_name)[:VALIDATION_PATIENTS]
    missing = [name for name in names if name not in by_name]
    if missing:
        raise SettingsError(
            f"There is no patient {', '.join(missing)}. Patients: {', '.join(sorted(by_name))}."
        )
    training = [case for case in patients if case.patient not in names][: settings.train]
    if len(training) < settings.train:
        needed = len(names) + settings.train
        raise SettingsError(f"There are {len(patients)} patients; the study needs {needed}.")
    return training, [by_name[name] for name in names]


def plan(
    settings: GateSettings, training: Sequence[StudyCase], validation: Sequence[StudyCase]
) -> list[Cell]:
    """A cell per lesson; that of another contrast has the training patients who have a T1-weighted scan."""
    start = find_model(settings.start)
    files = {"start": str(start.absolute())}
    for case in (*training, *validation):
        scan = case.scan
        paths = {"flair": scan.image, "mask": scan.mask, "brain": case.brain, "t1": _t1(scan.image)}
        files |= {f"{case.name}/{name}": str(path.absolute()) for name, path in paths.items()}
    pupils = {lesson: list(training) for lesson in LESSONS}
    pupils[OTHER_CONTRAST] = [case for case in training if _t1(case.scan.image).exists()]
    return [
        Cell(
            lesson,
            teach,
            {
                "lesson": lesson,
                "start": read_card(start).weights_sha256,
                "recipe": with_length(settings.recipe, len(cases)),
                "train": [case.described() for case in cases],
                "validate": [case.described() for case in validation],
            },
            files,
        )
        for lesson, cases in pupils.items()
        if cases
    ]


def _t1(flair: Path) -> Path:
    return flair.with_name(flair.name.replace("_FLAIR", "_T1w"))


@known_as("MSLesionSegLib.studies.gate_trial.teach")
def teach(settings: dict[str, Any], files: dict[str, str], place: Workplace) -> dict[str, Any]:
    """File the cases of a lesson, fine-tune, and tell what the gate says and which model is in use afterwards."""
    from MSLesionSegLib.network.active import use_model
    from MSLesionSegLib.segmentation.tasks import model_in_use
    from MSLesionSegLib.training.case_adding import AddRequest, add_case
    from MSLesionSegLib.training.train import TrainRequest, buffer_for, train

    case_set, store = place.scratch / "cases", place.scratch / "models"
    shutil.rmtree(case_set, ignore_errors=True)
    for side, group in (("training", settings["train"]), ("validation", settings["validate"])):
        lesson = settings["lesson"] if side == "training" else RIGHT
        for case in group:
            image, mask = taught(lesson, {n: Path(files[f"{case['name']}/{n}"]) for n in _FILES})
            work = place.scratch / "lesson"
            save_in_folder(work, {"mask.nii.gz": (mask, nib.load(files[f"{case['name']}/flair"]))})
            add_case(
                AddRequest(case_set, "flair", {"flair": image}, work / "mask.nii.gz", site=SITE, split=side),
                place.progress,
            )
    start = Path(files["start"])
    if read_card(start).weights_sha256 != settings["start"]:
        raise SettingsError(f"The model {start.name} is not the one that the study began with.")
    shutil.copytree(start, store / start.name, dirs_exist_ok=True)
    with _own_store(store):
        use_model(start.name)
        request = TrainRequest(
            case_set,
            stored_recipe(settings["recipe"]),
            buffer=buffer_for(case_set, "flair", None),
            name=f"{settings['lesson']}-lesson",
            device="cpu",
            models=store,
        )
        trained = train(request, place.progress)
        in_use = model_in_use("flair")
    return {"gate": trained.verdict.as_dict(), "before": start.name, "after": in_use}


_FILES = ("flair", "mask", "brain", "t1")


def taught(lesson: str, files: Mapping[str, Path]) -> tuple[Path, np.ndarray]:
    """Scan and mask that are filed in a lesson.

    Args:
        lesson: one of :data:`LESSONS`.
        files: ``flair``, ``mask``, ``brain`` and ``t1`` of a patient, on one grid.

    Returns:
        Path of the scan, and the mask as uint8 (X, Y, Z).
    """
    stored = nib.load(files["mask"])
    mask = np.asarray(stored.dataobj) > 0
    if lesson == INVERTED:
        mask = (np.asarray(nib.load(files["brain"]).dataobj) > 0) & ~mask
    if lesson == SHIFTED:
        spacing = stored.header.get_zooms()[:3]
        axis = int(np.argmin(spacing))
        steps = round(SHIFT_MM / spacing[axis])
        mask = np.roll(mask, steps, axis)  # a head's margin is wider than that
    return files["t1" if lesson == OTHER_CONTRAST else "flair"], mask.astype(np.uint8)


@contextmanager
def _own_store(folder: Path) -> Iterator[None]:
    name = "MSLESIONSEG_MODELS"
    before = os.environ.get(name)
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _write_report(folder: Path, done: Mapping[str, Finished], record: Mapping[str, Any]) -> Path:
    rows, lines, sentences = [], [], []
    for lesson, finished in done.items():
        gate = finished.findings["gate"]
        kept = finished.findings["after"] == finished.findings["before"]
        free = gate["lesion_free"]
        falls = [f"{site['site']} {site['change']:+.3f}" for site in gate["earlier_sites"]]
        rows.append(
            [
                f"{lesson}: {LESSONS[lesson]}",
                gate["verdict"],
                "the old model" if kept else "the new model",
                *(f"{shown(gate['old'][m])} → {shown(gate['new'][m])}" for m in _SHOWN),
                ", ".join(falls) or "-",
                "-" if free is None else f"{free['old']:.1f} → {free['new']:.1f}",
            ]
        )
        sentences.append(f"{lesson}: {gate['sentence']}")
        values = [gate[when][metric] for metric in _SHOWN for when in ("old", "new")]
        lines.append([lesson, gate["verdict"], finished.findings["after"], *values])
    heads = [f"{metric}_{when}" for metric in _SHOWN for when in ("old", "new")]
    write_csv(folder / "gate.csv", ["lesson", "verdict", "in_use", *heads], lines)
    wrong = [name for name in done if name != RIGHT]
    refused = sum(done[name].findings["gate"]["verdict"] == "refuse" for name in wrong)
    table = Table(
        "Validation cases, old model → new model, on the 1 mm grid",
        [
            "What was filed", "Verdict", "In use afterwards", "Lesion F1", "Dice", "Sensitivity", "PPV",
            "Dice of earlier sites", "False positives per lesion-free scan",
        ],
        rows,
    )  # fmt: skip
    lead = (
        "A model is fine-tuned by the whole loop of a user - cases, training with replay, gate - on right masks and "
        "on wrong ones. The validation cases are right: they were frozen before."
    )
    found = f"The gate refused {refused} of {len(wrong)} models that were taught something wrong."
    sections = [Section("What the gate said", [found], [table]), Section("In its words", sentences)]
    return write_page(folder, "Does the gate refuse?", lead, sections, record)


_SHOWN = ("f1", "dice", "sensitivity", "ppv")
