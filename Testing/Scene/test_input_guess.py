"""Scans are proposed by the names that scanners and people give them."""

from __future__ import annotations

import pytest
from MSLesionSegModule.scans.inputGuess import proposeInputs
from MSLesionSegModule.scans.patients import Origin
from MSLesionSegModule.scans.scanDates import isReversed


def proposed(task: str, *names: str) -> dict[str, str]:
    """Proposals as names."""
    found = proposeInputs(task, {str(i): name for i, name in enumerate(names)})
    return {key: names[int(index)] for key, index in found.items()}


@pytest.mark.parametrize(
    "names",
    [
        ("5: t1_mprage", "7: t2_space_flair"),
        ("AX T2", "Dark-Fluid SPACE sag"),
        ("lesion mask FLAIR", "3D FLAIR"),
    ],
)
def test_a_flair_is_found_among_others(names):
    assert proposed("flair", *names) == {"flair": names[1]}


def test_the_only_volume_is_proposed_whatever_its_name():
    assert proposed("flair", "Series 4") == {"flair": "Series 4"}


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("sub-01_ses-01_FLAIR", "sub-01_ses-02_FLAIR"),
        ("FLAIR baseline", "FLAIR follow-up"),
        ("study1_FLAIR tp1", "study2_FLAIR tp2"),
        ("FLAIR", "FLAIR_FU"),
        ("ses-02_FLAIR", "ses-03_FLAIR"),
    ],
)
def test_baseline_and_followup_are_told_apart_in_any_order(earlier, later):
    assert proposed("new", earlier, later) == {"baseline": earlier, "followup": later}
    assert proposed("new", later, earlier) == {"baseline": earlier, "followup": later}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("T1w", "T1w_ce-gd"),
        ("t1_mprage", "t1_mprage_KM"),
        ("AX T1", "AX T1 POST"),
        ("T1", "T1 +C"),
        ("T1 pre contrast", "T1 post contrast"),
        ("T1 ohne KM", "T1 mit KM"),
        ("T1 without contrast", "T1 with contrast"),
        ("T1 pre Gd", "T1 Gd"),
        ("t1_nativ", "t1_km"),
    ],
)
def test_t1_before_and_after_contrast_are_told_apart(before, after):
    assert proposed("enhancing", after, "FLAIR", before) == {"pre": before, "post": after, "flair": "FLAIR"}


def test_a_baseline_and_a_followup_of_different_patients_are_never_proposed_together():
    assert proposed("new", "sub-01_ses-01_FLAIR", "sub-02_ses-02_FLAIR") == {
        "baseline": "sub-01_ses-01_FLAIR"
    }
    three = ("Weber FLAIR baseline", "Keller FLAIR follow-up", "Weber FLAIR follow-up")
    assert proposed("new", *three) == {"baseline": three[0], "followup": three[2]}
    assert proposed("new", *three[1:]) == {"followup": three[1]}
    assert proposed("enhancing", "sub-01_T1w", "sub-02_ce-gd_T1w", "sub-02_T1w") == {"pre": "sub-01_T1w"}


def test_patients_are_told_apart_by_more_than_their_names():
    names = {str(n): name for n, name in enumerate(["FLAIR", "FLAIR follow-up", "FLAIR_1"])}
    patients = dict(zip(names, ["Weber", "Keller", "Weber"], strict=True))
    origins = {n: Origin(name, patient=patients[n]) for n, name in names.items()}
    assert proposeInputs("new", names, origins) == {"baseline": "0", "followup": "2"}


def test_of_more_than_two_sessions_the_first_scan_is_compared_with_the_one_before_it():
    sessions = [f"sub-07_ses-{n}_FLAIR" for n in (1, 2, 3, 10)]
    assert proposed("new", sessions[3], *sessions[:3]) == {"baseline": sessions[2], "followup": sessions[3]}
    assert proposed("new", *sessions) == {"baseline": sessions[0], "followup": sessions[1]}


def test_dates_tell_which_scan_was_made_first():
    names = {"a": "5: t2_flair", "b": "7: t2_flair"}
    dates = {"a": "20210302", "b": "20190401"}
    origins = {n: Origin(name, patient="Weber", date=dates[n]) for n, name in names.items()}
    assert proposeInputs("new", names, origins) == {"baseline": "b", "followup": "a"}
    assert isReversed(origins["a"], origins["b"]) and not isReversed(origins["b"], origins["a"])
    assert isReversed(Origin("FLAIR tp3"), Origin("FLAIR tp2"))
    assert not isReversed(Origin("FLAIR"), Origin("FLAIR_1"))


def test_scans_before_and_after_contrast_are_of_one_session():
    scans = [f"sub-07_ses-{n}_{kind}" for n in (1, 2) for kind in ("T1w", "ce-gd_T1w", "FLAIR")]
    second = dict(zip(("pre", "post", "flair"), scans[3:], strict=True))
    assert proposed("enhancing", scans[4], *scans[:4], scans[5]) == second
