"""The 3D views of the layout: where they look, and clicks on what they show."""

from collections.abc import Callable

import slicer

_CLOSER = 1.5  # than a ball around the box asks for
_FIRST = 10.0  # priority: what turns the view lets nobody after it know
_STILL_PX = 3  # a mouse that moved further has turned the view


def surfaceViews() -> list:
    """The 3D views that a person sees."""
    manager = slicer.app.layoutManager()
    views = (
        []
        if manager is None
        else [manager.threeDWidget(i).threeDView() for i in range(manager.threeDViewCount)]
    )
    return [view for view in views if view.mrmlViewNode().IsMappedInLayout()]


def lookAt(bounds) -> None:
    """Let 3D views show a box of the world as large as they can: mm RAS, two ends for each axis."""
    for view in surfaceViews():
        renderer = view.renderWindow().GetRenderers().GetFirstRenderer()
        renderer.ResetCamera(bounds)
        renderer.GetActiveCamera().Dolly(_CLOSER)
        renderer.ResetCameraClippingRange()


class SurfaceClicks:
    """Calls ``onClick(start, end)`` with the ends of the line, in mm RAS, that a click goes along into the depth."""

    def __init__(self, onClick: Callable) -> None:
        self._onClick = onClick
        self._observed: list = []  # interactors and tags
        self._pressed = None

    def listen(self) -> None:
        """Listen to the 3D views of the layout, to each once."""
        for view in surfaceViews():
            interactor = view.interactor()
            if all(interactor is not other for other, _tag in self._observed):
                renderer = view.renderWindow().GetRenderers().GetFirstRenderer()
                for event, action in (
                    ("LeftButtonPressEvent", self._press),
                    (
                        "LeftButtonReleaseEvent",
                        lambda caller, _event, seen=renderer: self._release(caller, seen),
                    ),
                ):
                    self._observed.append((interactor, interactor.AddObserver(event, action, _FIRST)))

    def stop(self) -> None:
        """Listen no more."""
        for interactor, tag in self._observed:
            interactor.RemoveObserver(tag)
        self._observed = []

    def _press(self, interactor, _event) -> None:
        self._pressed = interactor.GetEventPosition()

    def _release(self, interactor, renderer) -> None:
        pressed, self._pressed = self._pressed, None
        x, y = interactor.GetEventPosition()
        if pressed is not None and max(abs(x - pressed[0]), abs(y - pressed[1])) <= _STILL_PX:
            self._onClick(*(_world(renderer, x, y, depth) for depth in (0.0, 1.0)))


def _world(renderer, x: float, y: float, depth: float) -> tuple[float, float, float]:
    renderer.SetDisplayPoint(x, y, depth)
    renderer.DisplayToWorld()
    *point, weight = renderer.GetWorldPoint()
    return tuple(part / weight for part in point)
