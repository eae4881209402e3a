"""Results go out until the archive has taken each, whatever it says in between."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian, SegmentationStorage, generate_uid
from pynetdicom import AE, evt

from MSLesionSegLib.node.audit import AUDIT
from MSLesionSegLib.node.queue import SENDING, WAITING, Queue
from MSLesionSegLib.node.settings import NodeSettings
from MSLesionSegLib.node.worker import Worker
from MSLesionSegLib.pacs.connection import connect
from MSLesionSegLib.pacs.nodes import DimseNode, Here
from support.orthanc import free_ports

STUDY = "c47f5b18b8a430e6"


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def queue(queue_folder) -> Queue:
    """A queue with a study whose results, a segmentation and a PDF, are to be sent."""
    queue = Queue(queue_folder)
    queue.place(WAITING, STUDY).mkdir()
    results = queue.work_folder(STUDY) / "dicom"
    results.mkdir()
    for kind in (SegmentationStorage, EncapsulatedPDFStorage):
        item, meta = Dataset(), FileMetaDataset()
        item.SOPClassUID = meta.MediaStorageSOPClassUID = kind
        item.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        item.file_meta = meta
        item.save_as(results / f"{kind.keyword}.dcm", enforce_file_format=True)
    (results / "note.json").write_text(
        json.dumps({"images": "0", "line": {"study": STUDY, "outcome": "sent"}})
    )
    queue.to_send(STUDY, results)
    return queue


@pytest.fixture
def worker(queue, queue_folder, port) -> Worker:
    settings = NodeSettings(callers=("A",), archive="hospital", folder=queue_folder)
    node = DimseNode(name="hospital", here=Here(), aet="ARCHIVE", host="127.0.0.1", port=port)
    return Worker(settings, queue, connect(node), queue_folder / ".stop", dry_run=False)


@contextmanager
def archive(port: int, *kinds: str, statuses: Iterator[int]) -> Iterator[Counter[str]]:
    """Takes some kinds of objects and answers with statuses in turn; counts what it has taken by kind."""
    taken: Counter[str] = Counter()

    def take(event: evt.Event) -> int:
        status = next(statuses)
        taken[event.request.AffectedSOPClassUID] += status == 0
        return status

    ae = AE("ARCHIVE")
    for kind in kinds:
        ae.add_supported_context(kind)
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, take)])
    try:
        yield taken
    finally:
        server.shutdown()


def test_what_an_archive_never_takes_does_not_hold_up_the_rest(worker, queue, port, queue_folder):
    with archive(port, EncapsulatedPDFStorage, statuses=iter([0])) as taken:
        for _ in range(2):
            assert "does not offer this service. Next try in" in worker.go_on(SENDING, STUDY)
    assert taken == {EncapsulatedPDFStorage: 1}
    with archive(port, SegmentationStorage, statuses=iter([0])) as taken:
        assert worker.go_on(SENDING, STUDY) == ""
    assert taken == {SegmentationStorage: 1}
    assert queue.studies(SENDING) == []
    assert len(queue.finished(STUDY).sent) == 2
    assert "\tsent\t" in (queue_folder / AUDIT).read_text()


def test_an_archive_that_is_full_gets_the_rest_later(worker, queue, port, queue_folder):
    kinds = (SegmentationStorage, EncapsulatedPDFStorage)
    with archive(port, *kinds, statuses=iter([0, 0xA700, 0])) as taken:
        assert "(status A700). Next try in 60 s." in worker.go_on(SENDING, STUDY)
        assert not (queue_folder / AUDIT).exists()
        assert worker.go_on(SENDING, STUDY) == ""
    assert set(taken.values()) == {1} and len(taken) == 2
