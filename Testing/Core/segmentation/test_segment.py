"""A scan in; mask, table, page and manifest out, on the grid of the scan."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.errors import Cancelled, ImageError, ModelError, OutputError, SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.models.store import read_card, write_card
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import SegmentationResult, segment
from phantoms.phantom import PATIENT_NAME, Head, centred, make_head
from support.recorder import Recorder

TILT = nib.eulerangles.euler2mat(0.25, -0.15, 0.1)
GRIDS = {
    "RAS": ((3.0, 3.0, 3.0), np.diag([1, 1, 1]), (40, 46, 38)),
    "LAS": ((3.0, 3.0, 3.0), np.diag([-1, 1, 1]), (40, 46, 38)),
    "LPS": ((3.0, 3.0, 3.0), np.diag([-1, -1, 1]), (40, 46, 38)),
    "PSR": ((3.0, 3.0, 3.0), np.array([[0, 0, 1], [-1, 0, 0], [0, 1, 0]]), (46, 38, 40)),
    "oblique": ((3.0, 3.0, 3.0), TILT, (44, 48, 42)),
    "thick slices": ((1.5, 1.5, 6.0), TILT @ np.diag([-1, -1, 1]), (88, 96, 21)),
}


def run(scan: Path, out: Path, progress=None, **settings) -> SegmentationResult:
    request = SegmentRequest("flair", {"flair": scan}, out, model="tiny", device="cpu", **settings)
    return segment(request, progress or Silent())


def array(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


@pytest.fixture(scope="module")
def result(tmp_path_factory, head: Head, models_folder) -> SegmentationResult:
    """One run with all defaults, looked at by several tests."""
    folder = tmp_path_factory.mktemp("patient")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSLESIONSEG_MODELS", str(models_folder))
        return run(head.save(folder), folder / "out")


@pytest.mark.parametrize("grid", GRIDS)
def test_images_come_back_on_the_grid_of_the_scan(grid, tmp_path, models):
    spacing, rotation, shape = GRIDS[grid]
    affine = centred(spacing, rotation, shape)
    head = make_head(affine, shape)
    result = run(head.save(tmp_path, "scan.nii.gz"), tmp_path / "out")
    for role in ("mask", "probability", "lesions", "brain"):
        image = nib.load(result.files[role])
        assert image.shape == shape
        assert np.abs(image.affine - affine).max() < 1e-4
        assert np.abs(image.get_qform() - affine).max() < 1e-3
    brain = np.asarray(head.brain.dataobj) > 0
    found = array(result.files["brain"]) > 0
    assert 2 * (brain & found).sum() / (brain.sum() + found.sum()) > 0.98
    assert array(result.files["mask"]).any()
    assert array(result.files["probability"])[~found].max() == 0


def test_the_same_patient_on_two_grids_gets_lesions_at_the_same_places(tmp_path, models):
    """A left-right mix-up or a shift in either direction would put them somewhere else."""
    places = []
    for grid in ("RAS", "LPS"):
        spacing, rotation, shape = GRIDS[grid]
        # the phantom's noise follows the voxels, so both grids must hold the same values
        ras = make_head(centred((3, 3, 3), np.eye(3), shape), shape)
        turned = nib.as_closest_canonical(ras.flair).as_reoriented(
            nib.orientations.ornt_transform(
                nib.io_orientation(ras.flair.affine),
                nib.io_orientation(centred(spacing, rotation, shape)),
            )
        )
        scan = Head(turned, ras.lesions, ras.brain).save(tmp_path, f"{grid}.nii.gz")
        result = run(scan, tmp_path / grid)
        places.append([(lesion.volume_mm3, *lesion.centre_ras) for lesion in result.lesions])
    assert places[0]
    assert len(places[0]) == len(places[1])
    biggest = [np.array(max(p)[1:]) for p in places]
    assert np.linalg.norm(biggest[0] - biggest[1]) < 4.0


def test_types_and_ranges_of_the_images(result):
    assert nib.load(result.files["mask"]).get_data_dtype() == np.uint8
    assert set(np.unique(array(result.files["mask"]))) == {0, 1}
    probability = array(result.files["probability"])
    assert probability.dtype == np.float32
    assert 0.0 <= probability.min() <= probability.max() <= 1.0


def test_labels_mask_and_table_tell_the_same_lesions(result):
    labels = array(result.files["lesions"])
    ids = [int(i) for i in np.unique(labels) if i]
    assert ids == sorted(lesion.id for lesion in result.lesions)
    assert len(ids) == result.counts["lesions"]
    np.testing.assert_array_equal(labels > 0, array(result.files["mask"]) > 0)
    rows = result.files["table"].read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + len(ids)
    for lesion in result.lesions:
        assert lesion.volume_mm3 == pytest.approx(27.0 * (labels == lesion.id).sum(), rel=1e-4)
        assert lesion.volume_mm3 >= 100.0


def test_the_manifest_tells_what_was_done(result):
    manifest = json.loads(result.files["manifest"].read_text(encoding="utf-8"))
    assert manifest["program"] == "mslesionseg"
    assert manifest["task"] == "flair"
    assert len(manifest["inputs"]["flair"]["sha256"]) == 64
    assert manifest["inputs"]["flair"]["shape"] == [40, 46, 38]
    assert manifest["model"]["name"] == "tiny"
    assert len(manifest["model"]["weights_sha256"]) == 64
    assert manifest["settings"] == {
        "threshold": 0.5,
        "minimum_mm3": 100.0,
        "minimum_peak": 0.0,
        "connectivity": 26,
        "device": "cpu",
        "brain_mask": "found automatically",
        "n4": False,
        "flips": False,
    }
    assert manifest["counts"]["lesions"] == len(result.lesions)
    assert sum(r["lesions"] for r in manifest["counts"]["by_region"].values()) == len(result.lesions)
    assert {"torch", "numpy", "mslesionseg"} <= set(manifest["versions"])
    assert manifest["timings_s"]["total"] > 0
    for name in manifest["files"].values():
        assert (result.folder / name).is_file()
    assert sorted(p.name for p in result.folder.iterdir()) == sorted(manifest["files"].values())


def test_the_findings_of_a_scan_are_told_without_its_name(tmp_path, models):
    spacing, rotation, shape = GRIDS["thick slices"]
    scan = make_head(centred(spacing, rotation, shape), shape).save(tmp_path, "6.nii.gz")
    result = run(scan, tmp_path / "out")
    assert result.findings[0].sentence.startswith("6.nii.gz has slices ")
    manifest = json.loads(result.files["manifest"].read_text(encoding="utf-8"))
    assert manifest["findings"][0]["sentence"].startswith(
        "The FLAIR has slices of 6.0 mm (1.50 x 1.50 x 6.00"
    )
    assert "6.nii.gz" not in result.files["report"].read_text(encoding="utf-8")


def test_no_text_of_the_header_and_no_path_reaches_the_outputs(result):
    import gzip

    for path in result.files.values():
        content = path.read_bytes()
        if path.name.endswith(".gz"):
            content = gzip.decompress(content)
        assert PATIENT_NAME.encode() not in content
        assert str(result.folder).encode() not in content


def test_the_same_input_gives_the_same_output(result, head, tmp_path, models):
    again = run(head.save(tmp_path), tmp_path / "out")
    for role in ("mask", "probability", "lesions", "brain", "table"):
        assert again.files[role].read_bytes() == result.files[role].read_bytes(), role


def test_settings_change_the_mask_and_stand_in_the_manifest(result, head, tmp_path, models):
    brain = tmp_path / "brain.nii.gz"
    nib.save(head.brain, brain)
    other = run(
        head.save(tmp_path),
        tmp_path / "out",
        threshold=0.8,
        minimum_mm3=150.0,
        brain_mask=brain,
        mirroring=True,
        n4=True,
    )
    assert array(other.files["mask"]).sum() < array(result.files["mask"]).sum()
    assert all(lesion.volume_mm3 >= 150.0 for lesion in other.lesions)
    assert (other.settings["threshold"], other.settings["brain_mask"]) == (0.8, "given")
    uncertainty = array(other.files["uncertainty"])
    assert uncertainty.max() > 0.0
    assert 0.0 <= uncertainty.min() <= uncertainty.max() <= 0.5 + 1e-6


def test_what_is_not_asked_for_comes_from_the_model_card(head, tmp_path, models, monkeypatch):
    mine = shutil.copytree(models / "tiny", tmp_path / "tiny")
    write_card(mine, replace(read_card(mine), threshold=0.7, minimum_peak=0.9, mirroring=True))
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path))
    result = run(head.save(tmp_path), tmp_path / "out")
    assert (result.settings["threshold"], result.settings["minimum_peak"]) == (0.7, 0.9)
    assert result.settings["flips"] and result.files["uncertainty"].is_file()
    assert all(lesion.peak_probability >= 0.9 for lesion in result.lesions)


def test_a_scan_without_findings_above_the_threshold_gives_an_empty_but_complete_result(
    head, tmp_path, models
):
    result = run(head.save(tmp_path), tmp_path / "out", threshold=0.9999)
    assert result.lesions == ()
    assert not array(result.files["mask"]).any()
    assert result.files["report"].is_file()
    assert result.counts["volume_mm3"] == 0


def test_progress_goes_through_the_stages_that_were_announced(head, tmp_path, models):
    from MSLesionSegLib.segmentation.stages import segmentation_stages

    recorder = Recorder()
    run(head.save(tmp_path), tmp_path / "out", recorder)
    told = list(dict.fromkeys(recorder.stages))
    assert told == list(segmentation_stages(brain_given=False, n4=False, mirroring=False))


def test_an_existing_result_is_refused_before_the_scan_is_read(result, tmp_path, models):
    with pytest.raises(OutputError, match="--overwrite"):
        run(tmp_path / "no such scan.nii.gz", result.folder)


def test_an_input_is_never_replaced_by_its_result(head, tmp_path, models, monkeypatch):
    scan = head.save(tmp_path)
    out = run(scan, tmp_path / "out").folder
    brain = out / "sub-01_desc-brain_mask.nii.gz"
    with pytest.raises(OutputError, match="desc-brain_mask"):
        run(scan, out, brain_mask=brain, overwrite=True)
    shutil.copytree(models / "tiny", out / "mine")
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(out))
    with pytest.raises(OutputError, match=r"input .*mine lies in"):
        segment(SegmentRequest("flair", {"flair": scan}, out, model="mine", overwrite=True), Silent())
    assert brain.is_file()


def test_cancelling_at_any_stage_leaves_nothing(head, tmp_path, models):
    class CancelAt(Silent):
        def __init__(self, name: str) -> None:
            self.name = name

        def stage(self, name: str, fraction: float = 0.0) -> None:
            if name == self.name and (fraction > 0.4 or name != "write results"):
                raise Cancelled

    scan = head.save(tmp_path / "in")
    for stage in ("find lesions", "write results"):
        with pytest.raises(Cancelled):
            run(scan, tmp_path / "out", CancelAt(stage))
        assert [p.name for p in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"threshold": 1.5}, SettingsError, "between 0 and 1"),
        ({"minimum_peak": 1.5}, SettingsError, "between 0 and 1"),
        ({"minimum_mm3": -1.0}, SettingsError, "0 mm3 or more"),
        ({"minimum_mm3": float("nan")}, SettingsError, "0 mm3 or more"),
    ],
)
def test_settings_out_of_range_are_refused(settings, error, words, tmp_path, models):
    with pytest.raises(error, match=words):
        run(tmp_path / "scan.nii.gz", tmp_path / "out", **settings)


def test_unknown_tasks_models_devices_and_missing_inputs_are_told(head, tmp_path, models):
    scan = head.save(tmp_path)
    inputs = {"flair": scan}
    with pytest.raises(SettingsError, match="no task 'cord'"):
        segment(SegmentRequest("cord", inputs, tmp_path / "out"), Silent())
    with pytest.raises(SettingsError, match="needs a FLAIR"):
        segment(SegmentRequest("flair", {}, tmp_path / "out"), Silent())
    with pytest.raises(SettingsError, match="compares no scans"):
        segment(SegmentRequest("flair", inputs, tmp_path / "out", flair_model="tiny"), Silent())
    with pytest.raises(SettingsError, match="without a brain mask"):
        pair = {"baseline": tmp_path / "a.nii", "followup": tmp_path / "b.nii"}
        segment(SegmentRequest("new", pair, tmp_path / "out", brain_mask=tmp_path / "m.nii"), Silent())
    with pytest.raises(SettingsError, match="auto, cpu or cuda"):
        segment(SegmentRequest("flair", inputs, tmp_path / "out", device="abacus"), Silent())
    with pytest.raises(ModelError, match="nobody"):
        segment(SegmentRequest("flair", inputs, tmp_path / "out", model="nobody", device="cpu"), Silent())
    assert not (tmp_path / "out").exists()


def test_an_empty_brain_mask_is_refused(head, tmp_path, models):
    empty = nib.Nifti1Image(np.zeros(head.flair.shape, np.uint8), head.flair.affine)
    nib.save(empty, tmp_path / "empty.nii.gz")
    with pytest.raises(ImageError, match="empty"):
        run(head.save(tmp_path), tmp_path / "out", brain_mask=tmp_path / "empty.nii.gz")
