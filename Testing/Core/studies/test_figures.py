"""Figures say what they show, and equal figures are equal files."""

from __future__ import annotations

import numpy as np

from MSLesionSegLib.studies.report.figures import (
    Bar,
    MontageRow,
    bar_figure,
    curve_figure,
    filter_figure,
    heat_map_figure,
    montage_figure,
    save_figure,
)


def words(figure) -> list[str]:
    """Titles, tick labels, axis labels and texts of all axes."""
    found = []
    for ax in figure.axes:
        found += [ax.get_title(), ax.get_xlabel(), ax.get_ylabel()]
        found += [t.get_text() for t in (*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels())]
    return found


def test_bars_stand_in_groups_with_their_errors_and_marks():
    series = {
        "fine-tuned": {"2": Bar(0.5, 0.1, "**"), "4": Bar(0.6)},
        "de novo": {"2": Bar(0.3, 0.1), "4": Bar(None)},
    }
    figure = bar_figure({"PPV": series}, {"PPV": {"default": Bar(0.4)}}, "training patients")
    (ax,) = figure.axes
    heights = sorted(float(patch.get_height()) for patch in ax.patches)
    assert heights == [0.0, 0.3, 0.4, 0.5, 0.6]
    assert {"PPV", "default", "2", "4", "**", "training patients"} <= set(words(figure))


def test_a_heat_map_writes_its_numbers_and_leaves_missing_ones_empty():
    matrix = np.array([[0.25, np.nan], [0.5, 0.75]])
    figure = heat_map_figure({"replay": (["a", "b"], matrix)}, ["a", "b"], "test Dice")
    assert sorted(t.get_text() for t in figure.axes[0].texts) == ["0.25", "0.50", "0.75"]
    assert "replay" in words(figure)


def test_the_first_row_of_a_montage_names_the_methods():
    grey = np.linspace(0, 1, 64).reshape(8, 8)
    mask = grey > 0.5
    rows = [MontageRow(f"sub-{k}", grey, {"reference": mask, "de novo": ~mask}) for k in range(2)]
    figure = montage_figure(rows, "reference")
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["scan", "reference", "de novo", "", "", ""]
    assert [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()] == ["sub-0", "sub-1"]


def test_filters_are_shown_before_after_and_changed():
    planes = [np.zeros((3, 3, 3)), np.ones((3, 3, 3))]
    figure = filter_figure({"encoder-1": planes, "decoder-3": planes[:1]})
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:6] == ["start", "end", "change"] * 2 and not any(titles[6:])


def test_equal_figures_are_equal_files(tmp_path):
    for name in ("one", "two"):
        figure = curve_figure({"t": {"line": ([0, 1], [0.2, 0.4], [0.1, 0.1])}}, "step", "Dice")
        assert save_figure(figure, tmp_path / name, "curve") == ["curve.png", "curve.svg"]
    for file in ("curve.png", "curve.svg"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
