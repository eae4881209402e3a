"""Methods that were tested on the same scans: their numbers, the tests between them and the tables of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from MSLesionSegLib.evaluation.mask_pairs import Average, average
from MSLesionSegLib.studies.engine.cells import Cell, FinishedCell
from MSLesionSegLib.studies.engine.protocols import DE_NOVO, DEFAULT, SECOND
from MSLesionSegLib.studies.engine.record import write_csv
from MSLesionSegLib.studies.report.page import Table, shown, shown_p, shown_with_error
from MSLesionSegLib.studies.report.statistics import (
    Comparison,
    bonferroni,
    paired_test,
    repeated_measures_anova,
    stars,
    unpaired_test,
)

METRICS = {"sensitivity": "Sensitivity", "ppv": "PPV", "dice": "Dice"}


@dataclass(frozen=True)
class Method:
    """One method's scans: metrics by scan, and the seconds that its cells took on average.

    ``n`` is the number of patients that it was trained on, 0 for what is judged as it is.
    """

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


def gather_methods(
    cells: Sequence[Cell], done: Mapping[str, FinishedCell], network: str, protocol: str
) -> list[Method]:
    """The methods of a network under a protocol, in the order of their cells."""
    groups: dict[tuple[str, int], list[FinishedCell]] = {}
    for cell in cells:
        what = cell.settings["what"]
        if (what["network"], what["protocol"]) == (network, protocol):
            groups.setdefault((what["method"], what["n"]), []).append(done[cell.name])
    methods = []
    for (name, n), finished in groups.items():
        scans = {f"{scan['site']}/{scan['name']}": scan for f in finished for scan in f.results["scans"]}
        methods.append(Method(name, n, scans, float(np.mean([f.seconds for f in finished]))))
    return methods


def compare(methods: Sequence[Method]) -> list[Comparison]:
    """Paired tests of every trained method against de novo with the same n, unpaired ones of all trained methods
    against default model and second reader.

    Bonferroni's correction counts all tests of one metric.
    """
    fresh = {m.n: m for m in methods if m.name == DE_NOVO}
    tuned = [m for m in methods if m.n and m.name != DE_NOVO]
    judged_as_they_are = [m for m in methods if m.name in (DEFAULT, SECOND)]
    found = []
    for metric in METRICS:
        tests = []
        for one in tuned:
            if one.n in fresh:
                labels = (one.label, fresh[one.n].label)
                tests.append(paired_test(metric, labels, one.values(metric), fresh[one.n].values(metric)))
        for trained in [*tuned, *fresh.values()]:
            for other in judged_as_they_are:
                labels = (trained.label, other.label)
                tests.append(unpaired_test(metric, labels, trained.values(metric), other.values(metric)))
        found += bonferroni(tests)
    return found


def methods_table(methods: Sequence[Method]) -> Table:
    """Mean and standard error of each method, and what a model took."""
    heads = ["Method", "Scans", *METRICS.values(), "Minutes per model"]
    rows = [[m.label, str(len(m.scans)), *shown_means(m), f"{m.seconds / 60:.1f}"] for m in methods]
    return Table("Mean ± standard error", heads, rows)


def shown_means(method: Method) -> list[str]:
    """Mean and standard error of every metric; how many scans have a value where not all do."""
    texts = []
    for metric in METRICS:
        value = method.mean(metric)
        text = shown_with_error(value.mean, value.standard_error)
        texts.append(
            text if value.defined == len(method.scans) else f"{text} ({value.defined} of {len(method.scans)})"
        )
    return texts


def tests_table(tests: Sequence[Comparison]) -> Table:
    """Every test with its probability."""
    return Table(
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


def anova_sentence(methods: Sequence[Method]) -> str:
    """What the analysis of variance says of the trained methods."""
    trained = {m.label: m for m in methods if m.n}
    sentences = []
    for metric, title in METRICS.items():
        a = repeated_measures_anova(metric, {label: m.values(metric) for label, m in trained.items()})
        if a.f is None:
            text = f"{title}: not defined ({a.patients} scans with a value in every method)"
        else:
            text = f"{title}: F({a.df_methods}, {a.df_error}) = {shown(a.f)}, p {_equals(a.p)} ({a.patients} scans)"
        sentences.append(text)
    return (
        "One-way analysis of variance with repeated measures over the trained methods. "
        + "; ".join(sentences)
        + "."
    )


def _equals(p: float | None) -> str:
    text = shown_p(p)
    return text if text.startswith("<") else f"= {text}"


def write_scans(cells: Sequence[Cell], done: Mapping[str, FinishedCell], path: Path) -> None:
    """Write the numbers of every scan under every method."""
    rows, names = [], ()
    for cell in cells:
        what = cell.settings["what"]
        for scan in done[cell.name].results.get("scans", []):
            numbers = {key: value for key, value in scan.items() if key not in ("site", "name")}
            names = tuple(numbers)
            place = [what["network"], what["method"], what["n"], what["protocol"], scan["site"], scan["name"]]
            rows.append([*place, *numbers.values()])
    write_csv(path, ["network", "method", "n", "protocol", "site", "scan", *names], rows)


def write_tests(tests: Mapping[str, Sequence[Comparison]], path: Path) -> None:
    """Write the tests of every network."""
    heads = ["network", "metric", "first", "second", "paired", "n_first", "n_second", "difference", "t", "p"]
    rows = [
        [network, t.metric, t.first, t.second, t.paired, *t.counts, t.difference, t.t, t.p, t.p_corrected]
        for network, found in tests.items()
        for t in found
    ]
    write_csv(path, [*heads, "p_bonferroni"], rows)
