from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.lesions.regions import (
    DEEP_WHITE_MATTER,
    IN_INFRATENTORIAL,
    JUXTACORTICAL,
    PERIVENTRICULAR,
    UNDETERMINED,
    RegionMap,
)
from MSLesionSegLib.lesions.table import (
    Lesion,
    dictation,
    lesion_table,
    longest_axis,
    totals_by_region,
    write_lesion_table,
)


def oblique(spacing: tuple[float, float, float], angle: float = 0.4) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.diag(spacing)
    affine[:3, 3] = (-30, 12, 5)
    return affine


def two_lesions(affine: np.ndarray) -> nib.Nifti1Image:
    labels = np.zeros((20, 20, 10), np.int32)
    labels[2:8, 3:5, 4:6] = 1
    labels[15, 15, 8] = 2
    return nib.Nifti1Image(labels, affine)


def row(number: int, region: str, volume: float) -> Lesion:
    return Lesion(number, volume, 5.0, (1.0, -2.0, 3.0), region, 1.5, 0.8, 0.9, "because")


def test_volume_counts_voxels_of_an_oblique_grid() -> None:
    first, second = lesion_table(two_lesions(oblique((0.5, 0.8, 3.0))), None, None)
    assert (first.id, second.id) == (1, 2)
    assert first.volume_mm3 == pytest.approx(24 * 1.2)
    assert second.volume_mm3 == pytest.approx(1.2)


def test_longest_axis_runs_between_outer_corners_in_mm() -> None:
    first, second = lesion_table(two_lesions(oblique((0.5, 0.8, 3.0))), None, None)
    assert first.longest_axis_mm == pytest.approx(np.linalg.norm([6 * 0.5, 2 * 0.8, 2 * 3.0]))
    assert second.longest_axis_mm == pytest.approx(np.linalg.norm([0.5, 0.8, 3.0]))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.02, 0.9))
def test_longest_axis_agrees_with_all_pairs_of_corners(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    voxels = np.argwhere(rng.random((5, 6, 4)) < share)
    if len(voxels) == 0:
        voxels = np.array([[1, 1, 1]])
    affine = np.eye(4)
    affine[:3, :3] = rng.normal(size=(3, 3))
    corners = (voxels[:, None] + np.array(list(np.ndindex(2, 2, 2))) - 0.5).reshape(-1, 3)
    expected = pdist(nib.affines.apply_affine(affine, corners)).max()
    assert longest_axis(voxels, affine) == pytest.approx(expected)


def test_the_centre_of_a_ring_lies_on_the_ring() -> None:
    x, y, _ = np.indices((21, 21, 3)) - np.array([10, 10, 1])[:, None, None, None]
    ring = ((x**2 + y**2 > 49) & (x**2 + y**2 < 81)).astype(np.int32)
    affine = oblique((1.0, 0.7, 2.0))
    (lesion,) = lesion_table(nib.Nifti1Image(ring, affine), None, None)
    voxel = np.rint(nib.affines.apply_affine(np.linalg.inv(affine), lesion.centre_ras)).astype(int)
    assert ring[tuple(voxel)] == 1


def test_probabilities_are_averaged_over_the_lesion_only() -> None:
    dseg = two_lesions(np.eye(4))
    probability = np.zeros(dseg.shape, np.float32)
    probability[2:8, 3:5, 4:6] = 0.5
    probability[2, 3, 4] = 1.0
    probability[15, 15, 9] = 0.99  # outside
    first, second = lesion_table(dseg, nib.Nifti1Image(probability, np.eye(4)), None)
    assert first.mean_probability == pytest.approx((23 * 0.5 + 1) / 24)
    assert first.peak_probability == pytest.approx(1.0)
    assert (second.mean_probability, second.peak_probability) == (0.0, 0.0)
    assert lesion_table(dseg, None, None)[0].mean_probability is None


def test_without_an_atlas_the_region_is_undetermined() -> None:
    lesion = lesion_table(two_lesions(np.eye(4)), None, None)[0]
    assert (lesion.region, lesion.region_distance_mm) == (UNDETERMINED, None)


def test_regions_are_looked_up_by_place_in_space_and_not_by_voxel_number() -> None:
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[:20] = 5  # infratentorial where x < -20 mm
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = -40.0
    regions = RegionMap(nib.Nifti1Image(labels, affine))
    native = np.diag([-2.0, 2.0, 3.0, 1.0])
    native[:3, 3] = (-1, -39, -39)
    dseg = np.zeros((20, 20, 13), np.int32)
    dseg[15:17, 5, 5] = 1  # x of -31 and -33 mm
    dseg[2, 5, 5] = 2  # x of -5 mm
    first, second = lesion_table(nib.Nifti1Image(dseg, native), None, regions)
    assert (first.region, second.region) == (IN_INFRATENTORIAL, DEEP_WHITE_MATTER)


def test_an_empty_mask_gives_an_empty_table() -> None:
    assert lesion_table(nib.Nifti1Image(np.zeros((4, 4, 4), np.int32), np.eye(4)), None, None) == []


def test_a_probability_map_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        lesion_table(two_lesions(np.eye(4)), nib.Nifti1Image(np.zeros((3, 3, 3)), np.eye(4)), None)


def test_totals_name_every_region_and_undetermined_only_when_it_occurs() -> None:
    totals = totals_by_region(
        [row(1, PERIVENTRICULAR, 30.0), row(2, PERIVENTRICULAR, 10.0), row(3, JUXTACORTICAL, 5.0)]
    )
    assert totals[PERIVENTRICULAR] == {"lesions": 2, "volume_mm3": 40.0}
    assert totals[IN_INFRATENTORIAL] == {"lesions": 0, "volume_mm3": 0.0}
    assert UNDETERMINED not in totals
    assert totals_by_region([row(1, UNDETERMINED, 3.0)])[UNDETERMINED]["lesions"] == 1


def test_the_csv_has_units_in_its_header_and_empty_cells_for_the_unknown(tmp_path: Path) -> None:
    write_lesion_table(
        lesion_table(two_lesions(np.diag([1.0, 1.0, 2.0, 1.0])), None, None), tmp_path / "lesions.csv"
    )
    with (tmp_path / "lesions.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["volume_mm3"] == "48.00"
    assert rows[1]["centre_superior_mm"] == "16.00"
    assert rows[0]["region_distance_mm"] == rows[0]["mean_probability"] == ""
    assert all(
        name.endswith(("_mm", "_mm3", "_probability", "_percent"))
        or name in ("id", "region", "region_rule", "remark")
        for name in rows[0]
    )


def test_the_dictation_states_counts_by_region_and_how_lesions_were_counted() -> None:
    rows = [row(1, PERIVENTRICULAR, 1500.0), row(2, JUXTACORTICAL, 700.0)]
    text = dictation(rows, LesionRule(0.7, minimum_mm3=3.0, minimum_peak=0.97))
    assert text.startswith("2 lesions with a volume of 2.2 ml in all")
    assert "Periventricular: 1 lesion, 1.5 ml." in text
    assert "Infratentorial: none." in text
    rule = "26-connected lesions, at least 3 mm3, probability from 0.7, peak from 0.97."
    assert text.endswith(f"Counted: {rule}")
    rule = "26-connected lesions, no minimum size, probability from 0.5."
    assert dictation([], LesionRule()) == f"No lesions were found. Counted: {rule}"
