"""Statistics against published and hand-computed values."""

from __future__ import annotations

import math

import pytest

from MSLesionSegLib.studies.report.statistics import (
    bonferroni,
    paired_test,
    repeated_measures_anova,
    stars,
    unpaired_test,
)

# Student 1908, "The probable error of a mean": hours of sleep gained with two drugs in ten patients
SLEEP = (
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
)


def by_patient(values):
    return {f"p{k}": value for k, value in enumerate(values)}


def test_the_paired_test_gives_students_published_value():
    c = paired_test("sleep", ("one", "two"), *map(by_patient, SLEEP))
    assert c.t == pytest.approx(-4.0621, abs=1e-4) and c.p == pytest.approx(0.002833, abs=1e-6)
    assert c.difference == pytest.approx(-1.58) and c.counts == (10, 10)


def test_the_unpaired_test_gives_its_published_value():
    c = unpaired_test("sleep", ("one", "two"), *map(by_patient, SLEEP))
    assert c.t == pytest.approx(-1.8608, abs=1e-4) and c.p == pytest.approx(0.07919, abs=1e-5)


def test_the_paired_test_by_hand():
    c = paired_test("x", ("a", "b"), by_patient([1, 2, 3]), by_patient([0, 0, 2]))
    # differences 1, 2, 1: mean 4/3, standard deviation sqrt(1/3)
    assert c.t == pytest.approx((4 / 3) / (math.sqrt(1 / 3) / math.sqrt(3)))


def test_undefined_values_leave_the_pair_out_and_too_few_pairs_give_no_p():
    first, second = by_patient([1.0, None, 3.0, 2.0]), by_patient([2.0, 1.0, None, 2.5])
    assert paired_test("x", ("a", "b"), first, second).counts == (2, 2)
    lonely = paired_test("x", ("a", "b"), by_patient([1.0]), by_patient([2.0]))
    assert lonely.p is None and lonely.difference == -1.0
    equal = paired_test("x", ("a", "b"), by_patient([1.0, 1.0]), by_patient([1.0, 1.0]))
    assert equal.p is None and equal.difference == 0


def test_bonferroni_multiplies_by_the_tests_that_have_a_p_and_stops_at_1():
    tests = [
        paired_test("sleep", ("one", "two"), *map(by_patient, SLEEP)),
        unpaired_test("sleep", ("one", "two"), *map(by_patient, SLEEP)),
        paired_test("x", ("a", "b"), {}, {}),
    ]
    corrected = bonferroni(tests * 10)
    assert corrected[0].p_corrected == pytest.approx(20 * tests[0].p)
    assert corrected[1].p_corrected == 1.0
    assert corrected[2].p_corrected is None


def test_the_analysis_of_variance_by_hand():
    # 3 patients x 3 methods; SS methods = 24, SS error = 2 with 2 and 4 degrees of freedom: F = 12 / 0.5
    methods = {"a": by_patient([1, 2, 3]), "b": by_patient([3, 4, 4]), "c": by_patient([5, 5, 8])}
    values = [[1, 3, 5], [2, 4, 5], [3, 4, 8]]
    grand = sum(map(sum, values)) / 9
    between = 3 * sum((sum(row[k] for row in values) / 3 - grand) ** 2 for k in range(3))
    rows = 3 * sum((sum(row) / 3 - grand) ** 2 for row in values)
    total = sum((v - grand) ** 2 for row in values for v in row)
    a = repeated_measures_anova("x", methods)
    assert (a.df_methods, a.df_error, a.patients) == (2, 4, 3)
    assert a.f == pytest.approx((between / 2) / ((total - between - rows) / 4))
    assert 0 < a.p < 0.05


def test_two_methods_give_the_square_of_the_paired_t():
    methods = {"one": by_patient(SLEEP[0]), "two": by_patient(SLEEP[1])}
    a = repeated_measures_anova("sleep", methods)
    assert a.f == pytest.approx(4.0621**2, rel=1e-4) and a.p == pytest.approx(0.002833, abs=1e-6)


def test_patients_with_a_missing_value_are_left_out_of_the_analysis_of_variance():
    methods = {"one": by_patient([1.0, None, 2.0, 4.0]), "two": by_patient([2.0, 1.0, 5.0, None])}
    assert repeated_measures_anova("x", methods).patients == 2
    assert repeated_measures_anova("x", {"one": by_patient([1.0]), "two": by_patient([2.0])}).p is None


@pytest.mark.parametrize(
    ("p", "marks"), [(None, ""), (0.05, ""), (0.049, "*"), (0.009, "**"), (0.0009, "***")]
)
def test_stars(p, marks):
    assert stars(p) == marks
