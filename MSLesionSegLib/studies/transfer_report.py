"""What ``study transfer`` leaves: a CSV file per scan, tables, tests, the bars and example slices of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.lesions.evaluation import Average, average
from MSLesionSegLib.studies.cells import Cell, Finished
from MSLesionSegLib.studies.figures import Bar, MontageRow, bar_figure, montage_figure, save_figure
from MSLesionSegLib.studies.material import StudyCase
from MSLesionSegLib.studies.page import (
    Picture,
    Section,
    Table,
    shown,
    shown_p,
    shown_with_error,
    write_page,
)
from MSLesionSegLib.studies.record import write_csv
from MSLesionSegLib.studies.statistics import (
    Comparison,
    bonferroni,
    paired_test,
    repeated_measures_anova,
    stars,
    unpaired_test,
)
from MSLesionSegLib.studies.transfer_cells import (
    DE_NOVO,
    DEFAULT,
    EXTERNAL,
    FINE_TUNED,
    LEAVE_ONE_OUT,
    ROTATION,
    SECOND,
)

METRICS = {"sensitivity": "Sensitivity", "ppv": "PPV", "dice": "Dice"}


@dataclass(frozen=True)
class Method:
    """One method's scans: metrics by scan, and the seconds that its cells took on average."""

    name: str
    n: int
    scans: dict[str, dict[str, Any]]
    seconds: float

    @property
    def label(self) -> str:
        return f"{self.name}, n = {self.n}" if self.n else self.name

    def values(self, metric: str) -> dict[str, float | None]:
        """Metric by scan."""
        return {scan: numbers[metric] for scan, numbers in self.scans.items()}

    def mean(self, metric: str) -> Average:
        """Mean and standard error over the scans where the metric is defined."""
        return average(list(self.values(metric).values()))


def write_transfer_report(
    folder: Path,
    cells: Sequence[Cell],
    done: Mapping[str, Finished],
    cases: Sequence[StudyCase],
    record: Mapping[str, Any],
) -> Path:
    """Write ``scans.csv``, ``tests.csv``, the figures and the page; returns the page."""
    _write_scans(cells, done, folder / "scans.csv")
    sections: list[Section] = []
    rows: list[list[Any]] = []
    readers = _methods(cells, done, "", ROTATION)
    networks = list(dict.fromkeys(cell.settings["what"]["network"] for cell in cells))
    for network in filter(None, networks):
        methods = _methods(cells, done, network, ROTATION) + readers
        tests = compare(methods)
        rows += [
            [network, t.metric, t.first, t.second, t.paired, *t.counts, t.difference, t.t, t.p, t.p_corrected]
            for t in tests
        ]
        pictures = _pictures(folder, network, cells, methods, tests, cases)
        sections.append(_section(network, methods, tests, pictures))
        outside = _outside(cells, done, network)
        if outside:
            sections.append(outside)
    heads = [
        "network",
        "metric",
        "first",
        "second",
        "paired",
        "n_first",
        "n_second",
        "difference",
        "t",
        "p",
        "p_bonferroni",
    ]
    write_csv(folder / "tests.csv", heads, rows)
    lead = (
        "Fine-tuning of a base model against training de novo on the same patients with equal steps, tested by "
        "rotation: every patient is scored once per method, by a network that never saw this patient. Native space, "
        "26-connected lesions of any size, found if one voxel overlaps; mean ± standard error over scans."
    )
    return write_page(folder, "Transfer learning with few cases", lead, sections, record)


def compare(methods: Sequence[Method]) -> list[Comparison]:
    """Paired tests of fine-tuned against de novo, unpaired ones against default model and second reader.

    Bonferroni's correction counts all tests of one metric.
    """
    by_kind = {
        name: [m for m in methods if m.name == name] for name in (FINE_TUNED, DE_NOVO, DEFAULT, SECOND)
    }
    found = []
    for metric in METRICS:
        tests = []
        for tuned in by_kind[FINE_TUNED]:
            for fresh in by_kind[DE_NOVO]:
                if tuned.n == fresh.n:
                    labels = (tuned.label, fresh.label)
                    tests.append(paired_test(metric, labels, tuned.values(metric), fresh.values(metric)))
        for trained in by_kind[FINE_TUNED] + by_kind[DE_NOVO]:
            for other in by_kind[DEFAULT] + by_kind[SECOND]:
                labels = (trained.label, other.label)
                tests.append(unpaired_test(metric, labels, trained.values(metric), other.values(metric)))
        found += bonferroni(tests)
    return found


def _methods(
    cells: Sequence[Cell], done: Mapping[str, Finished], network: str, protocol: str
) -> list[Method]:
    groups: dict[tuple[str, int], list[Finished]] = {}
    for cell in cells:
        what = cell.settings["what"]
        if (what["network"], what["protocol"]) == (network, protocol):
            groups.setdefault((what["method"], what["n"]), []).append(done[cell.name])
    methods = []
    for (name, n), finished in groups.items():
        scans = {f"{scan['site']}/{scan['name']}": scan for f in finished for scan in f.findings["scans"]}
        methods.append(Method(name, n, scans, float(np.mean([f.seconds for f in finished]))))
    return methods


def _section(
    network: str, methods: Sequence[Method], tests: Sequence[Comparison], pictures: Sequence[Picture]
) -> Section:
    rows = [
        [
            m.label,
            str(len(m.scans)),
            *(_shown(m.mean(metric), len(m.scans)) for metric in METRICS),
            f"{m.seconds / 60:.1f}",
        ]
        for m in methods
    ]
    trained = {m.label: m for m in methods if m.n}
    anovas = [
        repeated_measures_anova(metric, {label: m.values(metric) for label, m in trained.items()})
        for metric in METRICS
    ]
    sentences = [
        f"{METRICS[a.metric]}: F({a.df_methods}, {a.df_error}) = {shown(a.f)}, p {_equals(a.p)} ({a.patients} scans)"
        if a.f is not None
        else f"{METRICS[a.metric]}: not defined ({a.patients} scans with a value in every method)"
        for a in anovas
    ]
    tests_table = Table(
        "Tests (two-tailed; p after Bonferroni over the tests of a metric)",
        ["Metric", "First", "Second", "Test", "Difference", "p", "p corrected"],
        [
            [
                METRICS[t.metric],
                t.first,
                t.second,
                f"paired, {t.counts[0]}" if t.paired else f"unpaired, {t.counts[0]} and {t.counts[1]}",
                shown(t.difference),
                shown_p(t.p),
                f"{shown_p(t.p_corrected)} {stars(t.p_corrected)}".strip(),
            ]
            for t in tests
        ],
    )
    heads = ["Method", "Scans", *METRICS.values(), "Minutes per model"]
    return Section(
        f"Network {network}",
        [
            "One-way analysis of variance with repeated measures over the trained methods. "
            + "; ".join(sentences)
            + "."
        ],
        [Table("Mean ± standard error", heads, rows), tests_table],
        pictures,
    )


def _outside(cells: Sequence[Cell], done: Mapping[str, Finished], network: str) -> Section | None:
    rows = []
    for protocol in (EXTERNAL, LEAVE_ONE_OUT):
        for m in _methods(cells, done, network, protocol):
            values = (_shown(m.mean(metric), len(m.scans)) for metric in METRICS)
            rows.append(
                [
                    m.label,
                    "no" if protocol == EXTERNAL else "all patients but one",
                    str(len(m.scans)),
                    *values,
                ]
            )
    if not rows:
        return None
    heads = ["Method", "Fine-tuned on this institution", "Scans", *METRICS.values()]
    text = (
        "Models of the first fold; leave-one-patient-out fine-tuning goes on from them with the same recipe."
    )
    return Section(
        f"Another institution, network {network}", [text], [Table("Mean ± standard error", heads, rows)]
    )


def _shown(value: Average, scans: int) -> str:
    text = shown_with_error(value.mean, value.standard_error)
    return text if value.defined == scans else f"{text} ({value.defined} of {scans})"


def _equals(p: float | None) -> str:
    text = shown_p(p)
    return text if text.startswith("<") else f"= {text}"


def _pictures(
    folder: Path,
    network: str,
    cells: Sequence[Cell],
    methods: Sequence[Method],
    tests: Sequence[Comparison],
    cases: Sequence[StudyCase],
) -> list[Picture]:
    panels: dict[str, dict[str, dict[str, Bar]]] = {}
    references: dict[str, dict[str, Bar]] = {}
    for metric, title in METRICS.items():
        marks = {t.first: stars(t.p_corrected) for t in tests if t.paired and t.metric == metric}
        panels[title] = {FINE_TUNED: {}, DE_NOVO: {}}
        references[title] = {}
        for m in methods:
            value = m.mean(metric)
            bar = Bar(value.mean, value.standard_error, marks.get(m.label, ""))
            if m.n:
                panels[title][m.name][str(m.n)] = bar
            else:
                references[title]["default" if m.name == DEFAULT else "reader 2"] = bar
    figures = folder / "figures"
    save_figure(bar_figure(panels, references, "training patients"), figures, f"bars-{network}")
    caption = "Mean and standard error. Stars: fine-tuned differs from de novo (paired test, Bonferroni)."
    pictures = [Picture(f"bars-{network}", caption)]
    rows = _montage_rows(folder, network, cells, cases)
    if rows:
        save_figure(montage_figure(rows, "reference"), figures, f"slices-{network}")
        text = "Slices with the largest lesion area. Blue: reference; red: what the method marks."
        pictures.append(Picture(f"slices-{network}", text))
    return pictures


def _montage_rows(
    folder: Path, network: str, cells: Sequence[Cell], cases: Sequence[StudyCase], most: int = 4
) -> list[MontageRow]:
    tested: dict[str, dict[str, Path]] = {}
    for cell in cells:
        what = cell.settings["what"]
        if (what["network"], what["protocol"]) != (network, ROTATION):
            continue
        label = what["method"] + (f"\nn = {what['n']}" if what["n"] else "")
        for case in cell.settings["test"]:
            mask = folder / "cells" / cell.name / "masks" / f"{case['name']}_mask.nii.gz"
            tested.setdefault(case["name"], {})[label] = mask
    complete = max((len(masks) for masks in tested.values()), default=0)
    rows = []
    for case in cases:
        masks = tested.get(case.name, {})
        if len(masks) == complete and len(rows) < most:
            rows.append(_montage_row(case, masks))
    return rows


def _montage_row(case: StudyCase, masks: Mapping[str, Path]) -> MontageRow:
    from MSLesionSegLib.imaging.reading import read_mask, read_scan

    image = nib.as_closest_canonical(read_scan(case.scan.image).image)
    volumes = {"reference": read_mask(case.scan.mask, read_scan(case.scan.image).image)}
    volumes |= {label: nib.load(path) for label, path in masks.items()}
    arrays = {label: np.asarray(nib.as_closest_canonical(v).dataobj) > 0 for label, v in volumes.items()}
    index = int(arrays["reference"].sum((0, 1)).argmax())
    data = np.asarray(image.dataobj)
    brain = np.asarray(nib.as_closest_canonical(nib.load(case.brain)).dataobj) > 0
    low, high = np.percentile(data[brain], (0.5, 99.7))
    grey = np.clip((data[:, :, index] - low) / max(float(high - low), 1e-6), 0, 1)
    where = np.argwhere(brain.any(2))
    (x0, y0), (x1, y1) = where.min(0), where.max(0) + 1

    def flat(plane: np.ndarray) -> np.ndarray:
        return plane[x0:x1, y0:y1].T[::-1, ::-1]  # rows go down, the patient's right is left

    spacing = image.header.get_zooms()
    flat_masks = {label: flat(array[:, :, index]) for label, array in arrays.items()}
    return MontageRow(case.name, flat(grey), flat_masks, float(spacing[1] / spacing[0]))


def _write_scans(cells: Sequence[Cell], done: Mapping[str, Finished], path: Path) -> None:
    rows, names = [], ()
    for cell in cells:
        what = cell.settings["what"]
        for scan in done[cell.name].findings["scans"]:
            numbers = {key: value for key, value in scan.items() if key not in ("site", "name")}
            names = tuple(numbers)
            place = [what["network"], what["method"], what["n"], what["protocol"], scan["site"], scan["name"]]
            rows.append([*place, *numbers.values()])
    write_csv(path, ["network", "method", "n", "protocol", "site", "scan", *names], rows)
