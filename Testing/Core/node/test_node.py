"""A real node between a caller and a real archive."""

from __future__ import annotations

import re
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from MSLesionSegLib.node.settings import node_settings
from MSLesionSegLib.pacs.config_file import read_config
from support.command_calls import call
from support.node_process import node_at, until
from support.orthanc import free_ports, private_file


@pytest.fixture
def config(queue_folder, tmp_path) -> Path:
    """A node that sends to an archive which is not there."""
    port, nobody = free_ports(2)
    return private_file(
        tmp_path / "pacs.ini",
        f"[node]\naet = MSNODE\nport = {port}\ncallers = MSLESIONSEG\narchive = nobody\nfolder = {queue_folder}\n"
        f"quiet_s = 2\ndevice = cpu\n"
        f"[ours]\naet = MSNODE\nhost = 127.0.0.1\nport = {port}\n"
        f"[nobody]\naet = NOBODY\nhost = 127.0.0.1\nport = {nobody}\n",
    )


def send(study: Path, config: Path, fails: int = 0) -> str:
    return call("pacs", "send", "ours", study, "--config", config, fails=fails)


def test_a_study_without_a_flair_is_noted_and_not_kept(config, queue_folder, studies):
    with node_at(config, queue_folder) as node:
        send(studies["other"], config)
        (line,) = until(node.audit, "an audit line")
        until(lambda: not list(queue_folder.rglob("*.dcm")), "the images to go")
    assert (line["outcome"], line["images"], line["files"]) == ("no-flair", "2", "0")
    assert node.process.returncode == 0
    (told,) = node.events("warning")
    assert told["sentence"].startswith("'nobody'") and node.events("result")


@pytest.mark.skipif(sys.platform != "linux", reason="uses a file size limit of the system as a full disk")
def test_a_full_disk_is_told_to_the_caller_and_the_node_goes_on(config, queue_folder, studies):
    full = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))}
    with node_at(config, queue_folder, **full) as node:
        assert "(status A700)" in send(studies["first"], config, fails=1)
        send(studies["other"], config)
        until(lambda: "no-flair" in node.outcomes(), "the study that is small enough")
        (failed,) = until(lambda: [line for line in node.audit() if line["outcome"] == "failed"], "the other")
        assert failed["problem"] == "incomplete"  # what fitted is not taken for the study


def test_only_one_node_works_on_a_queue(config, queue_folder):
    with node_at(config, queue_folder):
        command = [sys.executable, "-m", "MSLesionSegLib", "node", "--config", config]
        second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 1 and "Another node works on" in second.stderr


def test_others_see_nothing_of_the_queue(config, queue_folder, studies):
    with node_at(config, queue_folder) as node:
        send(studies["other"], config)
        until(node.outcomes, "an audit line")
    for path in queue_folder.rglob("*"):
        assert path.name == ".lock" or not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path
    queue_folder.chmod(0o750)
    assert f"chmod 700 '{queue_folder}'" in call("node", "--config", config, fails=1)


def test_the_examples_of_the_documentation_are_understood(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "dicom.md").read_text(encoding="utf-8")
    examples = [text for text in re.findall(r"```ini\n(.*?)```", page, re.DOTALL) if "[node]" in text]
    settings = [node_settings(read_config(private_file(tmp_path / "pacs.ini", text))) for text in examples]
    assert [(one.callers, one.task, one.host) for one in settings] == [
        (("PACS", "SCANNER3"), "new", "127.0.0.1"),
        (("ORTHANC",), "new", "127.0.0.1"),
    ]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (("callers = MSLESIONSEG", "callers ="), "names no callers"),
        (("archive = nobody", "archive = none"), "names no archive 'none', but ours, nobody"),
        (("device = cpu", "task = enhancing"), "task is flair or new"),
        (("device = cpu", "tls = yes"), "'ca' and 'certificate'"),
        (("device = cpu", "jobs = 0"), "a whole number from 1"),
        (("[node]", "[nodes]"), "has no section [node]"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_received(config, wrong, sentence):
    private_file(config, config.read_text().replace(*wrong))
    assert sentence in call("node", "--config", config, fails=1)
