from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from MSLesionSegLib.evaluation.metrics import MATCH_RULES, compare_masks

ISO = (1.0, 1.0, 1.0)


def blobs(*boxes: tuple[tuple[int, int], ...], shape: tuple[int, int, int] = (40, 20, 20)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    for box in boxes:
        mask[tuple(slice(*part) for part in box)] = 1
    return mask


CUBE = ((5, 9), (5, 9), (5, 9))  # 64 voxels
FAR = ((25, 29), (5, 9), (5, 9))


@pytest.mark.parametrize("preset", sorted(MATCH_RULES))
def test_a_perfect_prediction_has_perfect_numbers(preset: str) -> None:
    mask = blobs(CUBE, FAR)
    m = compare_masks(mask, mask, ISO, preset)
    assert (m.dice, m.sensitivity, m.ppv, m.f1) == (1.0, 1.0, 1.0, 1.0)
    assert (m.true_positives, m.false_negatives, m.false_positives) == (2, 0, 0)
    assert (m.hd95_mm, m.assd_mm, m.volume_difference_mm3, m.relative_volume_difference) == (0, 0, 0, 0)


def test_one_voxel_is_enough_for_any_overlap_but_not_for_msseg() -> None:
    reference, prediction = blobs(CUBE), blobs(((8, 10), (8, 10), (8, 10)))  # 1 shared voxel of 64 and of 8
    loose = compare_masks(prediction, reference, ISO)
    assert (loose.sensitivity, loose.ppv, loose.f1) == (1.0, 1.0, 1.0)
    strict = compare_masks(prediction, reference, ISO, "msseg")
    assert (strict.sensitivity, strict.ppv, strict.f1) == (0.0, 0.0, 0.0)
    assert (strict.false_negatives, strict.false_positives) == (1, 1)


def test_any_overlap_counts_misses_and_false_lesions() -> None:
    m = compare_masks(blobs(CUBE, ((35, 36), (1, 2), (1, 2))), blobs(CUBE, FAR), ISO)
    assert (m.reference_lesions, m.predicted_lesions) == (2, 2)
    assert (m.true_positives, m.false_negatives, m.false_positives) == (1, 1, 1)
    assert (m.sensitivity, m.ppv, m.f1) == (0.5, 0.5, 0.5)


def test_lesions_that_touch_at_a_corner_are_one_for_any_overlap_and_two_for_msseg() -> None:
    mask = blobs(((1, 5), (1, 5), (1, 5)), ((5, 9), (5, 9), (5, 9)))
    assert compare_masks(mask, mask, ISO).reference_lesions == 1
    assert compare_masks(mask, mask, ISO, "msseg").reference_lesions == 2


@pytest.mark.parametrize(("voxels", "counted"), [(3, 0), (4, 1)])
def test_msseg_counts_only_lesions_of_strictly_more_than_3_mm3(voxels: int, counted: int) -> None:
    mask = blobs(((2, 2 + voxels), (2, 3), (2, 3)))
    m = compare_masks(mask, mask, ISO, "msseg")
    assert (m.reference_lesions, m.predicted_lesions) == (counted, counted)
    assert m.sensitivity == (1.0 if counted else None)
    assert m.dice == 1.0  # voxel-wise numbers know no minimum size


def test_the_3_mm3_edge_holds_for_other_voxel_sizes_and_for_float32_spacing() -> None:
    six = blobs(((2, 8), (2, 3), (2, 3)))
    assert compare_masks(six, six, (0.5, 1.0, 1.0), "msseg").reference_lesions == 0  # exactly 3 mm3
    assert compare_masks(six, six, (0.51, 1.0, 1.0), "msseg").reference_lesions == 1
    thin = tuple(np.float32([0.1, 1.0, 1.0]))
    thirty = blobs(((2, 32), (2, 3), (2, 3)))
    assert compare_masks(thirty, thirty, thin, "msseg").reference_lesions == 0


def test_msseg_needs_more_than_a_tenth_of_the_lesion_covered() -> None:
    reference = blobs(((0, 40), (0, 1), (0, 1)))
    at_limit, above = blobs(((0, 4), (0, 1), (0, 1))), blobs(((0, 5), (0, 1), (0, 1)))
    assert compare_masks(at_limit, reference, ISO, "msseg").true_positives == 0
    assert compare_masks(above, reference, ISO, "msseg").true_positives == 1


def test_a_lesion_split_in_two_predictions_is_detected_and_both_predictions_are_true() -> None:
    reference = blobs(((5, 15), (5, 9), (5, 9)))
    prediction = blobs(((5, 9), (5, 9), (5, 9)), ((11, 15), (5, 9), (5, 9)))
    for preset in MATCH_RULES:
        m = compare_masks(prediction, reference, ISO, preset)
        assert (m.true_positives, m.predicted_lesions, m.false_positives) == (1, 2, 0)


def test_two_lesions_merged_in_one_prediction_are_both_detected() -> None:
    reference = blobs(((5, 9), (5, 9), (5, 9)), ((11, 15), (5, 9), (5, 9)))
    prediction = blobs(((5, 15), (5, 9), (5, 9)))
    for preset in MATCH_RULES:
        m = compare_masks(prediction, reference, ISO, preset)
        assert (m.true_positives, m.false_negatives, m.predicted_lesions, m.false_positives) == (2, 0, 1, 0)


def test_a_huge_prediction_over_many_lesions_finds_all_by_overlap_and_none_by_msseg() -> None:
    reference = blobs(*[((x, x + 2), (5, 7), (5, 7)) for x in range(5, 35, 6)])  # 5 lesions of 8 voxels
    prediction = np.ones_like(reference)
    loose = compare_masks(prediction, reference, ISO)
    assert (loose.true_positives, loose.false_positives, loose.ppv) == (5, 0, 1.0)
    strict = compare_masks(prediction, reference, ISO, "msseg")
    assert (strict.true_positives, strict.false_positives, strict.f1) == (0, 1, 0.0)


def test_msseg_allows_a_prediction_70_percent_outside_and_no_more() -> None:
    reference = blobs(((10, 13), (0, 1), (0, 2)))  # 6 voxels
    allowed = blobs(((10, 20), (0, 1), (0, 2)))  # 20 voxels, 14 outside = 70 %
    refused = blobs(((10, 21), (0, 1), (0, 2)))  # 22 voxels, 16 outside = 73 %
    assert compare_masks(allowed, reference, ISO, "msseg").true_positives == 1
    assert compare_masks(refused, reference, ISO, "msseg").true_positives == 0


def test_msseg_forgives_a_bad_prediction_once_better_ones_explain_65_percent() -> None:
    line = ((0, 40), (0, 1), (0, 1))
    reference = blobs(line)
    good = ((0, 13), (0, 1), (0, 1))  # 13 of 20 covered voxels = 65 %
    sprawling = np.zeros_like(reference)
    sprawling[30:37, 0, 0] = 1  # 7 of 20 covered voxels
    sprawling[36, 0:20, 1:20] = 1  # and hundreds outside
    enough = blobs(good) | sprawling
    assert compare_masks(enough, reference, ISO, "msseg").true_positives == 1
    too_few = enough.copy()
    too_few[12, 0, 0] = 0  # now the good one explains 12 of 19 = 63 %
    assert compare_masks(too_few, reference, ISO, "msseg").true_positives == 0


def test_in_msseg_voxels_of_lesions_too_small_to_count_are_background() -> None:
    crumb = ((20, 23), (5, 6), (5, 6))  # 3 mm3: not a lesion
    reference, prediction = blobs(CUBE, crumb), blobs(CUBE, ((19, 24), (5, 6), (5, 6)))
    m = compare_masks(prediction, reference, ISO, "msseg")
    assert (m.reference_lesions, m.predicted_lesions, m.false_positives) == (1, 2, 1)


@pytest.mark.parametrize("preset", sorted(MATCH_RULES))
def test_an_empty_reference_leaves_scores_undefined_and_counts_false_lesions(preset: str) -> None:
    m = compare_masks(blobs(CUBE, FAR), blobs(), (2.0, 1.0, 1.0), preset)
    assert (m.dice, m.sensitivity, m.ppv, m.f1) == (None, None, None, None)
    assert (m.hd95_mm, m.assd_mm, m.relative_volume_difference) == (None, None, None)
    assert (m.false_positives, m.predicted_volume_mm3, m.volume_difference_mm3) == (2, 256.0, 256.0)


def test_an_empty_prediction_scores_zero_where_zero_is_meant() -> None:
    m = compare_masks(blobs(), blobs(CUBE), ISO)
    assert (m.dice, m.sensitivity, m.f1) == (0.0, 0.0, 0.0)
    assert (m.ppv, m.hd95_mm, m.assd_mm) == (None, None, None)
    assert m.relative_volume_difference == -1.0
    assert compare_masks(blobs(), blobs(CUBE), ISO, "msseg").ppv == 0.0  # as the challenge counts it


@pytest.mark.parametrize("preset", sorted(MATCH_RULES))
def test_two_empty_masks_are_no_error(preset: str) -> None:
    m = compare_masks(blobs(), blobs(), ISO, preset)
    assert (m.dice, m.f1, m.false_positives, m.volume_difference_mm3) == (None, None, 0, 0.0)


def test_volumes_respect_the_voxel_size() -> None:
    m = compare_masks(blobs(((5, 9), (5, 9), (5, 7))), blobs(CUBE), (0.5, 0.5, 3.0))
    assert m.reference_volume_mm3 == pytest.approx(48.0)
    assert m.volume_difference_mm3 == pytest.approx(-24.0)
    assert m.relative_volume_difference == pytest.approx(-0.5)


def brute_force_surface(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    points = {tuple(p) for p in np.argwhere(mask)}
    steps = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    edge = [p for p in points if any(tuple(np.add(p, s)) not in points for s in steps)]
    return np.array(sorted(edge)) * np.array(spacing)


@pytest.mark.parametrize("seed", range(4))
def test_surface_distances_agree_with_brute_force_on_anisotropic_voxels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(2):
        corners = rng.integers(0, 8, (4, 3))
        masks.append(
            blobs(*[tuple((int(c), int(c) + 4) for c in corner) for corner in corners], shape=(12, 12, 12))
        )
    spacing = (0.7, 1.3, 4.0)
    first, second = (brute_force_surface(mask, spacing) for mask in masks)
    distances = np.linalg.norm(first[:, None] - second[None], axis=-1)
    there, back = distances.min(axis=1), distances.min(axis=0)
    m = compare_masks(masks[0], masks[1], spacing)
    assert m.hd95_mm == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
    assert m.assd_mm == pytest.approx(np.concatenate([there, back]).mean())


def test_surface_distances_agree_with_monai() -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    prediction, reference = blobs(CUBE, ((20, 30), (3, 9), (2, 12))), blobs(((6, 12), (4, 9), (5, 10)), FAR)
    spacing = (0.9, 1.1, 3.0)
    tensors = [torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (prediction, reference)]
    options = {"include_background": True, "spacing": spacing}
    hd95 = metrics.compute_hausdorff_distance(*tensors, percentile=95, **options).item()
    assd = metrics.compute_average_surface_distance(*tensors, symmetric=True, **options).item()
    m = compare_masks(prediction, reference, spacing)
    assert m.hd95_mm == pytest.approx(hd95, abs=1e-4)
    assert m.assd_mm == pytest.approx(assd, abs=1e-4)


def test_a_mask_at_the_border_of_the_image_has_its_surface_there() -> None:
    prediction, reference = blobs(((0, 2), (0, 20), (0, 20))), blobs(((0, 3), (0, 20), (0, 20)))
    assert compare_masks(prediction, reference, ISO).hd95_mm == pytest.approx(1.0)


def test_shifting_a_prediction_further_never_raises_its_dice() -> None:
    reference = blobs(CUBE)
    scores = [compare_masks(np.roll(reference, n, axis=0), reference, ISO).dice for n in range(6)]
    assert all(later <= earlier for earlier, later in pairwise(scores))
    assert scores[-1] == 0.0


def test_other_shapes_and_unknown_presets_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        compare_masks(np.zeros((3, 3, 3)), np.zeros((3, 3, 4)), ISO)
    with pytest.raises(ValueError, match="any-overlap"):
        compare_masks(blobs(), blobs(), ISO, "best")
