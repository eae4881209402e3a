"""The node as a whole: receives, works on as many studies at a time as it may, until it is told to stop."""

from __future__ import annotations

import os
import time
import warnings
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from MSLesionSegLib.errors import Cancelled, SettingsError
from MSLesionSegLib.files.atomic import output_errors
from MSLesionSegLib.files.lock import lock
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.node.notices import Notices
from MSLesionSegLib.node.queue import SENDING, WAITING, Queue
from MSLesionSegLib.node.receiver import Room, receiver
from MSLesionSegLib.node.settings import NodeSettings
from MSLesionSegLib.node.worker import Worker
from MSLesionSegLib.pacs.archive import Archive
from MSLesionSegLib.pacs.config_file import check_private

_TICK_S = 0.2
_MEASURED_EVERY_S = 10.0


def serve(settings: NodeSettings, archive: Archive, progress: Progress, *, dry_run: bool = False) -> None:
    """Receive studies and send results until ``progress`` says to stop; jobs that run then begin anew the next time.

    For a process of its own: what it writes from now on only its owner may see, and warnings of libraries, which may
    repeat what stands in headers, are silent.

    Args:
        archive: former studies are asked from it, and results are sent to it.
        dry_run: results stay in the queue's folder.

    Raises:
        SettingsError: others may see the queue's folder, or another node works on it; PacsError: the port is in use.
    """
    folder = settings.folder
    with output_errors(folder):
        folder.mkdir(0o700, parents=True, exist_ok=True)
    check_private(folder)
    with lock(folder / ".lock") as held:
        if not held:
            raise SettingsError(f"Another node works on {folder}. Stop it, or give this one another folder.")
        os.umask(0o077)
        warnings.simplefilter("ignore")
        queue, stop = Queue(folder), folder / ".stop"
        stop.unlink(missing_ok=True)
        worker = Worker(settings, queue, archive, stop, dry_run=dry_run)
        room = Room(queue, settings.disk_gb)
        notices = Notices()
        with ThreadPoolExecutor(settings.jobs) as threads, receiver(settings, queue, room, notices.tell):
            try:
                _loop(settings, queue, room, worker, threads, notices, progress)
            except Cancelled:
                pass
            finally:
                stop.touch()


def _loop(
    settings: NodeSettings,
    queue: Queue,
    room: Room,
    worker: Worker,
    threads: ThreadPoolExecutor,
    notices: Notices,
    progress: Progress,
) -> None:
    states = (WAITING,) if worker.dry_run else (SENDING, WAITING)  # results first
    going: set[Future[str]] = {threads.submit(worker.greet)}
    measured = time.monotonic()
    while True:
        progress.stage("listen")
        try:
            queue.complete(settings.quiet_s)
        except OSError as error:  # another time there may be room again
            notices.tell(f"The queue in {settings.folder} cannot be written ({error.strerror}).")
        if time.monotonic() - measured > _MEASURED_EVERY_S:
            room.measure()
            measured = time.monotonic()
        while len(going) < settings.jobs and (taken := queue.take(*states)) is not None:
            going.add(threads.submit(worker.go_on, *taken))
        time.sleep(_TICK_S)
        ended, going = wait(going, timeout=0, return_when=FIRST_COMPLETED)
        for future in ended:
            notices.tell(future.result())
        for sentence in notices:
            progress.warning("node", sentence)
