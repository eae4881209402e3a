"""Scans of different patients are told apart by the subject hierarchy, labels, names and folders."""

from __future__ import annotations

import pytest
from MSLesionSegModule.scans.patients import Origin, dateOf, mayBelongTogether, patientsApart, surelyTogether


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("sub-03_ses-01_FLAIR", "sub-04_ses-02_FLAIR", ("sub-03", "sub-04")),
        ("patient03_flair_study1", "patient12 flair study2", ("patient03", "patient12")),
        ("Patient A FLAIR baseline", "Patient B FLAIR follow-up", ("Patient A", "Patient B")),
        ("P14_FLAIR", "P15_FLAIR", ("P14", "P15")),
        ("Weber_FLAIR_2019", "Keller_t2_tirm_tra_2021", ("weber", "keller")),
        ("301228_FLAIR", "301627_FLAIR", ("301228", "301627")),
        ("Clinic_Weber_FLAIR", "Clinic_Keller_FLAIR", ("clinic weber", "clinic keller")),
        ("ab2031-3D FLAIR", "ab2033-3D FLAIR", ("ab2031", "ab2033")),
    ],
)
def test_names_of_different_patients_are_told_apart(one, other, told):
    assert patientsApart(Origin(one), Origin(other)) == told
    assert patientsApart(Origin(other), Origin(one)) == told[::-1]
    assert not mayBelongTogether(Origin(one), Origin(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sub-03_ses-01_FLAIR", "sub-03_ses-02_acq-3d_FLAIR"),
        ("sub-03_FLAIR", "patient 3 t1_mprage"),
        ("Weber_FLAIR_20190401", "Weber_3D-FLAIR_20210302"),
        ("Weber_FLAIR", "Weber2_FLAIR"),
    ],
)
def test_names_of_one_patient_belong_together(one, other):
    assert surelyTogether(Origin(one), Origin(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("FLAIR", "FLAIR_1"),
        ("5: t2_spc_da-fl_irprep_sag_p2_iso", "17: t2_tirm_tra_dark-fluid_320"),
        ("FLAIR baseline", "FLAIR follow-up"),
        ("190401_FLAIR", "210302_FLAIR"),
        ("T1 ohne KM", "T1 mit KM"),
        ("Weber_FLAIR", "FLAIR"),
        ("401_FLAIR", "1201_T1"),
    ],
)
def test_sequences_sessions_and_dates_tell_nothing_about_patients(one, other):
    assert patientsApart(Origin(one), Origin(other)) is None
    assert not surelyTogether(Origin(one), Origin(other))


def test_folders_tell_patients_apart_where_names_do_not():
    def scan(*folders: str) -> Origin:
        return Origin("FLAIR", folders=folders)

    assert patientsApart(scan("data", "Weber", "2019"), scan("data", "Keller", "2021")) == ("weber", "keller")
    assert patientsApart(scan("data", "Weber", "2019"), scan("data", "Weber", "2021")) is None
    assert patientsApart(scan("bids", "sub-1", "anat"), scan("bids", "sub-2", "anat")) == ("sub-1", "sub-2")
    assert patientsApart(scan("me", "Downloads"), scan("me", "Desktop", "export")) is None
    assert surelyTogether(scan("data", "Weber"), Origin("T1", folders=("data", "Weber")))


def test_a_patient_of_the_hierarchy_keeps_to_himself():
    one = Origin("5: t2_flair", patient="Weber^Eva", patientId="17")
    again = Origin("9: t2_tirm", patient="Weber^E.", patientId="17")
    other = Origin("5: t2_flair", patient="Weber^Eva", patientId="18")
    assert surelyTogether(one, again)
    assert patientsApart(one, other) == ("Weber^Eva (17)", "Weber^Eva (18)")
    assert patientsApart(Origin("FLAIR", patient="Eva"), Origin("FLAIR", patient="eva")) is None
    assert patientsApart(Origin("FLAIR", patient="Eva"), Origin("FLAIR", patient="Max")) == ("Eva", "Max")
    loaded = Origin("FLAIR")
    assert patientsApart(one, loaded) is None and not mayBelongTogether(one, loaded)


def test_labels_count_even_where_both_scans_lie_under_one_patient_of_the_hierarchy():
    one, other = (Origin(f"sub-{n}_FLAIR", patient="anonymous", patientId="0") for n in (3, 4))
    assert patientsApart(one, other) == ("sub-3", "sub-4")


@pytest.mark.parametrize(
    ("origin", "date"),
    [
        (Origin("5: flair", date="20190401"), "20190401"),
        (Origin("Weber_2019-04-01_FLAIR"), "20190401"),
        (Origin("FLAIR_20190401120533_401"), "20190401"),
        (Origin("FLAIR", folders=("Weber", "20190401")), "20190401"),
        (Origin("FLAIR_20191401"), ""),
    ],
)
def test_when_a_scan_was_made(origin, date):
    assert dateOf(origin) == date
