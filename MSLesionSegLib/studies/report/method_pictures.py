"""Figures of methods that were tested on the same scans: bars with marks, and example slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.studies.engine.cells import Cell
from MSLesionSegLib.studies.engine.native_scoring import mask_file
from MSLesionSegLib.studies.engine.protocols import DE_NOVO, DEFAULT, ROTATION, SECOND
from MSLesionSegLib.studies.engine.study_cases import NativeCase
from MSLesionSegLib.studies.report.figures import Bar, MontageRow, bar_figure, montage_figure, save_figure
from MSLesionSegLib.studies.report.methods import METRICS, Method
from MSLesionSegLib.studies.report.page import Picture
from MSLesionSegLib.studies.report.statistics import Comparison

LEVEL = 0.05
_MOST_ROWS = 4
# the marks of Figure 3A of Huang et al. 2023, by what a method differs from
MARKS = {DEFAULT: "*", SECOND: "&", DE_NOVO: "#"}
MEANINGS = {
    DEFAULT: "the default model",
    SECOND: "the second reader",
    DE_NOVO: "de novo training with the same n",
}


def bars_picture(
    folder: Path, network: str, methods: Sequence[Method], tests: Sequence[Comparison]
) -> Picture:
    """Draw the bars of a network's methods, each with the marks of what it differs from."""
    panels: dict[str, dict[str, dict[str, Bar]]] = {}
    references: dict[str, dict[str, Bar]] = {}
    for metric, title in METRICS.items():
        panels[title] = {m.name: {} for m in methods if m.n}
        references[title] = {}
        for m in methods:
            value = m.mean(metric)
            bar = Bar(value.mean, value.standard_error, marks_of(m.label, metric, tests))
            if m.n:
                panels[title][m.name][str(m.n)] = bar
            else:
                references[title]["default" if m.name == DEFAULT else "reader 2"] = bar
    others = {name for name in MARKS if any(t.second.split(",")[0] == name for t in tests)}
    legend = [
        f"{mark}  p < {LEVEL} against {MEANINGS[name]}" for name, mark in MARKS.items() if name in others
    ]
    save_figure(
        bar_figure(panels, references, "training patients", legend), folder / "figures", f"bars-{network}"
    )
    return Picture(
        f"bars-{network}",
        "Mean and standard error. Marks, after Bonferroni: "
        + "; ".join(f"{MARKS[name]} differs from {MEANINGS[name]}" for name in MARKS if name in others)
        + ".",
    )


def marks_of(label: str, metric: str, tests: Sequence[Comparison]) -> str:
    """Marks of what a method differs from significantly in a metric, in the order of :data:`MARKS`."""
    differs = {
        t.second.split(",")[0]
        for t in tests
        if (t.first, t.metric) == (label, metric) and t.p_corrected is not None and t.p_corrected < LEVEL
    }
    return "".join(mark for name, mark in MARKS.items() if name in differs)


def slices_picture(
    folder: Path, network: str, cells: Sequence[Cell], cases: Sequence[NativeCase]
) -> Picture | None:
    """Draw example slices with what every method marks; None where no scan was tested by all."""
    rows = _montage_rows(folder, network, cells, cases)
    if not rows:
        return None
    save_figure(montage_figure(rows, "reference"), folder / "figures", f"slices-{network}")
    text = "Slices with the largest lesion area. Blue: reference; red: what the method marks."
    return Picture(f"slices-{network}", text)


def _montage_rows(
    folder: Path, network: str, cells: Sequence[Cell], cases: Sequence[NativeCase]
) -> list[MontageRow]:
    tested: dict[tuple[str, str], dict[str, Path]] = {}
    for cell in cells:
        what = cell.settings["what"]
        if (what["network"], what["protocol"]) != (network, ROTATION):
            continue
        label = what["method"] + (f"\nn = {what['n']}" if what["n"] else "")
        for case in cell.settings["test"]:
            mask = mask_file(folder / "cells" / cell.name, case)
            tested.setdefault((case["site"], case["name"]), {})[label] = mask
    complete = max((len(masks) for masks in tested.values()), default=0)
    several = len({case.site for case in cases}) > 1
    rows: list[MontageRow] = []
    for case in cases:
        masks = tested.get((case.site, case.name), {})
        if masks and len(masks) == complete and len(rows) < _MOST_ROWS:
            name = f"{case.site}\n{case.name}" if several else case.name
            rows.append(_montage_row(name, case, masks))
    return rows


def _montage_row(name: str, case: NativeCase, masks: Mapping[str, Path]) -> MontageRow:
    from MSLesionSegLib.imaging.reading import read_mask, read_scan

    image = nib.as_closest_canonical(read_scan(case.scan.image).image)
    volumes = {"reference": read_mask(case.scan.mask, read_scan(case.scan.image).image)}
    volumes |= {label: nib.Nifti1Image.from_filename(path) for label, path in masks.items()}
    arrays = {label: np.asarray(nib.as_closest_canonical(v).dataobj) > 0 for label, v in volumes.items()}
    index = int(arrays["reference"].sum((0, 1)).argmax())
    data = np.asarray(image.dataobj)
    brain = np.asarray(nib.as_closest_canonical(nib.Nifti1Image.from_filename(case.brain)).dataobj) > 0
    low, high = np.percentile(data[brain], (0.5, 99.7))
    grey = np.clip((data[:, :, index] - low) / max(float(high - low), 1e-6), 0, 1)
    where = np.argwhere(brain.any(2))
    (x0, y0), (x1, y1) = where.min(0), where.max(0) + 1

    def flat(plane: np.ndarray) -> np.ndarray:
        return plane[x0:x1, y0:y1].T[::-1, ::-1]  # rows go down, the patient's right is left

    spacing = image.header.get_zooms()
    flat_masks = {label: flat(array[:, :, index]) for label, array in arrays.items()}
    return MontageRow(name, flat(grey), flat_masks, float(spacing[1] / spacing[0]))
