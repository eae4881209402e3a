"""From filed cases to another model in use, as a person presses it; with the real training in a child process."""

from __future__ import annotations

from pathlib import Path

import panel as harness
import pytest
import scene as scenes
import slicer

from MSLesionSegLib.cases.adding import AddRequest, add_case
from phantoms.hospital import save_patient


def file_cases(panel, folder: Path) -> None:
    """A training set of two patients to learn from and one to check with, whose lesions are the true ones."""
    import nibabel as nib
    import numpy as np

    for seed, split in ((1, "training"), (2, "training"), (3, "validation")):
        scan = folder / f"p{seed}_FLAIR.nii.gz"
        lesions = save_patient(scan, "LAS", seed=seed)
        image = nib.load(scan)
        mask = folder / f"p{seed}_mask.nii.gz"
        nib.save(nib.Nifti1Image(lesions.astype(np.uint8), image.affine, image.header), mask)
        add_case(AddRequest(folder / "cases", "flair", {"flair": scan}, mask, split=split))
    panel.ui.casesFolderButton.directory = str(folder / "cases")
    harness.diskRead(panel)


def start_training(panel) -> None:
    panel.parameters.node.minutes = 1
    panel.ui.startComboBox.currentIndex = panel.ui.startComboBox.findData("bright")
    panel.ui.trainButton.click()


def test_without_new_cases_nothing_can_be_trained(panel):
    assert not panel.ui.trainButton.enabled
    assert "nothing new" in panel.ui.trainButton.toolTip


def test_leave_one_out_is_offered_with_its_time_and_needs_no_new_case(panel, tmp_path):
    from MSLesionSegModule.storage import trainingSet

    file_cases(panel, tmp_path)
    ui, started = panel.ui, []
    panel.parameters.node.minutes = 20
    assert "3 trainings, 60 min" in ui.leaveOneOutCheckBox.text
    trainingSet.rememberTrained(*panel.trainingSet.asTrained("flair"))
    panel.train.update()
    assert not ui.trainButton.enabled
    ui.leaveOneOutCheckBox.checked = True
    assert ui.trainButton.enabled
    panel.logic._started = lambda arguments, **callbacks: started.append(arguments)
    ui.trainButton.click()
    assert "--leave-one-out" in started[0]


def test_a_training_that_ends_while_the_person_is_elsewhere_changes_no_choice(panel, tmp_path):
    from MSLesionSegModule.storage import trainingSet

    file_cases(panel, tmp_path)
    trainingSet.rememberTrained(*panel.trainingSet.asTrained("flair"))
    panel.parameters.node.minutes, panel.parameters.node.leaveOneOut = 20, True
    panel.exit()
    panel.train.update()
    panel.enter()
    assert "60 min" in panel.ui.leaveOneOutCheckBox.text
    assert panel.ui.trainButton.enabled


def test_leave_one_out_of_a_single_patient_is_no_choice(panel, tmp_path):
    panel.ui.leaveOneOutCheckBox.checked = True
    assert not panel.ui.trainButton.enabled
    assert "two or more" in panel.ui.trainButton.toolTip


@pytest.mark.slow
def test_a_model_is_trained_judged_used_and_rolled_back(panel, tmp_path):
    from MSLesionSegLib.network.models.model_in_use import model_in_use, use_model

    use_model("bright")
    harness.diskRead(panel)
    fine_tune, wished = panel.logic.fineTune, []

    def in_no_time(*arguments, minutes, **options):
        wished.append(minutes)
        return fine_tune(*arguments, minutes=0.1, **options)

    panel.logic.fineTune = in_no_time
    file_cases(panel, tmp_path)
    assert "3 new corrected cases" in panel.ui.newCasesLabel.text
    start_training(panel)
    assert panel.ui.trainButton.text == "Cancel" and wished == [1]
    scenes.clear()
    assert panel.train.row.job is not None, "closing a scene does not stop training"
    harness.wait(lambda: panel.train.row.job is None, 500)
    assert slicer.harnessErrors == []
    harness.diskRead(panel)
    assert panel.ui.gateLabel.text
    assert panel.ui.gateTable.rowCount >= 4
    assert panel.ui.newCasesLabel.text.startswith("0 new")
    assert not panel.ui.trainButton.enabled

    new = panel.train._result["model"]
    shown = [panel.ui.modelTable.item(i, 0).text().strip() for i in range(panel.ui.modelTable.rowCount)]
    assert new in shown
    if model_in_use("flair") != new:
        panel.ui.useNewButton.click()
    harness.diskRead(panel)
    assert model_in_use("flair") == new
    panel.ui.modelTable.selectRow(shown.index(new))
    panel.ui.rollbackButton.click()
    assert model_in_use("flair") == "bright"
    assert "bright" in panel.ui.modelsMessageLabel.text


@pytest.mark.slow
def test_training_can_be_cancelled_and_the_model_in_use_stays(panel, tmp_path):
    from MSLesionSegLib.network.models.model_in_use import model_in_use

    before = model_in_use("flair")
    file_cases(panel, tmp_path)
    start_training(panel)
    harness.wait(lambda: panel.ui.trainProgressBar.value > 0)
    panel.ui.trainButton.click()
    harness.wait(lambda: panel.train.row.job is None)
    assert model_in_use("flair") == before
    assert panel.ui.trainButton.enabled and panel.ui.trainButton.text == "Fine-tune"


def test_the_plot_is_there_before_any_score_and_draws_a_single_one(panel):
    plot = panel.train._plot
    assert not plot.isHidden()
    assert plot.grab().width() > 0
    panel.train._event({"event": "metric", "name": "validation_dice", "step": 10, "value": 0.4})
    panel.train._event({"event": "metric", "name": "loss", "step": 10, "value": 7.0})
    assert plot._points == {"dice": [(10, 0.4)]}
    assert plot.grab().width() > 0


def test_the_plot_names_its_scores_as_the_gate_does(panel):
    for name, value in {"dice": 0.7, "f1": 0.65, "sensitivity": 0.5, "ppv": 0.6}.items():
        panel.train._event({"event": "metric", "name": f"validation_{name}", "step": 0, "value": value})
    assert all(text in panel.train._plot.numbers() for text in ("0.70 Overlap (Dice)", "0.65 Lesion F1"))
    panel.train._showGate(verdict())
    assert "0.65 Lesion F1" in panel.train._plot.numbers()
    assert "0.60 Found lesions that are true (PPV)" in panel.train._plot.numbers(), "the gate has none"
    table = panel.ui.gateTable
    titles = {table.item(i, 0).text() for i in range(table.rowCount)}
    assert {text[5:] for text in panel.train._plot.numbers()} <= titles


def verdict(**changed) -> dict:
    means = {"f1": 0.65, "sensitivity": 0.5, "ppv": 0.6, "dice": 0.7, "false_positives": 2.0}
    gate = {
        "verdict": "refuse",
        "sentence": "It is worse at site B.",
        "old": means,
        "new": means | {"ppv": None},
        "earlier_sites": [{"site": "B", "dice_old": 0.8, "dice_new": 0.7}],
        "lesion_free": {"old": 1.0, "new": 3.0},
    }
    return {"model": "bright", "in_use": "flair-ms", "gate": gate} | changed


def test_the_gate_s_words_and_numbers_are_shown_for_this_site_and_earlier_ones(panel):
    panel.train._showGate(verdict())
    table = panel.ui.gateTable
    rows = {table.item(i, 0).text(): [table.item(i, c).text() for c in (1, 2)] for i in range(table.rowCount)}
    assert rows["Found lesions that are true (PPV)"] == ["0.60", "-"]
    assert rows["Dice at B"] == ["0.80", "0.70"]
    assert rows["False lesions per lesion-free scan"] == ["1.00", "3.00"]
    assert panel.ui.gateLabel.text == "It is worse at site B."
    assert panel.ui.useNewButton.text.endswith("anyway")


def test_a_person_can_overrule_the_gate_and_go_back(panel):
    from MSLesionSegLib.network.models.model_in_use import model_in_use

    before = model_in_use("flair")
    panel.train._task = "flair"
    panel.train._result = verdict()
    panel.train._showGate(panel.train._result)
    panel.ui.useNewButton.click()
    assert model_in_use("flair") == "bright"
    panel.train._showGate(panel.train._result)
    panel.ui.keepOldButton.click()
    assert model_in_use("flair") == before


def test_a_choice_that_cannot_be_made_is_told(panel):
    panel.train._task = "flair"
    panel.train._result = verdict(model="gone")
    panel.train._showGate(panel.train._result)
    panel.ui.useNewButton.click()
    assert "gone" in panel.ui.trainMessageLabel.text


def test_another_task_has_other_cases_and_models_to_start_from(panel, tmp_path):
    file_cases(panel, tmp_path)
    starts = panel.ui.startComboBox
    assert panel.ui.trainButton.enabled and starts.findData("bright") > 0
    panel.ui.taskComboBox.currentIndex = 1
    assert panel.ui.newCasesLabel.text == "No corrected cases yet."
    assert not panel.ui.trainButton.enabled
    assert starts.findData("bright") == -1 and starts.findData("new-ms") > 0
    panel.ui.taskComboBox.currentIndex = 0
    assert panel.ui.trainButton.enabled and starts.findData("bright") > 0
