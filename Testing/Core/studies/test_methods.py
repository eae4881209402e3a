"""Methods on the same scans: which tests are made, and what the marks above the bars mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.models.store import load_model, save_model
from MSLesionSegLib.studies.report.method_pictures import bars_picture, marks_of
from MSLesionSegLib.studies.report.methods import Method, compare
from MSLesionSegLib.studies.transfer.settings import TransferData, TransferSettings
from MSLesionSegLib.studies.transfer.study import run_transfer
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from phantoms.study_phantoms import write_centre


def method(name: str, n: int, dice: float, ppv: float, patients: int = 8) -> Method:
    """Scans with about these numbers."""
    noise = np.random.default_rng([n, len(name)]).normal(0, 0.02, patients)
    scans = {
        f"here/sub-{k}": {"dice": dice + e, "ppv": ppv + e, "sensitivity": 0.5 + e}
        for k, e in enumerate(noise)
    }
    return Method(name, n, scans, 60.0)


@pytest.fixture(scope="module")
def methods() -> list[Method]:
    return [
        method("default model", 0, 0.3, 0.5),
        method("fine-tuned", 2, 0.6, 0.5),
        method("de novo", 2, 0.3, 0.7),
        method("second reader", 0, 0.6, 0.5),
    ]


def test_the_three_marks_are_those_of_the_papers_figure(methods):
    tests = compare(methods)
    assert len(tests) == 3 * (1 + 2 * 2)
    assert marks_of("fine-tuned, n = 2", "dice", tests) == "*#"  # like the reader, unlike default and de novo
    assert marks_of("de novo, n = 2", "dice", tests) == "&"
    assert marks_of("fine-tuned, n = 2", "ppv", tests) == "#"
    assert marks_of("de novo, n = 2", "ppv", tests) == "*&"
    assert marks_of("de novo, n = 2", "sensitivity", tests) == ""


def test_the_legend_says_which_mark_is_which(methods, tmp_path):
    picture = bars_picture(tmp_path, "net", methods, compare(methods))
    drawn = (tmp_path / "figures" / "bars-net.svg").read_text()
    for text in ("*  p &lt; 0.05 against the default model", "&amp;  p", "#  p &lt; 0.05 against de novo"):
        assert text in drawn
    assert drawn.count(">*#<") == 1 and drawn.count(">*&amp;<") == 1
    assert "& differs from the second reader" in picture.caption
    alone = methods[1:3]
    bars_picture(tmp_path, "alone", alone, compare(alone))
    assert "default model" not in (tmp_path / "figures" / "bars-alone.svg").read_text()


@pytest.mark.usefixtures("small_patients")
def test_cases_of_the_same_name_at_two_sites_keep_their_own_masks_and_slices(models, tmp_path):
    sites = [write_centre(tmp_path / "data" / name, 1, seed=k) for k, name in enumerate(("one", "two"))]
    for folder in sites:  # both call their patient sub-a
        for path in sorted(folder.rglob("*00*"), reverse=True):
            path.rename(path.with_name(path.name.replace(f"sub-{folder.name}00", "sub-a")))
    recipe = TrainingRecipe(steps=1, patch=16, batch=1, insertion=0, thick_slices=0).as_dict()
    tiny = load_model("tiny")
    card = replace(tiny.card, name="encoder", recipe={"pretext": "masked"}, weights_sha256="")
    base = str(save_model(tmp_path / "store", tiny.network, card))
    settings = TransferSettings(bases=(base,), subset=1, sizes=(1,), recipe=recipe)
    run_transfer(settings, TransferData(tuple(map(str, sites))), tmp_path / "out", "local", Silent())
    masks = {p.relative_to(p.parents[1]).as_posix() for p in (tmp_path / "out").glob("cells/*/masks/*/*")}
    assert masks == {"one/sub-a_mask.nii.gz", "two/sub-a_mask.nii.gz"}
    slices = (tmp_path / "out" / "figures" / "slices-encoder.svg").read_text()
    for name in ("one", "two"):
        assert f">{name}<" in slices
