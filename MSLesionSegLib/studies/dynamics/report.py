"""What ``study dynamics`` leaves: RSIM along training and between networks, feature reuse, filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from MSLesionSegLib.evaluation.mask_pairs import average
from MSLesionSegLib.studies.dynamics.cells import FROZEN, RANDOM, TRANSFER
from MSLesionSegLib.studies.dynamics.layers import LAYERS
from MSLesionSegLib.studies.engine.cells import FinishedCell
from MSLesionSegLib.studies.engine.record import write_csv
from MSLesionSegLib.studies.report.figures import curve_figure, filter_figure, save_figure
from MSLesionSegLib.studies.report.page import Picture, Section, Table, shown, shown_with_error, write_page
from MSLesionSegLib.studies.report.statistics import mean_and_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLES = {RANDOM: "random weights", TRANSFER: "transfer", FROZEN: "frozen random encoder"}
Runs = Mapping[str, Sequence[FinishedCell]]


def write_dynamics_report(
    folder: Path, done: Mapping[str, FinishedCell], seeds: Sequence[int], record: Mapping[str, Any]
) -> Path:
    """Write the CSV files, the figures and the page; returns the page."""
    runs = {kind: [done[f"{kind}.seed{seed}"] for seed in seeds] for kind in TITLES}
    found = done["comparison"].results
    _write_tables(folder, runs, found)
    figures = folder / "figures"
    save_figure(_along(runs, found), figures, "rsim")
    save_figure(_learning(runs), figures, "learning")
    filters = np.load(done["comparison"].folder / "filters.npz")
    for kind in (RANDOM, TRANSFER):
        save_figure(_filters(filters, f"{kind}.seed{seeds[0]}"), figures, f"filters-{kind}")
    sections = [
        Section("How fast, how good", (), [_speed(runs)], [_LEARNING]),
        Section("Representations along training", (), [_reuse(runs, found)], [_ALONG]),
        Section("Similarity between trained networks", [_PAIRS], [_between(found)]),
        Section("Filters", (), [_change(runs, found)], _FILTERS),
    ]
    lead = (
        "The same network trained from random weights, from a base model (at half the learning rate) and with a "
        "frozen random encoder. RSIM is the similarity of two layers in [0, 1]: 1 for layers that are equal up to "
        "rotation and scaling. Scores and activations are those of patients that were not trained on."
    )
    return write_page(folder, "Dynamics of transfer learning", lead, sections, record)


_LEARNING = Picture("learning", "Test Dice along training, mean and standard error over seeds.")
_ALONG = Picture(
    "rsim",
    "RSIM of each layer with itself at convergence, mean and standard error over seeds.",
)
_FILTERS = [
    Picture(f"filters-{kind}", f"Filters at the start and at convergence, and the change: {TITLES[kind]}.")
    for kind in (RANDOM, TRANSFER)
]
_PAIRS = (
    "RSIM of converged networks. Networks that start from one base model share its weights, which makes transfer "
    "pairs more alike than with a base model of its own for each."
)


def _text(values: Sequence[float | None], digits: int = 2) -> str:
    value = average(values)
    return shown_with_error(value.mean, value.standard_error, digits)


def _speed(runs: Runs) -> Table:
    rows = []
    for kind, finished in runs.items():
        points = [f.results["points"] for f in finished]
        best = [max(p["dice"] or 0.0 for p in each) for each in points]
        steps = [float(f.results["convergence"]) for f in finished]
        per_step = [f.results["seconds_at_points"][-1] / f.results["points"][-1]["step"] for f in finished]
        start, end = ([each[k]["dice"] for each in points] for k in (0, -1))
        rows.append([TITLES[kind], _text(start), _text(best), _text(end), _text(steps, 0), _text(per_step)])
    heads = [
        "Training",
        "Dice at start",
        "Best Dice",
        "Dice at end",
        "Convergence (step)",
        "Seconds per step",
    ]
    return Table("Mean ± standard error over seeds; convergence: first within 0.5 % of the best", heads, rows)


def _reuse(runs: Runs, found: Mapping[str, Any]) -> Table:
    starts = found["start_to_convergence"]
    values = {
        kind: {n: [starts[f.name][n] for f in runs[kind]] for n in LAYERS} for kind in (RANDOM, TRANSFER)
    }
    rows = [[TITLES[kind], *(_text(by_layer[n]) for n in LAYERS)] for kind, by_layer in values.items()]
    difference = [np.mean(values[TRANSFER][n]) - np.mean(values[RANDOM][n]) for n in LAYERS]
    rows.append(["Feature reuse", *(shown(float(d)) for d in difference)])
    return Table(
        "RSIM of start and convergence; feature reuse is transfer minus random (Karimi et al., Table VIII)",
        ["", *LAYERS],
        rows,
    )


def _between(found: Mapping[str, Any]) -> Table:
    rows = []
    for name, pairs in found["pairs"].items():
        count = f"{len(pairs)} pair{'s' if len(pairs) != 1 else ''}"
        rows.append([f"{name} ({count})", *(_text([pair[layer] for pair in pairs]) for layer in LAYERS)])
    return Table("RSIM between networks (Karimi et al., Table VII)", ["", *LAYERS], rows)


def _change(runs: Runs, found: Mapping[str, Any]) -> Table:
    rows = [
        [TITLES[kind], *(_text([found["filter_change"][f.name][n] for f in runs[kind]]) for n in LAYERS)]
        for kind in (RANDOM, TRANSFER)
    ]
    return Table("Norm of the change of a filter, relative to its norm at the start", ["", *LAYERS], rows)


def _along(runs: Runs, found: Mapping[str, Any]) -> Figure:
    panels = {}
    for kind in (RANDOM, TRANSFER):
        steps = [p["step"] for p in runs[kind][0].results["points"]]
        panels[TITLES[kind]] = {
            name: (steps, *mean_and_error([found["along"][f.name][name] for f in runs[kind]]))
            for name in LAYERS
        }
    return curve_figure(panels, "step", "RSIM with convergence")


def _learning(runs: Runs) -> Figure:
    by_step, by_time = {}, {}
    for kind, finished in runs.items():
        dices = [[p["dice"] or 0.0 for p in f.results["points"]] for f in finished]
        seconds = np.mean([f.results["seconds_at_points"] for f in finished], 0)
        steps = [p["step"] for p in finished[0].results["points"]]
        by_step[TITLES[kind]] = (steps, *mean_and_error(dices))
        by_time[TITLES[kind]] = (list(seconds), *mean_and_error(dices))
    figure = curve_figure({"by step": by_step, "by time": by_time}, "step", "test Dice")
    figure.axes[1].set_xlabel("seconds of training")
    return figure


def _filters(stored: Mapping[str, np.ndarray], cell: str) -> Figure:
    rows = {}
    for name in ("encoder-1", "encoder-3", "decoder-1", "decoder-3"):
        before, after = stored[f"{cell}/{name}"]
        planes = zip(before, after, strict=True)
        rows[name] = [np.stack([b[:, :, 1], a[:, :, 1], (a - b)[:, :, 1]]) for b, a in planes]
    return filter_figure(rows)


def _write_tables(folder: Path, runs: Runs, found: Mapping[str, Any]) -> None:
    lines, times = [], []
    for finished in (f for group in runs.values() for f in group):
        for point, seconds in zip(
            finished.results["points"], finished.results["seconds_at_points"], strict=True
        ):
            lines.append([finished.name, point["step"], point["dice"]])
            times.append([finished.name, point["step"], seconds])
    write_csv(folder / "learning.csv", ["training", "step", "dice"], lines)
    write_csv(folder / "times.csv", ["training", "step", "seconds"], times)
    steps = [point["step"] for point in runs[RANDOM][0].results["points"]]
    lines = [
        [training, layer, step, value]
        for training, layers in found["along"].items()
        for layer, values in layers.items()
        for step, value in zip(steps, values, strict=True)
    ]
    write_csv(folder / "rsim.csv", ["training", "layer", "step", "rsim_with_convergence"], lines)
    lines = [
        [name, k, layer, value]
        for name, pairs in found["pairs"].items()
        for k, pair in enumerate(pairs)
        for layer, value in pair.items()
    ]
    write_csv(folder / "pairs.csv", ["pair", "number", "layer", "rsim"], lines)
    lines = [[t, layer, v] for t, layers in found["filter_change"].items() for layer, v in layers.items()]
    write_csv(folder / "filter-change.csv", ["training", "layer", "relative_change"], lines)
