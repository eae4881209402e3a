"""DICOM Segmentations of several programs come back as masks, voxel for voxel on their scan, or are refused."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.cases.adding import AddRequest, add_case
from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.evaluation.mask_pairs import evaluate_pairs
from MSLesionSegLib.imaging.checks.lesion_mask import read_lesion_mask
from MSLesionSegLib.imaging.reading import read_labels, read_scan, warnings_of
from phantoms.dicom_study import FLAIR, Study
from phantoms.hospital import grid, oblique
from phantoms.scan_files import assert_same_world, noise
from support.dicom_segmentations import with_dcmqi, with_highdicom

SHAPE = (40, 46, 24)
GRIDS = {
    "thick axial": grid("LPS", (2.5, 2.5, 5), SHAPE),
    "sagittal": grid("PIL", (2.5, 2.5, 3), SHAPE),
    "oblique": oblique(grid("LPS", (2.5, 2.5, 4), SHAPE)),
}


def two_lesions() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[5:9, 10:14, 3:5] = 1
    labels[20:22, 30:33, 9] = 2
    return labels


@pytest.fixture(params=GRIDS)
def affine(request: pytest.FixtureRequest) -> np.ndarray:
    return GRIDS[request.param]


def series_of(
    folder: Path, affine: np.ndarray, *, enhanced: bool = False, study: Study | None = None
) -> Path:
    return (study or Study()).write(folder / "FLAIR", FLAIR, 3, noise(SHAPE), affine, enhanced=enhanced)


def assert_same(mask: Path, series: Path, labels: np.ndarray, affine: np.ndarray) -> None:
    """The mask of a series shows these labels (columns, rows, slices) at their places."""
    read = read_labels(mask, read_scan(series).image)
    assert_same_world(read, labels, affine)
    assert {finding.code for finding in warnings_of(read)} <= {"fractions", "segmentation"}


@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segments_come_back_voxel_for_voxel(
    tmp_path: Path, affine: np.ndarray, kind: str, enhanced: bool
) -> None:
    series = series_of(tmp_path, affine, enhanced=enhanced)
    mask = with_highdicom(tmp_path / "seg.dcm", series, two_lesions(), kind)
    assert_same(mask, series, two_lesions(), affine)


def test_segments_of_dcmqi_come_back_voxel_for_voxel(tmp_path: Path, affine: np.ndarray) -> None:
    series = series_of(tmp_path, affine)
    mask = with_dcmqi(tmp_path / "seg.dcm", series, two_lesions(), affine)
    assert_same(mask, series, two_lesions(), affine)


def test_a_lesion_in_one_slice_and_a_folder_with_the_file_or_several_are_read(tmp_path: Path) -> None:
    series = series_of(tmp_path, GRIDS["oblique"])
    labels = (two_lesions() == 2).astype(np.uint8)
    (tmp_path / "SEG").mkdir()
    with_highdicom(tmp_path / "SEG/IM0001", series, labels)
    assert_same(tmp_path / "SEG", series, labels, GRIDS["oblique"])
    with_highdicom(tmp_path / "SEG/IM0002", series, 0.9 * two_lesions().clip(max=1), "FRACTIONAL")
    assert_same(tmp_path / "SEG", series, labels, GRIDS["oblique"])
    (told,) = warnings_of(read_labels(tmp_path / "SEG", read_scan(series).image))
    assert told.sentence == "Of 2 DICOM Segmentations in SEG the one was taken that holds no fractions."
    with_highdicom(tmp_path / "SEG/IM0003", series, labels)
    with pytest.raises(ImageError, match="holds 3 DICOM Segmentations, of which 2 are no fractions"):
        read_labels(tmp_path / "SEG", read_scan(series).image)


def test_fractions_count_from_one_half_on_and_that_is_told(tmp_path: Path) -> None:
    series = series_of(tmp_path, GRIDS["thick axial"])
    fractions = np.select([two_lesions() == 1, two_lesions() == 2], [0.9, 0.3], 0.0)
    mask = with_highdicom(tmp_path / "seg.dcm", series, fractions, "FRACTIONAL")
    assert_same(mask, series, two_lesions() == 1, GRIDS["thick axial"])
    told = warnings_of(read_labels(mask, read_scan(series).image))
    assert "fractions" in [finding.code for finding in told]


def test_segments_that_are_lesions_by_their_code_need_no_label(tmp_path: Path) -> None:
    series = series_of(tmp_path, GRIDS["thick axial"])
    scan = read_scan(series).image
    lesions = with_highdicom(tmp_path / "lesions.dcm", series, two_lesions())
    assert np.count_nonzero(read_lesion_mask(lesions, scan).dataobj) == np.count_nonzero(two_lesions())
    one = with_highdicom(tmp_path / "one.dcm", series, two_lesions(), kinds={1: "Edema"})
    assert np.count_nonzero(read_lesion_mask(one, scan).dataobj) == np.count_nonzero(two_lesions() == 2)
    none = with_highdicom(tmp_path / "none.dcm", series, two_lesions(), kinds={1: "Edema", 2: "Necrosis"})
    with pytest.raises(ImageError, match="holds 2 labels"):
        read_lesion_mask(none, scan)
    assert np.count_nonzero(read_lesion_mask(none, scan, "2").dataobj) == np.count_nonzero(two_lesions() == 2)


def test_another_frame_of_reference_is_refused(tmp_path: Path) -> None:
    affine = GRIDS["thick axial"]
    series = series_of(tmp_path / "now", affine)
    mask = with_highdicom(tmp_path / "seg.dcm", series_of(tmp_path / "before", affine), two_lesions())
    with pytest.raises(ImageError, match="another frame of reference"):
        read_labels(mask, read_scan(series).image)


def test_another_grid_of_the_same_frame_of_reference_is_refused(tmp_path: Path) -> None:
    study = Study()
    series = series_of(tmp_path / "flair", GRIDS["thick axial"], study=study)
    other = series_of(tmp_path / "t1", grid("LPS", (2.5, 2.5, 4.4), SHAPE), study=study)
    mask = with_highdicom(tmp_path / "seg.dcm", other, two_lesions())
    with pytest.raises(ImageError, match="Resample the mask"):
        read_labels(mask, read_scan(series).image)


def test_a_scan_is_not_read_from_a_segmentation(tmp_path: Path) -> None:
    series = series_of(tmp_path, GRIDS["thick axial"])
    with pytest.raises(ImageError):
        read_scan(with_highdicom(tmp_path / "seg.dcm", series, two_lesions()))


def test_a_damaged_segmentation_is_refused(tmp_path: Path) -> None:
    series = series_of(tmp_path, GRIDS["thick axial"])
    mask = with_highdicom(tmp_path / "seg.dcm", series, two_lesions())
    mask.write_bytes(mask.read_bytes()[:-700])
    with pytest.raises(ImageError, match="damaged"):
        read_labels(mask, read_scan(series).image)


def test_masks_are_evaluated_whether_they_cover_their_scan_or_a_part(tmp_path: Path) -> None:
    affine, truth = GRIDS["oblique"], (two_lesions() > 0).astype(np.uint8)
    series = series_of(tmp_path, affine)
    image = read_scan(series).image
    found = with_highdicom(tmp_path / "found.dcm", series, truth * (two_lesions() == 1))
    seg = with_highdicom(tmp_path / "truth.dcm", series, truth)
    plain = tmp_path / "truth.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(read_lesion_mask(seg, image).dataobj), image.affine), plain)
    dice = {
        (a.name, b.name): evaluate_pairs([("x", a, b)]).cases[0].metrics.dice
        for a, b in ((found, seg), (found, plain), (plain, seg), (seg, plain), (seg, found))
    }
    one, both = np.count_nonzero(two_lesions() == 1), np.count_nonzero(truth)
    expected = 2 * one / (one + both)
    for (a, b), value in dice.items():
        assert value == pytest.approx(expected if "found.dcm" in (a, b) else 1.0), (a, b)


def test_a_corrected_segmentation_is_filed_as_a_case(tmp_path: Path) -> None:
    series = series_of(tmp_path, GRIDS["thick axial"])
    mask = with_dcmqi(tmp_path / "seg.dcm", series, two_lesions(), GRIDS["thick axial"])
    added = add_case(AddRequest(tmp_path / "cases", "flair", {"flair": series}, mask))
    assert added.case.lesions == 2
    stored = [path for path in (tmp_path / "cases").rglob("*.nii.gz") if "mask" in path.name]
    assert np.count_nonzero(nib.load(stored[0]).dataobj) == np.count_nonzero(two_lesions())
