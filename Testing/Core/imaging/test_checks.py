from __future__ import annotations

import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.processing import resample_to_output
from scipy import ndimage
from scipy.spatial.transform import Rotation

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks.scan_checks import check_shape
from MSLesionSegLib.imaging.checks.sequence import guess_sequence
from MSLesionSegLib.imaging.reading import Scan, read_scan

SHAPE = (36, 40, 34)
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def noise(shape: tuple[int, ...] = SHAPE, dtype: type = np.int16) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 1500, shape).astype(dtype)


def write(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def write_fields(path: Path, data: np.ndarray = None, **fields: object) -> Path:
    """Write a NIfTI file and then overwrite header fields on disk, past every repair that a writer makes."""
    write(path, noise() if data is None else data)
    content = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    path.write_bytes(content)
    return path


def codes(scan: Scan) -> list[str]:
    return [finding.code for finding in scan.findings]


def sentence(scan: Scan, code: str) -> str:
    (found,) = [finding.sentence for finding in scan.findings if finding.code == code]
    return found


def test_a_good_scan_has_no_findings(tmp_path: Path) -> None:
    assert read_scan(write(tmp_path / "scan.nii.gz", noise())).findings == ()


@pytest.mark.parametrize("shape", [(36, 40), (36, 40, 1), (36, 1, 34)])
def test_a_single_slice_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"^slice\.nii is a single 2D slice .*Give the whole 3D scan"):
        read_scan(write(tmp_path / "slice.nii", noise(shape)))


def test_a_volume_without_voxels_is_called_so() -> None:
    with pytest.raises(ImageError, match=r"scan\.nii holds no voxels \(0 x 4 x 4\)"):
        check_shape("scan.nii", (0, 4, 4))


def test_a_giant_is_refused_before_its_voxels_are_read(tmp_path: Path) -> None:
    path = write_fields(tmp_path / "giant.nii", dim=[3, 2000, 2000, 2000, 1, 1, 1, 1])
    with pytest.raises(ImageError, match="too large"):
        read_scan(path)


@pytest.mark.parametrize(("value", "words"), [(0, "is empty: every voxel is 0"), (7, "has the value 7")])
def test_an_image_without_content_is_refused(tmp_path: Path, value: int, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        read_scan(write(tmp_path / "scan.nii", np.full(SHAPE, value, np.int16)))


def test_a_mask_given_as_the_scan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds only 2 different values, so it is a mask"):
        read_scan(write(tmp_path / "mask.nii", np.where(noise() > 1200, 255, 0).astype(np.uint8)))
    with pytest.raises(ImageError, match="holds only 4 different values, so it is a mask"):
        read_scan(write(tmp_path / "mask.nii", noise().astype(np.float32) // 400))


def test_few_voxels_that_are_no_numbers_are_repaired_from_their_neighbours(tmp_path: Path) -> None:
    data = noise(dtype=np.float32)
    data[10:13, 10:13, 10:13] = 500
    data[11, 11, 11], data[0, 0, 0] = np.nan, -np.inf
    scan = read_scan(write(tmp_path / "scan.nii", data))
    assert codes(scan) == ["repaired-values"]
    assert "scan.nii had 2 voxels" in sentence(scan, "repaired-values")
    repaired = scan.image.get_fdata()
    assert repaired[11, 11, 11] == 500
    assert np.isfinite(repaired).all()
    good = np.isfinite(data)
    np.testing.assert_array_equal(repaired[good], data[good])


def test_a_hole_too_deep_for_neighbours_is_filled_with_zero(tmp_path: Path) -> None:
    data = noise(dtype=np.float32)
    data[10:13, 10:13, 10:13] = np.nan
    assert read_scan(write(tmp_path / "scan.nii", data)).image.get_fdata()[11, 11, 11] == 0


def ball() -> np.ndarray:
    """Where a brain would be."""
    steps = zip(np.indices(SHAPE), SHAPE, strict=True)
    return sum((2 * (index - (size - 1) / 2) / size) ** 2 for index, size in steps) < 1


@pytest.mark.parametrize(("lowest", "air"), [(20, 0), (0, 0), (-700, -700)])
def test_what_is_no_number_around_a_brain_is_air(tmp_path: Path, lowest: int, air: int) -> None:
    data = (
        np.maximum(noise(dtype=np.float32) - 700, lowest) if lowest < 0 else noise(dtype=np.float32) + lowest
    )
    data[18, 20, 17] = lowest
    data[~ball()] = np.nan
    scan = read_scan(write(tmp_path / "scan.nii", data))
    assert codes(scan) == ["missing-values"]
    assert "around the head or brain that are not a number. They were taken for air" in sentence(
        scan, "missing-values"
    )
    np.testing.assert_array_equal(scan.own_values.get_fdata(), np.where(ball(), data, air))


def test_few_holes_in_a_brain_that_nothing_surrounds_are_repaired_as_well(tmp_path: Path) -> None:
    data = noise(dtype=np.float32)
    data[10:15, 20:25, 15:20] = 500
    data[~ball()] = data[12, 22, 17] = np.nan
    scan = read_scan(write(tmp_path / "scan.nii", data))
    assert codes(scan) == ["missing-values", "repaired-values"]
    assert scan.image.get_fdata()[12, 22, 17] == 500


def test_a_field_of_view_that_ends_within_the_volume_is_told(tmp_path: Path) -> None:
    data = noise(dtype=np.float32)
    data[:, :, 25:] = np.nan
    scan = read_scan(write(tmp_path / "scan.nii", data))
    assert codes(scan) == ["small-coverage", "missing-values"]
    assert "covers only 108 x 120 x 75 mm" in sentence(scan, "small-coverage")


@pytest.mark.parametrize(
    "hole",
    [(slice(8, 28), slice(8, 28), slice(8, 28)), (slice(10, 13),), (..., slice(20, 21)), (...,)],
    ids=["a hole", "three slices", "one slice", "all"],
)
def test_many_voxels_that_are_no_numbers_within_the_head_are_refused(tmp_path: Path, hole: tuple) -> None:
    data = noise(dtype=np.float32)
    data[hole] = np.nan
    with pytest.raises(
        ImageError,
        match=r"^scan.nii has \d+ voxels .* that are infinite, or not a number.*export the scan again",
    ):
        read_scan(write(tmp_path / "scan.nii", data))


def test_many_infinite_voxels_are_no_air(tmp_path: Path) -> None:
    data = noise(dtype=np.float32)
    data[:5] = np.inf
    with pytest.raises(ImageError, match=r"has 6800 voxels \(13.9 %\) that are infinite, or not a number"):
        read_scan(write(tmp_path / "scan.nii", data))


def test_bright_numbers_that_wrapped_to_negative_ones_are_refused(tmp_path: Path) -> None:
    bright = noise().astype(np.int64) * 30
    with pytest.raises(ImageError, match="overflowed their 16-bit type"):
        read_scan(write(tmp_path / "scan.nii", bright.astype(np.uint16).view(np.int16)))


def test_negative_numbers_that_wrapped_to_bright_ones_are_refused(tmp_path: Path) -> None:
    ringing = noise() - 100
    with pytest.raises(ImageError, match="overflowed their 16-bit type"):
        read_scan(write(tmp_path / "scan.nii", ringing.view(np.uint16)))


def test_a_few_negative_numbers_are_normal(tmp_path: Path) -> None:
    assert codes(read_scan(write(tmp_path / "scan.nii", noise() - 100))) == []


@pytest.mark.parametrize(("dtype", "limit"), [(np.uint8, 255), (np.int16, 1400), (np.float32, 1400.0)])
def test_intensities_that_were_cut_off_are_told(tmp_path: Path, dtype: type, limit: float) -> None:
    scan = read_scan(write(tmp_path / "scan.nii", np.minimum(noise(), limit).astype(dtype)))
    assert codes(scan) == ["clipped"]
    assert "is clipped at its highest value" in sentence(scan, "clipped")


@pytest.mark.parametrize(("slope", "intercept"), [(np.nan, 0), (np.inf, 0), (-np.inf, np.nan)])
def test_a_broken_scaling_is_ignored_and_told(tmp_path: Path, slope: float, intercept: float) -> None:
    scan = read_scan(write_fields(tmp_path / "scan.nii", scl_slope=slope, scl_inter=intercept))
    assert codes(scan) == ["broken-scaling"]
    np.testing.assert_array_equal(scan.image.get_fdata(), noise())


def test_a_slope_of_zero_means_no_scaling(tmp_path: Path) -> None:
    scan = read_scan(write_fields(tmp_path / "scan.nii", scl_slope=0, scl_inter=5))
    assert codes(scan) == []
    np.testing.assert_array_equal(scan.image.get_fdata(), noise())


def test_a_scaling_beyond_floating_point_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="infinite, or not a number"):
        read_scan(write_fields(tmp_path / "scan.nii", scl_slope=3e38, scl_inter=0))


def two_positions(path: Path, sform_code: int, qform_code: int, shift: float) -> Scan:
    image = nib.Nifti1Image(noise(), AFFINE)
    moved = AFFINE.copy()
    moved[0, 3] = shift
    image.set_sform(AFFINE, sform_code)
    image.set_qform(moved, qform_code)
    nib.save(image, path)
    return read_scan(path)


@pytest.mark.parametrize(
    ("sform_code", "viewer"), [(1, "as does 3D Slicer"), (2, "Slicer and ANTs use the qform")]
)
def test_two_different_positions_are_told_with_the_one_that_is_used(
    tmp_path: Path, sform_code: int, viewer: str
) -> None:
    scan = two_positions(tmp_path / "scan.nii", sform_code, 1, shift=12)
    assert codes(scan) == ["sform-qform-differ"]
    words = sentence(scan, "sform-qform-differ")
    assert "by up to 12.0 mm" in words
    assert "The sform is used" in words
    assert viewer in words
    np.testing.assert_array_equal(scan.image.affine, AFFINE)


@pytest.mark.parametrize("pixdim", [3.0, 2.98])
@pytest.mark.parametrize(("sform_code", "qform_code"), [(s, q) for s in range(5) for q in range(5) if s or q])
def test_what_is_said_about_slicer_is_what_itk_does(
    tmp_path: Path, sform_code: int, qform_code: int, pixdim: float
) -> None:
    import SimpleITK as sitk

    two_positions(tmp_path / "scan.nii", sform_code, qform_code, shift=12)
    content = bytearray((tmp_path / "scan.nii").read_bytes())
    struct.pack_into("<f", content, 80, pixdim)
    (tmp_path / "scan.nii").write_bytes(content)
    scan = read_scan(tmp_path / "scan.nii")
    shown = sitk.ReadImage(str(tmp_path / "scan.nii"))
    elsewhere = shown.GetOrigin()[0] != pytest.approx(-scan.image.affine[0, 3])
    larger = shown.GetSpacing()[0] != pytest.approx(scan.image.affine[0, 0])
    told = " ".join(finding.sentence for finding in scan.findings)
    if elsewhere:
        assert "but 3D Slicer and ANTs use the qform" in told
    elif larger:
        assert "but 3D Slicer and ANTs" in told
    elif sform_code and qform_code:
        assert "as does 3D Slicer" in told
    else:
        assert codes(scan) == []


def test_a_voxel_size_that_contradicts_the_sform_is_told(tmp_path: Path) -> None:
    scan = read_scan(write_fields(tmp_path / "scan.nii", pixdim=[1, 1, 1, 2, 0, 0, 0, 0]))
    assert codes(scan) == ["voxel-size-differs"]
    words = sentence(scan, "voxel-size-differs")
    assert "3.00 x 3.00 x 3.00 mm in its sform, 1.00 x 1.00 x 2.00 mm in its pixdim" in words
    np.testing.assert_array_equal(scan.image.affine, AFFINE)


def test_two_equal_positions_are_fine(tmp_path: Path) -> None:
    assert codes(two_positions(tmp_path / "scan.nii", 2, 1, shift=0.01)) == []


def test_a_broken_qform_beside_a_good_sform_is_told(tmp_path: Path) -> None:
    scan = read_scan(write_fields(tmp_path / "scan.nii", qform_code=1, quatern_b=3.0))
    assert "the qform is broken" in sentence(scan, "sform-qform-differ")


def test_a_scan_without_a_position_is_told_which_one_is_assumed(tmp_path: Path) -> None:
    scan = read_scan(write_fields(tmp_path / "scan.nii", sform_code=0, qform_code=0))
    assert codes(scan) == ["no-position"]
    assert nib.aff2axcodes(scan.image.affine) == ("L", "A", "S")
    assert int(scan.image.header["sform_code"]) == 0


def test_a_sheared_grid_is_refused_and_the_advice_helps(tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.15
    path = write(tmp_path / "scan.nii", noise(), sheared)
    with pytest.raises(ImageError, match=r"not at right angles \(shear of 5\.0 %\).*resample_to_output"):
        read_scan(path)
    nib.save(resample_to_output(nib.load(path), 3), path)
    assert read_scan(path).findings == ()


def test_a_shear_below_one_percent_is_accepted(tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.02
    scan = read_scan(write(tmp_path / "scan.nii", noise(), sheared))
    np.testing.assert_allclose(scan.image.affine, sheared, atol=1e-6)


@pytest.mark.parametrize("row", [[0, 0, 0, 0], [0, 3, 0, 0], [np.nan, 0, 0, 0], [np.inf, 0, 0, 0]])
def test_a_grid_without_volume_is_refused(tmp_path: Path, row: list[float]) -> None:
    path = write_fields(tmp_path / "scan.nii", srow_x=row)
    with pytest.raises(ImageError, match="unusable position matrix"):
        read_scan(path)


def test_left_handed_and_oblique_grids_need_no_remark(tmp_path: Path) -> None:
    oblique = AFFINE.copy()
    oblique[:3, :3] = Rotation.from_euler("xyz", [20, -10, 35], degrees=True).as_matrix() * 3
    oblique[:, 0] *= -1
    assert read_scan(write(tmp_path / "scan.nii", noise(), oblique)).findings == ()


def test_thick_slices_are_told(tmp_path: Path) -> None:
    scan = read_scan(write(tmp_path / "scan.nii", noise(), np.diag([3.0, 3.0, 6.5, 1.0])))
    assert codes(scan) == ["thick-slices"]
    assert "slices of 6.5 mm (3.00 x 3.00 x 6.50 mm voxels)" in sentence(scan, "thick-slices")


@pytest.mark.parametrize("edges", [(3, 3, 14), (0.15, 3, 3)])
def test_an_unusual_voxel_size_is_told(tmp_path: Path, edges: tuple[float, ...]) -> None:
    shape = (800, 40, 36) if edges[0] < 1 else SHAPE
    scan = read_scan(write(tmp_path / "scan.nii", noise(shape), np.diag([*edges, 1.0])))
    assert codes(scan) == ["extreme-spacing"]


def test_a_scan_of_a_part_of_the_head_is_told(tmp_path: Path) -> None:
    scan = read_scan(write(tmp_path / "scan.nii", noise((36, 40, 20))))
    assert codes(scan) == ["small-coverage"]
    assert "108 x 120 x 60 mm" in sentence(scan, "small-coverage")


def test_a_slab_too_small_for_a_brain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="covers only 108 x 120 x 30 mm, which is too small for a brain"):
        read_scan(write(tmp_path / "scan.nii", noise((36, 40, 10))))


def test_a_scan_larger_than_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="more than a head"):
        read_scan(write(tmp_path / "scan.nii", noise(), np.diag([30.0, 30.0, 30.0, 1.0])))


def test_a_scan_in_metres_is_refused_unless_its_numbers_are_millimetres(tmp_path: Path) -> None:
    path = write_fields(tmp_path / "scan.nii", xyzt_units=1)
    assert codes(read_scan(path)) == ["wrong-units"]
    small = write(tmp_path / "small.nii", noise(), np.diag([0.003, 0.003, 0.003, 1.0]))
    content = bytearray(small.read_bytes())
    content[123] = 1
    small.write_bytes(content)
    with pytest.raises(ImageError, match="gives its voxel size in metres"):
        read_scan(small)


def test_sentences_never_repeat_text_from_the_header(tmp_path: Path) -> None:
    path = write_fields(tmp_path / "scan.nii", sform_code=0, descrip=b"Secret Name", scl_slope=np.nan)
    scan = read_scan(path)
    assert len(scan.findings) == 2
    assert all("Secret" not in f.sentence and f.sentence.startswith("scan.nii ") for f in scan.findings)


def head(white: float, grey: float, fluid: float, *, skull: bool, slices: float = 2.0) -> nib.Nifti1Image:
    """A folded brain with a 4 mm cortex and ventricles, in a scalp of fat, with a bias field and noise."""
    spacing = (1.5, 1.5, slices)
    shape = tuple(int(210 / edge) for edge in spacing)
    x, y, z = (
        (index - (size - 1) / 2) * edge
        for index, size, edge in zip(np.indices(shape), shape, spacing, strict=True)
    )
    radius = np.sqrt((x / 0.9) ** 2 + y**2 + (z / 0.9) ** 2)
    angle = np.arctan2(y, x)
    brain = radius < 68 + 8 * np.sin(14 * angle + 3 * np.sin(z / 12)) * np.exp(-((z / 55) ** 2))
    depth = ndimage.distance_transform_edt(brain, sampling=spacing)
    values = np.zeros(shape)
    if skull:
        values[radius < 92] = 1.6 * white
        values[radius < 86] = 0.1 * white
    values[radius < 79] = fluid if skull else 0
    values[brain] = np.where(depth[brain] < 4, grey, white)
    values[((np.abs(np.abs(x) - 10) < 6) & (np.abs(y) < 25) & (np.abs(z) < 12))] = fluid
    rng = np.random.default_rng(2)
    values = ndimage.gaussian_filter(values, [1 / edge for edge in spacing]) * (
        1 + 0.2 * y / 100
    ) + rng.normal(0, 15, shape)
    return nib.Nifti1Image(values.astype(np.float32), np.diag([*spacing, 1.0]))


@pytest.mark.parametrize("skull", [True, False])
@pytest.mark.parametrize("slices", [1.5, 6.0])
def test_the_sequence_is_guessed_from_cortex_and_white_matter(skull: bool, slices: float) -> None:
    assert guess_sequence(head(600, 750, 150, skull=skull, slices=slices)) == "FLAIR"
    assert guess_sequence(head(900, 620, 250, skull=skull, slices=slices)) == "T1w"


def test_a_flair_full_of_lesions_is_no_t1w() -> None:
    image = head(600, 700, 150, skull=True)
    values = image.get_fdata()
    field = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=values.shape), 3)
    lesions = (field > np.percentile(field, 80)) & (values > 450) & (values < 850)
    values[lesions] *= 1.6
    assert guess_sequence(nib.Nifti1Image(values.astype(np.float32), image.affine)) != "T1w"


def test_an_image_without_a_brain_has_no_sequence() -> None:
    values = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    for image in (values, np.zeros(SHAPE, np.float32), -np.ones(SHAPE, np.float32)):
        assert guess_sequence(nib.Nifti1Image(image, AFFINE)) is None


def test_a_t1w_given_as_flair_is_told_and_the_other_way_round(tmp_path: Path) -> None:
    t1w, flair = tmp_path / "t1w.nii.gz", tmp_path / "flair.nii.gz"
    nib.save(head(900, 620, 250, skull=True), t1w)
    nib.save(head(600, 750, 150, skull=True), flair)
    assert "given as a FLAIR but looks like a T1" in sentence(
        read_scan(t1w, sequence="FLAIR"), "wrong-sequence"
    )
    assert "given as a T1-weighted scan but does not look like" in sentence(
        read_scan(flair, sequence="T1w"), "wrong-sequence"
    )
    assert codes(read_scan(flair, sequence="FLAIR")) == codes(read_scan(t1w, sequence="T1w")) == []
