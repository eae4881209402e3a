"""The tests of the papers: t-tests with Bonferroni's correction and a repeated-measures analysis of variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Comparison:
    """Two methods on one metric.

    Attributes:
        metric, first, second: what was compared.
        paired: on the same patients, or on independent groups.
        counts: patients of the first and the second method (equal when paired).
        difference: mean of the first minus mean of the second.
        t, p: statistic and two-tailed probability; None where they are not defined (fewer than two patients, or
            no spread at all).
        p_corrected: after Bonferroni, at most 1; None where ``p`` is.
    """

    metric: str
    first: str
    second: str
    paired: bool
    counts: tuple[int, int]
    difference: float | None
    t: float | None
    p: float | None
    p_corrected: float | None = None


@dataclass(frozen=True)
class Anova:
    """One-way analysis of variance with repeated measures: do the methods differ on the same patients?

    Attributes:
        metric: of what.
        patients, methods: of the complete table (patients with a missing value are left out).
        f, df_methods, df_error, p: as usual, without correction for sphericity; None where not defined.
    """

    metric: str
    patients: int
    methods: int
    f: float | None
    df_methods: int | None
    df_error: int | None
    p: float | None


Values = Mapping[str, float | None]


def paired_test(metric: str, names: tuple[str, str], first: Values, second: Values) -> Comparison:
    """Student's paired two-tailed t-test on the patients where both values are defined.

    Args:
        metric, names: for the result.
        first, second: value by patient; None where not defined.

    >>> before, after = {"a": 0.5, "b": 0.6, "c": 0.7}, {"a": 0.6, "b": 0.8, "c": 0.7}
    >>> result = paired_test("dice", ("after", "before"), after, before)
    >>> result.counts, round(result.difference, 3), round(result.p, 3)
    ((3, 3), 0.1, 0.225)
    """
    from scipy.stats import ttest_rel

    shared = [k for k in first if first[k] is not None and second.get(k) is not None]
    a, b = (np.array([values[k] for k in shared], dtype=float) for values in (first, second))
    varies = len(shared) > 1 and np.ptp(a - b) > 1e-12
    difference = float((a - b).mean()) if len(shared) else None
    t, p = map(float, ttest_rel(a, b)) if varies else (None, None)
    return Comparison(metric, *names, True, (len(shared), len(shared)), difference, t, p)


def unpaired_test(metric: str, names: tuple[str, str], first: Values, second: Values) -> Comparison:
    """Student's unpaired two-tailed t-test (equal variances), each group with its defined values."""
    from scipy.stats import ttest_ind

    a, b = (
        np.array([v for v in values.values() if v is not None], dtype=float) for values in (first, second)
    )
    vary = min(len(a), len(b)) > 1 and max(np.ptp(a), np.ptp(b)) > 1e-12
    difference = float(a.mean() - b.mean()) if len(a) and len(b) else None
    t, p = map(float, ttest_ind(a, b)) if vary else (None, None)
    return Comparison(metric, *names, False, (len(a), len(b)), difference, t, p)


def bonferroni(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons with p times the number of those that have one, at most 1."""
    tests = sum(comparison.p is not None for comparison in comparisons)
    return [replace(c, p_corrected=None if c.p is None else min(1.0, c.p * tests)) for c in comparisons]


def repeated_measures_anova(metric: str, methods: Mapping[str, Values]) -> Anova:
    """One-way analysis of variance with repeated measures (statsmodels' AnovaRM).

    Args:
        metric: for the result.
        methods: value by patient for each method. Patients that lack a value in any method are left out.
    """
    import pandas
    from statsmodels.stats.anova import AnovaRM

    patients = set.intersection(*({k for k, v in m.items() if v is not None} for m in methods.values()))
    if len(patients) < 2 or len(methods) < 2:
        return Anova(metric, len(patients), len(methods), None, None, None, None)
    rows = [
        {"patient": patient, "method": name, "value": values[patient]}
        for name, values in methods.items()
        for patient in sorted(patients)
    ]
    with np.errstate(invalid="ignore", divide="ignore"):  # methods without any error have no F
        table = AnovaRM(pandas.DataFrame(rows), "value", "patient", within=["method"]).fit().anova_table
    f, between, error, p = (float(v) for v in table.iloc[0])
    defined = np.isfinite(f) and np.isfinite(p)
    return Anova(
        metric,
        len(patients),
        len(methods),
        f if defined else None,
        int(between),
        int(error),
        p if defined else None,
    )


def mean_and_error(curves: ArrayLike) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean of equally long curves at each place, and its standard error, which one curve has not."""
    values = np.array(curves)
    error = values.std(0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
    return values.mean(0), error


def stars(p: float | None) -> str:
    """``*`` below 0.05, ``**`` below 0.01, ``***`` below 0.001, else nothing."""
    return "" if p is None else "*" * sum(p < limit for limit in (0.05, 0.01, 0.001))
