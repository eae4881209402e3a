"""``result.json``: what was done, and nobody's name."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.imaging.checks import scan_checks
from MSLesionSegLib.imaging.checks.missing_values import fill_missing
from MSLesionSegLib.imaging.checks.position import check_position_codes
from MSLesionSegLib.imaging.reading import InputWarning, Scan
from MSLesionSegLib.segmentation.manifest import make_manifest
from MSLesionSegLib.segmentation.result_folder import write_manifest

GRID = np.diag([1.0, 1.0, 5.0, 1.0])
IMAGE = nib.Nifti1Image(np.zeros((120, 120, 30), np.float32), GRID)


def thick(name: str) -> list[InputWarning]:
    return scan_checks.check_field_of_view(name, IMAGE.shape, GRID)


def manifest_of(*remarks: InputWarning, task: str = "flair", **scans: Scan) -> dict:
    empty = {"models": {}, "settings": {}, "counts": {}, "files": {}}
    return make_manifest(task=task, scans=scans, remarks=remarks, **empty)


def sentences(manifest: dict) -> list[str]:
    return [finding["sentence"] for finding in manifest["findings"]]


@pytest.mark.parametrize("name", ["1", "5", "mm", "the", "DOE^JOHN", "slices of 5.0 mm"])
def test_a_finding_is_about_the_input_and_else_unchanged_whatever_the_file_is_called(name):
    told = sentences(manifest_of(flair=Scan(IMAGE, Path("/data") / name, "00", tuple(thick(name)))))
    assert told == [finding.sentence for finding in thick("The FLAIR")]


def test_the_working_folder_as_input_is_not_named(tmp_path, monkeypatch):
    folder = tmp_path / "DOE^JOHN"
    folder.mkdir()
    monkeypatch.chdir(folder)
    scan = Scan(IMAGE, Path("."), "00", tuple(thick("DOE^JOHN")))
    manifest = manifest_of(flair=scan)
    assert sentences(manifest) == [finding.sentence for finding in thick("The FLAIR")]
    assert "DOE" not in json.dumps(manifest)


def test_neither_the_name_of_a_link_nor_of_its_target_is_told(tmp_path):
    (tmp_path / "DOE.nii").touch()
    (tmp_path / "JOHN.nii").symlink_to(tmp_path / "DOE.nii")
    findings = (*thick("DOE.nii"), *thick("JOHN.nii"))
    told = sentences(manifest_of(flair=Scan(IMAGE, tmp_path / "JOHN.nii", "00", findings)))
    assert told == [finding.sentence for finding in thick("The FLAIR")] * 2


def test_two_inputs_of_the_same_name_are_told_apart():
    scans = {
        name: Scan(IMAGE, Path(f"/{name}/FLAIR.nii"), "00", tuple(thick("FLAIR.nii")))
        for name in ("pre", "post")
    }
    told = sentences(manifest_of(InputWarning("x", "FLAIR.nii is a word."), task="enhancing", **scans))
    assert [sentence.split(" has")[0] for sentence in told] == [
        "The T1 before gadolinium",
        "The T1 after gadolinium",
        "FLAIR.nii is a word.",
    ]


def test_every_finding_of_the_reader_begins_with_the_name_and_holds_it_nowhere_else(monkeypatch):
    """The manifest relies on it."""
    monkeypatch.setattr("MSLesionSegLib.imaging.checks.sequence_guess.guess_sequence", lambda image: "T1w")
    name = "DOE^JOHN"
    rng = np.random.default_rng(0)
    clipped = np.minimum(rng.normal(100, 20, 10000), 110).astype(np.float32)
    holes = rng.normal(100, 20, (20, 20, 20))
    holes[3, 4, 5] = np.nan
    masked = holes.copy()
    masked[:3] = np.nan
    header = nib.Nifti1Header()
    header.set_data_shape((80, 80, 30))
    header["pixdim"][1:4] = 1, 1, 5
    nowhere = header.copy()
    nowhere["qform_code"] = 0
    header.set_sform(GRID, 1)
    header.set_qform(np.diag([-1.0, 1, 5, 1]), 1)
    header.set_xyzt_units("meter")
    findings = [
        *thick(name),
        *scan_checks.check_field_of_view(name, (80, 80, 80), np.diag([1.0, 1, 0.9, 1])),
        *scan_checks.check_field_of_view(name, (2000, 500, 500), np.diag([0.1, 0.4, 0.4, 1])),
        *scan_checks.check_units(name, header, GRID),
        *check_position_codes(name, header),
        *check_position_codes(name, nowhere),
        *scan_checks.check_scaling(name, np.nan, 0.0),
        *scan_checks.check_stored_values(name, clipped),
        *fill_missing(name, holes)[1],
        *fill_missing(name, masked)[1],
        *scan_checks.check_sequence(name, IMAGE, "FLAIR"),
    ]
    assert len({finding.code for finding in findings}) == 11
    for finding in findings:
        assert finding.sentence.startswith(f"{name} ")
        assert finding.sentence.count(name) == 1


def test_the_manifest_is_plain_json(tmp_path):
    path = write_manifest({"program": "mslesionseg", "counts": {"lesions": 3}}, tmp_path)
    assert json.loads(path.read_text())["counts"]["lesions"] == 3
