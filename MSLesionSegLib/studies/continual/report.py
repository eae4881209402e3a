"""What ``study continual`` leaves: matrices of test Dice, the zero-shot curve and backward transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from MSLesionSegLib.evaluation.mask_pairs import average
from MSLesionSegLib.studies.continual.backward_transfer import backward_transfer, zero_shot
from MSLesionSegLib.studies.continual.cells import MULTI, REPLAY, SEQUENTIAL, SINGLE
from MSLesionSegLib.studies.engine.cells import Cell, FinishedCell
from MSLesionSegLib.studies.engine.centres import Centre
from MSLesionSegLib.studies.engine.record import write_csv
from MSLesionSegLib.studies.report.figures import curve_figure, heat_map_figure, save_figure
from MSLesionSegLib.studies.report.page import Picture, Section, Table, shown, shown_with_error, write_page
from MSLesionSegLib.studies.report.statistics import mean_and_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DiceByCentre = dict[str, float]


def write_continual_report(
    folder: Path,
    cells: Sequence[Cell],
    done: Mapping[str, FinishedCell],
    centres: Sequence[Centre],
    orders: Sequence[Sequence[int]],
    seeds: Sequence[int],
    record: Mapping[str, Any],
) -> Path:
    """Write the CSV files, the figures and the page; returns the page."""
    _write_scans(cells, done, folder / "scans.csv")
    names = [centre.name for centre in centres]
    rows = {cell.name: _row(done[cell.name]) for cell in cells}
    every = {
        (experiment, k, seed): _matrix(rows, experiment, [names[c] for c in order], k, seed)
        for experiment in (SINGLE, SEQUENTIAL, REPLAY)
        for k, order in enumerate(orders)
        for seed in seeds
    }
    pooled = np.array([[rows[f"{MULTI}.seed{seed}"].get(name, np.nan) for name in names] for seed in seeds])
    _write_matrices(folder, every, pooled, orders, names)
    figures = folder / "figures"
    first = {
        experiment: (names, np.mean([every[experiment, 0, seed] for seed in seeds], 0))
        for experiment in (SINGLE, SEQUENTIAL, REPLAY)
    }
    first[MULTI] = (["all centres"], pooled.mean(0)[None])
    save_figure(heat_map_figure(first, names, "test Dice"), figures, "matrices")
    save_figure(_curve(every, pooled), figures, "zero-shot")
    sections = [_transfer(folder, every, orders, names), *_pictures(len(orders), len(seeds))]
    lead = (
        "Centres are learned one after the other; after each, the network is tested on all. Dice at 1 mm, binarized "
        "at one half, on patients that no training saw and no buffer holds. Backward transfer of a centre: its test "
        "Dice after the last centre minus that just after its own; negative is forgetting."
    )
    return write_page(folder, "Continual learning across centres", lead, sections, record)


def _row(finished: FinishedCell) -> DiceByCentre:
    """Mean test Dice by centre."""
    values: dict[str, list[float]] = {}
    for scan in finished.results["scans"]:
        if scan["dice"] is not None:
            values.setdefault(scan["site"], []).append(scan["dice"])
    return {site: float(np.mean(dices)) for site, dices in values.items()}


def _matrix(
    rows: Mapping[str, DiceByCentre], experiment: str, names: Sequence[str], order: int, seed: int
) -> np.ndarray:
    """(K, K) test Dice, rows and columns in the order of training."""
    matrix = []
    for k, name in enumerate(names):
        single = f"{SINGLE}.seed{seed}.{name}"
        own = single if experiment == SINGLE or k == 0 else f"{experiment}.order{order}.seed{seed}.{name}"
        matrix.append([rows[own].get(column, np.nan) for column in names])
    return np.array(matrix)


def _transfer(
    folder: Path,
    every: Mapping[tuple[str, int, int], np.ndarray],
    orders: Sequence[Sequence[int]],
    names: Sequence[str],
) -> Section:
    by_centre: dict[str, dict[str, list[float]]] = {SEQUENTIAL: {}, REPLAY: {}}
    means: dict[str, list[float]] = {SEQUENTIAL: [], REPLAY: []}
    along: dict[str, list[float]] = {SEQUENTIAL: [], REPLAY: []}
    final: dict[str, list[float]] = {SEQUENTIAL: [], REPLAY: []}
    lines = []
    for (experiment, k, seed), matrix in every.items():
        if experiment == SINGLE:
            continue
        found = backward_transfer(matrix)
        means[experiment].append(found.mean)
        along[experiment].append(found.along_the_way)
        final[experiment].append(float(np.nanmean(matrix[-1])))
        for place, centre in enumerate(orders[k]):
            by_centre[experiment].setdefault(names[centre], []).append(float(found.by_centre[place]))
            lines.append([experiment, k, seed, place, names[centre], float(found.by_centre[place])])
        lines.append([experiment, k, seed, "", "mean", found.mean])
        lines.append([experiment, k, seed, "", "after every step", found.along_the_way])
    write_csv(
        folder / "backward-transfer.csv", ["experiment", "order", "seed", "place", "centre", "bwt"], lines
    )

    def text(values: Sequence[float]) -> str:
        value = average([None if np.isnan(v) else v for v in values])
        return shown_with_error(value.mean, value.standard_error, 3)

    rows = [[name, *(text(by_centre[e][name]) for e in (SEQUENTIAL, REPLAY))] for name in names]
    rows.append(["Mean of all but the last centre", *(text(means[e]) for e in (SEQUENTIAL, REPLAY))])
    rows.append(["Mean after every step, not only the last", *(text(along[e]) for e in (SEQUENTIAL, REPLAY))])
    rows.append(["Mean test Dice at the end", *(text(final[e]) for e in (SEQUENTIAL, REPLAY))])
    count = len(means[SEQUENTIAL])
    table = Table(
        f"Backward transfer, mean ± standard error over {count} sequence{'s' if count > 1 else ''} "
        "(0 where a centre is the last one)",
        ["Centre", "Fine-tuning", "Replay"],
        rows,
    )
    sentences = []
    for values, when in ((means, "at the end"), (along, "after every step")):
        better = sum(r > f for f, r in zip(values[SEQUENTIAL], values[REPLAY], strict=True))
        replay, plain = (shown(average(values[e]).mean, 3) for e in (REPLAY, SEQUENTIAL))
        sentences.append(
            f"Replay's mean backward transfer {when} is higher than that of plain fine-tuning in {better} of {count} "
            f"sequences: {replay} against {plain}."
        )
    return Section("Does replay protect the earlier centres?", sentences, [table])


def _pictures(orders: int, seeds: int) -> list[Section]:
    heat = Picture("matrices", f"Test Dice in the first order of the centres, mean of {seeds} seeds.")
    curve = Picture(
        "zero-shot",
        f"Test Dice on the centres that were not seen yet, mean and standard error of {orders * seeds} sequences. "
        "Dotted: one network for all centres, which has seen them.",
    )
    return [Section("Test Dice after each centre", (), (), [heat]), Section("Zero-shot", (), (), [curve])]


def _curve(every: Mapping[tuple[str, int, int], np.ndarray], pooled: np.ndarray) -> Figure:
    lines = {}
    for experiment in (SINGLE, SEQUENTIAL, REPLAY):
        mean, error = mean_and_error([zero_shot(m) for (name, *_), m in every.items() if name == experiment])
        lines[experiment] = (range(1, len(mean) + 1), mean, error)
    figure = curve_figure({"Centres not seen yet": lines}, "centres learnt", "mean test Dice")
    ax = figure.axes[0]
    ax.axhline(float(np.nanmean(pooled)), color="#333333", linestyle=":", label=MULTI)
    ax.set_xticks(range(1, len(mean) + 1))
    ax.legend(frameon=False, fontsize=8)
    return figure


def _write_matrices(
    folder: Path,
    every: Mapping[tuple[str, int, int], np.ndarray],
    pooled: np.ndarray,
    orders: Sequence[Sequence[int]],
    names: Sequence[str],
) -> None:
    lines = []
    for (experiment, k, seed), matrix in every.items():
        order = [names[c] for c in orders[k]]
        for (i, j), dice in np.ndenumerate(matrix):
            lines.append([experiment, k, seed, order[i], order[j], float(dice)])
    lines += [[MULTI, "", "", "all", names[j], float(dice)] for (_, j), dice in np.ndenumerate(pooled)]
    write_csv(folder / "matrices.csv", ["experiment", "order", "seed", "after", "tested_on", "dice"], lines)


def _write_scans(cells: Sequence[Cell], done: Mapping[str, FinishedCell], path: Path) -> None:
    lines = []
    for cell in cells:
        what = cell.settings["what"]
        for scan in done[cell.name].results["scans"]:
            place = [what["experiment"], what.get("order", ""), what["seed"], what.get("centre", "all")]
            lines.append([*place, scan["site"], scan["name"], scan["dice"]])
    write_csv(path, ["experiment", "order", "seed", "after", "site", "scan", "dice"], lines)
