"""Where the examinations of a batch are computed: in processes of this computer, or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING

from MSLesionSegLib.batch.one_examination import ExaminationEnd, work_on
from MSLesionSegLib.jobs.cluster import as_they_end, cluster_client, told_to_stop
from MSLesionSegLib.jobs.own_process import take_process
from MSLesionSegLib.segmentation.request import SegmentRequest

if TYPE_CHECKING:
    import distributed

KILLED = (
    "The process that worked on it was ended from outside, most likely because memory ran out. "
    "Try again with fewer workers."
)
Tick = Callable[[], None]


def run_here(
    requests: Mapping[str, SegmentRequest],
    after: Mapping[str, str],
    stop: Path,
    *,
    workers: int,
    threads: int,
    tick: Tick,
    dicom: bool = False,
) -> Generator[tuple[str, ExaminationEnd], None, None]:
    """Names of the requests and how they ended, in the order in which they end.

    ``after`` names, for some requests, an earlier one that must have ended before.

    Each worker is a process of its own that stays warm from one examination to the next; one that dies takes only
    its examination with it. ``tick`` is called twice a second and may raise, which ends the workers at their next
    report. With ``dicom`` results are written as DICOM too.
    """
    waiting = dict(requests)
    free = [_new_worker() for _ in range(min(workers, len(waiting)))]
    busy: dict[Future[ExaminationEnd], tuple[str, ProcessPoolExecutor]] = {}
    try:
        while waiting or busy:
            going = [name for name, _ in busy.values()]
            for name in _ready(waiting, going, after)[: len(free)]:
                worker = free.pop()
                busy[worker.submit(work_on, waiting.pop(name), stop, threads, dicom)] = name, worker
            tick()
            for future in wait(busy, timeout=0.5, return_when=FIRST_COMPLETED).done:
                name, worker = busy.pop(future)
                try:
                    ended = future.result()
                except BrokenProcessPool:
                    worker.shutdown()
                    ended, worker = ExaminationEnd(KILLED), _new_worker()
                free.append(worker)
                yield name, ended
    except BaseException:
        stop.touch()
        raise
    finally:
        for worker in (*free, *(worker for _, worker in busy.values())):
            worker.shutdown()


def run_on_cluster(
    requests: Mapping[str, SegmentRequest],
    after: Mapping[str, str],
    stop: Path,
    *,
    executor: str,
    threads: int,
    tick: Tick,
    dicom: bool = False,
) -> Generator[tuple[str, ExaminationEnd], None, None]:
    """As :func:`run_here`, on the workers of a Dask cluster, which must reach all files under the same paths.

    Raises:
        SettingsError: the cluster cannot be reached.
    """
    run = secrets.token_hex(4)
    waiting = dict(requests)
    going: dict[distributed.Future, str] = {}
    with cluster_client(executor) as client, told_to_stop(client, going, stop):
        from distributed import KilledWorker

        while waiting or going:
            for name in _ready(waiting, going.values(), after):
                key = f"{name}-{run}".replace(" ", "_")
                future = client.submit(work_on, waiting.pop(name), stop, threads, dicom, key=key, pure=False)
                going[future] = name
            future = next(as_they_end(client, going, lambda left: tick()))
            try:
                ended = future.result()
            except KilledWorker:
                ended = ExaminationEnd(KILLED)
            yield going.pop(future), ended


def _ready(waiting: Iterable[str], going: Iterable[str], after: Mapping[str, str]) -> list[str]:
    """Those that wait for nothing that is unfinished."""
    unfinished = {*waiting, *going}
    return [name for name in waiting if after.get(name) not in unfinished]


def _new_worker() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """The parent alone is asked to stop, alone writes to standard output, and is not outlived."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(sys.stderr.fileno(), 1)
    take_process()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
