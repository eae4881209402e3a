"""The scan in focus: the panel reviews what the slice views show, and searches it next."""

from collections.abc import Sequence
from typing import Any, Protocol

import slicer
import vtk
from slicer.i18n import tr as _

from ..parameters import BoundParameters
from ..scene.reviewSession import INPUT, ReviewSession
from ..scene.sceneLesions import belongsTo, lesionsInScene, lesionsOn, showOnly
from ..widgets.signals import Signal
from ..widgets.timers import delayed
from .sliceViews import Views

_OPAQUE = 0.5  # a foreground from here on is what is seen


class Follower(Protocol):
    """A part of the panel that works on the review in focus."""

    def setSession(self, session: ReviewSession | None) -> None: ...


class Review(Follower, Protocol):
    """The review in focus. ``acting``: signal: a person is about to act on what the views show."""

    session: ReviewSession | None
    acting: Signal

    def takeEdits(self) -> None: ...

    def showScan(self, text: str) -> None: ...

    def showCurrent(self) -> None: ...


class Scans(Protocol):
    """The scans that are asked for. ``chosen``: signal, with the one that a person chose."""

    chosen: Signal

    def follow(self, volumes: Sequence[Any]) -> None: ...

    def askFor(self, session: ReviewSession) -> None: ...

    def update(self) -> None: ...


class Search(Protocol):
    """The search. ``found``: signal, with a review session; ``searching``: signal, with a scan."""

    found: Signal
    searching: Signal

    def describe(self, session: ReviewSession | None) -> None: ...


class Sessions(Protocol):
    """Where review sessions of the scene come from."""

    def getParameterNode(self): ...

    def sessionOf(self, segmentation) -> ReviewSession | None: ...


class Focus:
    """Turns the parts of the panel to a scan, and keeps each review of the scene with its steps to take back."""

    def __init__(
        self,
        logic: Sessions,
        parameters: BoundParameters,
        views: Views,
        review: Review,
        followers: Sequence[Follower],
        scans: Scans,
        search: Search,
    ) -> None:
        self._logic = logic
        self._parameters = parameters
        self._views = views
        self._review = review
        self._followers = followers
        self._scans = scans
        self._search = search
        self._soon = delayed(0, self.look)
        self._again = delayed(0, self._lookForTask)
        self._task = parameters.task
        self._observed: dict[str, tuple[Any, int]] = {}
        self._left: list | None = None  # what the views showed when the module was left in a review
        self._reviews: dict[str, ReviewSession] = {}  # by ID of their segmentation
        review.acting.connect(self.look)
        scans.chosen.connect(self.choose)
        search.found.connect(self.turnTo)
        parameters.bound.connect(self._bound)
        parameters.changed.connect(self._followTask)
        search.searching.connect(self.search)

    @property
    def waiting(self) -> bool:
        """Whether the views have changed and the panel has not followed yet."""
        return self._soon.active or self._again.active

    def enter(self) -> None:
        """Follow the views from now on."""
        if shownVolumes() != self._left:
            self.look()
        self._watch()

    def exit(self) -> None:
        """Follow them no more."""
        self._soon.stop()
        self._again.stop()
        for node, tag in self._observed.values():
            node.RemoveObserver(tag)
        self._observed.clear()
        # a layout that was given back may show what it showed before the review: that does not end it
        self._left = None if self._review.session is None else shownVolumes()

    def lookSoon(self, *_args) -> None:
        """Look once the present event is over."""
        self._soon.start()

    def look(self) -> None:
        """Turn to what the views show."""
        if self._parameters.node is None:
            return
        if (
            slicer.mrmlScene.IsBatchProcessing()
        ):  # such as while a scene is loaded: nodes come before their voxels
            self.lookSoon()
            return
        self._watch()
        volumes, before = shownVolumes(), self._review.session
        self._lookAt(volumes)
        self._showAfter(volumes, before)

    def _lookForTask(self) -> None:
        """Turn to what was found for the task on the scans that the views show; the task's scans stay chosen."""
        if slicer.mrmlScene.IsBatchProcessing():
            self._again.start()
            return
        volumes, before = shownVolumes(), self._review.session
        self._reviewOf(volumes)
        self._showAfter(volumes, before)

    def _showAfter(self, volumes: Sequence[Any], before: ReviewSession | None) -> None:
        """Show scans in the layout that the review needs, if it is another one than before."""
        if (
            volumes
            and self._review.session is not before
            and _isBeside(before) | _isBeside(self._review.session)
        ):
            self._show(volumes[0])
            self._review.showCurrent()

    def choose(self, volume) -> None:
        """Show a scan that a person has chosen, with its lesions where they were found."""
        self._lookAt([volume])
        self._show(volume)
        if slicer.app.layoutManager() is not None:
            slicer.app.layoutManager().resetSliceViews()  # patients do not lie at the same place
        self._review.showCurrent()

    def search(self, volume) -> None:
        """Show a scan that is searched unless it is seen already, so that what is found belongs to what is shown."""
        if volume not in shownVolumes():
            self.choose(volume)

    def restore(self, node) -> None:
        """Review the lesions of a segmentation node, such as one of a scene that was loaded, or none.

        Those of another task are not shown as long as that task is not chosen.
        """
        session = self._kept(node) or self._logic.sessionOf(node)
        self.turnTo(session if session is not None and self._isAskedFor(session) else None)

    def turnTo(self, session: ReviewSession | None) -> None:
        """Turn to a review, or to none; the one of before is kept while it is in the scene."""
        self._search.describe(session)
        before = self._review.session
        if (before and before.node) is (session and session.node):
            return  # it is under review already, with steps to take back
        if before is not None and before.inScene:
            self._review.takeEdits()
        if session is not None:
            session = self._kept(session.node) or session
            self._reviews[session.node.GetID()] = session
            # also when the person has gone to another module meanwhile
            self._logic.getParameterNode().segmentation = session.node
            showOnly(session.node)
        self._review.setSession(session)
        for follower in self._followers:
            follower.setSession(session)
        self._scans.update()
        self._tell([])

    def nodeRemoved(self) -> None:
        """End reviews that lack something now."""
        self._reviews = {name: found for name, found in self._reviews.items() if found.inScene}
        if self._review.session is not None and not self._review.session.inScene:
            self.turnTo(None)

    def forget(self) -> None:
        """End all reviews, as the scene goes."""
        self.turnTo(None)
        self._reviews.clear()

    def _lookAt(self, volumes: Sequence[Any]) -> None:
        self._reviewOf(volumes)
        if volumes:
            self._scans.follow(volumes)
            self._tell(volumes)

    def _reviewOf(self, volumes: Sequence[Any]) -> None:
        found = self._review.session
        if not volumes and (found is None or self._isAskedFor(found)):
            return
        belongs = found is not None and any(belongsTo(found.node, volume) for volume in volumes)
        if not belongs or not self._isAskedFor(found):
            node = lesionsOn(volumes, self._parameters.task)
            showOnly(node)
            self.restore(node)

    def _isAskedFor(self, session: ReviewSession) -> bool:
        return session.task.name == self._parameters.task

    def _followTask(self) -> None:
        """Look again once another task is chosen: what was found for one is not reviewed under another."""
        before, self._task = self._task, self._parameters.task
        if self._parameters.node is not None and self._task != before:
            self._again.start()

    def _bound(self) -> None:
        self._task = self._parameters.task

    def _show(self, volume) -> None:
        session = self._review.session
        if session is None:
            self._views.show("flair", {"flair": volume.GetID()})
            return
        self._views.show(session.record["task"], session.viewIds())
        self._scans.askFor(session)

    def _kept(self, node) -> ReviewSession | None:
        kept = None if node is None else self._reviews.get(node.GetID())
        if kept is None or kept.node is not node or not kept.inScene:
            return None
        kept.takeEdits()  # that were made elsewhere meanwhile
        return kept

    def _watch(self) -> None:
        for kind in ("vtkMRMLSliceCompositeNode", "vtkMRMLLayoutNode"):
            for node in slicer.util.getNodesByClass(kind):
                if self._observed.get(node.GetID(), (None,))[0] is not node:
                    tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self.lookSoon)
                    self._observed[node.GetID()] = node, tag

    def _tell(self, volumes: Sequence[Any]) -> None:
        """Name the scans that are reviewed, or say why none is while these volumes are shown."""
        session, text = self._review.session, ""
        if session is not None:
            names = session.task.names
            scans = [session.node.GetNodeReference(INPUT + name) for name in names]
            text = ", ".join(scan.GetName() for scan in scans if scan is not None)
        elif volumes and lesionsInScene():
            text = _(
                "{scan} is shown and was not searched yet. "
                "Find its lesions, or choose the scan of another review above."
            ).format(scan=volumes[0].GetName())
        self._review.showScan(text)


def _isBeside(session: ReviewSession | None) -> bool:
    """Whether scans are looked at side by side."""
    return session is not None and session.task.registers


def shownVolumes() -> list:
    """The volumes that are seen in the slice views of the layout, each once."""
    views = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    hidden = {view.GetLayoutName() for view in views if not view.IsMappedInLayout()}
    if len(hidden) == len(views):
        hidden = set()  # without a window there is no layout
    seen = {}
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if composite.GetLayoutName() in hidden:
            continue
        layers = [composite.GetBackgroundVolumeID()]
        if composite.GetForegroundOpacity() > _OPAQUE:
            layers.insert(0, composite.GetForegroundVolumeID())
        volume = next((name for name in layers if name and slicer.mrmlScene.GetNodeByID(name)), None)
        if volume is not None:
            seen[volume] = slicer.mrmlScene.GetNodeByID(volume)
    return list(seen.values())
