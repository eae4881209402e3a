"""Encrypted to an archive that is known, and to no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates import make_certificate
from support.command_calls import call, events
from support.orthanc import MISSING, PASSWORD, USER, Orthanc, encrypted_entrance, orthanc_at

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate") / "known.pem")


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory, certificate) -> Iterator[Orthanc]:
    with orthanc_at(tmp_path_factory.mktemp("encrypted"), certificate) as archive:
        yield archive


@pytest.fixture(scope="module")
def https(encrypted, certificate) -> Iterator[str]:
    with encrypted_entrance(encrypted.http, certificate) as address:
        yield address


@pytest.fixture
def config_for(encrypted, https, write_config, monkeypatch):
    monkeypatch.setenv("MSLESIONSEG_PASSWORD_WEB", PASSWORD)

    def write(ca: Path, own: Path) -> Path:
        files = f"ca = {ca}\ncertificate = {own}\n"
        dimse = f"aet = ORTHANC\nhost = 127.0.0.1\nport = {encrypted.dicom}\ntls = yes\n{files}"
        return write_config(
            f"[here]\nport = {encrypted.ports['MSLESIONSEG']}\n[get]\n{dimse}[move]\n{dimse}retrieve = move\n"
            f"[plain]\naet = ORTHANC\nhost = 127.0.0.1\nport = {encrypted.dicom}\ntimeout_s = 5\n"
            f"[web]\nurl = {https}/dicom-web\nuser = {USER}\nca = {ca}\n"
        )

    return write


@pytest.mark.parametrize("way", ["get", "move", "web"])
def test_a_study_goes_both_ways_encrypted(way, config_for, certificate, study, tmp_path):
    config = ["--config", config_for(certificate, certificate)]
    call("pacs", "send", "web" if way == "web" else "get", study, *config)
    (found,) = events("pacs", "find", way, *config)[-1]["studies"]
    assert events("pacs", "get", way, found["study"], "-o", tmp_path / "out", *config)[-1]["files"] == 6


def test_an_archive_that_is_not_the_one_that_is_trusted_gets_nothing(config_for, certificate, tmp_path):
    other = make_certificate(tmp_path / "other.pem")
    config = config_for(other, certificate)
    for way in ("get", "web"):
        assert "certificates do not fit" in call("pacs", "echo", way, "--config", config, fails=1)


def test_an_archive_that_speaks_encrypted_only_is_not_reached_otherwise(config_for, certificate):
    call("pacs", "echo", "plain", "--config", config_for(certificate, certificate), fails=1)


def test_a_file_that_is_no_certificate_is_told(config_for, tmp_path):
    (tmp_path / "no.pem").write_text("nothing")
    said = call(
        "pacs", "echo", "get", "--config", config_for(tmp_path / "no.pem", tmp_path / "no.pem"), fails=1
    )
    assert "PEM files" in said
