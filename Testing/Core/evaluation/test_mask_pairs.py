from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.evaluation.mask_pairs import (
    average,
    evaluate_pairs,
    load_group,
    to_markdown,
    write_case_table,
    write_json,
    write_markdown,
)


def save(path: Path, *boxes: tuple[int, int], affine: np.ndarray | None = None, shape=(40, 10, 10)) -> Path:
    mask = np.zeros(shape, np.uint8)
    for low, high in boxes:
        mask[low:high, 2:6, 2:6] = 1
    nib.save(nib.Nifti1Image(mask, np.eye(4) if affine is None else affine), path)
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> list[tuple[str, Path, Path]]:
    return [
        ("found", save(tmp_path / "p1.nii.gz", (2, 6), (20, 22)), save(tmp_path / "r1.nii.gz", (2, 6))),
        ("half", save(tmp_path / "p2.nii.gz", (2, 6)), save(tmp_path / "r2.nii.gz", (2, 6), (20, 24))),
        ("healthy", save(tmp_path / "p3.nii.gz", (2, 6), (20, 22), (30, 31)), save(tmp_path / "r3.nii.gz")),
    ]


def test_averages_leave_out_undefined_values_and_say_how_many_were_defined(pairs) -> None:
    result = evaluate_pairs(pairs)
    sensitivity = result.averages["sensitivity"]
    assert (sensitivity.mean, sensitivity.defined) == (0.75, 2)
    assert sensitivity.standard_error == pytest.approx(np.std([1.0, 0.5], ddof=1) / np.sqrt(2))
    assert result.averages["false_positives"].defined == 3


def test_lesion_free_scans_are_reported_by_their_false_positives(pairs) -> None:
    groups = {group.name: group for group in evaluate_pairs(pairs).load_groups}
    healthy = groups["lesion-free"]
    assert (healthy.cases, healthy.false_positives_per_scan.mean) == (1, 3.0)
    assert healthy.volume_bias_mm3.mean == pytest.approx(7 * 16)
    assert groups["under 5 ml"].cases == 2
    assert groups["under 5 ml"].volume_bias_mm3.mean == pytest.approx((2 * 16 - 4 * 16) / 2)
    assert groups["over 15 ml"].false_positives_per_scan.mean is None


@pytest.mark.parametrize(
    ("mm3", "group"),
    [
        (0, "lesion-free"),
        (1, "under 5 ml"),
        (5000, "5 to 15 ml"),
        (15000, "5 to 15 ml"),
        (15001, "over 15 ml"),
    ],
)
def test_lesion_load_groups_have_clear_borders(mm3: float, group: str) -> None:
    assert load_group(mm3) == group


def test_one_value_has_no_standard_error_and_no_values_have_no_mean() -> None:
    assert (average([2.0, None]).mean, average([2.0, None]).standard_error) == (2.0, None)
    assert (average([None]).mean, average([None]).defined) == (None, 0)


def test_voxel_size_comes_from_the_files(tmp_path: Path) -> None:
    affine = np.diag([-0.5, 2.0, 3.0, 1.0])
    a = save(tmp_path / "a.nii.gz", (2, 6), affine=affine)
    assert evaluate_pairs([("a", a, a)]).cases[0].metrics.reference_volume_mm3 == pytest.approx(64 * 3.0)


def test_a_mask_a_little_beside_its_reference_is_compared_and_told(tmp_path: Path) -> None:
    beside = np.eye(4)
    beside[0, 3] = 0.05
    reference = save(tmp_path / "reference.nii.gz", (2, 6))
    moved = save(tmp_path / "moved.nii.gz", (2, 6), affine=beside)
    (case,) = evaluate_pairs([("x", moved, reference)]).cases
    assert case.metrics.dice == 1
    assert ["moved.nii.gz lies up to 0.05 mm beside" in found.sentence for found in case.findings] == [True]


def test_masks_on_another_grid_are_refused_with_case_and_file(tmp_path: Path) -> None:
    reference = save(tmp_path / "reference.nii.gz", (2, 6))
    shifted = np.eye(4)
    shifted[0, 3] = 0.3
    moved = save(tmp_path / "moved.nii.gz", (2, 6), affine=shifted)
    with pytest.raises(
        ImageError, match=r"Case x, prediction: The mask moved\.nii\.gz lies up to 0\.3 mm away"
    ):
        evaluate_pairs([("x", moved, reference)])
    cut = save(tmp_path / "cut.nii.gz", (2, 6), shape=(40, 10, 9))
    with pytest.raises(ImageError, match=r"40 x 10 x 9 voxels .* 40 x 10 x 10"):
        evaluate_pairs([("x", cut, reference)])


def test_headers_that_differ_by_rounding_are_accepted(tmp_path: Path) -> None:
    nearly = np.eye(4)
    nearly[0, 3] = 5e-4
    a, b = save(tmp_path / "a.nii.gz", (2, 6)), save(tmp_path / "b.nii.gz", (2, 6), affine=nearly)
    assert evaluate_pairs([("x", b, a)]).cases[0].metrics.dice == 1.0


def test_files_that_are_no_masks_are_refused_with_the_reason(tmp_path: Path) -> None:
    good = save(tmp_path / "good.nii.gz", (2, 6))
    with pytest.raises(ImageError, match=r"Case x, prediction: missing\.nii\.gz was not found"):
        evaluate_pairs([("x", tmp_path / "missing.nii.gz", good)])
    (tmp_path / "text.nii.gz").write_text("hello")
    with pytest.raises(ImageError, match=r"text\.nii\.gz is not compressed"):
        evaluate_pairs([("x", tmp_path / "text.nii.gz", good)])
    nib.save(nib.Nifti1Image(np.full((40, 10, 10), 0.3, np.float32), np.eye(4)), tmp_path / "soft.nii.gz")
    with pytest.raises(ImageError, match="fractions"):
        evaluate_pairs([("x", tmp_path / "soft.nii.gz", good)])
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4, 2), np.uint8), np.eye(4)), tmp_path / "series.nii.gz")
    with pytest.raises(ImageError, match="four dimensions"):
        evaluate_pairs([("x", tmp_path / "series.nii.gz", good)])
    whole = good.read_bytes()
    broken = tmp_path / "broken.nii.gz"
    for content in (whole[: len(whole) // 2], whole[:30] + b"\xff" * 40 + whole[70:]):
        broken.write_bytes(content)
        with pytest.raises(ImageError, match=r"Case x, reference: broken\.nii\.gz is .*damaged"):
            evaluate_pairs([("x", good, broken)])


def test_masks_may_be_of_different_formats(tmp_path: Path) -> None:
    reference = save(tmp_path / "reference.nii.gz", (2, 6), (20, 24))
    image = sitk.GetImageFromArray(np.asarray(nib.load(save(tmp_path / "p.nii.gz", (2, 6))).dataobj).T)
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))  # NRRD counts to the left and to the back
    sitk.WriteImage(image, str(tmp_path / "prediction.nrrd"))
    metrics = evaluate_pairs([("x", tmp_path / "prediction.nrrd", reference)]).cases[0].metrics
    assert (metrics.sensitivity, metrics.ppv) == (0.5, 1.0)


def test_an_unknown_preset_or_nothing_to_do_is_a_settings_error(pairs) -> None:
    with pytest.raises(SettingsError, match="msseg"):
        evaluate_pairs(pairs, preset="strict")
    with pytest.raises(SettingsError, match="nothing"):
        evaluate_pairs([])


def test_the_files_hold_the_numbers_and_their_definitions(pairs, tmp_path: Path) -> None:
    result = evaluate_pairs(pairs, preset="msseg")
    write_case_table(result, tmp_path / "cases.csv")
    write_json(result, tmp_path / "evaluation.json")
    write_markdown(result, tmp_path / "evaluation.md")
    with (tmp_path / "cases.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == ["found", "half", "healthy"]
    assert (rows[2]["dice"], rows[2]["preset"], rows[2]["false_positives"]) == ("", "msseg", "3")
    stored = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert stored["cases"][2]["metrics"]["dice"] is None
    assert "6-connected" in stored["definition"]
    text = (tmp_path / "evaluation.md").read_text(encoding="utf-8")
    assert text == to_markdown(result)
    assert "more than 3 mm3" in text
    assert "(2 of 3)" in text
    assert "| lesion-free | 1 | 3.0 | +0.11 |" in text
