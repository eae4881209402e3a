"""From the archive to the node and back: results of two studies, whatever is killed on the way."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, evt

from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.model_in_use import use_model
from MSLesionSegLib.network.models.store import save_model
from MSLesionSegLib.node.queue import DRY_RUN, FAILED, FINISHED, SENDING, SENT, WORK
from MSLesionSegLib.pacs.files import outgoing
from support.command_calls import call
from support.node_process import NodeProcess, node_at, until
from support.orthanc import PASSWORD, USER, Orthanc, free_ports, private_file
from support.planted_identity import SECRETS, told_in

pytestmark = pytest.mark.usefixtures("commands_begin_at_once")

BASELINE, FOLLOWUP = SECRETS["earlier date"], SECRETS["study date"]


@pytest.fixture(scope="module")
def models_in_use(models_folder, tmp_path_factory) -> Path:
    """Small models of both tasks, which are the ones in use."""
    folder = tmp_path_factory.mktemp("in-use") / "models"
    shutil.copytree(models_folder, folder)
    architecture = Architecture(kind="unet", levels=3, feature_maps=4)
    card = ModelCard("tiny-new", "new", architecture, ("subtraction",), spacing_mm=2.0, minimum_mm3=30.0)
    save_model(folder, build(architecture), card)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSLESIONSEG_MODELS", str(folder))
        use_model("tiny")
        use_model("tiny-new")
    return folder


@pytest.fixture
def configure(queue_folder, tmp_path, models_in_use, monkeypatch):
    """Writes a configuration with the node between an archive, given by its section, and a caller."""
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(models_in_use))
    monkeypatch.setenv("MSLESIONSEG_PASSWORD_HOSPITAL", PASSWORD)

    def write(archive: str, port: int, caller: str = "MSLESIONSEG", **settings) -> Path:
        section = {"callers": caller, "archive": "hospital", "folder": queue_folder, "device": "cpu"}
        section |= {"aet": "MSNODE", "port": port, "quiet_s": 3, "retry_s": 0.5} | settings
        lines = "".join(f"{key} = {value}\n" for key, value in section.items())
        ours = f"[ours]\naet = MSNODE\nhost = 127.0.0.1\nport = {port}\n"
        return private_file(tmp_path / "pacs.ini", f"[node]\n{lines}[hospital]\n{archive}{ours}")

    return write


def nothing_planted(node: NodeProcess, *studies: Path) -> None:
    """Names of files in the queue, the audit file and all that was printed tell no patient, study or password.

    No temporary file is left.
    """
    texts = [str(path.relative_to(node.queue)) for path in node.queue.rglob("*")]
    texts += [path.read_text() for path in (node.queue / "audit.tsv", node.queue.parent / "node.log")]
    texts += [path.read_text() for path in (node.queue / "finished").iterdir()]
    headers = [pydicom.dcmread(next(study.rglob("*.dcm"))) for study in studies]
    uids = [uid for header in headers for uid in (header.StudyInstanceUID, header.StudyDate)]
    assert told_in("\n".join([*texts, *node.said]).encode()) == []
    for planted in (PASSWORD, *uids):
        assert not [text for text in (*texts, *node.said) if planted.lower() in text.lower()]
    assert list((node.queue.parent / "temporary").rglob("*")) == []


def modalities(archive: Orthanc, study: str) -> Counter[str]:
    series = archive.ask(f"studies/{study}/series")
    return Counter(one["MainDicomTags"]["Modality"] for one in series)


def tracked(archive: Orthanc, study: str) -> dict[str, str]:
    """Tracking UIDs by what the lesions are called, in the segmentation of a study in the archive."""
    for one in archive.ask(f"studies/{study}/instances?expand"):
        content = archive.file(one["ID"])
        if content.Modality == "SEG":
            return {item.TrackingID: item.TrackingUID for item in content.SegmentSequence}
    raise AssertionError("there is no segmentation")


def test_two_studies_come_back_with_their_results(archive, configure, queue_folder, studies):
    config = configure(
        f"url = {archive.http}/dicom-web\nuser = {USER}\n",
        archive.ports["MSNODE"],
        "ORTHANC",
        task="new",
        jobs=2,
    )
    dates = {}
    for name in ("first", "second"):
        call("pacs", "send", "hospital", studies[name], "--config", config)
    for study in archive.ask("studies?expand"):
        dates[study["MainDicomTags"]["StudyDate"]] = study["ID"]
    with node_at(config, queue_folder) as node:
        archive.ask("modalities/msnode/store", "POST", json=list(dates.values()))
        until(lambda: len(node.audit()) == 2, "both results")
        assert node.outcomes() == ["sent", "sent"]
        assert sorted(line["task"] for line in node.audit()) == ["flair", "new"]
        for day in dates:
            there = modalities(archive, dates[day])
            assert there["MR"] == 2 and there["SEG"] >= 1 and there["SR"] == 1 and there["DOC"] == 1
        first, second = (tracked(archive, dates[day]) for day in (BASELINE, FOLLOWUP))
        assert first.keys() & second.keys()
        assert all(second[name] == uid for name, uid in first.items() if name in second)
        before = len(archive.instances())
        archive.ask("modalities/msnode/store", "POST", json=[dates[BASELINE]])
        until(lambda: len(node.audit()) == 3, "what is done about a study that comes again")
        assert node.outcomes()[-1] == "repeated"
    assert len(archive.instances()) == before
    assert not list(queue_folder.rglob("*.dcm*"))
    nothing_planted(node, studies["first"], studies["second"])


class Slow:
    """An archive that counts what it takes, and lets the second object wait until it is told to go on."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.go_on = threading.Event()

    def take(self, event: evt.Event) -> int:
        if self.taken and not self.go_on.is_set():
            self.go_on.wait(60)
            return 0xA700
        self.taken[str(event.request.AffectedSOPInstanceUID)] += 1
        return 0x0000

    @contextlib.contextmanager
    def at(self, port: int) -> Iterator[None]:
        ae = AE("SLOW")
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(context.abstract_syntax)
        server = ae.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self.take)]
        )
        try:
            yield
        finally:
            self.go_on.set()
            server.shutdown()


def test_killed_during_the_job_and_during_the_sending_nothing_is_lost_and_nothing_sent_twice(
    configure, queue_folder, studies
):
    port, archive_port = free_ports(2)
    config = configure(f"aet = SLOW\nhost = 127.0.0.1\nport = {archive_port}\n", port)
    slow = Slow()
    with node_at(config, queue_folder) as node:
        call("pacs", "send", "ours", studies["first"], "--config", config)
        until(lambda: list((queue_folder / WORK).glob("*/stderr.txt")), "the job")
        node.kill()
    with node_at(config, queue_folder) as node:
        until(lambda: len(node.events("warning")) > 1, "what is said about an archive that is away")
        first, second = (event["sentence"] for event in node.events("warning")[:2])
        assert first.endswith("cannot be reached.")
        assert second.endswith("cannot be reached. Next try in 0.5 s.")
        results = {outgoing(path).uid for path in (queue_folder / SENDING).rglob("*.dcm")}
        assert len(results) >= 3
        with slow.at(archive_port):
            until(lambda: list((queue_folder / SENDING).rglob(f"*{SENT}")), "the first result in the archive")
            node.kill()
    assert sum(slow.taken.values()) == 1
    with slow.at(archive_port), node_at(config, queue_folder) as node:
        until(node.audit, "the end")
    assert slow.taken.keys() == results
    assert set(slow.taken.values()) == {1}
    (line,) = node.audit()
    assert (line["outcome"], line["images"], line["files"]) == ("sent", "3", str(len(results)))
    (noted,) = (json.loads(path.read_text()) for path in (queue_folder / FINISHED).iterdir())
    assert set(noted["sent"]) == results
    nothing_planted(node, studies["first"])


def test_a_dry_run_keeps_its_results_and_sends_nothing(configure, queue_folder, studies):
    port, nobody = free_ports(2)
    config = configure(f"aet = NOBODY\nhost = 127.0.0.1\nport = {nobody}\n", port)
    with node_at(config, queue_folder, "--dry-run") as node:
        call("pacs", "send", "ours", studies["first"], "--config", config)
        until(node.audit, "the end")
    assert node.outcomes() == ["dry-run"] and len(node.events("warning")) == 1
    assert len(list((queue_folder / DRY_RUN).rglob("*.dcm"))) >= 3
    nothing_planted(node, studies["first"])


def test_a_former_study_that_cannot_be_used_does_no_harm(archive, configure, queue_folder, studies, tmp_path):
    shutil.copytree(studies["second"], tmp_path / "gap")
    sorted((tmp_path / "gap").rglob("*-2-*.dcm"))[12].unlink()
    for file in (tmp_path / "gap").rglob("*.dcm"):
        item = pydicom.dcmread(file)
        item.StudyDate = "20230601"
        item.save_as(file)
    hospital = f"url = {archive.http}/dicom-web\nuser = {USER}\n"
    config = configure(hospital, free_ports(1)[0], task="new")
    call("pacs", "send", "hospital", tmp_path / "gap", "--config", config)
    present = shutil.copytree(studies["second"], tmp_path / "present")
    study = generate_uid()
    for file in present.rglob("*.dcm"):
        item = pydicom.dcmread(file)
        item.StudyInstanceUID = study
        item.save_as(file)
    with node_at(config, queue_folder, "--dry-run") as node:
        call("pacs", "send", "ours", present, "--config", config)
        (line,) = until(node.audit, "the end")
    assert (line["outcome"], line["task"]) == ("dry-run", "flair")


def test_a_study_that_cannot_be_used_is_kept_for_a_person(configure, queue_folder, studies, tmp_path):
    port, nobody = free_ports(2)
    config = configure(f"aet = NOBODY\nhost = 127.0.0.1\nport = {nobody}\n", port)
    shutil.copytree(studies["second"], tmp_path / "gap")
    sorted((tmp_path / "gap").rglob("*-2-*.dcm"))[12].unlink()
    with node_at(config, queue_folder) as node:
        call("pacs", "send", "ours", tmp_path / "gap", "--config", config)
        (line,) = until(node.audit, "the end")
    assert (line["outcome"], line["problem"]) == ("failed", "image")
    assert len(list((queue_folder / FAILED).rglob("*.dcm"))) == 39
    nothing_planted(node, studies["second"])
