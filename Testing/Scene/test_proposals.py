"""Scans are proposed by the names that scanners and people give them."""

from __future__ import annotations

import pytest
from MSLesionSegModule.proposals import proposeInputs


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
