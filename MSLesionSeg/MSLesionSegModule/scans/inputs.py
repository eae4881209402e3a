"""The scans that are chosen for the next search: proposed, all of one patient, and doubted where they are not."""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.tasks import TASKS, Task

from ..choices import ALL_INPUTS, inputTitle
from ..parameters import BoundParameters
from .inputGuess import isNoFlair, proposeInputs
from .patients import patientsApart, surelyTogether
from .scanDates import isReversed
from .sceneScans import originOf, sameExamination, scansInScene


class Inputs:
    """Reads and sets the scans in the scene's parameters."""

    def __init__(self, parameters: BoundParameters) -> None:
        self._parameters = parameters
        self._own: set[str] = set()  # inputs that a person chose
        self._cleared: dict[str, str] = {}  # volume ID by input that a person wants to leave empty
        self._before: dict[str, str] = {}  # volume ID by input when it was looked at last
        parameters.bound.connect(self._bound)

    @property
    def _row(self) -> Task:
        return TASKS[self._parameters.task]

    def chosen(self) -> dict[str, Any]:
        """The volume, or None, of each input of the task."""
        if self._parameters.node is None:
            return {}
        return {name: self._node(name) for name in self._row.names}

    def take(self, volumes: Mapping[str, str | None]) -> None:
        """Choose volumes, or none (IDs by input name), without a person having chosen them."""
        for name, volume in volumes.items():
            self._own.discard(name)
            self._cleared.pop(name, None)
            self._before.pop(name, None)
            if volume is not None:
                self._before[name] = volume
            setattr(self._parameters.node, f"{name}Volume", slicer.mrmlScene.GetNodeByID(volume or ""))

    def forget(self) -> None:
        """The scene goes, and with it what a person wanted to leave empty."""
        self._cleared.clear()

    def byPerson(self) -> list[Any]:
        """Volumes that a person has chosen for the task since this was asked last."""
        now, before = self._ids(ALL_INPUTS), self._before
        new = [name for name, volume in now.items() if volume != before.get(name)]
        self._before = now
        self._own = {name for name in (*self._own, *new) if name in now}
        chosen = [node for name, node in self.chosen().items() if name in new]
        emptied = {**self._cleared, **{name: v for name, v in before.items() if name not in now}}
        self._cleared = {n: v for n, v in emptied.items() if n not in now and self._staysEmpty(v, chosen)}
        return chosen

    def propose(self) -> None:
        """Fill what is empty with scans that look right, of the patient of those that are chosen.

        While scans are missing, what was proposed may change; what a person chose or cleared stays.
        """
        given = self._ids(self._row.names)
        missing = [name for name in self.chosen() if name not in given and name not in self._cleared]
        if not missing:
            return
        optional = not set(missing) & {*self._row.required}
        fixed = {name: given[name] for name in given if optional or name in self._own}
        proposed = self._proposal([*fixed.values(), *given.values()])
        left = {*fixed, *self._cleared}
        new = {name: volume for name, volume in proposed.items() if name not in left}
        kept = [given[name] for name in given if name not in new]
        self.take({name: volume for name, volume in new.items() if volume not in kept})

    def follow(self, shown: Sequence[Any]) -> None:
        """Choose the scans of the patient that the views show, unless what is chosen belongs to him."""
        lead = next((node for node in shown if node in scansInScene()), None)
        chosen = [node for node in self.chosen().values() if node is not None]
        cleared = [slicer.mrmlScene.GetNodeByID(volume) for volume in self._cleared.values()]
        known = [*chosen, *(node for node in cleared if node is not None)]
        if lead is None or any(node in shown or sameExamination(node, lead) for node in known):
            return
        proposed = self._proposal([lead.GetID()])
        if lead.GetID() in proposed.values() and self._asksFor(lead):
            self.take({name: proposed.get(name) for name in self._row.names})

    def next(self, searched: Sequence[Any]) -> dict[str, str]:
        """The inputs (volume IDs by name) of a scan that was not searched yet and is not chosen; empty if none."""
        done = {node.GetID() for node in searched}
        chosen = set(self._ids(self._row.names).values())
        for node in scansInScene():
            if node.GetID() in done | chosen or not self._asksFor(node):
                continue
            proposed = self._proposal([node.GetID()], done)
            missing = [name for name in self._row.names if name not in proposed]
            reference = proposed.get(self._row.reviewed_on)
            if reference in done | chosen or set(missing) & {*self._row.required}:
                continue
            return proposed
        return {}

    def _bound(self) -> None:
        self._own.clear()
        self._before = self._ids(ALL_INPUTS)

    def _staysEmpty(self, volume: str, chosen: Sequence[Any]) -> bool:
        """Whether a volume that was there can be taken for cleared by a person, who turns to no other patient."""
        node = slicer.mrmlScene.GetNodeByID(volume)
        return node is not None and not any(patientsApart(originOf(node), originOf(c)) for c in chosen)

    def _asksFor(self, node) -> bool:
        return self._row.scan(self._row.reviewed_on).sequence != "FLAIR" or not isNoFlair(node.GetName())

    def _proposal(self, first: Sequence[str], searched: Collection[str] = ()) -> dict[str, str]:
        """Scans that look right for the task, of the patient of the first.

        ``searched``: scans that are only taken where they are surely of that patient.
        """
        scans = {node.GetID(): node for node in scansInScene()}
        order = [*(volume for volume in first if volume in scans), *scans]
        origins = {volume: originOf(scans[volume]) for volume in order}
        if order:
            lead = origins[order[0]]
            origins = {v: o for v, o in origins.items() if v not in searched or surelyTogether(lead, o)}
        return proposeInputs(self._row.name, {v: o.name for v, o in origins.items()}, origins)

    def _node(self, name: str):
        return getattr(self._parameters.node, f"{name}Volume")

    def _ids(self, names: Sequence[str]) -> dict[str, str]:
        """Volume ID by name of the inputs that have one."""
        if self._parameters.node is None:
            return {}
        return {name: self._node(name).GetID() for name in names if self._node(name) is not None}


def doubt(chosen: Mapping[str, Any]) -> str:
    """Why scans hardly belong together; empty where nothing tells so.

    ``chosen``: volume node, or None, by input name.
    """
    origins = {name: originOf(node) for name, node in chosen.items() if node is not None}
    for pair in combinations(origins, 2):
        patients = patientsApart(*(origins[name] for name in pair))
        if patients is not None:
            whose = [
                _("{title}: {scan}, of {patient}").format(
                    title=inputTitle(name), scan=origins[name].name, patient=patient
                )
                for name, patient in zip(pair, patients, strict=True)
            ]
            return _("These scans seem to be of two patients:") + "\n\n" + "\n".join(whose)
    if {"baseline", "followup"} <= set(origins) and isReversed(origins["baseline"], origins["followup"]):
        return _("The baseline {baseline} seems to be later than the follow-up {followup}.").format(
            baseline=origins["baseline"].name, followup=origins["followup"].name
        )
    return ""
