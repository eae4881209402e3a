"""A synthetic patient's studies, a queue, and the archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from phantoms.phantom import Head
from support.orthanc import Orthanc
from support.planted_patient import write_study


@pytest.fixture(scope="session")
def studies(tmp_path_factory, head: Head) -> dict[str, Path]:
    """Two examinations a year apart, the first with its FLAIR in one file, and one without a FLAIR."""
    folder = tmp_path_factory.mktemp("studies")
    return {
        "first": write_study(folder / "first", head, "20230131", enhanced=True),
        "second": write_study(folder / "second", head, "20240131"),
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
