"""The page: complete, self-contained, and true to left and right."""

from __future__ import annotations

import base64
import io
import re

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.lesions.table import Lesion
from MSLesionSegLib.segmentation.report.pictures import Pictures, SlicePicture
from MSLesionSegLib.segmentation.report.report import REGION_COLOURS, region_colour, write_report
from phantoms.phantom import centred
from support.report_manifest import make_manifest

SHAPE = (40, 50, 30)


def make_lesion(number: int, region: str = "periventricular") -> Lesion:
    return Lesion(
        id=number,
        volume_mm3=1234.0 / number,
        longest_axis_mm=12.5,
        centre_ras=(-20.0, 10.0, 5.0),
        region=region,
        region_distance_mm=1.5,
        mean_probability=0.81,
        peak_probability=0.99,
    )


@pytest.fixture
def scan() -> tuple[nib.Nifti1Image, np.ndarray, np.ndarray]:
    """Image, brain and labels: lesion 1 lies left, in front and high; lesion 2 right, behind and low."""
    affine = centred((3, 3, 3), np.eye(3), SHAPE)
    x, y, z = np.moveaxis(nib.affines.apply_affine(affine, np.moveaxis(np.indices(SHAPE), 0, -1)), -1, 0)
    brain = ((x / 55) ** 2 + (y / 70) ** 2 + (z / 42) ** 2 < 1).astype(np.uint8)
    labels = np.zeros(SHAPE, np.int32)
    labels[(x + 25) ** 2 + (y - 30) ** 2 + (z - 10) ** 2 < 80] = 1
    labels[(x - 25) ** 2 + (y + 30) ** 2 + (z + 10) ** 2 < 60] = 2
    return nib.Nifti1Image((brain * 100 + (labels > 0) * 80).astype(np.float32), affine), brain, labels


def page(tmp_path, scan, lesions, findings=None) -> str:
    image, brain, labels = scan
    shown = np.where(np.isin(labels, [lesion.id for lesion in lesions]), labels, 0)
    write_report(tmp_path / "report.html", make_manifest(lesions, findings), image, brain, shown, lesions)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def decode(url: str) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGBA"))


def outlined(picture: SlicePicture, colour: tuple[int, int, int]) -> np.ndarray:
    """Mean (row, column) of an outline, from 0 at the upper left to 1 at the lower right."""
    pixels = decode(picture.overlay).astype(int)
    same = (np.abs(pixels[..., :3] - colour).max(-1) < 40) & (pixels[..., 3] > 200)
    assert same.any()
    return np.argwhere(same).mean(0) / same.shape


def test_the_page_needs_nothing_from_outside(tmp_path, scan):
    text = page(tmp_path, scan, [make_lesion(1), make_lesion(2)])
    assert "<script" not in text
    assert "http" not in text
    assert "url(" not in text
    sources = re.findall(r'src="([^"]{0,22})', text)
    assert sources
    assert set(sources) == {"data:image/png;base64,"}


def test_the_page_tells_how_the_numbers_were_made(tmp_path, scan):
    text = " ".join(page(tmp_path, scan, [make_lesion(1)]).split())
    for words in (
        "Research use only",
        "26-connected",
        "at least 3 mm³",
        "flair-ms",
        "cdcdcdcdcdcdcdcd",
        "probability of 0.5",
        "ab" * 32,
        "torch 2.13.0",
    ):
        assert words in text, words


def test_every_lesion_and_every_region_is_in_the_tables(tmp_path, scan):
    lesions = [make_lesion(1), make_lesion(2, "infratentorial")]
    text = page(tmp_path, scan, lesions)
    assert text.count('<tr><td class="n">') == 2
    assert "1,234" in text
    assert "L 20 A 10 S 5" in text
    for region in REGION_COLOURS:
        assert region.capitalize() in text


def test_findings_are_shown_and_cannot_inject_anything(tmp_path, scan):
    text = page(tmp_path, scan, [], [{"code": "x", "sentence": "Slices are <b>thick</b> <script>."}])
    assert "Please note" in text
    assert "&lt;script&gt;" in text
    assert "<script" not in text


def test_a_page_without_lesions_says_so_and_shows_the_brain(tmp_path, scan):
    text = page(tmp_path, scan, [])
    assert "No lesion reached the threshold" in text
    assert text.count('<figure class="slice">') == 6


def test_the_patients_left_is_on_the_right_of_the_picture_and_the_front_on_top(scan):
    image, brain, labels = scan
    red, blue = (240, 100, 40), (86, 180, 233)
    one, other = reversed(Pictures(image, brain, labels, {1: red, 2: blue}).slices())
    assert (one.lesions, other.lesions) == ((1,), (2,))
    row, column = outlined(one, red)
    assert row < 0.4
    assert column > 0.6
    row, column = outlined(other, blue)
    assert row > 0.6
    assert column < 0.4


@pytest.mark.parametrize("codes", ["LAS", "LPS", "PIR", "SAR"])
def test_pictures_do_not_depend_on_how_the_voxels_are_stored(scan, codes):
    image, brain, labels = scan
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes)
    )
    colours = {1: (240, 100, 40), 2: (86, 180, 233)}
    turned = (nib.apply_orientation(a, turn) for a in (brain, labels))
    plain = Pictures(image, brain, labels, colours)
    other = Pictures(image.as_reoriented(turn), *turned, colours)
    assert plain.slices() == other.slices()
    assert plain.projections() == other.projections()


def test_slices_are_shown_as_they_were_acquired(scan):
    image, brain, labels = scan
    thick = nib.Nifti1Image(np.asarray(image.dataobj), image.affine @ np.diag([1, 2.5, 1, 1]))
    picture = Pictures(thick, brain, labels, {1: (9, 9, 9), 2: (9, 9, 9)}).slices()[0]
    assert picture.caption.startswith("Coronal")


def test_few_slices_show_as_many_lesions_as_they_can():
    labels = np.zeros((30, 30, 30), np.int32)
    for number, (x, z) in enumerate([(5, 4), (12, 5), (19, 5), (5, 15), (19, 25)], start=1):
        labels[x : x + 3, 10:13, z : z + 3] = number
    image = nib.Nifti1Image(np.ones((30, 30, 30), np.float32), np.eye(4))
    pictures = Pictures(image, np.ones_like(labels), labels, {n: (9, 9, 9) for n in range(1, 6)})
    assert {n for p in pictures.slices(most=3) for n in p.lesions} == {1, 2, 3, 4, 5}
    assert set(pictures.slices(most=1)[0].lesions) == {1, 2, 3}


def test_regions_have_colours_of_their_own_and_unknown_ones_another():
    colours = [region_colour(region) for region in REGION_COLOURS]
    assert len(set(colours)) == len(colours)
    assert region_colour(None) == region_colour("moon")
    assert region_colour(None) not in colours
