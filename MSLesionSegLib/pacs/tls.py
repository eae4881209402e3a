"""Encrypted connections: who is believed, and how this computer identifies itself."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

from MSLesionSegLib.errors import SettingsError


def client_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """For connections to others: their certificate and name are checked, TLS 1.2 or later (DICOM PS3.15, B).

    Raises:
        SettingsError: a file holds no certificate or key.
    """
    with _told():
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    return context


def server_context(ca: Path, certificate: Path, key: Path | None) -> ssl.SSLContext:
    """For connections from others, who must identify themselves by a certificate that ``ca`` signed.

    Raises:
        SettingsError: a file holds no certificate or key.
    """
    with _told():
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
        context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # the errors of ssl are such, too
        raise SettingsError(
            f"A file of a certificate or key cannot be used ({error.strerror or error}). They are PEM files; a "
            "certificate's key lies in its file or is named."
        ) from None
