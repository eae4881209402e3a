"""Figures of the studies, each as PNG for reading and as SVG for papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# after Okabe and Ito, so that colour-blind readers tell them apart
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a8a8a", "#000000")

Numbers = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Bar:
    """One bar: mean, standard error (None: no error bar) and marks above it."""

    mean: float | None
    error: float | None = None
    marks: str = ""


def new_figure(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Figure, np.ndarray]:
    """A figure without the global state of pyplot, and its axes (rows, columns)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_figure(figure: Figure, folder: Path, name: str) -> list[str]:
    """Write ``name.png`` and ``name.svg``; equal figures give equal files. Returns the file names."""
    from matplotlib import rc_context

    folder.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(folder / f"{name}.png", dpi=130, metadata={"Software": None})
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    return [f"{name}.png", f"{name}.svg"]


def bar_figure(
    panels: Mapping[str, Mapping[str, Mapping[str, Bar]]],
    references: Mapping[str, Mapping[str, Bar]],
    xlabel: str,
    legend: Sequence[str] = (),
) -> Figure:
    """Grouped bars with error bars, a panel per metric, like Figure 3A of Huang et al. 2023.

    Args:
        panels: metric -> series (such as fine-tuned) -> group (such as n = 4) -> bar.
        references: metric -> name -> bar; drawn first, alone.
        xlabel: what the groups are.
        legend: what the marks above the bars mean, a line each.
    """
    figure, axes = new_figure(0.8 + 4.0 * len(panels), 3.6 + 0.18 * len(legend), len(panels))
    for ax, (metric, series) in zip(axes[0], panels.items(), strict=True):
        labels: list[str] = []
        place = 0.0
        ticks = []
        for k, (name, bar) in enumerate(references.get(metric, {}).items()):
            _bar(ax, place, 0.8, bar, COLOURS[6 - k % 2], None)
            ticks.append(place)
            labels.append(name)
            place += 1.2
        groups = list(dict.fromkeys(group for bars in series.values() for group in bars))
        width = 0.8 / max(len(series), 1)
        for group in groups:
            for k, (name, bars) in enumerate(series.items()):
                if group in bars:
                    label = name if group == groups[0] else None
                    _bar(
                        ax, place + (k - (len(series) - 1) / 2) * width, width, bars[group], COLOURS[k], label
                    )
            ticks.append(place)
            labels.append(group)
            place += 1.2
        ax.set_xticks(ticks, labels, rotation=30 if max(map(len, labels)) > 6 else 0)
        ax.set_ylim(0, 1.12)
        ax.set_yticks(np.arange(0, 1.01, 0.2))
        ax.set_title(metric)
        ax.set_xlabel(xlabel)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0, -1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    if legend:
        figure.supxlabel("\n".join(legend), x=0.01, ha="left", fontsize=8)
    return figure


def _bar(ax: Any, x: float, width: float, bar: Bar, colour: str, label: str | None) -> None:
    if bar.mean is None:
        ax.bar(x, 0, width * 0.94, color=colour, label=label)
        return
    ax.bar(x, bar.mean, width * 0.94, yerr=bar.error, color=colour, label=label, capsize=3, ecolor="#333333")
    if bar.marks:
        ax.text(x, bar.mean + (bar.error or 0) + 0.02, bar.marks, ha="center", va="bottom", fontsize=11)


def heat_map_figure(
    matrices: Mapping[str, tuple[Sequence[str], np.ndarray]], columns: Sequence[str], value: str
) -> Figure:
    """One heat map per experiment: rows trained on, columns tested on; values in [0, 1], NaN stays empty.

    Args:
        matrices: experiment -> names of its rows, and the values (rows, columns).
        columns: names of the columns.
        value: what is shown.
    """
    size = 1.6 + 0.62 * len(columns)
    figure, axes = new_figure(size * len(matrices), size + 0.4, len(matrices))
    for ax, (title, (rows, matrix)) in zip(axes[0], matrices.items(), strict=True):
        ax.imshow(matrix, vmin=0, vmax=1, cmap="viridis")
        for (row, column), number in np.ndenumerate(matrix):
            if np.isfinite(number):
                colour = "white" if number < 0.6 else "black"
                ax.text(column, row, f"{number:.2f}", ha="center", va="center", color=colour, fontsize=9)
        ax.set_xticks(range(len(columns)), columns, rotation=40, ha="right", fontsize=8)
        ax.set_yticks(range(len(rows)), rows, fontsize=8)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel(f"{value} on")
    axes[0, 0].set_ylabel("after training on")
    return figure


def curve_figure(
    panels: Mapping[str, Mapping[str, tuple[Numbers, Numbers, Numbers | None]]],
    xlabel: str,
    ylabel: str,
    limits: tuple[float, float] | None = (0, 1.02),
) -> Figure:
    """Lines with bands, a panel per title: line's name -> (x, mean, standard error or None)."""
    figure, axes = new_figure(0.6 + 3.6 * len(panels), 3.4, len(panels))
    for ax, (title, lines) in zip(axes[0], panels.items(), strict=True):
        for k, (name, (x, mean, error)) in enumerate(lines.items()):
            ax.plot(x, mean, marker="o", markersize=3.5, color=COLOURS[k % 8], label=name)
            if error is not None:
                low, high = np.subtract(mean, error), np.add(mean, error)
                ax.fill_between(x, low, high, color=COLOURS[k % 8], alpha=0.18, linewidth=0)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel(xlabel)
        ax.xaxis.get_major_locator().set_params(integer=True)
        if limits:
            ax.set_ylim(*limits)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel(ylabel)
    axes[0, -1].legend(frameon=False, fontsize=8)
    return figure


@dataclass(frozen=True)
class MontageRow:
    """One slice of one patient: grey values (rows, columns) and masks of that shape by method."""

    name: str
    grey: np.ndarray
    masks: Mapping[str, np.ndarray]
    aspect: float = 1.0


def montage_figure(rows: Sequence[MontageRow], reference: str) -> Figure:
    """Example slices with the outlines of every method, like Figure 3B of Huang et al. 2023.

    Args:
        rows: slices.
        reference: the method whose mask is the truth; drawn in another colour.
    """
    methods = list(dict.fromkeys(name for row in rows for name in row.masks))
    figure, axes = new_figure(1.9 * (len(methods) + 1), 2.3 * len(rows), len(methods) + 1, len(rows))
    for number, (line, row) in enumerate(zip(axes, rows, strict=True)):
        for ax, method in zip(line, ["", *methods], strict=True):
            ax.imshow(row.grey, cmap="gray", vmin=0, vmax=1, aspect=row.aspect)
            if method in row.masks and row.masks[method].any():
                colour = "#56b4e9" if method == reference else "#ff5a36"
                ax.contour(row.masks[method].astype(float), [0.5], colors=colour, linewidths=1.0)
            ax.set_xticks([])
            ax.set_yticks([])
            if number == 0:
                ax.set_title(method or "scan", fontsize=9)
        line[0].set_ylabel(row.name, fontsize=8)
    return figure


def filter_figure(filters: Mapping[str, Sequence[np.ndarray]]) -> Figure:
    """Middle planes of filters: row per layer; each filter before, after and the difference, on one scale.

    Args:
        filters: layer -> arrays (3, edge, edge) with the planes before, after, difference.
    """
    count = max(len(planes) for planes in filters.values())
    figure, axes = new_figure(0.9 + 0.85 * 3 * count, 0.6 + 0.85 * len(filters), 3 * count, len(filters))
    for number, (line, (layer, planes)) in enumerate(zip(axes, filters.items(), strict=True)):
        for ax in line:
            ax.set_axis_off()
        for k, triple in enumerate(planes):
            limit = float(np.abs(triple[:2]).max()) or 1.0
            for n, plane in enumerate(triple):
                ax = line[3 * k + n]
                ax.imshow(plane, cmap="RdBu_r", vmin=-limit, vmax=limit)
                if number == 0:
                    ax.set_title(("start", "end", "change")[n], fontsize=8)
        line[0].text(-0.25, 0.5, layer, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
    return figure
