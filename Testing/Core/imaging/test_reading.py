from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from phantoms.dicom_files import write_dicom
from phantoms.scan_files import AFFINE, SHAPE, assert_same_world, noise, write_nifti, write_nrrd

EVERY_EXAMPLE = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def grids(draw) -> np.ndarray:
    """Affines of any axis order, handedness, obliquity and anisotropy."""
    angles = draw(st.sampled_from([[0, 0, 0], [12, -7, 25], [90, 0, 0], [0, -90, 90], [33, 41, -60]]))
    spacing = draw(st.sampled_from([[3, 3, 3], [3, 3, 6.5], [3.2, 4.1, 3], [7, 3, 3]]))
    flips = draw(st.tuples(*[st.sampled_from([-1, 1])] * 3))
    order = draw(st.permutations([0, 1, 2]))
    affine = np.eye(4)
    turned = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    affine[:3, :3] = (turned @ np.diag(np.array(spacing) * flips))[:, list(order)]
    affine[:3, 3] = draw(st.tuples(*[st.integers(-150, 150)] * 3))
    return affine


@EVERY_EXAMPLE
@given(affine=grids())
def test_nifti_of_any_orientation_keeps_its_voxel_grid_and_its_place_in_the_world(tmp_path, affine) -> None:
    data = noise()
    image = read_scan(write_nifti(tmp_path / "scan.nii", data, affine)).image
    assert image.shape == data.shape
    np.testing.assert_allclose(image.affine, affine, atol=1e-4)
    np.testing.assert_array_equal(image.get_fdata(), data)


@pytest.mark.parametrize("axes", ["LAS", "LPS", "RAS", "RPI", "PIR", "SAL"])
def test_the_same_head_stored_in_another_order_is_the_same_head(tmp_path: Path, axes: str) -> None:
    data = noise()
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes)
    )
    turned = nib.Nifti1Image(data, AFFINE).as_reoriented(turn)
    nib.save(turned, tmp_path / "turned.nii.gz")
    scan = read_scan(tmp_path / "turned.nii.gz")
    assert "".join(nib.aff2axcodes(scan.image.affine)) == axes
    assert_same_world(scan.image, data, AFFINE)
    assert scan.findings == ()


@EVERY_EXAMPLE
@given(affine=grids())
def test_nrrd_and_nifti_of_one_volume_agree(tmp_path, affine) -> None:
    data = noise()
    nifti = read_scan(write_nifti(tmp_path / "scan.nii", data, affine)).image
    nrrd = read_scan(write_nrrd(tmp_path / "scan.nrrd", data, affine)).image
    np.testing.assert_allclose(nrrd.affine, nifti.affine, atol=1e-4)
    np.testing.assert_array_equal(nrrd.get_fdata(), nifti.get_fdata())


@settings(parent=EVERY_EXAMPLE, max_examples=5)
@given(affine=grids())
def test_a_dicom_folder_agrees_with_the_volume_that_it_was_made_from(tmp_path_factory, affine) -> None:
    data = noise()
    folder = write_dicom(tmp_path_factory.mktemp("dicom"), data, affine)
    scan = read_scan(folder)
    assert_same_world(scan.image, data, affine)
    assert (int(scan.image.header["sform_code"]), int(scan.image.header["qform_code"])) == (1, 1)


def test_a_detached_nrrd_header_is_read_and_its_fingerprint_covers_the_voxels(tmp_path: Path) -> None:
    first = read_scan(write_nrrd(tmp_path / "scan.nhdr", noise()))
    np.testing.assert_array_equal(first.image.get_fdata(), noise())
    second = read_scan(write_nrrd(tmp_path / "scan.nhdr", noise() + 1))
    assert first.sha256 != second.sha256


def test_the_image_is_float32_with_the_scaling_applied(tmp_path: Path) -> None:
    image = nib.Nifti1Image(noise(), AFFINE)
    image.header.set_slope_inter(0.5, 10)
    nib.save(image, tmp_path / "scan.nii.gz")
    scan = read_scan(tmp_path / "scan.nii.gz")
    assert scan.image.get_data_dtype() == np.float32
    assert np.asarray(scan.image.dataobj).dtype == np.float32
    np.testing.assert_allclose(
        scan.own_values.get_fdata(), nib.load(tmp_path / "scan.nii.gz").get_fdata(), atol=1e-3
    )


def test_both_positions_of_the_header_are_kept_with_their_codes(tmp_path: Path) -> None:
    image = nib.Nifti1Image(noise(), AFFINE)
    other = AFFINE.copy()
    other[:3, 3] = 20
    image.set_sform(AFFINE, 4)
    image.set_qform(other, 1)
    nib.save(image, tmp_path / "scan.nii.gz")
    header = read_scan(tmp_path / "scan.nii.gz").image.header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (4, 1)
    np.testing.assert_allclose(header.get_qform(), other)


def test_nifti_2_and_big_endian_files_are_read(tmp_path: Path) -> None:
    nib.save(nib.Nifti2Image(noise(), AFFINE), tmp_path / "two.nii")
    big = nib.Nifti1Image(noise(dtype=">i2"), AFFINE, nib.Nifti1Header(endianness=">"))
    nib.save(big, tmp_path / "big.nii")
    for name in ("two.nii", "big.nii"):
        np.testing.assert_array_equal(read_scan(tmp_path / name).image.get_fdata(), noise())


def test_the_patient_stays_out_of_the_image_header(tmp_path: Path) -> None:
    image = nib.Nifti1Image(noise(), AFFINE)
    for field in ("descrip", "aux_file", "db_name", "intent_name"):
        image.header[field] = b"Secret Name"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Secret Name"))
    nib.save(image, tmp_path / "scan.nii.gz")
    nib.save(read_scan(tmp_path / "scan.nii.gz").image, tmp_path / "copy.nii")
    assert b"Secret" not in (tmp_path / "copy.nii").read_bytes()


def test_the_fingerprint_is_that_of_the_file(tmp_path: Path) -> None:

    path = write_nifti(tmp_path / "scan.nii.gz", noise())
    assert read_scan(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_scan(str(path)).path == path


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be opened"):
        read_scan(tmp_path / f"{'a' * 300}.nii.gz")
    with pytest.raises(ImageError, match=r"^lost\.nii\.gz was not found"):
        read_scan(tmp_path / "lost.nii.gz")


def test_a_file_of_another_kind_tells_what_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "letter.docx").write_text("hello")
    with pytest.raises(ImageError, match=r"letter\.docx is not of a kind.*NIfTI.*NRRD.*DICOM"):
        read_scan(tmp_path / "letter.docx")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("scan.nii", b"", "is empty"),
        ("scan.nii", b"version https://git-lfs.github.com/spec/v1", "placeholder.*git lfs pull"),
        ("scan.nii.gz", b"<html>not found</html>", "is not compressed"),
        ("scan.nii.gz", gzip.compress(b"no image" * 100, mtime=0), "is not a NIfTI image"),
        ("scan.nii", gzip.compress(b"image", mtime=0), "Rename it to scan.nii.gz"),
        ("scan.nrrd", b"no image", "is not a NRRD image"),
    ],
)
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=sentence):
        read_scan(tmp_path / name)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.nrrd"])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, name: str, share: float) -> None:
    write = write_nrrd if name.endswith("nrrd") else write_nifti
    path = write(tmp_path / name, noise())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ImageError, match="cut off"):
        read_scan(path)


@settings(parent=EVERY_EXAMPLE, max_examples=60)
@given(
    changes=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_damaged_header_is_read_or_refused_and_never_a_crash(tmp_path, changes) -> None:
    path = tmp_path / "scan.nii"
    content = bytearray(nib.Nifti1Image(noise(), AFFINE).to_bytes())
    for place, value in changes:
        content[place] = value
    path.write_bytes(content)
    try:
        scan = read_scan(path, sequence="FLAIR")
    except ImageError as error:
        assert str(error).startswith("scan.nii")
    else:
        assert np.isfinite(scan.image.get_fdata()).all()


def test_four_dimensions_are_refused_with_a_way_out(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "many.nii.gz", noise((*SHAPE, 3)))
    with pytest.raises(ImageError, match=r"many\.nii\.gz has four dimensions: 3 volumes.*fslroi"):
        read_scan(path)
    image = sitk.JoinSeries([sitk.GetImageFromArray(noise()) for _ in range(3)])
    sitk.WriteImage(image, str(tmp_path / "many.nrrd"))
    with pytest.raises(ImageError, match="3 volumes"):
        read_scan(tmp_path / "many.nrrd")


def test_a_last_axis_of_length_one_is_dropped_silently(tmp_path: Path) -> None:
    scan = read_scan(write_nifti(tmp_path / "scan.nii.gz", noise((*SHAPE, 1))))
    assert scan.image.shape == SHAPE
    assert scan.findings == ()
    image = sitk.JoinSeries([sitk.GetImageFromArray(noise().T.copy())])
    image.SetSpacing([3, 3, 3, 1])
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    np.testing.assert_array_equal(read_scan(tmp_path / "scan.nrrd").image.get_fdata(), noise())


def test_a_colour_picture_is_refused(tmp_path: Path) -> None:
    colour = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(ImageError, match="several values in each voxel"):
        read_scan(write_nifti(tmp_path / "colour.nii.gz", colour))
    image = sitk.GetImageFromArray(noise((*SHAPE, 2)), isVector=True)
    sitk.WriteImage(image, str(tmp_path / "vector.nrrd"))
    with pytest.raises(ImageError, match="several values in each voxel"):
        read_scan(tmp_path / "vector.nrrd")


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="complex"):
        read_scan(write_nifti(tmp_path / "complex.nii.gz", noise(dtype=np.complex64)))


def test_a_mask_comes_back_as_zeros_and_ones_on_the_grid_of_its_scan(tmp_path: Path) -> None:
    scan = read_scan(write_nifti(tmp_path / "scan.nii.gz", noise())).image
    labels = np.zeros(SHAPE, np.float64)
    labels[3, 4, 5], labels[6, 7, 8] = 1, 7
    mask = read_mask(write_nifti(tmp_path / "mask.nii.gz", labels), scan)
    assert mask.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(mask.affine, scan.affine)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), (labels > 0).astype(np.uint8))


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd"])
def test_a_mask_without_a_scan_keeps_its_own_grid(tmp_path: Path, ending: str) -> None:
    labels = (noise() > 1000).astype(np.uint8) * 3
    write = write_nifti if ending == "nii.gz" else write_nrrd
    mask = read_mask(write(tmp_path / f"mask.{ending}", labels))
    assert mask.get_data_dtype() == np.uint8
    np.testing.assert_allclose(mask.affine, AFFINE)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), labels > 0)


def test_an_empty_mask_is_a_mask(tmp_path: Path) -> None:
    scan = read_scan(write_nifti(tmp_path / "scan.nii.gz", noise())).image
    mask = read_mask(write_nrrd(tmp_path / "mask.nrrd", np.zeros(SHAPE, np.uint8)), scan)
    assert not np.asarray(mask.dataobj).any()


@pytest.mark.parametrize("value", [0.4, -1.0, np.nan])
def test_a_probability_map_is_no_mask(tmp_path: Path, value: float) -> None:
    scan = read_scan(write_nifti(tmp_path / "scan.nii.gz", noise())).image
    values = np.zeros(SHAPE, np.float32)
    values[5, 5, 5] = value
    with pytest.raises(ImageError, match="is not a mask"):
        read_mask(write_nifti(tmp_path / "mask.nii.gz", values), scan)


def test_labels_that_32_bits_cannot_hold_are_refused_and_not_read_as_nothing(tmp_path: Path) -> None:
    labels = np.zeros(SHAPE, np.uint32)
    labels[10:12, 10:12, 10:12] = 4294967295
    with pytest.raises(ImageError, match="the label 4294967296, and the largest"):
        read_mask(write_nifti(tmp_path / "mask.nii.gz", labels))


def test_a_scan_is_no_mask_but_a_map_of_few_regions_is(tmp_path: Path) -> None:
    scan = read_scan(write_nifti(tmp_path / "scan.nii.gz", noise())).image
    grey = np.round(np.abs(noise())).astype(np.int16)
    with pytest.raises(ImageError, match="looks like a scan and not like a mask"):
        read_mask(write_nifti(tmp_path / "grey.nii.gz", grey), scan)
    regions = (np.indices(SHAPE).sum(0) % 40).astype(np.int16)
    assert np.asarray(read_mask(write_nifti(tmp_path / "regions.nii.gz", regions), scan).dataobj).mean() > 0.9


def test_importing_the_reader_does_not_load_heavy_packages() -> None:
    heavy = "{'torch', 'monai', 'SimpleITK'}"
    code = f"import sys, MSLesionSegLib.imaging.reading; print({heavy} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"
