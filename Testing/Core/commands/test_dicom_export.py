"""``--dicom`` and ``mslesionseg dicom export``: from the command line into the study of the scan."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from MSLesionSegLib.cli import app
from phantoms.mr_series import write_series
from phantoms.phantom import Head


def called(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_result_is_written_as_dicom_with_it_and_replaced_with_it(head: Head, models, tmp_path):
    scan = write_series(tmp_path / "scan", head.flair)
    find = ("segment", "flair", "--flair", scan, "-o", tmp_path / "out", "--model", "tiny", "--dicom")
    done = called(*find)
    assert done.exit_code == 0, done.output
    objects = {"segmentation.dcm", "report_sr.dcm", "report_pdf.dcm", "report.pdf"}
    assert written(tmp_path / "out" / "dicom") == objects

    again = called(*find, "--overwrite", "--events")
    assert again.exit_code == 0, again.output
    *_, last = again.stdout.splitlines()
    assert json.loads(last)["dicom"] == str(tmp_path / "out" / "dicom")

    (tmp_path / "out" / "dicom" / "notes.txt").touch()
    assert called(*find, "--overwrite").exit_code == 1, "what a person put there is never lost"
    exported = called("dicom", "export", tmp_path / "out", "--probability")
    assert "holds other files (notes.txt)" in exported.output
    (tmp_path / "out" / "dicom" / "notes.txt").unlink()
    assert called("dicom", "export", tmp_path / "out", "--probability").exit_code == 0
    assert written(tmp_path / "out" / "dicom") == objects | {"probability.dcm"}


def test_a_scan_in_a_file_is_refused_before_any_work(head: Head, models, tmp_path):
    scan = head.save(tmp_path)
    done = called("segment", "flair", "--flair", scan, "-o", tmp_path / "out", "--model", "tiny", "--dicom")
    assert done.exit_code == 1
    assert "has to be a DICOM series" in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()


def test_what_is_no_result_is_told(tmp_path):
    done = called("dicom", "export", tmp_path)
    assert done.exit_code == 1
    assert "is no result of this program" in " ".join(done.output.split())


def test_a_source_without_its_scan_is_told(tmp_path):
    done = called("dicom", "export", tmp_path, "--source", "somewhere")
    assert done.exit_code == 1
    assert "NAME=FOLDER" in done.output


@pytest.mark.parametrize("package", ["highdicom", "reportlab"])
def test_what_to_install_is_told_where_a_package_is_missing(package, head: Head, models, tmp_path):
    scan = write_series(tmp_path / "scan", head.flair)
    hidden = f"import sys; sys.modules['{package}'] = None; from MSLesionSegLib.cli import main; main()"
    find = ("segment", "flair", "--flair", scan, "-o", tmp_path / "out", "--model", "tiny", "--dicom")
    done = subprocess.run([sys.executable, "-c", hidden, *map(str, find)], capture_output=True, text=True)
    told = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, told
    assert f"needs the package {package}" in told and "pip install mslesionseg[dicom]" in told
