"""A change counts if the scans show it and the FLAIR model sees a lesion, or overlooks a faint one."""

from __future__ import annotations

import numpy as np
import pytest

from MSLesionSegLib.segmentation.longitudinal.change_filter import (
    ChangeLimits,
    DirectedChange,
    accepted_change,
    local_contrast,
)

ONE, OTHER = (slice(2, 6),) * 3, (slice(12, 16),) * 3
LIMITS = ChangeLimits()
THIN_MM, SLICES_MM = 3.0, 7.0


def counts(
    *,
    there=1.0,
    absent=0.0,
    lesion=0.0,
    share=1.0,
    lesion_absent=0.0,
    depth_mm=9.0,
    slice_mm=THIN_MM,
    voxel_mm3=1.0,
    noise=0.05,
) -> bool:
    """Whether a change of 64 voxels counts, beside another one that shows nothing.

    ``lesion``: probability by the FLAIR model in the part ``share`` of the change; ``lesion_absent``: at the other
    timepoint. ``noise``: standard deviation of the difference of the scans around.
    """
    change = np.zeros((20, 20, 20), np.int32)
    change[ONE], change[OTHER] = 1, 2
    volumes = {
        name: np.zeros(change.shape) for name in ("lesion", "lesion_absent", "there", "absent", "depth")
    }
    volumes["there"][:] = np.random.default_rng(0).normal(0.0, noise, change.shape)
    volumes["depth"][:] = 1.0
    values = {"lesion_absent": lesion_absent, "there": there, "absent": absent, "depth": depth_mm}
    for name, value in values.items():
        volumes[name][OTHER] = value
    places = np.flatnonzero(change == 2)
    volumes["lesion"].flat[places[: max(1, round(share * len(places)))]] = lesion
    depth = volumes.pop("depth")
    mask, _ = accepted_change(DirectedChange(change, 2, **volumes), depth, voxel_mm3, slice_mm, LIMITS)
    assert not mask[ONE].any()
    assert mask[OTHER].all() == mask[OTHER].any()
    return bool(mask[OTHER].all())


def test_a_change_counts_where_the_flair_model_sees_a_lesion():
    assert counts(there=0.5, lesion=0.4, depth_mm=2.0)
    assert not counts(there=0.5, lesion=0.2, depth_mm=2.0)


def test_a_lesion_in_a_corner_of_a_wide_change_does_not_bear_it_out():
    assert not counts(there=0.5, lesion=0.9, share=0.02, depth_mm=2.0)
    assert counts(there=0.5, lesion=0.9, share=0.2, depth_mm=2.0)


@pytest.mark.parametrize("slice_mm", [THIN_MM, SLICES_MM])
def test_a_lesion_that_the_model_sees_on_both_scans_is_no_change_however_one_differs(slice_mm):
    assert counts(lesion=1.0, lesion_absent=0.2, slice_mm=slice_mm)
    assert not counts(lesion=1.0, lesion_absent=0.5, slice_mm=slice_mm)
    assert not counts(there=1.2, lesion_absent=0.5, slice_mm=slice_mm)


def test_what_hardly_differs_does_not_count_however_sure_the_models_are():
    assert not counts(there=2.04, absent=2.0, lesion=1.0)
    assert counts(there=2.4, absent=2.0, lesion=1.0)


def test_where_the_other_scan_shows_csf_nothing_counts():
    assert not counts(there=1.0, absent=-1.5, lesion=1.0)


@pytest.mark.parametrize(
    "what, expected",
    [
        ({"there": 1.2}, True),
        ({"there": 0.2, "absent": -0.2}, False),
        ({"there": 1.2, "absent": -1.5}, False),
        ({"there": 1.2, "depth_mm": 4.0}, False),
        ({"there": 1.2, "slice_mm": SLICES_MM}, False),
    ],
    ids=["bright tissue", "not bright", "CSF before", "at the rim", "thick slices"],
)
def test_a_faint_lesion_counts_if_it_is_bright_and_was_tissue_below_the_rim(what, expected):
    assert counts(**what) == expected


def test_across_thick_slices_more_must_differ():
    assert counts(there=0.4, lesion=0.9)
    assert not counts(there=0.4, lesion=0.95, slice_mm=SLICES_MM)
    assert counts(there=0.6, lesion=0.95, slice_mm=SLICES_MM)


def test_across_thick_slices_the_flair_model_must_be_surer():
    assert counts(lesion=0.8)
    assert not counts(lesion=0.8, slice_mm=SLICES_MM)
    assert counts(lesion=0.95, slice_mm=SLICES_MM)


def test_across_thick_slices_small_changes_do_not_count():
    assert counts(lesion=0.95, voxel_mm3=0.5)
    assert not counts(lesion=0.95, voxel_mm3=0.5, slice_mm=SLICES_MM)


def test_no_change_is_no_change():
    nothing = np.zeros((4, 4, 4))
    direction = DirectedChange(nothing.astype(np.int32), 0, nothing, nothing, nothing, nothing)
    assert not np.any(accepted_change(direction, nothing, 1.0, THIN_MM, LIMITS))


def test_what_hardly_stands_out_from_the_difference_around_counts_only_if_the_model_sees_it():
    assert counts(there=1.0, noise=0.1)
    assert not counts(there=1.0, noise=0.4)
    assert counts(there=1.0, noise=0.4, lesion=0.9)


def test_contrast_is_measured_against_the_surroundings_and_not_against_zero():
    change = np.zeros((24, 24, 24), np.int32)
    change[10:14, 10:14, 10:14] = 1
    rng = np.random.default_rng(1)
    drift = rng.normal(0.6, 0.2, change.shape)
    lesion = np.where(change > 0, 1.6, drift)
    absent, brain = np.zeros(change.shape), np.ones(change.shape, bool)
    measured = local_contrast(DirectedChange(change, 1, absent, absent, lesion, absent), brain, np.array([1]))
    assert measured[0] == 0.0
    assert measured[1] == pytest.approx((1.6 - 0.6) / 0.2, rel=0.1)
