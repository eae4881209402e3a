"""An archive that speaks DIMSE: C-ECHO, C-FIND, C-GET, C-MOVE and C-STORE (DICOM PS3.4, B and C)."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, build_context, build_role, evt, sop_class
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from MSLesionSegLib.errors import PacsError
from MSLesionSegLib.pacs.archive import SeriesEntry, StudyEntry, StudyQuery
from MSLesionSegLib.pacs.files import IncompleteSeries, Outgoing, arrivals, check_received, outgoing
from MSLesionSegLib.pacs.moving import move_destination
from MSLesionSegLib.pacs.nodes import DimseNode
from MSLesionSegLib.pacs.sop_classes import COMPRESSED, MR_IMAGES, OTHER_OBJECTS, UNCOMPRESSED
from MSLesionSegLib.pacs.tls import client_context

_FIND = sop_class.StudyRootQueryRetrieveInformationModelFind
_GET = sop_class.StudyRootQueryRetrieveInformationModelGet
_MOVE = sop_class.StudyRootQueryRetrieveInformationModelMove
_TOO_MANY = (0xA700, 0xFE00)  # out of resources, ended by the archive (DICOM PS3.4, C.4.1.1.4)
_MOST_CONTEXTS = 128  # DICOM PS3.8, 9.3.2
Keep = Callable[[evt.Event], int]


class DimseArchive:
    """See :class:`~MSLesionSegLib.pacs.archive.Archive`. Each request is an association of its own."""

    def __init__(self, node: DimseNode) -> None:
        self._node = node
        self._tls = client_context(node.ca, node.certificate, node.key) if node.tls else None

    def echo(self) -> None:
        with self._association([build_context(sop_class.Verification)]) as association:
            self._check(association.send_c_echo(), "the test of the connection")

    def studies(self, query: StudyQuery) -> list[StudyEntry]:
        wanted = dict.fromkeys(StudyEntry.KEYWORDS.values(), "") | query.matching
        return [StudyEntry.of(found) for found in self._find("STUDY", wanted)]

    def series(self, study: str) -> list[SeriesEntry]:
        wanted = dict.fromkeys(SeriesEntry.KEYWORDS.values(), "") | {"StudyInstanceUID": study}
        return [SeriesEntry.of(study, found) for found in self._find("SERIES", wanted)]

    def fetch(self, series: SeriesEntry, folder: Path) -> int:
        wanted = {"StudyInstanceUID": series.study, "SeriesInstanceUID": series.series}
        identifier = _identifier("SERIES", wanted)
        with arrivals(folder) as keep:
            if self._node.retrieve == "move":
                self._move(identifier, keep)
            else:
                self._get(identifier, keep)
        return check_received(folder, series, self._node.name)

    def _get(self, identifier: Dataset, keep: Keep) -> None:
        stored = _retrieved()
        roles = [
            build_role(uid, scp_role=True) for uid in dict.fromkeys(one.abstract_syntax for one in stored)
        ]
        with self._association(
            [build_context(_GET), *stored], [(evt.EVT_C_STORE, keep)], roles
        ) as association:
            self._follow(association.send_c_get(identifier, _GET), "to give the series")

    def _move(self, identifier: Dataset, keep: Keep) -> None:
        with (
            move_destination(self._node, keep),
            self._association([build_context(_MOVE)]) as association,
        ):
            answers = association.send_c_move(identifier, self._node.here.aet, _MOVE)
            self._follow(answers, "to move the series here")

    def store(self, files: Iterable[Path], stored: Callable[[Path], None]) -> None:
        found = [outgoing(file) for file in files]
        contexts = list(dict.fromkeys((one.sop_class, one.transfer_syntax) for one in found))
        for start in range(0, len(contexts), _MOST_CONTEXTS):
            part = contexts[start : start + _MOST_CONTEXTS]
            mine = [one for one in found if (one.sop_class, one.transfer_syntax) in part]
            with self._association([_offered(*context) for context in part]) as association:
                for one in mine:
                    self._send(association, one)
                    stored(one.file)

    def _send(self, association: Association, one: Outgoing) -> None:
        try:
            status = association.send_c_store(one.file)
        except ValueError:  # no accepted context
            raise PacsError(
                f"{self._title} takes no objects of the kind '{one.kind}' as they are encoded."
            ) from None
        except RuntimeError:  # the association has gone
            raise self._broken() from None
        self._check(status, f"an object of the kind '{one.kind}'")

    def _find(self, level: str, wanted: dict[str, str]) -> Iterator[Dataset]:
        with self._association([build_context(_FIND)]) as association:
            for status, found in association.send_c_find(_identifier(level, wanted), _FIND):
                if found is not None and _pending(status):
                    yield found
                elif status.get("Status") in _TOO_MANY:
                    raise PacsError(
                        f"{self._title} finds more than it may tell at once. Narrow the search, such as by --date."
                    )
                elif not _pending(status):
                    self._check(status, "the search")

    def _follow(self, answers: Iterator[tuple[Dataset, Dataset | None]], what: str) -> None:
        for status, _ in answers:
            failed = int(status.get("NumberOfFailedSuboperations") or 0)
            if not _pending(status) and "Status" in status and (failed or status.Status):
                raise IncompleteSeries(
                    f"{self._title} failed {what} (status {status.Status:04X}): {failed} of its files did not come."
                )
            if not _pending(status):
                self._check(status, what)

    def _check(self, status: Dataset, what: str) -> None:
        if "Status" not in status:
            raise self._broken()
        if status.Status not in (0x0000, 0xB000, 0xB006, 0xB007):  # done, or done with a remark
            raise PacsError(f"{self._title} refused {what} (status {status.Status:04X}).")

    @property
    def _title(self) -> str:
        return f"'{self._node.name}' ({self._node.aet} at {self._node.host}:{self._node.port})"

    def _broken(self) -> PacsError:
        return PacsError(
            f"{self._title} broke the connection, or gave no answer for {self._node.timeout_s:g} seconds. "
            f"Does it know '{self._node.here.aet}'?"
        )

    @contextlib.contextmanager
    def _association(
        self,
        contexts: list[PresentationContext],
        handlers: Sequence[Any] = (),
        roles: Sequence[Any] = (),
    ) -> Iterator[Association]:
        node = self._node
        ae = AE(ae_title=node.here.aet)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = node.timeout_s
        tls = None if self._tls is None else (self._tls, node.host)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they repeat values, which may name the patient
            association = ae.associate(
                node.host,
                node.port,
                contexts=contexts,
                ae_title=node.aet,
                ext_neg=list(roles),
                tls_args=tls,
                evt_handlers=list(handlers),
            )
            if not association.is_established:
                raise self._not_established(association)
            try:
                yield association
            finally:
                if association.is_established:
                    association.release()

    def _not_established(self, association: Association) -> PacsError:
        if association.is_rejected:
            return PacsError(
                f"{self._title} refuses '{self._node.here.aet}': one of the two AE titles is not known there."
            )
        if association.acceptor.primitive is not None:
            return PacsError(f"{self._title} does not offer this service.")
        certificates = "" if self._tls is None else ", or the certificates do not fit"
        return PacsError(f"{self._title} cannot be reached{certificates}.")


def _identifier(level: str, values: dict[str, str]) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(identifier, keyword, value)
    return identifier


def _pending(status: Dataset) -> bool:
    return status.get("Status") in (0xFF00, 0xFF01)


def _retrieved() -> list[PresentationContext]:
    """For each kind of object, uncompressed and in each compression by itself: the archive need not convert."""
    images = [build_context(kind, syntax) for kind in MR_IMAGES for syntax in COMPRESSED]
    return [*(build_context(kind, UNCOMPRESSED) for kind in (*MR_IMAGES, *OTHER_OBJECTS)), *images]


def _offered(kind: str, syntax: str) -> PresentationContext:
    """As the file is encoded; where it is not compressed, any uncompressed way will do."""
    return build_context(kind, UNCOMPRESSED if syntax in UNCOMPRESSED else syntax)
