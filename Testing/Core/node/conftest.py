"""A synthetic patient's studies, a queue, and the archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phantoms.dicom_study import FLAIR, LOCALIZER
from phantoms.phantom import Head
from support.orthanc import Orthanc
from support.planted_identity import SECRETS, planted_study, write_planted


def write_study(folder: Path, head: Head, date: str, *, flair: bool = True, enhanced: bool = False) -> Path:
    """An examination with a localizer of two slices, and a FLAIR, in one file if ``enhanced``."""
    data, affine = np.asarray(head.flair.dataobj).astype(np.int16), head.flair.affine
    study = planted_study(date)
    write_planted(folder, study, LOCALIZER, 1, data[:, :, 18:20], affine)
    if flair:
        write_planted(folder, study, FLAIR, 2, data, affine, enhanced=enhanced)
    return folder


@pytest.fixture(scope="session")
def studies(tmp_path_factory, head: Head) -> dict[str, Path]:
    """Two examinations a year apart, the first with its FLAIR in one file, and one without a FLAIR."""
    folder = tmp_path_factory.mktemp("studies")
    return {
        "first": write_study(folder / "first", head, SECRETS["earlier date"], enhanced=True),
        "second": write_study(folder / "second", head, SECRETS["study date"]),
        "other": write_study(folder / "other", head, "20240201", flair=False),
    }


@pytest.fixture
def archive(orthanc: Orthanc) -> Orthanc:
    """The archive, with nothing in it."""
    orthanc.empty()
    return orthanc


@pytest.fixture
def queue_folder(tmp_path) -> Path:
    folder = tmp_path / "queue"
    folder.mkdir(mode=0o700)
    return folder
