"""Headers that keep to no rule, and what of them is seen on the terminal."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pydicom

from MSLesionSegLib.segmentation.dicom_source import SOURCE
from support.dicom_tools import errors_in


def test_unusual_headers_are_written_and_nobody_is_named_on_the_terminal(result, tmp_path):
    """A name without parts, a sex and a time that the standard does not know, Japanese letters."""
    scan = shutil.copytree(result.folder.with_name("scan"), tmp_path / "scan")
    with pydicom.config.disable_value_validation():
        for file in scan.iterdir():
            item = pydicom.dcmread(file)
            item.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
            item.PatientName, item.PatientSex, item.StudyTime = "Yamada=山田", "U", "10:15:00"
            item.save_as(file)
    plain = shutil.copytree(result.folder, tmp_path / "out")
    (plain / SOURCE).unlink()  # as of a file that was converted from the series
    command = [sys.executable, "-m", "MSLesionSegLib", "dicom", "export", plain, "--source", f"flair={scan}"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Yamada" not in done.stdout + done.stderr and "山田" not in done.stdout + done.stderr
    made = pydicom.dcmread(plain / "dicom" / "segmentation.dcm")
    assert str(made.PatientName) == "Yamada=山田" and not made.PatientSex and not made.StudyTime
    assert errors_in(plain / "dicom" / "segmentation.dcm") == []
