"""The viewer of a page, in a browser: nothing leaves the page, and a mark lies where the scan is bright."""

from __future__ import annotations

import base64
import contextlib
import gzip
import re
import socket
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.lesions.table import Lesion, lesion_table
from MSLesionSegLib.segmentation.report.report import write_report
from MSLesionSegLib.segmentation.report.viewer import ViewedScan, view
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import segment
from phantoms.followup_phantom import NEW_AT, scan, use_stand_ins
from phantoms.phantom import centred
from support.chromium import Page, chromium
from support.report_manifest import make_manifest

LESION, POSSIBLE = (-20.0, 14.0, 9.0), (22.0, -25.0, -4.0)  # left, in front and up; right, behind and down
RADIUS = 7.0
TURNED = nib.eulerangles.euler2mat(0.2, -0.15, 0.3)
GRIDS = {
    "LAS": ((2.0, 2.0, 2.0), np.diag([-1, 1, 1]), (56, 64, 54)),
    "LPS": ((2.0, 1.5, 2.0), np.diag([-1, -1, 1]), (56, 86, 54)),
    "oblique": ((2.0, 2.0, 2.0), TURNED, (66, 74, 66)),
    "thick": ((1.0, 1.0, 6.0), np.diag([-1, 1, 1]), (110, 130, 18)),
}
AXIAL, CORONAL, SAGITTAL = 0, 1, 2
OUTLINE = (0, 190, 140)  # of a lesion whose region is not known


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


def write_page(path: Path, grid: str, *, viewer: bool = True) -> Path:
    """A page of a head with a bright ball that is a lesion, and a less bright one that may be."""
    spacing, turn, shape = GRIDS[grid]
    affine = centred(spacing, turn, shape)
    points = nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    brain = ((points / (42, 50, 41)) ** 2).sum(-1) < 1
    lesion, maybe = (np.linalg.norm(points - centre, axis=-1) < RADIUS for centre in (LESION, POSSIBLE))
    noise = np.random.default_rng(0).normal(0, 10, shape)
    image = nib.Nifti1Image(((100 + noise) * brain + 300 * lesion + 60 * maybe).astype(np.float32), affine)

    def rows(mask: np.ndarray) -> list[Lesion]:
        return lesion_table(nib.Nifti1Image(mask.astype(np.int32), affine), None, None)

    write_report(
        path,
        make_manifest(rows(lesion)),
        image,
        brain.astype(np.uint8),
        lesion.astype(np.int32),
        rows(lesion),
        possible=rows(maybe),
        possible_labels=maybe.astype(np.int32) if viewer else None,
    )
    return path


def click_row(browser: Page, number: int) -> None:
    browser.value(f"document.querySelectorAll('tr[data-lesion]')[{number}].click()")
    browser.value("page.ready")


def here(browser: Page, number: int = 0) -> np.ndarray:
    """Where the crosshair of a scan is, mm in RAS."""
    return np.array(browser.value(f"Array.from(n{number}.frac2mm(n{number}.scene.crosshairPos))")[:3])


def grey_under_crosshair(browser: Page, number: int = 0) -> int:
    return browser.value(
        f"n{number}.volumes[0].getValue(...n{number}.frac2vox(n{number}.scene.crosshairPos))"
    )


def name_scans(browser: Page) -> None:
    browser.value("page.views.forEach((view, number) => globalThis['n' + number] = view.niivue)")


def tiles(browser: Page, centre: tuple[float, float, float]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """By plane: the box of the tile (left, top, right, bottom) and where NiiVue shows a point, on the page."""
    found = browser.value(
        f"""(() => {{
          const box = n0.canvas.getBoundingClientRect(), scale = box.width / n0.canvas.width;
          return n0.screenSlices.map(({{ axCorSag, leftTopWidthHeight: [l, t, w, h] }}) => {{
            const [x, y] = n0.frac2canvasPosWithTile(n0.mm2frac({list(centre)}), axCorSag).pos;
            const edges = [Math.min(l, l + w), t, Math.max(l, l + w), t + h, x, y];
            return [axCorSag, edges.map((v, i) => v * scale + (i % 2 ? box.top : box.left))];
          }});
        }})()"""
    )
    return {plane: (np.array(edges[:4]).round().astype(int), np.array(edges[4:])) for plane, edges in found}


def middle_of(pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Mean (x, y) on the page of the pixels of a tile that are set."""
    left, top, right, bottom = box
    rows, columns = np.nonzero(pixels[top:bottom, left:right])
    assert rows.size
    return np.array([columns.mean() + left, rows.mean() + top])


@pytest.mark.parametrize("grid", GRIDS)
def test_a_row_brings_the_slices_to_its_lesion_and_the_mark_lies_on_the_bright_spot(browser, tmp_path, grid):
    browser.open(write_page(tmp_path / "report.html", grid))
    click_row(browser, 0)
    name_scans(browser)
    assert np.linalg.norm(here(browser) - LESION) < 4
    assert grey_under_crosshair(browser) == 255
    outlined = browser.picture().astype(int)
    browser.press("o")
    plain = browser.picture().astype(int)
    places = tiles(browser, LESION)
    assert set(places) == {AXIAL, CORONAL, SAGITTAL}
    for plane, (box, place) in places.items():
        bright = middle_of((plain > 235).all(-1), box)
        mark = middle_of((np.abs(outlined - OUTLINE) < 40).all(-1), box)
        left, top, right, bottom = box
        assert not (np.abs(plain - OUTLINE) < 40).all(-1)[top:bottom, left:right].any()
        assert np.linalg.norm(bright - place) < 4, plane
        assert np.linalg.norm(mark - bright) < 4, plane
        # the patient's left and front
        to_right, up = np.sign(bright - (box[:2] + box[2:]) / 2) * (1, -1)
        assert (to_right, up) == ((-1 if plane == SAGITTAL else 1), 1), plane


def test_possible_lesions_are_listed_apart_and_can_be_gone_to(browser, tmp_path):
    browser.open(write_page(tmp_path / "report.html", "LAS"))
    click_row(browser, 1)
    name_scans(browser)
    assert np.linalg.norm(here(browser) - POSSIBLE) < 3
    entries = browser.value("[...document.querySelectorAll('#viewer li')].map(row => row.textContent)")
    assert [entry[:13] for entry in entries] == ["1undetermined", "Possible lesi", "1undetermined"]
    browser.press("ArrowUp")
    assert np.linalg.norm(here(browser) - LESION) < 3
    assert "Research use only" in browser.value("document.getElementById('viewer').innerText")


def received(server: socket.socket) -> bytes:
    """What was sent to a server within a second. A browser may connect beforehand, and then say nothing."""
    said = b""
    with contextlib.suppress(TimeoutError):
        while True:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(1)
                with contextlib.suppress(TimeoutError):
                    said += connection.recv(1000)
    return said


def test_no_request_leaves_the_page(browser, tmp_path):
    path = write_page(tmp_path / "report.html", "LAS")
    browser.open(path)
    click_row(browser, 0)
    assert browser.requests == [path.as_uri()]
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(1)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        browser.value(
            f"""(async () => {{
              const make = (tag, what) => document.body.appendChild(Object.assign(document.createElement(tag), what));
              await fetch("{address}").catch(() => 0);
              for (const tag of ["img", "script", "iframe", "video"]) make(tag, {{ src: "{address}" + tag }});
              make("link", {{ rel: "stylesheet", href: "{address}" }});
              navigator.sendBeacon("{address}", "voxels");
              try {{ new WebSocket("{address}".replace("http", "ws")) }} catch {{}}
              make("form", {{ action: "{address}" }}).submit();
            }})()"""
        )
        assert received(server) == b""


def test_the_scans_of_two_visits_are_scrolled_together(browser, tmp_path, models_folder, monkeypatch):
    use_stand_ins(models_folder, tmp_path / "models", monkeypatch)
    heads = {"baseline": scan("baseline"), "followup": scan("followup", NEW_AT)}
    files = {name: head.save(tmp_path / name) for name, head in heads.items()}
    settings = {"model": "tiny-new", "flair_model": "tiny", "device": "cpu"}
    result = segment(SegmentRequest("new", files, tmp_path / "out", **settings), Silent())
    browser.open(result.files["report"])
    assert "new" in browser.value("document.querySelector('tr[data-lesion]').innerText")
    click_row(browser, 0)
    name_scans(browser)
    before, after = (grey_under_crosshair(browser, number) for number in (0, 1))
    assert after == 255
    assert before < 200
    assert np.linalg.norm(here(browser, 1) - NEW_AT[:3]) < 4
    at_first = here(browser, 0)
    _, place = tiles(browser, NEW_AT[:3])[AXIAL]
    browser.mouse("mouseWheel", *place, deltaX=0, deltaY=100)
    assert here(browser, 0)[2] > at_first[2]
    assert here(browser, 0) == pytest.approx(here(browser, 1), abs=0.01)


def test_the_page_is_printed_as_without_the_viewer(browser, tmp_path):
    def papers(path: Path, *, open_it: bool) -> int:
        browser.open(path)
        if open_it:
            click_row(browser, 0)
        return len(re.findall(rb"/Type\s*/Page\b", browser.print()))

    plain = papers(write_page(tmp_path / "plain.html", "LAS", viewer=False), open_it=False)
    path = write_page(tmp_path / "report.html", "LAS")
    assert plain > 1
    assert papers(path, open_it=False) == papers(path, open_it=True) == plain


def test_a_large_and_noisy_scan_makes_a_page_of_at_most_8_megabytes(tmp_path):
    shape = (190, 230, 190)
    affine = centred((1, 1, 1), np.eye(3), shape)
    x, y, z = (axis - n / 2 for axis, n in zip(np.ogrid[:190, :230, :190], shape, strict=True))
    brain = ((x / 72) ** 2 + (y / 90) ** 2 + (z / 66) ** 2 < 1).astype(np.uint8)
    noise = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)  # nothing is harder to pack
    image, none = nib.Nifti1Image(noise, affine), np.zeros(shape, np.int32)
    path = tmp_path / "report.html"
    write_report(path, make_manifest([]), image, brain, none, [], {"t1": image}, possible_labels=none)
    assert path.stat().st_size < 8_000_000


def test_skull_and_scalp_are_shown_and_what_lies_before_them_is_not():
    shape = (60, 70, 60)
    affine = centred((3, 3, 3), np.eye(3), shape)
    points = nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    brain = np.linalg.norm(points, axis=-1) < 50
    bright = nib.Nifti1Image((200 + brain * points[..., 0]).astype(np.float32), affine)
    (shown,) = view([ViewedScan("FLAIR", bright, brain * 0)], [], brain, affine)["content"]["scans"]
    inlined = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(shown["voxels"])))
    assert inlined.get_data_dtype() == np.uint8
    assert inlined.header.get_zooms() == (1, 1, 1)
    places = nib.affines.apply_affine(inlined.affine, np.moveaxis(np.indices(inlined.shape), 0, -1))
    depth = np.linalg.norm(places, axis=-1) - 50
    voxels = np.asarray(inlined.dataobj)
    assert (voxels[depth < 10] > 0).all()
    assert (voxels[depth > 20] == 0).all()


@pytest.mark.parametrize("viewer", [True, False])
def test_a_page_holds_the_viewer_unless_it_is_left_out(viewer, head, models_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(models_folder))
    files = {"flair": head.save(tmp_path)}
    request = SegmentRequest("flair", files, tmp_path / "out", model="tiny", device="cpu", viewer=viewer)
    text = segment(request, Silent()).files["report"].read_text(encoding="utf-8")
    assert ("<script" in text) == viewer
    assert ('id="viewer"' in text) == viewer
