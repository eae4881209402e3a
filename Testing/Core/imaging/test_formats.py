from __future__ import annotations

import bz2
import gzip
import os
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.formats import stands_for_scan, without_ending
from MSLesionSegLib.imaging.reading import Scan, read_mask, read_scan
from phantoms.scan_files import AFFINE, SHAPE, noise, write_nifti, write_nrrd

PLACED = "space: RAS\nspace directions: (3,0,0) (0,3,0) (0,0,3)\nspace origin: (0,0,0)\n"


def values(path: Path) -> np.ndarray:
    return read_scan(path).image.get_fdata()


def codes(scan: Scan) -> list[str]:
    return [finding.code for finding in scan.findings]


def nrrd(path: Path, body: bytes, *fields: str) -> Path:
    lines = ["NRRD0005", "type: short", "dimension: 3", "sizes: 36 40 34", "endian: little", *fields, "", ""]
    path.write_bytes("\n".join(lines).encode() + body)
    return path


def voxels() -> bytes:
    return noise().tobytes(order="F")


HARM = {
    "a changed checksum": lambda packed: packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
    "a changed length": lambda packed: packed[:-4] + bytes([packed[-4] ^ 1]) + packed[-3:],
    "a changed bit of a voxel": lambda packed: (
        packed[:60_000] + bytes([packed[60_000] ^ 4]) + packed[60_001:]
    ),
    "no checksum": lambda packed: packed[:-8],
    "half a checksum": lambda packed: packed[:-6],
    "text behind the end": lambda packed: packed + b"saved by mail program",
}


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("kind", ["scan.nii.gz", "scan.mgz", "scan.img.gz", "scan.nrrd", "scan.nhdr"])
def test_a_compressed_file_is_read_to_its_end_and_its_checksum_compared(
    tmp_path: Path, kind: str, harm: str
) -> None:
    path = spoilt = tmp_path / kind
    start = 0
    if kind.endswith("nrrd"):
        nrrd(path, gzip.compress(voxels(), 0), PLACED + "encoding: gzip")
        start = path.read_bytes().index(b"\n\n") + 2
    elif kind == "scan.nhdr":
        nrrd(path, b"", PLACED + "encoding: gz", "data file: voxels.gz")
        spoilt = tmp_path / "voxels.gz"
        spoilt.write_bytes(gzip.compress(voxels(), 0))
    else:
        image = nib.MGHImage if kind == "scan.mgz" else nib.Nifti1Pair if "img" in kind else nib.Nifti1Image
        nib.save(image(noise(), AFFINE), path)
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 0))
    np.testing.assert_array_equal(values(path), noise())
    whole = spoilt.read_bytes()
    spoilt.write_bytes(whole[:start] + HARM[harm](whole[start:]))
    with pytest.raises(ImageError, match=f"^{kind} is damaged"):
        read_scan(path)
    with pytest.raises(ImageError, match=f"^{kind} is damaged"):
        read_mask(path)


def test_a_file_packed_in_several_members_and_padded_with_zeros_is_whole(tmp_path: Path) -> None:
    content = write_nifti(tmp_path / "scan.nii", noise()).read_bytes()
    parts = [gzip.compress(content[start : start + 30_000]) for start in range(0, len(content), 30_000)]
    (tmp_path / "scan.nii.gz").write_bytes(b"".join(parts) + bytes(512))
    np.testing.assert_array_equal(values(tmp_path / "scan.nii.gz"), noise())


@pytest.mark.parametrize(
    ("image", "place", "format"), [(nib.Nifti1Image, 108, "<f"), (nib.Nifti2Image, 168, "<q")]
)
def test_voxels_whose_place_is_left_open_begin_where_the_standard_says(
    tmp_path: Path, image, place, format
) -> None:
    path = tmp_path / "scan.nii"
    nib.save(image(noise(), AFFINE), path)
    content = bytearray(path.read_bytes())
    struct.pack_into(format, content, place, 0)
    path.write_bytes(content)
    np.testing.assert_array_equal(values(path), noise())
    path.with_name("scan.nii.gz").write_bytes(gzip.compress(bytes(content)))
    np.testing.assert_array_equal(values(path.with_name("scan.nii.gz")), noise())
    content[place + (240 if format == "<f" else 372)] = 1  # an extension follows the header
    path.write_bytes(content)
    with pytest.raises(ImageError, match="does not say where its voxels begin"):
        read_scan(path)


@pytest.mark.parametrize("offset", [-352, 16, 348, 350, 360.5, np.nan, np.inf])
def test_voxels_that_begin_within_the_header_are_refused(tmp_path: Path, offset: float) -> None:
    path = write_nifti(tmp_path / "scan.nii", noise())
    content = bytearray(path.read_bytes())
    struct.pack_into("<f", content, 108, offset)
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"^scan.nii says that its voxels begin at byte"):
        read_scan(path)


def test_more_bytes_than_the_header_speaks_of_are_told(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii.gz", noise((36, 40, 40)))
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<h", content, 46, 34)
    path.write_bytes(gzip.compress(bytes(content)))
    scan = read_scan(path)
    assert codes(scan) == ["extra-bytes"]
    assert "17280 bytes more than its header" in scan.findings[0].sentence


def test_an_intercept_that_is_no_number_is_told_and_the_file_is_not_called_damaged(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii", noise())
    content = bytearray(path.read_bytes())
    struct.pack_into("<ff", content, 112, 2.5, np.nan)
    path.write_bytes(content)
    assert codes(read_scan(path)) == ["broken-scaling"]
    np.testing.assert_array_equal(values(path), noise())


@pytest.mark.parametrize(
    "name", ["scan.mgz", "scan.mgh", "scan.img", "scan.hdr", "scan.img.gz", "scan.hdr.gz"]
)
def test_files_of_freesurfer_and_pairs_are_read_like_nifti(tmp_path: Path, name: str) -> None:
    oblique = np.array([[0, 0.1, 3, -40], [-3, 0.3, 0, 60], [0.3, 3, -0.1, -50], [0, 0, 0, 1]])
    image = nib.MGHImage if "mg" in name else nib.Nifti1Pair
    nib.save(image(noise(), oblique), tmp_path / name)
    scan = read_scan(tmp_path / name)
    np.testing.assert_allclose(scan.image.affine, oblique, atol=1e-4)
    np.testing.assert_array_equal(scan.image.get_fdata(), noise())
    assert codes(scan) == []
    labels = (noise() > 1000).astype(np.uint8)
    nib.save(image(labels, oblique), tmp_path / f"mask-{name}")
    np.testing.assert_array_equal(
        np.asarray(read_mask(tmp_path / f"mask-{name}", scan.image).dataobj), labels
    )


def test_a_pair_is_known_by_both_its_files(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(noise(), AFFINE), tmp_path / "scan.img")
    first = read_scan(tmp_path / "scan.img").sha256
    assert read_scan(tmp_path / "scan.hdr").sha256 == first
    header = bytearray((tmp_path / "scan.hdr").read_bytes())
    header[148] = ord("x")
    (tmp_path / "scan.hdr").write_bytes(header)
    assert read_scan(tmp_path / "scan.img").sha256 != first
    (tmp_path / "scan.hdr").unlink()
    with pytest.raises(ImageError, match=r"scan.hdr is not beside it"):
        read_scan(tmp_path / "scan.img")


def test_a_pair_of_spm_takes_its_position_from_its_matrix_and_says_when_there_is_none(tmp_path: Path) -> None:
    moved = np.diag([-3.0, 3, 3, 1])
    moved[:3, 3] = 50, -60, -40
    nib.save(nib.Spm2AnalyzeImage(noise(), moved), tmp_path / "scan.img")
    scan = read_scan(tmp_path / "scan.img")
    np.testing.assert_allclose(scan.image.affine, moved, atol=1e-4)
    assert codes(scan) == []
    (tmp_path / "scan.mat").unlink()
    scan = read_scan(tmp_path / "scan.img")
    assert codes(scan) == ["no-position"]
    assert "from right to left, from back to front" in scan.findings[0].sentence
    np.testing.assert_array_equal(scan.image.get_fdata(), noise())


@pytest.mark.parametrize(
    "field", ["spacings: 3 3 3", "space: scanner-xyz\nspace directions: (3,0,0) (0,3,0) (0,0,3)"]
)
def test_a_nrrd_that_does_not_say_where_it_lies_is_told_like_a_nifti(tmp_path: Path, field: str) -> None:
    scan = read_scan(nrrd(tmp_path / "scan.nrrd", voxels(), "encoding: raw", field))
    assert codes(scan) == ["no-position"]
    assert "from right to left, from front to back and from bottom to top" in scan.findings[0].sentence
    assert nib.aff2axcodes(scan.image.affine) == ("L", "P", "S")
    assert codes(read_scan(write_nrrd(tmp_path / "placed.nrrd", noise()))) == []


@pytest.mark.parametrize(
    "field",
    [
        "content: noise",
        "spacings: nan nan nan",
        "spacings: 3 nan 3",
        "space: RAS\nspace origin: (0,0,0)",
        "space: RAS\nspace directions: (3,0,0) (0,3,0) none",
    ],
)
def test_a_nrrd_without_voxel_size_is_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(ImageError, match="does not say how large its voxels are"):
        read_scan(nrrd(tmp_path / "scan.nrrd", voxels(), "encoding: raw", field))


def test_what_is_wrong_with_a_nrrd_is_named_and_not_called_damage(tmp_path: Path) -> None:
    packed = nrrd(tmp_path / "packed.nrrd", bz2.compress(voxels()), PLACED + "encoding: bzip2")
    with pytest.raises(ImageError, match=r"^packed.nrrd is compressed with bzip2"):
        read_scan(packed)
    alone = nrrd(tmp_path / "alone.nhdr", b"", PLACED + "encoding: raw", "data file: voxels.raw")
    with pytest.raises(ImageError, match=r"its voxels lie in voxels.raw, which is not there"):
        read_scan(alone)
    metres = nrrd(tmp_path / "metres.nrrd", voxels(), PLACED + 'space units: "m" "m" "m"', "encoding: raw")
    with pytest.raises(ImageError, match=r"voxel size in m\. Convert it to millimeters"):
        read_scan(metres)


@pytest.mark.parametrize("names", ["LIST\n" + "\n".join(f"{k}.raw" for k in range(34)), "%d.raw 0 33 1"])
def test_voxels_in_a_file_per_slice_are_read_and_a_lost_one_is_named(tmp_path: Path, names: str) -> None:
    path = tmp_path / "scan.nhdr"
    nrrd(path, b"", PLACED + "encoding: raw", f"data file: {names}")
    path.write_bytes(path.read_bytes().rstrip() + b"\n")  # a list goes on to the end of the file
    for k in range(34):
        (tmp_path / f"{k}.raw").write_bytes(noise()[:, :, k].tobytes(order="F"))
    np.testing.assert_array_equal(values(path), noise())
    (tmp_path / "21.raw").unlink()
    with pytest.raises(ImageError, match=r"its voxels lie in 21.raw, which is not there"):
        read_scan(path)


def test_a_segmentation_with_layers_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "overlap.seg.nrrd"
    lines = [
        *("NRRD0004", "type: unsigned char", "dimension: 4", "sizes: 3 36 40 34", "space: RAS"),
        *("space directions: none (3,0,0) (0,3,0) (0,0,3)", "kinds: list domain domain domain"),
        *("encoding: raw", "space origin: (0,0,0)", "Segment0_ID:=Segment_1", "Segment0_Layer:=0", "", ""),
    ]
    path.write_bytes("\n".join(lines).encode() + bytes(3 * int(np.prod(SHAPE))))
    with pytest.raises(ImageError, match=r"^overlap.seg.nrrd is a segmentation with 3 layers"):
        read_mask(path)


def test_content_that_was_not_fetched_is_told_from_a_file_that_is_not_there(tmp_path: Path) -> None:
    os.symlink(".git/annex/objects/x/MD5E-s9--1.nii.gz", tmp_path / "linked.nii.gz")
    (tmp_path / "unlocked.nii.gz").write_text("/annex/objects/MD5E-s9--1.nii.gz\n")
    (tmp_path / "large.nii.gz").write_text("version https://git-lfs.github.com/spec/v1\n")
    os.symlink("elsewhere.nii", tmp_path / "dangling.nii")
    for name, told in {
        "linked.nii.gz": "only a placeholder.*datalad get linked.nii.gz",
        "unlocked.nii.gz": "only a placeholder.*datalad get unlocked.nii.gz",
        "large.nii.gz": "only a placeholder.*git lfs pull --include large.nii.gz",
        "dangling.nii": "is a link to a file that is not there",
    }.items():
        with pytest.raises(ImageError, match=f"^{name} is {told.removeprefix('is ')}"):
            read_scan(tmp_path / name)


def test_a_linked_scan_is_called_by_the_name_that_was_given(tmp_path: Path) -> None:
    write_nifti(tmp_path / "MD5E-s9--1.nii", np.full(SHAPE, 7, np.int16))
    os.symlink("MD5E-s9--1.nii", tmp_path / "scan.nii")
    with pytest.raises(ImageError, match=r"^scan.nii is constant"):
        read_scan(tmp_path / "scan.nii")


@pytest.mark.parametrize(
    ("name", "stem", "stands"),
    [
        ("sub-1_FLAIR.NII.GZ", "sub-1_FLAIR", True),
        ("flair.mgz", "flair", True),
        ("flair.hdr", "flair", True),
        ("flair.img", "flair", False),
        ("flair.json", None, False),
    ],
)
def test_names_of_scans_are_known_by_their_endings_and_a_pair_counts_once(
    name: str, stem: str | None, stands: bool
) -> None:
    assert without_ending(name) == stem
    assert stands_for_scan(name) == stands
