"""What an archive, the network or the disk refuses is told in a sentence, and no password in it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

from support.command_calls import call, events
from support.orthanc import PASSWORD, free_ports

SEARCH_AND_GET = (StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelGet)


def node(port: int, **more: object) -> str:
    keys = {"aet": "ORTHANC", "host": "127.0.0.1", "port": port} | more
    return "[archive]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


@contextmanager
def other_archive(*handlers) -> Iterator[int]:
    """A program of its own kind that speaks DIMSE on the port that is given."""
    (port,) = free_ports(1)
    ae = AE("ORTHANC")
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
    for service in (Verification, *SEARCH_AND_GET):
        ae.add_supported_context(service, scu_role=True, scp_role=True)
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=list(handlers))
    try:
        yield port
    finally:
        server.shutdown()


@pytest.mark.parametrize("wrong", ["called", "calling"])
def test_a_wrong_ae_title_is_named(wrong, archive, write_config, study):
    here = "[here]\naet = STRANGER\n" if wrong == "calling" else ""
    title = "SOMEONE" if wrong == "called" else "ORTHANC"
    config = write_config(here + node(archive.dicom, aet=title))
    said = call("pacs", "echo", "archive", "--config", config, fails=1)
    assert "'STRANGER'" in said if here else "refuses 'MSLESIONSEG': one of the two AE titles" in said


def test_nobody_at_the_port_is_told(write_config):
    (port,) = free_ports(1)
    said = call("pacs", "echo", "archive", "--config", write_config(node(port)), fails=1)
    assert f"127.0.0.1:{port}) cannot be reached" in said
    web = write_config(f"[archive]\nurl = http://127.0.0.1:{port}/dicom-web\n")
    assert "cannot be reached" in call("pacs", "find", "archive", "--config", web, fails=1)
    odd = ("--date", "2024-01-31")
    assert "is no date of DICOM" in call("pacs", "find", "archive", *odd, "--config", web, fails=1)


def test_a_broken_association_is_told_and_what_went_before_is_counted(write_config, study):
    taken = []

    def take(event):
        taken.append(event.request.AffectedSOPInstanceUID)
        if len(taken) == 3:
            event.assoc.abort()
        return 0x0000

    with other_archive((evt.EVT_C_STORE, take)) as port:
        said = call("pacs", "send", "archive", study, "--config", write_config(node(port)), fails=1)
    assert "broke the connection" in said
    assert len(taken) == 3


def test_an_archive_that_is_slow_is_waited_for_and_one_that_hangs_is_not(write_config):
    asked, given_up = [], threading.Event()

    def answer(event):
        asked.append(event)
        given_up.wait(0.5 if len(asked) == 1 else 60)
        return 0x0000

    with other_archive((evt.EVT_C_ECHO, answer)) as port:
        patient, impatient = (node(port, timeout_s=seconds) for seconds in (60, 4))
        assert "answers" in call("pacs", "echo", "archive", "--config", write_config(patient))
        said = call("pacs", "echo", "archive", "--config", write_config(impatient), fails=1)
        given_up.set()
    assert "gave no answer for 4 seconds" in said


def test_an_archive_without_room_is_told(write_config, study):
    with other_archive((evt.EVT_C_STORE, lambda event: 0xA700)) as port:
        said = call("pacs", "send", "archive", study, "--config", write_config(node(port)), fails=1)
    assert "refused an object of the kind" in said and "A700" in said


@pytest.mark.parametrize("status", [0xA700, 0xFE00])
def test_an_archive_that_finds_too_much_is_told(write_config, status):
    def find(event):
        answer = Dataset()
        answer.StudyInstanceUID = "1.2.3"
        yield 0xFF00, answer
        yield status, None

    with other_archive((evt.EVT_C_FIND, find)) as port:
        said = call("pacs", "find", "archive", "--config", write_config(node(port)), fails=1)
    assert "finds more than it may tell at once" in said


def test_an_archive_that_takes_no_such_object_is_told(write_config, study):
    (port,) = free_ports(1)
    ae = AE("ORTHANC")
    ae.add_supported_context("1.2.840.10008.5.1.4.1.1.2")
    server = ae.start_server(("127.0.0.1", port), block=False)
    said = call("pacs", "send", "archive", study, "--config", write_config(node(port)), fails=1)
    server.shutdown()
    assert "does not offer this service" in said


def test_names_that_an_archive_makes_up_reach_no_place_on_the_disk(write_config, tmp_path):
    def find(event):
        answer = Dataset()
        answer.QueryRetrieveLevel, answer.StudyInstanceUID = "SERIES", "1.2.3"
        answer.add(DataElement(0x0020000E, "UI", "../../planted", validation_mode=0))
        yield 0xFF00, answer

    with other_archive((evt.EVT_C_FIND, find)) as port:
        config = write_config(node(port))
        said = call(
            "pacs", "get", "archive", "1.2.3", "-o", tmp_path / "a" / "b", "--config", config, fails=1
        )
    assert "no such study" in said
    assert not list(tmp_path.rglob("planted"))


def test_a_series_that_is_not_given_whole_is_refused(write_config, tmp_path):
    def find(event):
        answer = Dataset()
        answer.StudyInstanceUID, answer.SeriesInstanceUID = "1.2.3", "1.2.3.4"
        answer.NumberOfSeriesRelatedInstances = 2
        yield 0xFF00, answer

    def get(event):
        yield 0

    with other_archive((evt.EVT_C_FIND, find), (evt.EVT_C_GET, get)) as port:
        config = write_config(node(port))
        said = call("pacs", "get", "archive", "1.2.3", "-o", tmp_path / "out", "--config", config, fails=1)
    assert "Of 2 files of a series 'archive' gave 0" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="uses a file size limit of the system as a full disk")
@pytest.mark.parametrize("way", ["get", "move", "web"])
def test_a_full_disk_leaves_no_half_study(way, config, study, tmp_path):
    call("pacs", "send", "get", study, "--config", config)
    (found,) = events("pacs", "find", "get", "--config", config)[-1]["studies"]
    command = [sys.executable, "-m", "MSLesionSegLib", "pacs", "get", way, found["study"], "--config", config]
    done = subprocess.run(
        [*command, "-o", tmp_path / "out"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "The disk has no room" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pacs.ini"]


def test_a_wrong_password_is_told_and_no_password_is_shown(config, archive, monkeypatch):
    command = [
        sys.executable,
        "-m",
        "MSLesionSegLib",
        "pacs",
        "find",
        "web",
        "--config",
        str(config),
        "--events",
    ]
    for password, code in ((PASSWORD, 0), (PASSWORD[::-1], 1)):
        environment = {**os.environ, "MSLESIONSEG_PASSWORD_WEB": password, "PYTHONWARNINGS": "always"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == code
        assert password not in done.stdout + done.stderr
        assert password not in archive.log
    assert "refuses this user" in done.stdout


def test_without_a_password_the_ways_to_give_one_are_told(config, monkeypatch):
    monkeypatch.delenv("MSLESIONSEG_PASSWORD_WEB")
    said = call("pacs", "echo", "web", "--config", config, fails=1)
    assert "MSLESIONSEG_PASSWORD_WEB" in said and "keyring set 'mslesionseg web' 'reader'" in said


def test_what_is_no_dicom_is_not_sent(config, tmp_path):
    (tmp_path / "note.txt").write_text("no image")
    said = call("pacs", "send", "get", tmp_path / "note.txt", "--config", config, fails=1)
    assert "no DICOM files to send" in said
