"""A T1 pair in; enhancing lesions on the grid of the scan after gadolinium out."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.lesions.flair_confirmation import CHECK_VESSEL
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import SegmentationResult, segment
from MSLesionSegLib.segmentation.session import Session, correct_bias
from MSLesionSegLib.segmentation.stages import segmentation_stages
from MSLesionSegLib.tasks import get_task
from phantoms.phantom import centred
from support.recorder import Recorder

SHAPE = (60, 70, 56)
TURN = nib.eulerangles.euler2mat(0.05, -0.04, 0.06)
FOCI = ((18, 8, 4), (-19, -9, 8), (16, -22, -6))


@dataclass(frozen=True)
class Pair:
    """Files of a session whose scan before gadolinium lies askew to the one after it."""

    pre: Path
    post: Path
    flair: Path
    affine: np.ndarray

    @property
    def scans(self) -> dict[str, Path]:
        return {"pre": self.pre, "post": self.post}


def session(affine: np.ndarray, shape: tuple[int, int, int], shift: np.ndarray) -> dict[str, np.ndarray]:
    """A brain-extracted head at 2 mm: grey and white matter, ventricles, vessels and three enhancing foci."""
    rng = np.random.default_rng(0)
    points = nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1)) + shift
    x, y, z = np.moveaxis(points, -1, 0)
    depth = 1 - np.sqrt((x / 42) ** 2 + (y / 51.3) ** 2 + (z / 41.5) ** 2)
    brain = depth > 0
    # gyri make the pose visible from all sides
    grey = depth < 0.14 + 0.06 * np.sin(x / 5) * np.sin(y / 6 + 1) * np.sin(z / 4)
    ventricles = np.minimum(*(((x - s * 8) / 5) ** 2 + (y / 20) ** 2 + (z / 9) ** 2 for s in (-1, 1))) < 1
    tissue = gaussian_filter(np.where(ventricles, 30.0, np.where(grey, 80.0, 110.0)), 0.7)
    foci = np.zeros(shape, bool)
    for cx, cy, cz in FOCI:
        foci |= (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 < 4.5**2
    vessels = (depth < 0.1) & (np.hypot(x, z - 30) < 6)
    noise = rng.normal(0, 2, shape)
    return {
        "pre": np.where(brain, tissue + noise, 0),
        "post": np.where(brain, tissue + 90 * foci + 150 * vessels + rng.normal(0, 2, shape), 0),
        "flair": np.where(
            brain, np.where(ventricles, 30, np.where(grey, 120, 100)) + 90 * foci * (x > 0) + noise, 0
        ),
    }


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Pair:
    folder = tmp_path_factory.mktemp("session")
    straight, askew = (centred((2, 2, 2), turn, SHAPE) for turn in (np.diag([-1, 1, 1]), TURN))
    shift = np.array([1.5, -2.0, 1.0])  # the patient moved between the two scans
    values = {
        "post": (session(straight, SHAPE, 0 * shift), straight),
        "flair": (session(straight, SHAPE, 0 * shift), straight),
        "pre": (session(askew, SHAPE, shift), askew),
    }
    for name, (volumes, affine) in values.items():
        nib.save(nib.Nifti1Image(volumes[name].astype(np.float32), affine), folder / f"sub-01_{name}.nii.gz")
    return Pair(*(folder / f"sub-01_{name}.nii.gz" for name in ("pre", "post", "flair")), straight)


@pytest.fixture(scope="module")
def bright(tmp_path_factory) -> Path:
    """A model that calls lesion what is bright after gadolinium and was not before."""
    import torch

    from MSLesionSegLib.network.architectures import Architecture, build
    from MSLesionSegLib.network.models.card import ModelCard
    from MSLesionSegLib.network.models.store import save_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(Architecture(levels=3, feature_maps=4, in_channels=2)).eval()
    card = ModelCard(
        "bright",
        "enhancing",
        Architecture(levels=3, feature_maps=4, in_channels=2),
        ("pre", "post"),
        spacing_mm=2.0,
    )
    return save_model(tmp_path_factory.mktemp("models"), network, card)


@pytest.fixture
def threshold_model(monkeypatch):
    """Put a threshold of the difference in the network's place: what is asked here is all around the network."""
    from MSLesionSegLib.network import sliding_window as inference

    def predict(model, channels, brain, **_):
        pre, post = channels
        return inference.Prediction(np.where(brain, np.clip((post - pre) / 8, 0, 1), 0).astype(np.float32))

    monkeypatch.setattr(inference, "predict", predict)


def run(scans, out: Path, model: Path, progress=None, **settings) -> SegmentationResult:
    request = SegmentRequest("enhancing", scans, out, model=str(model), device="cpu", **settings)
    return segment(request, progress or Silent())


def array(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def found(result: SegmentationResult, place: tuple[int, int, int]):
    """The lesion that is nearest to a place, if it is within 4 mm."""
    near = [v for v in result.lesions if np.linalg.norm(np.subtract(v.centre_ras, place)) < 4]
    return near[0] if near else None


def test_foci_are_found_at_their_places_on_the_grid_of_the_scan_after_gadolinium(
    pair, bright, threshold_model, tmp_path
):
    result = run(pair.scans, tmp_path / "out", bright)
    mask = nib.load(result.files["mask"])
    assert mask.shape == SHAPE
    assert np.abs(mask.affine - pair.affine).max() < 1e-4
    assert all(found(result, place) for place in FOCI)
    manifest = json.loads(result.files["manifest"].read_text(encoding="utf-8"))
    assert manifest["task"] == "enhancing"
    assert manifest["inputs"]["pre"]["title"] == "T1 before gadolinium"
    page = result.files["report"].read_text(encoding="utf-8")
    assert "Enhancing lesions</h1>" in page
    assert "T1 after gadolinium" in page
    assert page.count("<figcaption>No. ") == min(6, len(result.lesions))
    assert page.count('alt="lesion 1"') == 2  # before and after, side by side


def test_the_subtraction_is_bright_where_a_focus_enhances_and_empty_where_nothing_changes(
    pair, bright, threshold_model, tmp_path
):
    result = run(pair.scans, tmp_path / "out", bright)
    image = nib.load(result.files["subtraction"])
    assert image.shape == SHAPE and np.abs(image.affine - pair.affine).max() < 1e-4
    change, brain = array(result.files["subtraction"]), array(result.files["brain"]) > 0
    for place in FOCI:
        voxel = tuple(np.round(nib.affines.apply_affine(np.linalg.inv(image.affine), place)).astype(int))
        assert change[voxel] > 2.0
    assert abs(np.median(change[brain])) < 0.3 and not change[~brain].any()


def test_without_alignment_the_edges_of_the_brain_would_be_called_lesions(
    pair, bright, threshold_model, tmp_path
):
    """The patient moved by 2.7 mm: only where the scan before is brought onto the one after do edges vanish."""
    result = run(pair.scans, tmp_path / "out", bright, minimum_mm3=60.0)
    others = [v for v in result.lesions if np.hypot(v.centre_ras[0], v.centre_ras[2] - 30) > 8]
    assert len(others) == len(FOCI)


def test_a_focus_without_flair_signal_is_kept_and_marked(pair, bright, threshold_model, tmp_path):
    result = run({**pair.scans, "flair": pair.flair}, tmp_path / "out", bright)
    right, left, other = (found(result, place) for place in FOCI)
    assert (right.remark, left.remark, other.remark) == ("", CHECK_VESSEL, "")
    with result.files["table"].open(encoding="utf-8") as stream:
        rows = {int(row["id"]): row["remark"] for row in csv.DictReader(stream)}
    assert rows[left.id] == CHECK_VESSEL
    page = result.files["report"].read_text(encoding="utf-8")
    assert CHECK_VESSEL in page
    assert "to be checked" in page


def test_swapped_scans_are_refused_with_the_way_out(pair, bright, tmp_path):
    with pytest.raises(ImageError, match=r"swapped.*Exchange them"):
        run({"pre": pair.post, "post": pair.pre}, tmp_path / "out", bright)
    assert not (tmp_path / "out").exists()


def test_one_scan_given_twice_is_refused_also_under_another_name_and_compression(pair, bright, tmp_path):
    again = tmp_path / "again.nii"
    nib.save(nib.load(pair.post), again)
    for other in (pair.post, again):
        with pytest.raises(ImageError, match="are the same scan"):
            run({"pre": other, "post": pair.post}, tmp_path / "out", bright)


def test_scans_at_different_places_in_the_scanner_are_refused(pair, bright, tmp_path):
    image = nib.load(pair.pre)
    affine = image.affine.copy()
    affine[2, 3] += 400
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), tmp_path / "leg.nii.gz")
    with pytest.raises(ImageError, match="do not overlap"):
        run({"pre": tmp_path / "leg.nii.gz", "post": pair.post}, tmp_path / "out", bright)


def test_two_scans_without_contrast_agent_get_a_warning(pair, bright, tmp_path):
    image = nib.load(pair.pre)
    data = np.asarray(image.dataobj)
    data = np.where(data != 0, data + np.random.default_rng(5).normal(0, 2, data.shape), 0)
    nib.save(nib.Nifti1Image(data.astype(np.float32), image.affine), tmp_path / "second.nii.gz")
    result = run({"pre": pair.pre, "post": tmp_path / "second.nii.gz"}, tmp_path / "out", bright)
    assert "no-enhancement" in {finding.code for finding in result.findings}


def test_both_scans_are_asked_for(pair, bright, tmp_path):
    with pytest.raises(SettingsError, match=r"T1 before gadolinium\. Give it with --pre"):
        run({"post": pair.post}, tmp_path / "out", bright)


def test_one_bias_field_is_taken_out_of_both_scans_and_not_of_the_flair(tmp_path):
    """A field of each scan's own would change how bright one is relative to the other."""
    affine = centred((2, 2, 2), np.eye(3), SHAPE)
    volumes = session(affine, SHAPE, np.zeros(3))
    field = np.exp(0.4 * np.linspace(-1, 1, SHAPE[1]))[:, None]
    images = {
        name: nib.Nifti1Image((data * field).astype(np.float32), affine) for name, data in volumes.items()
    }
    inside = volumes["pre"] > 0
    brain = nib.Nifti1Image(inside.astype(np.uint8), affine)
    flat = correct_bias(Session(images, brain), get_task("enhancing"))
    before, after = (np.asarray(flat[name].dataobj)[inside] for name in ("pre", "post"))
    np.testing.assert_allclose(after / before, volumes["post"][inside] / volumes["pre"][inside], rtol=1e-3)
    left = before / volumes["pre"][inside]
    assert left.std() / left.mean() < 0.3 * field.std() / field.mean()
    assert flat["flair"] is images["flair"]


def test_progress_goes_through_the_stages_that_were_announced(pair, bright, tmp_path):
    recorder = Recorder()
    run({**pair.scans, "flair": pair.flair}, tmp_path / "out", bright, recorder)
    told = list(dict.fromkeys(recorder.stages))
    assert told == list(segmentation_stages(brain_given=False, n4=False, mirroring=False, scans=3))
