"""A patient who was measured on is never trained on, whatever happens to the set."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.adding import remove_case
from MSLesionSegLib.cases.case_set import read_cases
from MSLesionSegLib.cases.splits import SPLITS, SplitRegister, read_register
from MSLesionSegLib.errors import MSLesionSegError, SettingsError
from phantoms.case_fixtures import add_flair


def rows(register: SplitRegister) -> dict[str, str]:
    return {name: person.split for name, person in register.participants.items()}


def saved_and_read(register: SplitRegister, folder: Path) -> SplitRegister:
    folder.mkdir(exist_ok=True)
    (folder / layout.DESCRIPTION).write_text('{"MSLesionSegCases": 1}')
    for name, text in (
        (layout.PARTICIPANTS, register.participants_tsv()),
        (layout.SPLITS, json.dumps(register.splits_json())),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return read_register(folder)


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_no_history_of_a_set_lets_a_validation_scan_be_trained_on(tmp_path_factory, seed):
    """Patients come, come again with known and further scans, go, and come back under another id."""
    chance, register, visits, subjects, gone = random.Random(seed), SplitRegister(), Counter(), {}, {}
    used, sides = {"training": set(), "validation": set()}, {}
    for _ in range(60):
        patient = chance.randrange(3)
        if chance.random() < 0.3:
            subject = subjects.pop(patient, None)
            if subject:
                gone[patient], register = subject, register.without(subject)
        else:
            if patient not in subjects:
                visits[patient] += 1
            subject = subjects.get(patient, f"sub-{patient}x{visits[patient]}")
            if patient in gone and chance.random() < 0.3:  # comes back under the old id
                subject = gone[patient]
            scans = {f"patient {patient} scan {n}" for n in chance.sample(range(3), chance.randint(1, 2))}
            wish = chance.choice([None, *SPLITS])
            try:
                register = register.register(subject, "here", scans, wish)
            except SettingsError:
                assert wish or any(scans & used[side] for side in SPLITS)
                continue
            subjects[patient] = subject
            used[rows(register)[subject]] |= scans
        assert not used["training"] & used["validation"], "a scan was on both sides"
        after = rows(register)
        for name, side in after.items():
            assert sides.setdefault(name, side) == side, "a patient changed sides"
    assert saved_and_read(register, tmp_path_factory.getbasetemp() / "register") == register


@given(st.integers(1, 12))
def test_of_each_four_patients_in_a_row_one_is_for_validation(blocks):
    register = SplitRegister()
    for k in range(4 * blocks):
        register = register.register(f"sub-{k}", "here", {str(k)})
    order = [split == "validation" for split in rows(register).values()]
    assert [sum(order[i : i + 4]) for i in range(0, len(order), 4)] == [1] * blocks


def test_chance_decides_which_of_the_four_it_is():
    places = Counter()
    for _ in range(400):
        register = SplitRegister()
        for k in range(4):
            register = register.register(f"sub-{k}", "here", {str(k)})
        places[list(rows(register).values()).index("validation")] += 1
    assert sorted(places) == [0, 1, 2, 3] and min(places.values()) > 50


def test_a_validation_case_that_was_removed_comes_back_for_validation(tmp_path):
    folder = tmp_path / "set"
    first = add_flair(folder, tmp_path / "in", 1, split="validation").case
    remove_case(folder, first.case_id)
    assert not read_cases(folder).cases
    with pytest.raises(SettingsError, match="never changed"):
        add_flair(folder, tmp_path / "in", 1, split="training")
    again = add_flair(folder, tmp_path / "in", 1).case
    assert again.subject != first.subject and again.split == "validation"


def test_another_examination_of_a_patient_who_was_removed_is_for_validation_too(tmp_path):
    folder = tmp_path / "set"
    first = add_flair(folder, tmp_path / "in", 1, split="validation").case
    remove_case(folder, first.case_id)
    with pytest.raises(SettingsError, match="never changed"):
        add_flair(folder, tmp_path / "in", 2, subject=first.subject, split="training")
    again = add_flair(folder, tmp_path / "in", 2, subject=first.subject).case
    assert (again.subject, again.split) == (first.subject, "validation")


def test_no_hospital_is_called_like_the_synthetic_patients(tmp_path):
    with pytest.raises(SettingsError, match="cannot be called 'synthetic'"):
        add_flair(tmp_path / "set", tmp_path / "in", 1, site="synthetic")


def test_sides_of_a_set_are_whole_patients(tmp_path):
    folder = tmp_path / "set"
    for seed in range(4):
        first = add_flair(folder, tmp_path / "in", 2 * seed).case
        add_flair(folder, tmp_path / "in", 2 * seed + 1, subject=first.subject)
    found = read_cases(folder)
    training, validation = ({case.subject for case in side} for side in (found.training, found.validation))
    assert (len(training), len(validation)) == (3, 1) and not training & validation
    assert len(found.cases) == 8


@pytest.mark.parametrize("name", [layout.PARTICIPANTS, layout.SPLITS])
@pytest.mark.parametrize("damage", ["", "no list of patients", None])
def test_without_a_readable_list_of_patients_nothing_is_added(tmp_path, name, damage):
    folder = tmp_path / "set"
    add_flair(folder, tmp_path / "in", 1)
    if damage is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(damage)
    with pytest.raises(MSLesionSegError, match="Restore it from a copy"):
        add_flair(folder, tmp_path / "in", 2)
    with pytest.raises(MSLesionSegError, match="Restore it from a copy"):
        read_cases(folder)
