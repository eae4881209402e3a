"""Where an archive moves images to (C-MOVE): a receiver that is there as long as the move takes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from pynetdicom import AE, evt

from MSLesionSegLib.errors import PacsError
from MSLesionSegLib.pacs.nodes import DimseNode
from MSLesionSegLib.pacs.sop_classes import COMPRESSED, MR_IMAGES, OTHER_OBJECTS, UNCOMPRESSED
from MSLesionSegLib.pacs.tls import server_context

_ONE_AT_A_TIME = threading.Lock()  # there is one port to move to


@contextlib.contextmanager
def move_destination(node: DimseNode, keep: Callable[[evt.Event], int]) -> Iterator[None]:
    """While the block runs, what the node sends to this computer's own AE title is given to ``keep``.

    Raises:
        PacsError: the port is in use.
    """
    here = node.here
    ae = AE(ae_title=here.aet)
    ae.require_called_aet, ae.require_calling_aet = True, [node.aet]
    ae.network_timeout = node.timeout_s
    for kind in (*MR_IMAGES, *OTHER_OBJECTS):
        ae.add_supported_context(kind, [*UNCOMPRESSED, *COMPRESSED])
    tls = server_context(node.ca, node.certificate, node.key) if node.tls else None
    with _ONE_AT_A_TIME:
        try:
            server = ae.start_server(
                (here.host, here.port),
                block=False,
                ssl_context=tls,
                evt_handlers=[(evt.EVT_C_STORE, keep)],
            )
        except OSError as error:
            raise PacsError(f"Nothing can be moved to {here.host}:{here.port} ({error.strerror}).") from None
        try:
            yield
        finally:
            server.shutdown()
