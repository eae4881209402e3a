"""Synthetic studies, and the ways to an archive."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import RLELossless

from phantoms.dicom_files import write_dicom, write_frames
from support.orthanc import PASSWORD, USER, Orthanc, private_file


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Path:
    """A study of two series, one of them in a single compressed file."""
    folder = tmp_path_factory.mktemp("study")
    data = np.random.default_rng(0).integers(0, 1000, (32, 36, 5), np.int16)

    def edit(item, index=0):
        item.PatientID, item.StudyDate, item.StudyDescription = "ID-4711", "20240305", "head"
        item.SpecificCharacterSet, item.PatientName = "ISO_IR 100", "Müller^Secret"

    write_dicom(folder / "slices", data, number=3, edit=edit)
    write_frames(folder / "frames", data, edit=lambda item: (edit(item), item.compress(RLELossless)))
    return folder


@pytest.fixture
def archive(orthanc: Orthanc) -> Orthanc:
    """The archive, with nothing in it."""
    orthanc.empty()
    return orthanc


@pytest.fixture
def write_config(tmp_path) -> Callable[[str], Path]:
    return partial(private_file, tmp_path / "pacs.ini")


@pytest.fixture
def config(archive, write_config, monkeypatch) -> Path:
    """Names the archive three times: for C-GET, for C-MOVE and for DICOMweb."""
    monkeypatch.setenv("MSLESIONSEG_PASSWORD_WEB", PASSWORD)
    dimse = f"aet = ORTHANC\nhost = 127.0.0.1\nport = {archive.dicom}\n"
    return write_config(
        f"[here]\naet = MSLESIONSEG\nport = {archive.ports['MSLESIONSEG']}\n"
        f"[get]\n{dimse}[move]\n{dimse}retrieve = move\n"
        f"[web]\nurl = {archive.http}/dicom-web\nuser = {USER}\n"
    )
