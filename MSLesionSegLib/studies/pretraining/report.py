"""What ``study pretraining`` leaves: the curve of each pre-training, and gain or no gain for each number of masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from MSLesionSegLib.studies.engine.cells import Cell, FinishedCell
from MSLesionSegLib.studies.engine.protocols import DE_NOVO, PRE_TRAINED, ROTATION, TRANSFER
from MSLesionSegLib.studies.engine.record import write_csv
from MSLesionSegLib.studies.engine.study_cases import NativeCase
from MSLesionSegLib.studies.pretraining.cells import encoder_cell_name
from MSLesionSegLib.studies.pretraining.settings import PretrainingSettings
from MSLesionSegLib.studies.report.figures import curve_figure, save_figure
from MSLesionSegLib.studies.report.method_pictures import LEVEL, bars_picture, slices_picture
from MSLesionSegLib.studies.report.methods import (
    METRICS,
    Method,
    compare,
    gather_methods,
    methods_table,
    shown_means,
    tests_table,
    write_scans,
    write_tests,
)
from MSLesionSegLib.studies.report.page import Picture, Section, Table, shown, shown_p, write_page
from MSLesionSegLib.studies.report.statistics import Comparison

LEAD = (
    "Each network learns from scans without masks first; then it is trained with n masks, from that encoder and from "
    "random weights (de novo), with equal steps on the same patients. By rotation every patient is scored once per "
    "method, by a network that never saw this patient, neither with a mask nor without. Native space, 26-connected "
    "lesions of any size, found if one voxel overlaps; mean ± standard error over scans."
)
ENCODER_LEAD = (
    "The encoder learns from scans without masks to fill in what is hidden. The decoder learned nothing: the model "
    "finds no lesions before it is fine-tuned."
)


def write_pretraining_report(
    folder: Path,
    settings: PretrainingSettings,
    cells: Sequence[Cell],
    done: Mapping[str, FinishedCell],
    cases: Sequence[NativeCase],
    record: Mapping[str, Any],
) -> Path:
    """Write the CSV files, the figures and the page; returns the page."""
    names = list(settings.networks)
    curves = {name: done[encoder_cell_name(name)] for name in names}
    encoders = _encoders(folder, settings, curves)
    if not cases:
        return write_page(folder, "Pre-training on scans without masks", ENCODER_LEAD, [encoders], record)
    write_scans(cells, done, folder / "scans.csv")
    networks = dict.fromkeys(cell.settings["what"]["network"] for cell in cells)
    methods = {name: gather_methods(cells, done, name, ROTATION) for name in networks}
    others = {name: found for name, found in methods.items() if name not in names}
    transferred = [m for found in others.values() for m in found]
    methods = {name: methods[name] + transferred for name in names}
    tests = {name: compare(methods[name]) for name in names}
    write_tests(tests, folder / "tests.csv")
    sections = [_gain(folder, methods, others, tests, curves), encoders]
    for name in names:
        pictures = [
            bars_picture(folder, name, methods[name], tests[name]),
            slices_picture(folder, name, cells, cases),
        ]
        tables = [methods_table(methods[name]), tests_table(tests[name])]
        sections.append(Section(f"Network {name}", (), tables, [p for p in pictures if p]))
    return write_page(folder, "Pre-training on scans without masks", LEAD, sections, record)


def _encoders(folder: Path, settings: PretrainingSettings, curves: Mapping[str, FinishedCell]) -> Section:
    """The pre-trainings: their curves and times."""
    rows, lines, written = [], {}, []
    for name, finished in curves.items():
        curve = finished.results["curve"]
        steps, losses = [point["step"] for point in curve], [point["loss"] for point in curve]
        written += [[name, step, loss] for step, loss in zip(steps, losses, strict=True)]
        lines[name] = {"reconstruction": (steps, losses, None)}
        minutes = f"{finished.seconds / 60:.1f}"
        rows.append([name, str(settings.networks[name]["recipe"]["steps"])])
        rows[-1] += [shown(losses[0], 3), shown(losses[-1], 3), minutes]
    write_csv(folder / "losses.csv", ["network", "step", "loss"], written)
    save_figure(curve_figure(lines, "step", "loss", limits=None), folder / "figures", "losses")
    heads = ["Network", "Steps", "Loss at the start", "Loss at the end", "Minutes"]
    caption = "Reconstruction loss of what was hidden, each point the mean of the steps since the one before."
    return Section("Pre-training", (), [Table("Before any mask", heads, rows)], [Picture("losses", caption)])


def _gain(
    folder: Path,
    methods: Mapping[str, Sequence[Method]],
    others: Mapping[str, Sequence[Method]],
    tests: Mapping[str, Sequence[Comparison]],
    curves: Mapping[str, FinishedCell],
) -> Section:
    """The table of the paper (its Table III): start, number of masks, scores and times.

    ``others`` are what started from a model of other hospitals' masks, by its name; ``methods`` hold them too.
    """
    rows, written, verdicts = [], [], []
    lines: dict[str, dict[str, tuple]] = {}
    own = {name: [m for m in found if m.name != TRANSFER] for name, found in methods.items()}
    for network, found in {**own, **others}.items():
        for m in found:
            before = curves[network].seconds / 60 if m.name == PRE_TRAINED else None
            shown_before = (
                "none" if m.name == DE_NOVO else "that of its model" if before is None else f"{before:.1f}"
            )
            each = m.seconds / 60
            rows.append(
                [network, m.name, str(m.n), str(len(m.scans)), *shown_means(m), shown_before, f"{each:.1f}"]
            )
            means = [m.mean(metric) for metric in METRICS]
            numbers = [number for mean in means for number in (mean.mean, mean.standard_error)]
            written.append([network, m.name, m.n, len(m.scans), *numbers, before, each])
    for network, found in methods.items():
        lines[network] = {
            name: _line([m for m in found if m.name == name])
            for name in (DE_NOVO, PRE_TRAINED, TRANSFER)
            if any(m.name == name for m in found)
        }
        verdicts += _verdicts(network, tests[network])
    heads = ["network", "start", "masks", "scans"]
    heads += [f"{metric}{ending}" for metric in METRICS for ending in ("", "_se")]
    write_csv(folder / "masks.csv", [*heads, "minutes_before_masks", "minutes_per_model"], written)
    save_figure(curve_figure(lines, "masks", "Dice"), folder / "figures", "masks")
    heads = ["Network", "Start", "n masks", "Scans", *METRICS.values()]
    return Section(
        "Does pre-training save masks?",
        [_saved(network, found) for network, found in methods.items()],
        [
            Table("Training with n masks", [*heads, "Minutes before the masks", "Minutes per model"], rows),
            Table(
                "Pre-trained against de novo: Dice, paired t-test, p after Bonferroni over the tests of the network",
                ["Network", "n masks", "Difference", "p", "p corrected", "Pre-training is"],
                verdicts,
            ),
        ],
        [Picture("masks", "Dice over the number of masks, mean ± standard error.")],
    )


def _line(methods: Sequence[Method]) -> tuple[list[int], list[float], list[float]]:
    found = [(m.n, m.mean("dice")) for m in methods]
    defined = [(n, dice.mean, dice.standard_error or 0.0) for n, dice in found if dice.mean is not None]
    return [n for n, _, _ in defined], [mean for _, mean, _ in defined], [error for _, _, error in defined]


def _verdicts(network: str, tests: Sequence[Comparison]) -> list[list[str]]:
    rows = []
    for t in tests:
        name, _, n = t.first.partition(", n = ")
        if t.metric == "dice" and t.paired and name == PRE_TRAINED:
            told = t.p_corrected is not None and t.p_corrected < LEVEL
            verdict = "no gain" if not told else "a gain" if (t.difference or 0.0) > 0 else "a loss"
            rows.append([network, n, shown(t.difference, 3), shown_p(t.p), shown_p(t.p_corrected), verdict])
    return rows


def _saved(network: str, methods: Sequence[Method]) -> str:
    """With how few masks the pre-trained network is as good as the one de novo with the most."""
    means = {(m.name, m.n): m.mean("dice").mean for m in methods}
    sizes = sorted(n for name, n in means if name == DE_NOVO)
    goal = means[DE_NOVO, sizes[-1]]
    if goal is None:
        return f"{network}: Dice is not defined, as no scan has lesions."
    enough = [n for n in sizes if (means[PRE_TRAINED, n] or 0.0) >= goal]
    if not enough:
        return f"{network}: pre-trained never reaches the mean Dice of de novo with n = {sizes[-1]}."
    return (
        f"{network}: pre-trained reaches the mean Dice of de novo with n = {sizes[-1]} ({shown(goal)}) with "
        f"n = {enough[0]}."
    )
