"""The patients here are the atlas' own template, moved, scaled, bent, made noisy, and given lesions."""

from __future__ import annotations

from functools import lru_cache

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from MSLesionSegLib.lesions import regions as module
from MSLesionSegLib.lesions.atlas import (
    ATLAS,
    CORTEX,
    INFRATENTORIAL,
    OUTER_CSF,
    VENTRICLES,
    WHITE_MATTER,
    AtlasFit,
    register_atlas,
)
from MSLesionSegLib.lesions.regions import (
    DEEP_WHITE_MATTER,
    IN_INFRATENTORIAL,
    JUXTACORTICAL,
    PERIVENTRICULAR,
    UNDETERMINED,
    RegionMap,
    classify,
    distance_to,
    fit_atlas,
    refine_labels,
)


@lru_cache(maxsize=1)
def patient() -> tuple[nib.Nifti1Image, nib.Nifti1Image, np.ndarray]:
    """Return z-scored FLAIR, brain mask and true labels of a smaller, rotated, shifted brain at 1.5 mm."""
    template, atlas = nib.load(ATLAS / "flair.nii.gz"), nib.load(ATLAS / "regions.nii.gz")
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    affine[:3, 3] = (-80.0, -90.0, -70.0)
    shape = (112, 128, 108)
    turn, tip = 0.12, -0.08
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    rotation = rotation @ np.array([[1, 0, 0], [0, np.cos(tip), -np.sin(tip)], [0, np.sin(tip), np.cos(tip)]])
    to_mni = np.eye(4)
    to_mni[:3, :3] = rotation @ np.diag([1.1, 1.15, 1.2])
    to_mni[:3, 3] = (3.0, -14.0, 6.0)

    def sample(image: nib.Nifti1Image, order: int) -> np.ndarray:
        matrix = np.linalg.inv(image.affine) @ to_mni @ affine
        data = np.asarray(image.dataobj, dtype=np.float32)
        return ndimage.affine_transform(data, matrix[:3, :3], matrix[:3, 3], shape, order=order)

    stored, labels = sample(template, 1), sample(atlas, 0).astype(np.uint8)
    brain = ndimage.binary_fill_holes(stored > 60)
    noise = np.random.default_rng(0).normal(0.0, 0.25, shape)
    z = np.where(brain, (stored - 150.0) / 50.0 + noise, 0.0)
    z[brain] = (z[brain] - z[brain].mean()) / z[brain].std()
    x, y, w = np.indices(shape)
    lesion = (x - 72) ** 2 + (y - 60) ** 2 + (w - 72) ** 2 < 16
    z[lesion & (labels == WHITE_MATTER)] = 3.0
    labels[~brain] = 0
    return (
        nib.Nifti1Image(z.astype(np.float32), affine),
        nib.Nifti1Image(brain.astype(np.uint8), affine),
        labels,
    )


@lru_cache(maxsize=1)
def fitted() -> RegionMap:
    flair, brain, _ = patient()
    return fit_atlas(flair, brain)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2.0 * (first & second).sum() / (first.sum() + second.sum())


def tiny_map() -> RegionMap:
    """Return a map of 40 mm: infratentorial below z = 10, ventricles from x = 30, cortex up to x = 5."""
    labels = np.full((40, 40, 40), WHITE_MATTER, np.uint8)
    labels[30:] = VENTRICLES
    labels[:6] = CORTEX
    labels[:, :, :10] = INFRATENTORIAL
    return RegionMap(nib.Nifti1Image(labels, np.eye(4)))


def line(x_from: int, x_to: int, z: int = 20) -> np.ndarray:
    return np.array([(x, 20, z) for x in range(x_from, x_to + 1)])


def test_the_shipped_atlas_is_small_symmetric_and_has_five_regions() -> None:
    files = [ATLAS / "regions.nii.gz", ATLAS / "flair.nii.gz"]
    assert sum(file.stat().st_size for file in files) < 800_000
    labels = np.asarray(nib.load(files[0]).dataobj)
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) == {0, OUTER_CSF, CORTEX, WHITE_MATTER, VENTRICLES, INFRATENTORIAL}
    for label in (CORTEX, WHITE_MATTER, VENTRICLES, INFRATENTORIAL):
        assert dice(labels == label, labels[::-1] == label) > 0.95


@pytest.mark.parametrize(
    ("mni", "label"),
    [
        ((16, -25, 22), VENTRICLES),
        ((-16, -25, 22), VENTRICLES),
        ((26, -48, 9), VENTRICLES),
        ((0, -10, -4), VENTRICLES),
        ((24, -20, 30), WHITE_MATTER),
        ((12, -18, 8), WHITE_MATTER),  # thalamus
        ((26, 4, 2), WHITE_MATTER),  # putamen
        ((0, -26, -32), INFRATENTORIAL),  # pons
        ((8, -20, -14), INFRATENTORIAL),  # midbrain
        ((25, -62, -36), INFRATENTORIAL),  # cerebellum
        ((0, -45, -34), INFRATENTORIAL),  # fourth ventricle
        ((60, -15, 8), CORTEX),  # superior temporal gyrus
        ((0, -30, -90), INFRATENTORIAL),  # upper cord
        ((0, 58, 20), OUTER_CSF),
    ],
)
def test_the_shipped_atlas_knows_well_known_places(mni: tuple[int, int, int], label: int) -> None:
    atlas = nib.load(ATLAS / "regions.nii.gz")
    voxel = np.rint(np.linalg.inv(atlas.affine) @ [*mni, 1.0]).astype(int)[:3]
    assert np.asarray(atlas.dataobj)[tuple(voxel)] == label


def test_the_fitted_regions_agree_with_the_truth() -> None:
    truth, labels = patient()[2], np.asarray(fitted().labels.dataobj)
    assert fitted().problem is None
    assert fitted().correlation > 0.85
    assert dice(labels == VENTRICLES, truth == VENTRICLES) > 0.75
    assert dice(labels == INFRATENTORIAL, truth == INFRATENTORIAL) > 0.9
    assert dice(labels == WHITE_MATTER, truth == WHITE_MATTER) > 0.8
    assert dice(labels == CORTEX, truth == CORTEX) > 0.6


def test_every_voxel_of_the_brain_gets_a_region_and_no_other_does() -> None:
    brain = np.asarray(patient()[1].dataobj) > 0
    np.testing.assert_array_equal(np.asarray(fitted().labels.dataobj) > 0, brain)


def test_distances_are_those_of_the_distance_transform() -> None:
    labels, sizes = np.asarray(fitted().labels.dataobj), np.full(3, 1.5)
    rng = np.random.default_rng(0)
    for label in (VENTRICLES, CORTEX):
        every = distance_to(labels == label, sizes)
        for place, extent in zip(
            rng.choice(np.argwhere(labels > 0), 20), [(3, 3, 2), (9, 4, 7)] * 10, strict=True
        ):
            voxels = place + np.argwhere(rng.random(extent) < 0.5)
            voxels = np.minimum(voxels, np.array(labels.shape) - 1)
            assert fitted().distance_mm(voxels, label) == every[tuple(voxels.T)].min()
    assert fitted().distance_mm(voxels, 77) == np.inf


def test_the_same_input_gives_the_same_bits() -> None:
    flair, brain, _ = patient()
    again = fit_atlas(flair, brain)
    np.testing.assert_array_equal(np.asarray(again.labels.dataobj), np.asarray(fitted().labels.dataobj))
    assert again.correlation == fitted().correlation


def test_the_registration_reports_how_large_the_atlas_is_beside_the_patient() -> None:
    flair, brain, _ = patient()
    assert register_atlas(flair, brain).scale == pytest.approx(1.1 * 1.15 * 1.2, rel=0.12)


def test_ventricles_follow_the_scan_where_they_are_wider_than_in_the_atlas() -> None:
    atlas = np.full((50, 50, 50), WHITE_MATTER, np.uint8)
    atlas[22:28, 15:35, 20:30] = VENTRICLES
    atlas[:4] = OUTER_CSF
    z = np.full(atlas.shape, 0.3, np.float32)
    z[19:31, 12:38, 20:30] = -2.5  # 3 mm wider on each side
    z[:4] = -2.5
    z[24:26, 25, 25] = 0.2  # choroid plexus
    labels = refine_labels(z, np.ones(z.shape, bool), atlas, np.ones(3))
    expected = np.zeros(z.shape, bool)
    expected[19:31, 12:38, 20:30] = True
    np.testing.assert_array_equal(labels == VENTRICLES, expected)


def test_where_the_atlas_expects_ventricle_but_the_scan_shows_tissue_there_is_none() -> None:
    atlas = np.full((50, 50, 50), WHITE_MATTER, np.uint8)
    atlas[22:28, 15:35, 20:30] = VENTRICLES
    z = np.full(atlas.shape, 0.3, np.float32)
    z[22:28, 15:25, 20:30] = -2.5  # the other half has collapsed
    labels = refine_labels(z, np.ones(z.shape, bool), atlas, np.ones(3))
    assert np.all(labels[22:28, 15:25, 20:30] == VENTRICLES)
    assert np.all(labels[22:28, 27:35, 20:30] == WHITE_MATTER)


@pytest.mark.parametrize(
    ("voxels", "region", "distance"),
    [
        (line(15, 27), DEEP_WHITE_MATTER, 3.0),
        (line(15, 28), PERIVENTRICULAR, 2.0),
        (line(8, 15), DEEP_WHITE_MATTER, 3.0),
        (line(6, 15), JUXTACORTICAL, 1.0),
        (line(4, 15), JUXTACORTICAL, 0.0),
        (line(4, 32), PERIVENTRICULAR, 0.0),  # from cortex to ventricle: periventricular goes first
        (line(15, 28, z=5), IN_INFRATENTORIAL, 0.0),
    ],
)
def test_the_rule_decides_by_the_measured_distance(voxels: np.ndarray, region: str, distance: float) -> None:
    location = classify(voxels, tiny_map())
    assert location.region == region
    assert location.distance_mm == pytest.approx(distance)
    assert location.rule


def test_a_lesion_is_infratentorial_only_if_most_of_it_is() -> None:
    column = np.array([(28, 20, z) for z in range(6, 15)])
    assert classify(column, tiny_map()).region == PERIVENTRICULAR  # 4 of 9 voxels below
    assert classify(column[:-2], tiny_map()).region == IN_INFRATENTORIAL  # 4 of 7
    assert "57 %" in classify(column[:-2], tiny_map()).rule


def test_lesions_at_the_edge_of_the_map_are_no_error() -> None:
    assert classify(np.array([[-3.0, 20.2, 41.7]]), tiny_map()).region == JUXTACORTICAL


def test_the_printed_rule_states_the_limits_that_are_used() -> None:
    assert f"{module.PERIVENTRICULAR_WITHIN_MM:g} mm" in module.REGION_RULE
    assert f"{module.JUXTACORTICAL_WITHIN_MM:g} mm" in module.REGION_RULE


def test_a_slab_of_brain_leaves_regions_undetermined_and_says_why() -> None:
    flair, brain, _ = patient()
    result = fit_atlas(flair.slicer[:, :, 55:85], brain.slicer[:, :, 55:85])
    assert "too little of the brain" in result.problem
    assert result.labels.shape == (112, 128, 30)
    location = classify(np.array([[50, 50, 10]]), result)
    assert (location.region, location.distance_mm, location.rule) == (UNDETERMINED, None, result.problem)


@pytest.mark.parametrize(
    "seen", [slice(0, 72), slice(38, 108)], ids=["without the top", "without the bottom"]
)
def test_a_scan_that_misses_a_part_of_the_brain_gets_the_same_regions(seen: slice) -> None:
    flair, brain, truth = patient()
    labels = np.asarray(fit_atlas(flair.slicer[:, :, seen], brain.slicer[:, :, seen]).labels.dataobj)
    assert dice(labels == VENTRICLES, truth[:, :, seen] == VENTRICLES) > 0.75
    assert dice(labels == INFRATENTORIAL, truth[:, :, seen] == INFRATENTORIAL) > 0.8


def test_an_empty_brain_mask_is_no_error_either() -> None:
    flair, brain, _ = patient()
    nothing = nib.Nifti1Image(np.zeros(brain.shape, np.uint8), brain.affine)
    assert "empty" in fit_atlas(flair, nothing).problem


def test_a_brain_that_is_dark_all_over_is_no_error_either() -> None:
    _, brain, _ = patient()
    dark = nib.Nifti1Image(np.full(brain.shape, -3.0, np.float32), brain.affine)
    result = fit_atlas(dark, brain)
    assert "does not fit" in result.problem
    assert not np.asarray(result.labels.dataobj).any()


def test_a_registration_that_itk_gives_up_is_no_error_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*images: nib.Nifti1Image) -> None:
        raise RuntimeError("ITK ERROR: All samples map outside moving image buffer.")

    monkeypatch.setattr(module, "register_atlas", give_up)
    assert "does not fit" in fit_atlas(*patient()[:2]).problem


def test_a_fit_without_a_correlation_does_not_count_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    def problem(correlation: float) -> str | None:
        fit = AtlasFit(sitk.Transform(3, sitk.sitkIdentity), correlation, scale=1.5)
        monkeypatch.setattr(module, "register_atlas", lambda *images: fit)
        return fit_atlas(*patient()[:2]).problem

    assert problem(0.9) is None
    assert "does not fit" in problem(float("nan"))


def test_something_that_is_no_brain_is_not_given_regions() -> None:
    rng = np.random.default_rng(1)
    noise = nib.Nifti1Image(rng.normal(size=(90, 100, 90)).astype(np.float32), np.diag([1.5, 1.5, 1.5, 1.0]))
    mask = nib.Nifti1Image(np.ones(noise.shape, np.uint8), noise.affine)
    assert "does not fit" in fit_atlas(noise, mask).problem
