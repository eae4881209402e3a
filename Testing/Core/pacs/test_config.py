"""The file that names the archives: seen by its owner alone, free of passwords, and told where it is wrong."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.pacs.config_file import read_config
from MSLesionSegLib.pacs.credentials import password
from MSLesionSegLib.pacs.nodes import DimseNode, WebNode, find_node
from support.command_calls import call

GOOD = """
[here]
aet = READING_ROOM

# the hospital's own
[hospital]
aet = PACS
host = 192.0.2.7
port = 11112
retrieve = move
timeout_s = 12.5

[cloud]
url = https://pacs.example.org/dicom-web
user = reader
"""


def test_archives_are_found_by_their_names(write_config):
    sections = read_config(write_config(GOOD))
    hospital, cloud = find_node(sections, "hospital"), find_node(sections, "cloud")
    assert isinstance(hospital, DimseNode) and isinstance(cloud, WebNode)
    assert (hospital.here.aet, hospital.aet, hospital.port, hospital.retrieve) == (
        "READING_ROOM",
        "PACS",
        11112,
        "move",
    )
    assert (hospital.timeout_s, hospital.tls, cloud.user) == (12.5, False, "reader")


def test_the_example_of_the_documentation_is_understood(write_config, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pacs").mkdir()
    for name in ("hospital-ca.pem", "here.pem", "here.key"):
        (tmp_path / "pacs" / name).touch()
    page = (Path(__file__).parents[3] / "docs" / "dicom.md").read_text(encoding="utf-8")
    sections = read_config(write_config(re.search(r"```ini\n(.*?)```", page, re.DOTALL).group(1)))
    hospital, cloud = find_node(sections, "hospital"), find_node(sections, "cloud")
    assert (hospital.retrieve, hospital.timeout_s, hospital.key) == (
        "get",
        60,
        tmp_path / "pacs" / "here.key",
    )
    assert cloud.url == "https://pacs.example.org/dicom-web"


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_file_that_others_may_see_is_refused(write_config, mode):
    file = write_config(GOOD)
    file.chmod(mode)
    said = call("pacs", "echo", "hospital", "--config", file, fails=1)
    assert f"chmod 600 '{file}'" in said


def test_a_file_that_is_missing_is_named(tmp_path):
    said = call("pacs", "echo", "hospital", "--config", tmp_path / "none.ini", fails=1)
    assert "none.ini is missing" in said and "docs/dicom.md" in said


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("password = 4711", r"\[cloud\] has a key 'password' that means nothing"),
        ("timeout_s = soon", "timeout_s = soon cannot be understood: a number above 0"),
        ("timeout_s = 0", "a number above 0"),
        ("ca = none.pem", "a file that is not there: none.pem"),
        ("[hospital]\nhost = x", "cannot be understood"),
        ("[bad]\naet = PACS", r"\[bad\] needs the key 'host'"),
        ("[bad]\naet = A_TITLE_THAT_IS_TOO_LONG\nhost = x", "is no AE title"),
        ("[bad]\naet = PACS\nhost = x\nport = -1", "a whole number from 1"),
        ("[bad]\naet = PACS\nhost = x\ntls = maybe", "yes or no"),
        ("[bad]\naet = PACS\nhost = x\nretrieve = all", "get or move"),
        ("[bad]\naet = PACS\nhost = x\nretrieve = move\ntls = yes", "the keys 'ca' and 'certificate'"),
        ("[bad]\nurl = pacs.example.org", "no address such as"),
        ("[bad]\nurl = https://me:4711@pacs.example.org/", "holds a user or a password"),
        ("[bad]\nurl = http://pacs.example.org/\nuser = me", "unencrypted"),
    ],
)
def test_what_is_wrong_is_told(write_config, wrong, sentence):
    with pytest.raises(SettingsError, match=sentence) as refused:
        find_node(read_config(write_config(GOOD + wrong)), "bad" if "[bad]" in wrong else "cloud")
    assert "4711" not in str(refused.value)


def test_an_archive_that_nobody_named_is_told_with_those_that_are(write_config):
    with pytest.raises(SettingsError, match="no archive 'here', but hospital, cloud"):
        find_node(read_config(write_config(GOOD)), "here")


def test_a_password_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("MSLESIONSEG_PASSWORD_MY_CLOUD", "4711")
    assert password("my-cloud", "reader") == "4711"


def test_or_from_the_keyring():
    keyring = pytest.importorskip("keyring")

    class Ring(keyring.backend.KeyringBackend):
        priority = 1

        def get_password(self, service, username):
            return {("mslesionseg cloud", "reader"): "4711"}.get((service, username))

        def set_password(self, service, username, password):
            raise NotImplementedError

    before = keyring.get_keyring()
    keyring.set_keyring(Ring())
    try:
        assert password("cloud", "reader") == "4711"
        with pytest.raises(SettingsError, match="No password of 'other'"):
            password("cloud", "other")
    finally:
        keyring.set_keyring(before)
