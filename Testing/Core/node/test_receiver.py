"""Configured callers may send; what comes is kept as it came, or refused so that it is sent again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import SecondaryCaptureImageStorage
from pynetdicom import AE

from MSLesionSegLib.errors import PacsError
from MSLesionSegLib.node.queue import INCOMING, Queue, hashed
from MSLesionSegLib.node.receiver import Room, receiver
from MSLesionSegLib.node.settings import NodeSettings
from MSLesionSegLib.pacs.sop_classes import MR_IMAGES
from support.certificates import make_certificate
from support.command_calls import call
from support.orthanc import free_ports, private_file

Start = Callable[..., AbstractContextManager[tuple[Queue, Path]]]


@pytest.fixture
def told() -> list[str]:
    """What the receiver has told a person."""
    return []


@pytest.fixture
def start(queue_folder, tmp_path, told) -> Start:
    """Receives while a block runs; gives the queue, and a configuration in which the node is called ``node``."""

    @contextlib.contextmanager
    def run(caller: str = "MSLESIONSEG", encryption: str = "", **settings) -> Iterator[tuple[Queue, Path]]:
        (port,) = free_ports(1)
        asked = NodeSettings(
            callers=("MSLESIONSEG", "SCANNER"),
            archive="",
            folder=queue_folder,
            aet="MSNODE",
            port=port,
            **settings,
        )
        queue = Queue(queue_folder)
        here = f"[here]\naet = {caller}\n"
        config = private_file(
            tmp_path / "pacs.ini",
            f"{here}[node]\n[ours]\naet = MSNODE\nhost = 127.0.0.1\n{encryption}port = {port}\n",
        )
        with receiver(asked, queue, Room(queue, asked.disk_gb), told.append):
            yield queue, config

    return run


def received(queue: Queue) -> list[pydicom.Dataset]:
    return [
        pydicom.dcmread(file)
        for study in queue.studies(INCOMING)
        for file in queue.place(INCOMING, study).rglob("*.dcm")
    ]


def test_images_are_kept_as_they_came_each_series_by_itself(start, studies):
    with start() as (queue, config):
        call("pacs", "echo", "ours", "--config", config)
        call("pacs", "send", "ours", studies["first"], "--config", config)
    files = {file.SOPInstanceUID: file for file in received(queue)}
    sent = {file.SOPInstanceUID: file for file in map(pydicom.dcmread, studies["first"].rglob("*.dcm"))}
    assert files == sent
    (study,) = queue.studies(INCOMING)
    uids = {file.SeriesInstanceUID for file in sent.values()}
    assert {folder.name for folder in queue.place(INCOMING, study).iterdir()} == set(map(hashed, uids))


@pytest.mark.parametrize("caller", ["STRANGER", "MSNODE"])
def test_a_caller_that_nobody_configured_is_refused_and_named(start, studies, told, caller):
    with start(caller) as (queue, config):
        assert "AE titles" in call("pacs", "send", "ours", studies["other"], "--config", config, fails=1)
    assert queue.studies(INCOMING) == []
    assert f"'{caller}', who called 'MSNODE', was refused" in told[0]


def test_what_is_no_mr_image_is_answered_and_not_kept(start, studies, tmp_path):
    item = pydicom.dcmread(next(studies["other"].rglob("*.dcm")))
    item.SOPClassUID = item.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    item.save_as(tmp_path / "capture.dcm")
    with start() as (queue, config):
        call("pacs", "send", "ours", tmp_path / "capture.dcm", "--config", config)
    assert queue.studies(INCOMING) == []


def test_when_the_queue_is_full_the_caller_is_told_and_may_send_again_later(start, studies, told):
    with start(disk_gb=1e-5) as (queue, config):
        said = call("pacs", "send", "ours", studies["first"], "--config", config, fails=1)
        assert "(status A700)" in said
    assert queue.size() < 10_000 and "has no room" in told[0]
    with start() as (queue, config):
        call("pacs", "send", "ours", studies["first"], "--config", config)
    assert len(received(queue)) == 3


def test_an_association_that_breaks_leaves_whole_images_only(start, studies):
    files = sorted(studies["first"].rglob("*-1-*.dcm"))
    with start() as (queue, config):
        ae = AE("SCANNER")
        ae.add_requested_context(MR_IMAGES[0])
        port = int(config.read_text().rpartition("=")[2])
        caller = ae.associate("127.0.0.1", port, ae_title="MSNODE")
        for file in files:
            assert caller.send_c_store(pydicom.dcmread(file)).Status == 0
        caller.abort()
        kept = {file.SOPInstanceUID: file for file in received(queue)}
        assert kept == {file.SOPInstanceUID: file for file in map(pydicom.dcmread, files)}
        call("pacs", "send", "ours", studies["first"], "--config", config)
    assert len(received(queue)) == 3


def test_encrypted_only_those_are_received_who_show_a_certificate(start, studies, tmp_path):
    ours, other = (make_certificate(tmp_path / name) for name in ("ours.pem", "other.pem"))
    settings = {"tls": True, "ca": ours, "certificate": ours}
    for shown, fails in ((ours, 0), (other, 1)):
        keys = f"tls = yes\nca = {ours}\ncertificate = {shown}\ntimeout_s = 30\n"
        with start(encryption=keys, **settings) as (queue, config):
            call("pacs", "send", "ours", studies["other"], "--config", config, fails=fails)
        assert len(received(queue)) == 2
    with start(**settings) as (queue, config):
        call("pacs", "send", "ours", studies["other"], "--config", config, fails=1)


def test_a_port_that_is_in_use_is_told(start, queue_folder):
    with start() as (_, config):
        port = int(config.read_text().rpartition("=")[2])
        settings = NodeSettings(callers=("A",), archive="", folder=queue_folder, port=port)
        queue = Queue(queue_folder)
        with (
            pytest.raises(PacsError, match=f"127.0.0.1:{port}"),
            receiver(settings, queue, Room(queue, 1), print),
        ):
            pass
