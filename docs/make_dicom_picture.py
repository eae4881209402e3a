"""Draws docs/images/dicom-way.png: the way of two studies from the archive through the node and back.

Run with the project's environment: python docs/make_dicom_picture.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.axes import Axes

PICTURE = Path(__file__).parent / "images" / "dicom-way.png"
INK, QUIET, PAPER, NODE, LINE = "#20303c", "#5b6b77", "#eef2f5", "#fff4dc", "#b4c0c8"
# left, bottom, width, height in units of the picture; heading; lines below it
BOXES = (
    (0.2, 0.6, 2.0, 3.2, PAPER, "Archive (PACS)", ("the present study", "the former study", "their results")),
    (4.7, 3.05, 1.9, 0.95, NODE, "incoming", ("until nothing has", "come for a while")),
    (7.4, 3.05, 1.9, 0.95, NODE, "waiting", ("a complete study",)),
    (7.4, 1.6, 1.9, 0.95, NODE, "work", ("find the FLAIR,", "run the task")),
    (7.4, 0.15, 1.9, 0.95, NODE, "sending", ("SEG, SR, PDF", "until each is taken")),
    (4.7, 0.15, 1.9, 0.95, NODE, "finished", ("UIDs that were sent,", "a line for the audit")),
    (4.7, 1.6, 1.9, 0.95, NODE, "failed", ("kept for a person,", "or until more comes")),
)
# from, to, what goes there, where that stands
ARROWS = (
    ((2.2, 3.5), (4.7, 3.5), "C-STORE", (3.3, 3.62)),
    ((6.6, 3.5), (7.4, 3.5), "", (0, 0)),
    ((8.35, 3.05), (8.35, 2.55), "", (0, 0)),
    ((8.35, 1.6), (8.35, 1.1), "", (0, 0)),
    ((7.4, 2.05), (6.6, 2.05), "", (0, 0)),
    ((7.4, 0.6), (6.6, 0.6), "", (0, 0)),
)


def main() -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9.8, 4.5))
    axes.set(xlim=(0, 9.6), ylim=(-0.25, 4.4), aspect="equal")
    axes.set_axis_off()
    _box(axes, 4.4, -0.15, 5.1, 4.45, "white", "")
    axes.text(
        4.55,
        4.13,
        "mslesionseg node: one folder, a state per subfolder",
        color=INK,
        weight="bold",
        fontsize=9,
    )
    for left, bottom, width, height, color, heading, lines in BOXES:
        _box(axes, left, bottom, width, height, color, heading, lines)
    for start, end, text, place in ARROWS:
        _arrow(axes, start, end)
        axes.text(*place, text, color=QUIET, fontsize=8, ha="center")
    _arrow(axes, (4.4, 2.85), (2.2, 2.85), style="<|-")
    axes.text(3.3, 2.97, "C-FIND, C-GET or C-MOVE", color=QUIET, fontsize=7.5, ha="center")
    axes.text(3.3, 2.58, "or QIDO, WADO", color=QUIET, fontsize=7.5, ha="center")
    _arrow(axes, (4.4, 1.3), (2.2, 1.3))
    axes.text(3.3, 1.42, "C-STORE or STOW", color=QUIET, fontsize=7.5, ha="center")
    figure.savefig(PICTURE, dpi=130, bbox_inches="tight", pad_inches=0.05)


def _box(
    axes: Axes,
    left: float,
    bottom: float,
    width: float,
    height: float,
    color: str,
    heading: str,
    lines: tuple[str, ...] = (),
) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch((left, bottom), width, height, style, fc=color, ec=LINE, lw=1.2))
    top = bottom + height - 0.27
    axes.text(left + width / 2, top, heading, color=INK, weight="bold", fontsize=9, ha="center")
    for number, line in enumerate(lines, start=1):
        axes.text(left + width / 2, top - 0.27 * number, line, color=QUIET, fontsize=8, ha="center")


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], style: str = "-|>") -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": style, "color": INK, "lw": 1.2})


if __name__ == "__main__":
    main()
