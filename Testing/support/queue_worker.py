"""A process that receives images, makes a result of each and sends it, until it is killed: python queue_worker.py.

It prints ``received N`` for what a caller may rely on, and ``sent N`` for what an archive has taken.
"""

from __future__ import annotations

import sys
from pathlib import Path

from MSLesionSegLib.node.queue import SENDING, SENT, WAITING, Finished, Queue

STUDIES = 3


def work(folder: Path, first: int, count: int) -> None:
    queue = Queue(folder)
    go_on(queue)
    for number in range(first, first + count):
        study = f"1.2.{number % STUDIES}"
        queue.receive(study, f"{study}.1", f"{study}.1.{number}", str(number).encode())
        print(f"received {number}", flush=True)
        if number % 2:
            queue.complete(quiet_s=0)
            go_on(queue)
    queue.complete(quiet_s=0)
    go_on(queue)


def go_on(queue: Queue) -> None:
    while (taken := queue.take(SENDING, WAITING)) is not None:
        state, study = taken
        if state == WAITING:
            results = queue.work_folder(study) / "dicom"
            results.mkdir()
            for image in queue.images(study):
                (results / f"{image.read_text()}.dcm").touch()
            queue.to_send(study, results)
        for file in queue.unsent(study):
            print(f"sent {file.stem}", flush=True)
            file.rename(f"{file}{SENT}")
        queue.finish(study, Finished("", ()))
        queue.drop(SENDING, study)
        queue.leave(study)


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
