"""An archive that speaks DICOMweb: QIDO-RS, WADO-RS and STOW-RS (DICOM PS3.18)."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pydicom
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset

from MSLesionSegLib.errors import PacsError
from MSLesionSegLib.files.atomic import atomic_file, output_errors
from MSLesionSegLib.pacs.archive import SeriesEntry, StudyEntry, StudyQuery
from MSLesionSegLib.pacs.credentials import password
from MSLesionSegLib.pacs.files import check_received, is_uid, outgoing
from MSLesionSegLib.pacs.nodes import WebNode

_AS_STORED = (("application/dicom", "*"),)
logging.getLogger("dicomweb_client").addHandler(
    logging.NullHandler()
)  # addresses may hold a patient's number


class WebArchive:
    """See :class:`~MSLesionSegLib.pacs.archive.Archive`."""

    def __init__(self, node: WebNode) -> None:
        self._node = node
        session = requests.Session()
        session.trust_env = False  # certificates and passwords are those of the configuration
        session.verify = str(node.ca) if node.ca else True
        if node.certificate is not None:
            session.cert = (str(node.certificate), str(node.key or node.certificate))
        if node.user:
            session.auth = node.user, password(node.name, node.user)
        self._client = DICOMwebClient(node.url, session, timeout=node.timeout_s, permissive_uid=True)
        self._client.set_http_retry_params(retry=False)

    def echo(self) -> None:
        with self._told("the test of the connection"):
            self._client.search_for_studies(limit=1)

    def studies(self, query: StudyQuery) -> list[StudyEntry]:
        filters = {keyword: value for keyword, value in query.matching.items() if value}
        fields = [keyword for keyword in StudyEntry.KEYWORDS.values() if keyword not in filters]
        search = partial(self._client.search_for_studies, fields=fields, search_filters=filters)
        return [StudyEntry.of(found) for found in self._search(search, "StudyInstanceUID")]

    def series(self, study: str) -> list[SeriesEntry]:
        search = partial(self._client.search_for_series, study, fields=[*SeriesEntry.KEYWORDS.values()])
        return [SeriesEntry.of(study, found) for found in self._search(search, "SeriesInstanceUID")]

    def _search(self, search: Callable[..., list[dict[str, Any]]], uid: str) -> Iterable[Dataset]:
        """All that is found, page by page: until one brings nothing new, as of archives that know no pages."""
        found: dict[str, Dataset] = {}
        with self._told("the search"):
            while True:
                page = [Dataset.from_json(one) for one in search(offset=len(found) or None)]
                fresh = {str(one[uid].value): one for one in page if str(one[uid].value) not in found}
                if not fresh:
                    return found.values()
                found |= fresh

    def fetch(self, series: SeriesEntry, folder: Path) -> int:
        with self._told("to give the series"):
            for dataset in self._client.iter_series(series.study, series.series, _AS_STORED):
                if not is_uid(dataset.SOPInstanceUID):
                    continue
                with output_errors(folder), atomic_file(folder / f"{dataset.SOPInstanceUID}.dcm") as partial:
                    dataset.save_as(partial, enforce_file_format=True)
        return check_received(folder, series, self._node.name)

    def store(self, files: Iterable[Path], stored: Callable[[Path], None]) -> None:
        for one in [outgoing(file) for file in files]:
            with self._told(f"an object of the kind '{one.kind}'"):
                answer = self._client.store_instances([pydicom.dcmread(one.file)])
            for failed in answer.get("FailedSOPSequence") or ():
                reason = int(failed.get("FailureReason") or 0)
                raise PacsError(
                    f"{self._title} refused an object of the kind '{one.kind}' (status {reason:04X})."
                )
            stored(one.file)

    @property
    def _title(self) -> str:
        return f"'{self._node.name}' ({self._node.url})"

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """What goes wrong becomes a sentence without the address that was asked, which may name a patient."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # they repeat values
                yield
        except requests.HTTPError as error:
            raise PacsError(self._refused(error.response.status_code, what)) from None
        except requests.Timeout:
            raise PacsError(f"{self._title} gave no answer for {self._node.timeout_s:g} seconds.") from None
        except requests.exceptions.SSLError:
            raise PacsError(
                f"{self._title}: the certificates do not fit. Name the right 'ca' for it."
            ) from None
        except requests.RequestException:
            raise PacsError(f"{self._title} cannot be reached, or broke the connection.") from None
        except (ValueError, KeyError, TypeError, AttributeError):  # what answers is no DICOMweb
            raise PacsError(f"{self._title} gave an answer that is no DICOMweb.") from None

    def _refused(self, status: int, what: str) -> str:
        if status in (401, 403):
            return f"{self._title} refuses this user or computer (HTTP {status})."
        if status == 404:
            return f"{self._title} has no such thing, or its address is another one (HTTP 404)."
        return f"{self._title} refused {what} (HTTP {status})."
