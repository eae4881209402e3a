"""What ``study transfer`` leaves: a CSV file per scan, tables, tests, the bars and example slices of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from MSLesionSegLib.studies.engine.cells import Cell, FinishedCell
from MSLesionSegLib.studies.engine.protocols import EXTERNAL, LEAVE_ONE_OUT, ROTATION
from MSLesionSegLib.studies.engine.study_cases import NativeCase
from MSLesionSegLib.studies.report.method_pictures import bars_picture, slices_picture
from MSLesionSegLib.studies.report.methods import (
    METRICS,
    anova_sentence,
    compare,
    gather_methods,
    methods_table,
    shown_means,
    tests_table,
    write_scans,
    write_tests,
)
from MSLesionSegLib.studies.report.page import Section, Table, write_page
from MSLesionSegLib.studies.report.statistics import Comparison


def write_transfer_report(
    folder: Path,
    cells: Sequence[Cell],
    done: Mapping[str, FinishedCell],
    cases: Sequence[NativeCase],
    record: Mapping[str, Any],
) -> Path:
    """Write ``scans.csv``, ``tests.csv``, the figures and the page; returns the page."""
    write_scans(cells, done, folder / "scans.csv")
    sections: list[Section] = []
    every: dict[str, list[Comparison]] = {}
    readers = gather_methods(cells, done, "", ROTATION)
    networks = list(dict.fromkeys(cell.settings["what"]["network"] for cell in cells))
    for network in filter(None, networks):
        methods = gather_methods(cells, done, network, ROTATION) + readers
        every[network] = compare(methods)
        pictures = [
            bars_picture(folder, network, methods, every[network]),
            slices_picture(folder, network, cells, cases),
        ]
        tables = [methods_table(methods), tests_table(every[network])]
        sections.append(
            Section(f"Network {network}", [anova_sentence(methods)], tables, [p for p in pictures if p])
        )
        outside = _outside(cells, done, network)
        if outside:
            sections.append(outside)
    write_tests(every, folder / "tests.csv")
    lead = (
        "Fine-tuning of a base model against training de novo on the same patients with equal steps, tested by "
        "rotation: every patient is scored once per method, by a network that never saw this patient. Native space, "
        "26-connected lesions of any size, found if one voxel overlaps; mean ± standard error over scans."
    )
    return write_page(folder, "Transfer learning with few cases", lead, sections, record)


def _outside(cells: Sequence[Cell], done: Mapping[str, FinishedCell], network: str) -> Section | None:
    rows = [
        [
            m.label,
            "no" if protocol == EXTERNAL else "all patients but one",
            str(len(m.scans)),
            *shown_means(m),
        ]
        for protocol in (EXTERNAL, LEAVE_ONE_OUT)
        for m in gather_methods(cells, done, network, protocol)
    ]
    if not rows:
        return None
    heads = ["Method", "Fine-tuned on this institution", "Scans", *METRICS.values()]
    text = "Models of the first fold; leave-one-patient-out fine-tuning continues from them with the same recipe."
    return Section(
        f"Another institution, network {network}", [text], [Table("Mean ± standard error", heads, rows)]
    )
