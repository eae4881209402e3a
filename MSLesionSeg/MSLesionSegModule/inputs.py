"""The scans that are chosen for the next search: proposed, all of one patient, and doubted where they are not."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import slicer
from slicer.i18n import tr as _

from .choices import OPTIONAL_INPUTS, TASK_INPUTS, inputTitle
from .patients import patientsApart
from .proposals import proposeInputs
from .scans import originOf, scansInScene
from .sessions import isReversed

_ALL = ("flair", "baseline", "followup", "pre", "post")


class Inputs:
    """Reads and sets the scans in the scene's parameters."""

    def __init__(self) -> None:
        self._parameters = None
        self._own: set[str] = set()  # inputs that a person chose
        self._before: dict[str, str] = {}  # volume ID by input when it was looked at last

    def bind(self, parameters) -> None:
        """Work on the parameters of a scene, or on none."""
        self._parameters = parameters
        self._own.clear()
        self._before = self._ids(_ALL)

    @property
    def task(self) -> str:
        return "flair" if self._parameters is None else self._parameters.task.value

    def chosen(self) -> dict[str, Any]:
        """The volume, or None, of each input of the task."""
        if self._parameters is None:
            return {}
        return {name: self._node(name) for name in TASK_INPUTS[self.task]}

    def take(self, volumes: Mapping[str, str | None]) -> None:
        """Choose volumes, or none (IDs by input name), without a person having chosen them."""
        for name, volume in volumes.items():
            self._own.discard(name)
            self._before.pop(name, None)
            if volume is not None:
                self._before[name] = volume
            setattr(self._parameters, f"{name}Volume", slicer.mrmlScene.GetNodeByID(volume or ""))

    def byPerson(self) -> list[str]:
        """Names of inputs that a person has chosen a volume for since this was asked last."""
        now, before = self._ids(_ALL), self._before
        new = [name for name, volume in now.items() if volume != before.get(name)]
        self._before = now
        self._own = {name for name in (*self._own, *new) if name in now}
        return new

    def propose(self) -> None:
        """Fill what is empty with scans that look right, of the patient of those that are chosen.

        While scans are missing, what was proposed may change; what a person chose stays.
        """
        given = self._ids(TASK_INPUTS[self.task])
        missing = [name for name in self.chosen() if name not in given]
        if not missing:
            return
        optional = all((self.task, name) in OPTIONAL_INPUTS for name in missing)
        fixed = {name: given[name] for name in given if optional or name in self._own}
        proposed = self._proposal([*fixed.values(), *given.values()])
        new = {name: volume for name, volume in proposed.items() if name not in fixed}
        kept = [given[name] for name in given if name not in new]
        self.take({name: volume for name, volume in new.items() if volume not in kept})

    def _proposal(self, first: Sequence[str]) -> dict[str, str]:
        scans = {node.GetID(): node for node in scansInScene()}
        order = [*(volume for volume in first if volume in scans), *scans]
        names = {volume: scans[volume].GetName() for volume in order}
        return proposeInputs(self.task, names, {volume: originOf(scans[volume]) for volume in order})

    def _node(self, name: str):
        return getattr(self._parameters, f"{name}Volume")

    def _ids(self, names: Sequence[str]) -> dict[str, str]:
        """Volume ID by name of the inputs that have one."""
        if self._parameters is None:
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
