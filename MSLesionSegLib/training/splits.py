"""Who is trained on and who is only measured on: decided once per patient, kept for ever."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from MSLesionSegLib.errors import MSLesionSegError, SettingsError
from MSLesionSegLib.training.layout import FROZEN, PARTICIPANTS

Split = Literal["training", "validation"]
SPLITS: tuple[Split, ...] = ("training", "validation")
VALIDATION_SHARE = 0.25
_COLUMNS = ("participant_id", "site", "split")


@dataclass(frozen=True)
class Participant:
    """A patient of a set: which hospital, and which side of the split all of the patient's cases are on."""

    subject: str
    site: str
    split: Split


@dataclass(frozen=True)
class Roll:
    """All patients of a set, and the fingerprints of every scan that ever was for validation.

    The fingerprints outlive the removal of a case: a validation scan that is added again is for validation again.
    """

    participants: Mapping[str, Participant] = field(default_factory=dict)
    frozen_scans: frozenset[str] = frozenset()

    def enrol(self, subject: str, site: str, scans: Iterable[str], wish: Split | None = None) -> Roll:
        """The roll with a case of ``subject``, who may be new or known.

        Args:
            subject: of the set's patients, or a new one.
            site: of a new patient.
            scans: content hashes of the case's scans.
            wish: side for a new patient; decided by chance when None.

        Raises:
            SettingsError: the wish contradicts what was decided before.
        """
        scans = frozenset(scans)
        known = self.participants.get(subject)
        decided: Split | None = known.split if known else None
        if decided is None and scans & self.frozen_scans:
            decided = "validation"
        if decided and wish and wish != decided:
            raise SettingsError(
                f"This patient is in the {decided} part of the set, and that is never changed: a model would be "
                "measured on what it was trained on."
            )
        split = decided or wish or self._draw()
        person = known or Participant(subject, site, split)
        frozen = self.frozen_scans | scans if split == "validation" else self.frozen_scans
        return replace(self, participants={**self.participants, subject: person}, frozen_scans=frozen)

    def without(self, subject: str) -> Roll:
        """The roll after the last case of a patient was removed; validation scans stay known."""
        rest = {name: person for name, person in self.participants.items() if name != subject}
        return replace(self, participants=rest)

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
        text = io.StringIO()
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        writer.writerow(_COLUMNS)
        for person in self.participants.values():
            writer.writerow((person.subject, person.site, person.split))
        return text.getvalue()

    def frozen_json(self) -> dict[str, object]:
        """The content of ``validation.json``."""
        return {
            "Description": "Scans that were for validation once are never trained on, even if added again.",
            "Scans": sorted(self.frozen_scans),
        }


def read_roll(folder: Path) -> Roll:
    """Read the roll of a set; empty when the set is new.

    Raises:
        MSLesionSegError: a file of the roll is damaged. Nothing may be added then, lest validation patients are
            trained on.
    """
    table, frozen = folder / PARTICIPANTS, folder / FROZEN
    if not table.exists() and not frozen.exists():
        return Roll()
    try:
        rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8")), delimiter="\t"))
        people = {row["participant_id"]: _participant(row) for row in rows}
        scans = frozenset(json.loads(frozen.read_text(encoding="utf-8"))["Scans"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MSLesionSegError(
            f"The list of patients of {folder} is missing or damaged ({PARTICIPANTS}, {FROZEN}). Restore it from a "
            "copy: without it validation patients could be trained on."
        ) from error
    return Roll(people, scans)


def _participant(row: Mapping[str, str]) -> Participant:
    if row["split"] not in SPLITS:
        raise ValueError(row["split"])
    return Participant(row["participant_id"], row["site"], row["split"])
