"""A study is not gone on with when what it reads has changed: scans, masks, second readers, brains, models."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from MSLesionSegLib.cli import app
from MSLesionSegLib.errors import OutputError, SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.models.store import load_model, save_model
from MSLesionSegLib.studies.engine.base_models import leakage_warnings
from MSLesionSegLib.studies.engine.cells import keys_of
from MSLesionSegLib.studies.engine.rotation import make_subsets
from MSLesionSegLib.studies.engine.study_cases import native_centre, prepared_centre, unlabelled_centre
from MSLesionSegLib.studies.rerun import rerun
from MSLesionSegLib.studies.transfer.cells import transfer_cells
from MSLesionSegLib.studies.transfer.settings import TransferData, TransferSettings
from MSLesionSegLib.studies.transfer.study import run_transfer
from MSLesionSegLib.training.examples.example import write_example
from MSLesionSegLib.training.examples.known_patients import patient_codes
from MSLesionSegLib.training.examples.unlabelled import prepare_unlabelled
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from phantoms.study_phantoms import write_centre, write_examples

pytestmark = pytest.mark.usefixtures("small_patients")

QUICK = TrainingRecipe(steps=1, patch=16, batch=1, insertion=0, thick_slices=0)


class Listener(Silent):
    def __init__(self):
        self.told = []

    def warning(self, code, sentence):
        self.told.append((code, sentence))


def changed(file: Path) -> None:
    """Set a corner of an image to another value."""
    image = nib.load(file)
    data = np.asarray(image.dataobj).copy()
    data[:2, :2, :2] = 1 - data[:2, :2, :2]
    nib.save(nib.Nifti1Image(data, image.affine, image.header), file)


def base_model(root: Path, name: str, seed: int = 0, **training) -> str:
    """The tiny model with another last bias, below a store of its own."""
    tiny = load_model("tiny")
    torch.nn.init.constant_(tiny.network.output_block.conv.conv.bias, -2.0 - seed)
    card = replace(tiny.card, name=name, training=training, weights_sha256="")
    return str(save_model(root, tiny.network, card))


@pytest.fixture
def finished(models, tmp_path):
    """A finished study: its settings, data, and folder."""
    centre = write_centre(tmp_path / "here", 2, readers=True)
    base = base_model(tmp_path / "store", "mine")
    settings = TransferSettings(bases=(base,), subset=1, sizes=(1,), recipe=QUICK.as_dict())
    data = TransferData((str(centre),))
    run_transfer(settings, data, tmp_path / "out", "local", Silent())
    return settings, data, tmp_path / "out"


def test_every_changed_input_is_told_with_its_case(finished, tmp_path):
    settings, data, out = finished
    masks = tmp_path / "here" / "derivatives" / "manual" / "sub-here00" / "anat"
    inputs = {
        "image": tmp_path / "here" / "sub-here00" / "anat" / "sub-here00_FLAIR.nii.gz",
        "mask": masks / "sub-here00_label-lesion_mask.nii.gz",
        "second": masks / "sub-here00_desc-reader2_label-lesion_mask.nii.gz",
        "brain": next((out / "material" / "brains" / "here").glob("sub-here00_*")),
    }
    for what, file in inputs.items():
        before = file.read_bytes()
        changed(file)
        listener = Listener()
        with pytest.raises(OutputError, match=rf"changed since: sub-here00: [a-z, ]*{what}"):
            run_transfer(settings, data, out, "local", listener)
        again = [code for code, _ in listener.told if code == "changed-input"]
        assert len(again) == (what in ("image", "mask"))
        file.write_bytes(before)
        run_transfer(settings, data, out, "local", Silent())


def test_only_cells_that_read_a_changed_file_get_another_key(models, tmp_path):
    centre = write_centre(tmp_path / "here", 3)
    settings = TransferSettings(bases=("tiny",), subset=1, sizes=(1,), recipe=QUICK.as_dict())

    def keys():
        cases = native_centre(centre, tmp_path / "material", Silent())
        cells = transfer_cells(settings, make_subsets(cases, 1, 0), [], [])
        return {cell.name: (cell, key) for cell, key in zip(cells, keys_of(cells).values(), strict=True)}

    before = keys()
    changed(next((tmp_path / "material" / "brains" / "here").glob("sub-here01_*")))
    for name, (cell, key) in keys().items():
        read = {case["name"] for case in (*cell.settings["train"], *cell.settings["test"])}
        assert (key != before[name][1]) == ("sub-here01" in read)


def test_a_base_model_with_other_weights_is_no_rerun(finished, tmp_path):
    settings, data, out = finished
    record = json.loads((out / "study.json").read_text())
    assert record["models"] == {settings.bases[0]: load_model(settings.bases[0]).card.weights_sha256}
    shutil.rmtree(settings.bases[0])
    base_model(tmp_path / "store", "mine", seed=1)
    with pytest.raises(SettingsError, match="weights are others"):
        rerun(out / "study.json", tmp_path / "again", "local", Silent())
    assert not (tmp_path / "again").exists()
    with pytest.raises(OutputError, match="another models"):
        run_transfer(settings, data, out, "local", Silent())


def test_a_relative_base_is_stored_where_it_is(models, tmp_path, monkeypatch):
    base_model(tmp_path / "store", "mine")
    write_centre(tmp_path / "here", 2)
    monkeypatch.chdir(tmp_path)
    arguments = [
        "study",
        "transfer",
        "here",
        "-o",
        "out",
        "--base",
        "store/mine",
        "--subset",
        "1",
        "--n",
        "1",
    ]
    arguments += ["--set", "steps=1", "--set", "patch=16", "--set", "batch=1"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    record = json.loads(Path("out/study.json").read_text())
    assert record["settings"]["bases"] == [str(tmp_path / "store" / "mine")]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    rerun(tmp_path / "out" / "study.json", tmp_path / "again", "local", Silent())


def test_a_base_that_knows_the_tested_patients_is_told_on_the_page(models, tmp_path):
    centre = write_centre(tmp_path / "here", 2)
    cases = native_centre(centre, tmp_path / "material", Silent())
    examples = [case.example for case in cases]
    stranger = write_example(
        tmp_path / "other", *[np.ones((1, 4, 4, 4)), *[np.ones((4, 4, 4))] * 2], site="x"
    )
    bases = {
        "knows": base_model(tmp_path / "store", "knows", patients=patient_codes(examples[:1])),
        "source": base_model(tmp_path / "store", "source", by_source={"here": 2, "brats": 3}),
        "stranger": base_model(tmp_path / "store", "stranger", patients=patient_codes([stranger])),
    }
    expected = {
        "knows": "patients called sub-here00.",
        "source": "trained on cases of here.",
        "stranger": None,
    }
    for name, base in bases.items():
        told = leakage_warnings([base], cases)
        assert len(told) == (expected[name] is not None)
        assert all(expected[name] in sentence for sentence in told)
    listener = Listener()
    settings = TransferSettings(bases=(bases["knows"],), subset=1, sizes=(1,), recipe=QUICK.as_dict())
    page = run_transfer(settings, TransferData((str(centre),)), tmp_path / "out", "local", listener)
    assert "known-patients" in [code for code, _ in listener.told]
    assert "Careful" in page.read_text() and "patients called sub-here00." in page.read_text()


def test_prepared_examples_that_were_touched_are_refused(tmp_path):
    examples = write_examples(tmp_path / "here", 2)
    assert len(prepared_centre(tmp_path / "here", tmp_path, Silent())) == 2
    label = examples[1].folder / "label.npy"
    np.save(label, np.load(label) // 2)
    with pytest.raises(SettingsError, match="sub-here01 has been changed"):
        prepared_centre(tmp_path / "here", tmp_path, Silent())
    label.unlink()
    with pytest.raises(SettingsError, match="sub-here01 has been changed"):
        unlabelled_centre(tmp_path / "here", tmp_path, Silent())


def test_a_changed_scan_without_mask_is_another_scan_and_its_name_is_nowhere(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    centre = write_centre(tmp_path / "here", 1)
    file = folder / "MUSTERMANN_MAX.nii.gz"
    shutil.copy(next(centre.glob("sub-*/anat/*_FLAIR.nii.gz")), file)
    shutil.copy(file, folder / "copy.nii.gz")
    first = prepare_unlabelled(folder, tmp_path / "out", Silent())
    assert len(first) == 1 and first[0] == prepare_unlabelled(folder, tmp_path / "out", Silent())[0]
    (folder / "copy.nii.gz").unlink()
    image = nib.load(file)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj) * np.float32(1.5), image.affine), file)
    second = prepare_unlabelled(folder, tmp_path / "out", Silent())
    assert len(second) == 1 and second[0].name != first[0].name
    assert "MUSTERMANN" not in "".join(str(p) for p in (tmp_path / "out").rglob("*"))
