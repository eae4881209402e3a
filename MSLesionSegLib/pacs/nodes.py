"""Archives by name, as the configuration tells them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.pacs.config_file import Sections, section_as

HERE, RECEIVER = "here", "node"  # sections that name no archive
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Here:
    """How this computer calls itself.

    Attributes:
        aet: application entity title.
        host, port: where images come in that an archive was asked to move here (C-MOVE).
    """

    aet: str = "MSLESIONSEG"
    host: str = "127.0.0.1"
    port: int = 11113


@dataclass(frozen=True, kw_only=True)
class DimseNode:
    """An archive that speaks DIMSE (DICOM PS3.7).

    Attributes:
        name: section of the configuration.
        here: how this computer calls itself.
        aet, host, port: application entity title and address.
        retrieve: ``get`` (C-GET, over the same connection) or ``move`` (C-MOVE, to :class:`Here`, which the archive
            must know).
        tls: encrypted; the archive is checked against ``ca``, or what the system trusts.
        certificate, key: PEM files by which this computer identifies itself.
        timeout_s: how long any answer may take.
    """

    name: str
    here: Here
    aet: str
    host: str
    port: int = 104
    retrieve: str = "get"
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    timeout_s: float = 60.0


@dataclass(frozen=True, kw_only=True)
class WebNode:
    """An archive that speaks DICOMweb (DICOM PS3.18).

    Attributes:
        name: section of the configuration.
        url: address of the service, such as ``https://pacs.example.org/dicom-web``.
        user: whose password is asked for; nobody's if empty.
        ca, certificate, key: as of a :class:`DimseNode`.
        timeout_s: how long any answer may take.
    """

    name: str
    url: str
    user: str = ""
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    timeout_s: float = 60.0


Node: TypeAlias = "DimseNode | WebNode"


def archive_names(sections: Sections) -> list[str]:
    """The archives that a configuration names."""
    return [name for name in sections if name not in (HERE, RECEIVER)]


def find_node(sections: Sections, name: str) -> Node:
    """The archive of that name.

    Raises:
        SettingsError: there is none, or its section cannot be used.
    """
    names = archive_names(sections)
    if name not in names:
        raise SettingsError(f"The configuration names no archive '{name}', but {', '.join(names) or 'none'}.")
    section = sections[name]
    node: Node
    if "url" in section:
        node = section_as(WebNode, section, name, name=name)
        _check_url(node)
    else:
        here = section_as(Here, sections.get(HERE, {}), HERE)
        node = section_as(DimseNode, section, name, name=name, here=here)
        for title, place in ((here.aet, HERE), (node.aet, name)):
            check_title(title, place)
        if node.retrieve not in ("get", "move"):
            raise SettingsError(f"[{name}] retrieve is get or move, not '{node.retrieve}'.")
        if node.tls and node.retrieve == "move" and not (node.ca and node.certificate):
            raise SettingsError(
                f"[{name}] moves images here: for that, tls needs the keys 'ca' and 'certificate'."
            )
    check_files(name, node.ca, node.certificate, node.key)
    return node


def check_title(title: str, section: str) -> None:
    """Refuse what is no application entity title (DICOM PS3.5, 6.2)."""
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", title) or not title.strip():
        raise SettingsError(
            f"[{section}] '{title}' is no AE title: it has 1 to 16 characters of plain ASCII."
        )


def check_files(section: str, *files: Path | None) -> None:
    """Refuse files of certificates and keys that are not there."""
    for file in files:
        if file is not None and not file.is_file():
            raise SettingsError(f"[{section}] names a file that is not there: {file}")


def _check_url(node: WebNode) -> None:
    parts = urlsplit(node.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"[{node.name}] url is no address such as https://pacs.example.org/dicom-web.")
    if parts.username is not None or parts.password is not None:
        raise SettingsError(
            f"[{node.name}] url holds a user or a password. Name the user with the key 'user'."
        )
    if node.user and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SettingsError(f"[{node.name}] would send a password unencrypted. Give an https address.")
