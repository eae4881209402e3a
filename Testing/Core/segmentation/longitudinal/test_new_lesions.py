"""Two FLAIRs in; states, masks in both native spaces, table, page and manifest out.

Stand-ins take the place of the networks: change is what is brighter on one side, a lesion is what is bright.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.errors import ImageError, ModelError, OutputError, SettingsError
from MSLesionSegLib.evaluation import selfcheck
from MSLesionSegLib.imaging.checks.intensity_statistics import STATISTICS
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence
from MSLesionSegLib.network.models.confidence import Confidence
from MSLesionSegLib.network.models.store import read_card, write_card
from MSLesionSegLib.segmentation.longitudinal import comparison as change
from MSLesionSegLib.segmentation.longitudinal import new_lesions
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import SegmentationResult, segment
from phantoms.followup_phantom import GONE_AT, LESIONS_OF_THE_PHANTOM, NEW_AT, scan, use_stand_ins
from phantoms.phantom import PATIENT_NAME, Head
from support.command_calls import call


@pytest.fixture
def stand_ins(models_folder, monkeypatch, tmp_path):
    """Models of both tasks whose networks are replaced by rules on brightness."""
    use_stand_ins(models_folder, tmp_path / "models", monkeypatch)


def compare(folder: Path, baseline: Head, followup: Head, **settings) -> SegmentationResult:
    files = {"baseline": baseline.save(folder / "one"), "followup": followup.save(folder / "two")}
    settings = {"model": "tiny-new", "flair_model": "tiny", "device": "cpu", **settings}
    return segment(SegmentRequest("new", files, folder / "out", **settings), Silent())


@pytest.fixture(scope="module")
def usual(models_folder, tmp_path_factory) -> SegmentationResult:
    """A comparison in which one lesion is new, looked at by several tests."""
    folder = tmp_path_factory.mktemp("usual")
    with pytest.MonkeyPatch.context() as patch:
        use_stand_ins(models_folder, folder / "models", patch)
        return compare(folder, scan("baseline"), scan("followup", NEW_AT))


def array(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def states(result: SegmentationResult) -> dict[str, int]:
    return {state: count for state, count in result.counts["states"].items() if count}


def test_new_and_vanished_lesions_are_found_and_swapping_exchanges_them(tmp_path, stand_ins):
    first, second = scan("baseline", GONE_AT), scan("followup", NEW_AT)
    result = compare(tmp_path, first, second)
    assert states(result) == {"new": 1, "stable": LESIONS_OF_THE_PHANTOM, "vanished": 1}
    (new,) = [row for row in result.lesions if row.state == "new"]
    assert np.linalg.norm(np.array(new.lesion.centre_ras) - NEW_AT[:3]) < 4
    assert new.followup_mm3 == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.5)

    swapped = compare(tmp_path / "swapped", second, first)
    assert states(swapped) == states(result)
    (new,) = [row for row in swapped.lesions if row.state == "new"]
    assert np.linalg.norm(np.array(new.lesion.centre_ras) - GONE_AT[:3]) < 6

    for space, head in (("baseline", first), ("followup", second)):
        for role in ("mask", "probability", "lesions", "states", "brain"):
            image = nib.load(result.files[f"{space}_{role}"])
            assert image.shape == head.flair.shape
            assert np.abs(image.affine - head.flair.affine).max() < 1e-4
        mask = array(result.files[f"{space}_mask"]) > 0
        world = nib.affines.apply_affine(head.flair.affine, np.argwhere(mask)).mean(0)
        assert np.linalg.norm(world - NEW_AT[:3]) < 4
        present = {row.lesion.id for row in result.lesions if getattr(row, f"{space}_mm3") > 0}
        assert set(np.unique(array(result.files[f"{space}_lesions"]))) - {0} == present
        assert set(np.unique(array(result.files[f"{space}_states"]))) == {0, 1, 3, 5}
    assert nib.load(result.files["subtraction"]).shape == first.flair.shape

    with result.files["table"].open(newline="", encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == len(result.lesions)
    text = result.files["report"].read_text(encoding="utf-8")
    assert "The most certain new lesions" in text
    assert "Content-Security-Policy" in text  # the browser itself refuses what would leave the page
    assert not re.search(r"""(src|href)=["']?https?://""", text)
    for file in result.files.values():
        assert PATIENT_NAME.encode() not in file.read_bytes()
    manifest = json.loads(result.files["manifest"].read_text(encoding="utf-8"))
    assert manifest["task"] == "new"
    assert manifest["counts"] == json.loads(json.dumps(result.counts))
    assert manifest["comparability"]["light"] == result.light
    assert [check["name"] for check in manifest["comparability"]["checks"]] == [
        "slice thickness", "coverage", "contrast", "registration", "deformation",
    ]  # fmt: skip
    assert manifest["flair_model"]["name"] == "tiny"


def test_a_lesion_that_grows_is_enlarged(tmp_path, stand_ins):
    result = compare(tmp_path, scan("baseline", (-20, 18, -4, 4.5)), scan("followup", (-20, 18, -4, 9)))
    assert states(result) == {"enlarged": 1, "stable": LESIONS_OF_THE_PHANTOM}
    (grown,) = [row for row in result.lesions if row.state == "enlarged"]
    assert grown.followup_mm3 > 2 * grown.baseline_mm3 > 0


def test_a_lesion_that_grows_was_there_though_the_model_was_not_sure_of_it(tmp_path, stand_ins):
    """The lowest peak counts where nothing changed; what changed has evidence of its own."""
    tiny = tmp_path / "models" / "tiny"
    write_card(tiny, replace(read_card(tiny), minimum_peak=0.9))
    before = scan("baseline", (-20, 18, -4, 6), brightness=172)
    result = compare(tmp_path, before, scan("followup", (-20, 18, -4, 10), brightness=215))
    assert states(result) == {"enlarged": 1, "stable": LESIONS_OF_THE_PHANTOM}
    assert json.loads((result.folder / "result.json").read_text())["settings"]["flair_minimum_peak"] == 0.9


def test_a_scan_that_the_model_does_not_know_is_told(tmp_path, stand_ins):
    tiny = tmp_path / "models" / "tiny"
    ranges = dict.fromkeys(STATISTICS, (50.0, 51.0))
    strict = Confidence(LesionConfidence(-1.0, 0.3, 0.2), (0.0, 1.0), (0.0, 1.0), ranges)
    write_card(tiny, replace(read_card(tiny), confidence=strict.as_dict()))
    result = compare(tmp_path, scan("baseline"), scan("followup"))
    told = [found.sentence for found in result.findings if found.code == "unlike-training"]
    assert len(told) == 2 and "baseline" in told[0].lower() and "follow-up" in told[1].lower()


def test_the_same_scan_twice_has_nothing_new_and_is_told(tmp_path, stand_ins):
    class Listener(Silent):
        heard: list[str] = []  # noqa: RUF012

        def warning(self, code: str, sentence: str) -> None:
            self.heard.append(code)

    file = scan("baseline").save(tmp_path)
    files = {"baseline": file, "followup": file}
    request = SegmentRequest(
        "new", files, tmp_path / "out", model="tiny-new", flair_model="tiny", device="cpu"
    )
    result = segment(request, Listener())
    assert states(result) == {"stable": LESIONS_OF_THE_PHANTOM}
    assert "same-scan" in Listener.heard
    assert "The same acquisition" not in result.files["report"].read_text(encoding="utf-8")
    assert "are the same acquisition" in result.files["report"].read_text(encoding="utf-8")


def test_ids_are_carried_to_a_third_visit(tmp_path, stand_ins, usual):
    second = compare(
        tmp_path,
        scan("followup", NEW_AT),
        scan("followup", NEW_AT, GONE_AT),
        previous=usual.files["followup_lesions"],
    )
    assert states(second) == {"new": 1, "stable": LESIONS_OF_THE_PHANTOM + 1}
    (new,) = [row.lesion.id for row in second.lesions if row.state == "new"]
    assert {row.lesion.id for row in second.lesions} - {new} == {row.lesion.id for row in usual.lesions}
    assert new > max(row.lesion.id for row in usual.lesions)


def test_a_third_visit_never_gives_the_id_of_a_vanished_lesion_again(tmp_path, stand_ins):
    gone_at, came_at = (*GONE_AT[:3], 3.0), NEW_AT
    first = compare(tmp_path, scan("baseline", gone_at), scan("followup"))
    (gone,) = [row.lesion.id for row in first.lesions if row.state == "vanished"]
    assert gone == max(row.lesion.id for row in first.lesions)
    second = compare(tmp_path / "third", scan("followup"), scan("followup", came_at), previous=first.folder)
    (new,) = [row.lesion.id for row in second.lesions if row.state == "new"]
    assert new == gone + 1


def test_a_folder_without_numbered_lesions_keeps_no_ids(tmp_path, stand_ins):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="no numbered lesions"):
        compare(tmp_path, scan("baseline"), scan("followup"), previous=tmp_path / "empty")


def test_after_a_comparison_without_counts_no_id_is_given_again(tmp_path, stand_ins, usual):
    first = shutil.copytree(usual.folder, tmp_path / "first")
    manifest = json.loads((first / "result.json").read_text())
    manifest["comparability"]["counts"] = "withheld"
    (first / "result.json").write_text(json.dumps(manifest))
    (first / usual.files["followup_lesions"].name).unlink()
    second = compare(tmp_path, scan("followup", NEW_AT), scan("followup"), previous=first)
    highest = max(row.lesion.id for row in usual.lesions)
    assert min(row.lesion.id for row in second.lesions) == highest + 1
    assert any(f"from {highest + 1} on" in finding.sentence for finding in second.findings)


def test_scans_that_cannot_be_compared_get_pictures_but_no_counts(tmp_path, stand_ins, monkeypatch):
    from MSLesionSegLib.imaging.checks.comparability import check_correlation

    monkeypatch.setattr(change, "check_pair", lambda *_: (check_correlation(0.1),))
    result = compare(tmp_path, scan("baseline"), scan("followup", NEW_AT))
    assert result.light == "red"
    assert result.counts is None
    assert "table" not in result.files
    assert not list(result.folder.glob("*dseg*"))
    text = result.files["report"].read_text(encoding="utf-8")
    assert "No lesions are counted" in text
    forced = compare(tmp_path / "forced", scan("baseline"), scan("followup", NEW_AT), force=True)
    assert states(forced)["new"] == 1


def test_page_and_manifest_name_every_limit_by_which_change_counts(usual):
    told = json.loads((usual.folder / "result.json").read_text(encoding="utf-8"))["settings"]["limits"]
    assert told == asdict(change.ChangeLimits())
    page = " ".join(usual.files["report"].read_text(encoding="utf-8").split())
    footnote = page[page.index("Change counts from") : page.index("Volumes are measured")]
    for value in told.values():
        assert re.search(rf"(?<![\d.]){value:g}(?![\d.]*\d)", footnote), value


def test_the_network_sees_the_channels_that_its_card_names():
    before, after = np.zeros((2, 2, 2)), np.ones((2, 2, 2))
    both = change.channels_of(("baseline", "follow-up", "subtraction"), before, after - 3)
    assert both[:, 0, 0, 0].tolist() == [0, -2, -2]


@pytest.mark.parametrize(
    "settings, error, words",
    [
        ({"registration": "wobble"}, SettingsError, "no registration"),
        ({"threshold": 1.5}, SettingsError, "between 0 and 1"),
        ({"device": "abacus"}, SettingsError, "device"),
        ({"model": "tiny"}, ModelError, "for the task 'flair'"),
        ({"model": "nowhere"}, ModelError, "no model 'nowhere'"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_written(settings, error, words, tmp_path, stand_ins):
    with pytest.raises(error, match=words):
        compare(tmp_path, scan("baseline"), scan("followup"), **settings)
    assert not (tmp_path / "out").exists()


def test_a_result_is_replaced_only_if_asked_for(tmp_path, stand_ins):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not a result"):
        compare(tmp_path, scan("baseline"), scan("followup"), overwrite=True)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_previous_ids_on_another_grid_are_refused(tmp_path, stand_ins):
    other = scan("followup").save(tmp_path / "ids", "ids.nii.gz")
    with pytest.raises(ImageError):
        compare(tmp_path, scan("baseline"), scan("followup"), previous=other)


def test_a_follow_up_from_before_the_baseline_is_told(tmp_path, monkeypatch):
    days = {"a": "20250101", "b": "20240101"}
    monkeypatch.setattr(new_lesions, "acquisition_date", lambda path: days[path.name])
    scans = [
        new_lesions.Scan(nib.Nifti1Image(np.full((2, 2, 2), float(k)), np.eye(4)), Path(name), name, ())
        for k, name in enumerate("ab")
    ]
    (finding,) = new_lesions.pair_findings(*scans)
    assert finding.code == "wrong-order"
    assert "2024" not in finding.sentence
    assert new_lesions.pair_findings(*reversed(scans)) == ()


def test_the_command_prints_states_and_names_the_page(tmp_path, stand_ins):
    files = scan("baseline").save(tmp_path / "one"), scan("followup", NEW_AT).save(tmp_path / "two")
    told = call(
        *("segment", "new", "--baseline", files[0], "--followup", files[1]),
        *("-o", tmp_path / "out", "--model", "tiny-new", "--flair-model", "tiny"),
    )
    assert "1 new, 0 enlarged, 4 stable" in told
    assert "report.html" in told


def test_the_self_check_finds_what_it_put_in(tmp_path, stand_ins, monkeypatch):
    monkeypatch.setattr(selfcheck, "DIAMETERS_MM", (6.0, 9.0))
    monkeypatch.setattr(selfcheck, "PER_DIAMETER", 2)
    monkeypatch.setattr(selfcheck, "CONTRAST", 6.0)  # the stand-in only knows very bright change
    kept, check = [], selfcheck.self_check
    monkeypatch.setattr(selfcheck, "self_check", lambda *a, **k: kept.append(check(*a, **k)) or kept[0])
    file = scan("baseline").save(tmp_path)
    told = call("selfcheck", "--flair", file, "--model", "tiny-new", "--flair-model", "tiny")
    (found,) = kept
    assert found.same_scan == 0
    assert [size.inserted for size in found.by_size] == [2, 2]
    assert found.by_size[1].found >= 1
    assert found.swapped == found.new > 0
    assert "Inserted lesions of 9 mm found" in told
