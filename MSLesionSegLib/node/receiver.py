"""What answers callers: C-ECHO and C-STORE (DICOM PS3.4, A and B)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from pynetdicom import AE, AllStoragePresentationContexts, evt, sop_class

from MSLesionSegLib.errors import PacsError
from MSLesionSegLib.node.queue import Queue
from MSLesionSegLib.node.settings import NodeSettings
from MSLesionSegLib.pacs.files import DONE, NO_ROOM, NOT_UNDERSTOOD, is_uid
from MSLesionSegLib.pacs.sop_classes import COMPRESSED, MR_IMAGES, UNCOMPRESSED
from MSLesionSegLib.pacs.tls import server_context

_MOST_CALLERS = 10
_GB = 1e9


class Room:
    """How much the queue may still take: measured now and then, and counted in between."""

    def __init__(self, queue: Queue, most_gb: float) -> None:
        self._queue, self._most = queue, most_gb * _GB
        self.measure()

    def measure(self) -> None:
        """Look at the disk."""
        self._used = self._queue.size()

    def takes(self, size: int) -> bool:
        """Whether there is room for so many bytes, which count from now on."""
        if self._used + size > self._most:
            return False
        self._used += size
        return True


@contextlib.contextmanager
def receiver(settings: NodeSettings, queue: Queue, room: Room, tell: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, configured callers may send; MR images go into the queue, all else is not kept.

    Args:
        tell: gets a sentence for whoever was refused, and why.

    Raises:
        PacsError: the port is in use.
    """
    ae = AE(ae_title=settings.aet)
    ae.require_called_aet, ae.require_calling_aet = True, list(settings.callers)
    ae.maximum_associations = _MOST_CALLERS
    ae.add_supported_context(sop_class.Verification)
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax, [*UNCOMPRESSED, *COMPRESSED])

    def keep(event: evt.Event) -> int:
        if event.request.AffectedSOPClassUID not in MR_IMAGES:
            return DONE
        content = event.encoded_dataset()
        uids = (*_series_of(event), str(event.request.AffectedSOPInstanceUID))
        if not all(map(is_uid, uids)):
            return NOT_UNDERSTOOD
        try:
            if room.takes(len(content)):
                queue.receive(*uids, content)
                return DONE
        except OSError:
            pass
        queue.refuse(uids[0], uids[2])
        tell(f"The queue in {settings.folder} has no room: images are refused until there is some.")
        return NO_ROOM

    def refused(event: evt.Event) -> None:
        caller, called = (
            event.assoc.requestor.primitive.calling_ae_title,
            event.assoc.requestor.primitive.called_ae_title,
        )
        tell(f"'{caller}', who called '{called}', was refused. Callers are {', '.join(settings.callers)}.")

    tls = server_context(settings.ca, settings.certificate, settings.key) if settings.tls else None
    handlers = [(evt.EVT_C_STORE, keep), (evt.EVT_REJECTED, refused)]
    try:
        server = ae.start_server(
            (settings.host, settings.port), block=False, ssl_context=tls, evt_handlers=handlers
        )
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        raise PacsError(f"Nobody can be received at {place} ({error.strerror}).") from None
    try:
        yield
    finally:
        server.shutdown()


def _series_of(event: evt.Event) -> tuple[str, str]:
    """The UIDs of study and series; empty where the image has none that can be read."""
    try:
        header = event.dataset
        return str(header.get("StudyInstanceUID", "")), str(header.get("SeriesInstanceUID", ""))
    except Exception:  # pydicom raises errors of many kinds on damaged data
        return "", ""
