"""Who is trained on and who is only measured on: decided once per patient, kept for ever."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from MSLesionSegLib.cases.layout import CODE, DESCRIPTION, PARTICIPANTS
from MSLesionSegLib.cases.layout import SPLITS as SPLITS_FILE
from MSLesionSegLib.errors import MSLesionSegError, SettingsError
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.files.foreign_tables import read_table

Split = Literal["training", "validation"]
SPLITS: tuple[Split, ...] = ("training", "validation")
VALIDATION_SHARE = 0.25
SYNTHETIC_SITE = "synthetic"  # of the shipped replay buffer; no hospital may be called so
_COLUMNS = ("participant_id", "site", "split")


@dataclass(frozen=True)
class Participant:
    """A patient of a set: which hospital, and which side of the split all of the patient's cases are on."""

    subject: str
    site: str
    split: Split


@dataclass(frozen=True)
class SplitRegister:
    """All patients of a set, and the side of every scan and every patient that ever was in it.

    Scans are known by their content hash and patients by their id, also after their cases were removed: who and
    what is added again returns to its side, so that no model is ever measured on what it may have been trained on.
    """

    participants: Mapping[str, Participant] = field(default_factory=dict)
    scans: Mapping[str, Split] = field(default_factory=dict)
    former: Mapping[str, Participant] = field(default_factory=dict)

    def person(self, subject: str) -> Participant | None:
        """A patient by id, also one all of whose cases were removed; None if there never was such a one."""
        return self.participants.get(subject) or self.former.get(subject)

    def register(
        self, subject: str, site: str, scans: Iterable[str], wish: Split | None = None
    ) -> SplitRegister:
        """The register with a case of ``subject``, who may be new or known.

        Args:
            subject: of the set's patients, or a new one.
            site: of a new patient.
            scans: content hashes of the case's scans.
            wish: side for a new patient; decided by chance when None.

        Raises:
            SettingsError: the wish contradicts what was decided before, the scans were on both sides, or the site has
                the name of the synthetic patients, by whom no model is judged as by a hospital's.
        """
        if site == SYNTHETIC_SITE:
            raise SettingsError(
                f"The site cannot be called '{SYNTHETIC_SITE}': give the code of the hospital."
            )
        scans = list(scans)
        known = self.person(subject)
        decided = {self.scans[scan] for scan in scans if scan in self.scans} | (
            {known.split} if known else set()
        )
        if len(decided) > 1:
            raise SettingsError(
                "Some scans of this patient were in the training part of the set and others in the validation part, "
                "under another id. They cannot be merged: a model would be measured on what it was trained on."
            )
        if decided and wish and wish not in decided:
            raise SettingsError(
                f"This patient is in the {decided.pop()} part of the set, and that is never changed: a model would "
                "be measured on what it was trained on."
            )
        split = next(iter(decided), None) or wish or self._draw()
        person = known or Participant(subject, site, split)
        return SplitRegister(
            {**self.participants, subject: person},
            {**self.scans, **dict.fromkeys(scans, split)},
            {name: gone for name, gone in self.former.items() if name != subject},
        )

    def without(self, subject: str) -> SplitRegister:
        """The register after the last case of a patient was removed; the sides of patient and scans stay known."""
        rest = {name: person for name, person in self.participants.items() if name != subject}
        return replace(self, participants=rest, former={**self.former, subject: self.participants[subject]})

    def _draw(self) -> Split:
        """By chance, so that in each four patients in a row one is for validation, whichever it is."""
        count = len(self.participants)
        taken = sum(person.split == "validation" for person in self.participants.values())
        lacking = VALIDATION_SHARE * (count + 1) - taken
        if lacking <= 0:
            return "training"
        chance = 1 / ((1 - min(lacking, 1.0)) / VALIDATION_SHARE + 1)
        return "validation" if random.SystemRandom().random() < chance else "training"

    def participants_tsv(self) -> str:
        """The content of BIDS' ``participants.tsv``."""
        people = ((person.subject, person.site, person.split) for person in self.participants.values())
        return "".join("\t".join(row) + "\n" for row in (_COLUMNS, *people))  # codes, which need no quotes

    def splits_json(self) -> dict[str, object]:
        """The content of ``splits.json``."""
        return {
            "Description": "The side of every scan that ever was in the set, by content hash, and of every patient "
            "whose cases were removed; never changed.",
            "Scans": dict(sorted(self.scans.items())),
            "FormerPatients": {
                person.subject: {"site": person.site, "split": person.split}
                for person in self.former.values()
            },
        }


def read_register(folder: Path) -> SplitRegister:
    """Read the register of a set; empty when the set is new.

    Raises:
        MSLesionSegError: a file of the register is damaged. Nothing may be added then, lest validation patients are
            trained on.
    """
    if not (folder / DESCRIPTION).exists():
        return SplitRegister()
    try:
        rows = [row.cells for row in read_table(folder / PARTICIPANTS, _COLUMNS)]
        people = {row["participant_id"]: _participant(row) for row in rows}
        if len(people) < len(rows):
            raise ValueError("a patient is there twice")
        sides = read_json(folder / SPLITS_FILE)
        former = {
            name: _participant({"participant_id": name, **facts})
            for name, facts in sides.get("FormerPatients", {}).items()
        }
        return SplitRegister(
            people, {str(scan): _split(side) for scan, side in sides["Scans"].items()}, former
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MSLesionSegError(
            f"The list of patients of {folder} is missing or damaged ({PARTICIPANTS}, {SPLITS_FILE}). Restore it "
            "from a copy: without it validation patients could be trained on."
        ) from error


def _participant(row: Mapping[str, str]) -> Participant:
    if not CODE.fullmatch(row["participant_id"]) or not CODE.fullmatch(row["site"]):
        raise ValueError("a patient or a site is not a code")
    return Participant(row["participant_id"], row["site"], _split(row["split"]))


def _split(text: str) -> Split:
    if text not in SPLITS:
        raise ValueError(f"{text} is neither training nor validation")
    return text
