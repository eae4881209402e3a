"""When Slicer starts, each of the module's steps is taken, whatever becomes of the others."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import qt
import SampleData
import slicer
from MSLesionSegModule.jobs import workFolder
from MSLesionSegModule.setup import sampleData, torchExtension
from MSLesionSegModule.setup.startUp import startUp
from MSLesionSegModule.storage.background import waitFor
from MSLesionSegModule.views import layouts as viewLayouts

from phantoms.synthetic_heads import LESIONS, SEED, shared_patient


@pytest.fixture
def started(panel, monkeypatch):
    """Starts anew, and returns the modules that were opened then."""
    opened: list[str] = []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append)

    def start() -> list[str]:
        startUp()
        return opened

    return start


def offered() -> list[str]:
    sources = SampleData.SampleDataLogic.sampleDataSourcesByCategory("MS Lesion Segmentation")
    return [source.sampleName for source in sources]


def test_slicer_s_sample_data_take_what_the_module_offers(started):
    started()
    started()
    assert offered() == ["MSSyntheticPatient", "MSCrossSectional", "MSBaselineAndFollowup"]


@pytest.fixture
def made_before(tmp_path_factory, monkeypatch):
    """The patient of Slicer's sample data, which the tests of the synthesis make: the same seed gives it again."""
    patient = shared_patient(tmp_path_factory.getbasetemp())
    known = {(SEED, LESIONS): patient}
    module = "MSLesionSegLib.synthesis.patient.synthetic_patient"
    monkeypatch.setattr(module, lambda seed, *, lesions: known[seed, lesions])
    return patient


def test_the_synthetic_patient_is_made_when_a_person_asks_for_it(started, made_before):
    started()
    source = SampleData.SampleDataLogic.sampleDataSourcesByCategory("MS Lesion Segmentation")[0]
    node = source.customDownloader(source)
    assert node.GetName() == source.nodeNames[0]
    voxels = slicer.util.arrayFromVolume(node).transpose()
    assert voxels.shape[0] > 100
    np.testing.assert_array_equal(voxels, made_before.flair.get_fdata(dtype="float32"))
    shown = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert {view.GetBackgroundVolumeID() for view in shown} == {node.GetID()}, "it is seen at once"


def test_the_window_lives_while_something_is_made(panel):
    ticks = threading.Semaphore(0)
    timer = qt.QTimer()
    timer.interval = 10
    timer.timeout.connect(ticks.release)
    timer.start()
    assert waitFor(lambda: ticks.acquire(timeout=60)) is True
    timer.stop()
    with pytest.raises(ZeroDivisionError):
        waitFor(lambda: 1 / 0)


def test_slicer_comes_back_to_the_module_after_the_restart_and_only_then(started):
    assert started() == []
    qt.QSettings().setValue("MSLesionSeg/ReopenAfterRestart", True)
    assert started() == ["MSLesionSeg"]
    assert started() == ["MSLesionSeg"]


@pytest.mark.parametrize(
    "broken", [(sampleData, "register"), (viewLayouts, "describe"), (workFolder, "removeLeftovers")]
)
def test_a_step_that_fails_keeps_no_other_from_being_taken(started, monkeypatch, caplog, broken):
    def fail(*_args):
        raise TypeError("another Slicer")

    monkeypatch.setattr(*broken, fail)
    qt.QSettings().setValue("MSLesionSeg/ReopenAfterRestart", True)
    assert started() == ["MSLesionSeg"]
    assert "another Slicer" in caplog.text


def test_a_step_whose_module_cannot_be_loaded_keeps_no_other_from_being_taken(started, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "SampleData", None)
    monkeypatch.setattr(torchExtension, "reopenModule", lambda: slicer.util.selectModule("MSLesionSeg"))
    assert started() == ["MSLesionSeg"]
