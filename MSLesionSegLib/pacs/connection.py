"""From a node of the configuration to the archive behind it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from MSLesionSegLib.errors import MissingPackageError
from MSLesionSegLib.pacs.archive import Archive
from MSLesionSegLib.pacs.nodes import Node, WebNode


@contextlib.contextmanager
def network_packages() -> Iterator[None]:
    """Where packages of the network are imported: a missing one is told.

    Raises:
        MissingPackageError: with how to install it.
    """
    try:
        yield
    except ImportError as error:
        raise MissingPackageError(
            f"Talking to a PACS needs the package '{error.name}': pip install 'mslesionseg[pacs]'."
        ) from None


def connect(node: Node) -> Archive:
    """The archive behind a node; nothing is asked yet.

    Raises:
        SettingsError: certificates or a password are missing; MissingPackageError: the network's packages.
    """
    with network_packages():
        if isinstance(node, WebNode):
            from MSLesionSegLib.pacs.dicomweb import WebArchive

            return WebArchive(node)
        from MSLesionSegLib.pacs.dimse import DimseArchive

        return DimseArchive(node)
