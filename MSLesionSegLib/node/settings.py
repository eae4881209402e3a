"""What the configuration says about the receiving node, its section ``[node]``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.pacs.config_file import Sections, section_as
from MSLesionSegLib.pacs.nodes import RECEIVER, check_files, check_title

ONE_FLAIR, TWO_FLAIRS = "flair", "new"


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """How studies are received and what becomes of them.

    Attributes:
        callers: AE titles that may send; all others are refused.
        archive: name of the archive that former studies are asked from and results are sent to.
        folder: of the queue; only its owner may see it.
        aet, host, port: application entity title and address.
        task: ``flair`` (the study alone) or ``new`` (against the former one, where the archive has one), with the
            models in use.
        device: ``auto``, ``cpu`` or ``cuda``.
        quiet_s: a study is complete when nothing of it has come for so long.
        retry_s: how long after a failure of archive or disk it is tried again.
        jobs: studies at a time.
        disk_gb: most that the queue may take; beyond it nothing is accepted.
        tls, ca, certificate, key: encrypted; callers identify themselves by a certificate that ``ca`` signed.
    """

    callers: tuple[str, ...]
    archive: str
    folder: Path
    aet: str = "MSLESIONSEG"
    host: str = "127.0.0.1"
    port: int = 11112
    task: str = ONE_FLAIR
    device: str = "auto"
    quiet_s: float = 60.0
    retry_s: float = 60.0
    jobs: int = 1
    disk_gb: float = 50.0
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def node_settings(sections: Sections) -> NodeSettings:
    """The settings of the section ``[node]``.

    Raises:
        SettingsError: it is missing or cannot be used.
    """
    if RECEIVER not in sections:
        raise SettingsError(f"The configuration has no section [{RECEIVER}]. docs/dicom.md shows one.")
    settings = section_as(NodeSettings, sections[RECEIVER], RECEIVER)
    if not settings.callers:
        raise SettingsError(f"[{RECEIVER}] names no callers, so nobody could send a study.")
    for title in (settings.aet, *settings.callers):
        check_title(title, RECEIVER)
    if settings.task not in (ONE_FLAIR, TWO_FLAIRS):
        raise SettingsError(f"[{RECEIVER}] task is {ONE_FLAIR} or {TWO_FLAIRS}, not '{settings.task}'.")
    if settings.tls and not (settings.ca and settings.certificate):
        raise SettingsError(f"[{RECEIVER}] needs the keys 'ca' and 'certificate' for tls.")
    check_files(RECEIVER, settings.ca, settings.certificate, settings.key)
    return settings
