"""Whatever moment the program is killed at, each study is found again, once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from MSLesionSegLib.node.queue import (
    FAILED,
    FINISHED,
    INCOMING,
    SENDING,
    SENT,
    WAITING,
    Finished,
    Queue,
    fingerprint,
    hashed,
)

STUDY, SERIES = "1.2.826.4711", "1.2.826.4711.5"
NAME = hashed(STUDY)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "queue"


@pytest.fixture
def queue(folder) -> Queue:
    return Queue(folder)


def receive(queue: Queue, *numbers: int) -> None:
    for number in numbers:
        queue.receive(STUDY, SERIES, f"{SERIES}.{number}", b"image %d" % number)


def contents(queue: Queue, state: str) -> list[bytes]:
    return sorted(path.read_bytes() for path in queue.place(state, NAME).rglob("*.dcm"))


def result(queue: Queue, *names: str) -> Path:
    folder = queue.work_folder(NAME) / "dicom"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"result")
    return folder


def test_a_study_is_complete_when_nothing_has_come_for_a_while(queue):
    receive(queue, 1, 2)
    queue.complete(quiet_s=60)
    assert queue.take(SENDING, WAITING) is None
    queue.complete(quiet_s=0)
    assert queue.take(SENDING, WAITING) == (WAITING, NAME)
    assert contents(queue, WAITING) == [b"image 1", b"image 2"]


def test_nobody_else_gets_a_study_that_is_worked_on(queue):
    receive(queue, 1)
    queue.complete(0)
    assert queue.take(SENDING, WAITING) and queue.take(SENDING, WAITING) is None
    queue.leave(NAME, again_in_s=60)
    assert queue.take(SENDING, WAITING) is None
    queue.leave(NAME)
    assert queue.take(SENDING, WAITING) == (WAITING, NAME)


def test_an_image_that_comes_twice_is_there_once(queue):
    receive(queue, 1, 1)
    assert contents(queue, INCOMING) == [b"image 1"]


def test_what_comes_while_a_study_waits_joins_it(queue):
    receive(queue, 1)
    queue.complete(0)
    receive(queue, 2)
    queue.complete(0)
    assert contents(queue, WAITING) == [b"image 1", b"image 2"]


def test_what_comes_during_the_job_or_the_sending_stays_behind_and_is_not_lost(queue):
    receive(queue, 1)
    queue.complete(0)
    queue.take(SENDING, WAITING)
    receive(queue, 2)
    queue.complete(0)
    assert (contents(queue, WAITING), contents(queue, INCOMING)) == ([b"image 1"], [b"image 2"])
    queue.to_send(NAME, result(queue, "seg.dcm"))
    queue.leave(NAME)
    queue.complete(0)
    assert contents(queue, INCOMING) == [b"image 2"]
    queue.drop(SENDING, NAME)
    queue.complete(0)
    assert contents(queue, WAITING) == [b"image 2"]


def test_more_of_a_study_that_failed_brings_it_back_whole(queue):
    receive(queue, 1)
    queue.complete(0)
    queue.fail(NAME)
    assert contents(queue, FAILED) == [b"image 1"]
    receive(queue, 2)
    queue.complete(0)
    assert contents(queue, WAITING) == [b"image 1", b"image 2"]
    assert queue.studies(FAILED) == []


def test_after_a_kill_images_and_complete_studies_are_there_and_halves_are_not(queue, folder):
    receive(queue, 1)
    queue.complete(0)
    queue.take(SENDING, WAITING)
    result(queue, "half.dcm")
    (folder / "arriving" / "half").write_bytes(b"ima")
    queue.receive("1.2.3", "1.2.3.4", "1.2.3.4.5", b"other")
    again = Queue(folder)
    assert (again.studies(WAITING), again.studies(INCOMING)) == ([NAME], [hashed("1.2.3")])
    assert again.take(SENDING, WAITING) == (WAITING, NAME)
    assert not list(folder.rglob("half*"))


def test_after_a_kill_a_study_with_a_result_is_not_computed_again(queue, folder):
    receive(queue, 1)
    queue.complete(0)
    result(queue, "seg.dcm").rename(queue.place(SENDING, NAME))  # killed before its images went
    again = Queue(folder)
    assert again.take(SENDING, WAITING) == (SENDING, NAME)
    assert again.studies(WAITING) == []


def test_after_a_kill_only_what_the_archive_has_not_taken_is_sent(queue, folder):
    receive(queue, 1)
    queue.complete(0)
    queue.to_send(NAME, result(queue, "pdf.dcm", "seg.dcm"))
    first = queue.unsent(NAME)[0]
    first.rename(f"{first}{SENT}")
    assert [path.name for path in Queue(folder).unsent(NAME)] == ["seg.dcm"]


def test_joining_that_was_cut_off_is_completed(queue, folder):
    receive(queue, 1, 2)
    queue.complete(0)
    queue.fail(NAME)
    receive(queue, 3)
    one = next(queue.place(FAILED, NAME).rglob("*.dcm"))
    one.rename(queue.place(INCOMING, NAME) / one.relative_to(queue.place(FAILED, NAME)))  # killed here
    again = Queue(folder)
    again.complete(0)
    assert contents(again, WAITING) == [b"image 1", b"image 2", b"image 3"]


def test_what_was_done_is_remembered(queue, folder):
    receive(queue, 1)
    queue.complete(0)
    queue.finish(NAME, Finished(fingerprint(queue.images(NAME)), ("1.2.3.4",)))
    noted = Queue(folder).finished(NAME)
    assert noted == Finished(fingerprint(queue.images(NAME)), ("1.2.3.4",))
    queue.place(FINISHED, NAME).write_text("half a no")
    assert queue.finished(NAME) is None


def test_no_name_in_the_queue_tells_a_uid(queue, folder):
    receive(queue, 1)
    assert not any("4711" in str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_killed_again_and_again_everything_that_was_received_is_sent_once(folder):
    random = np.random.default_rng(0)
    received, sent, at_the_kill = set(), Counter(), Counter()
    for attempt in range(9):
        first, count = 1000 * attempt, 1000 if attempt < 8 else 3
        command = [sys.executable, "-m", "support.queue_worker", str(folder), str(first), str(count)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        ) as child:
            lines = [child.stdout.readline() for _ in range(int(random.integers(1, 60)))]
            if attempt < 8:
                child.kill()
            lines += child.stdout.readlines()
        said = [line.split() for line in lines if line.endswith("\n")]
        received |= {number for what, number in said if what == "received"}
        sent.update(number for what, number in said if what == "sent")
        at_the_kill.update([said[-1][1]] if said and said[-1][0] == "sent" else [])
    assert len(received) > 50
    assert received <= sent.keys()
    # between the archive's answer and the note of it there is one moment
    assert {number for number, count in sent.items() if count > 1} <= at_the_kill.keys()
    assert not [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "finished"]
