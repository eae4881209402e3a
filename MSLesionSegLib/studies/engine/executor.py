"""Where the cells of a study are computed: here, one after the other, or on an existing Dask cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.cluster import LOCAL, as_they_end, check_executor, cluster_client, told_to_stop
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.studies.engine.cells import (
    STOP,
    Cell,
    CellProgress,
    FinishedCell,
    compute,
    keys_of,
    read_finished,
)

STAGE = "train and test"


def run_cells(
    cells: Sequence[Cell], root: Path, *, executor: str, threads: int, progress: Progress
) -> dict[str, FinishedCell]:
    """Compute all cells that are not finished below ``root`` yet.

    Args:
        cells: each after those that it needs.
        root: folder of the study. Workers of a cluster must reach it, and the data, under the same path.
        executor: ``local`` or ``dask://HOST:PORT``. Both give the same results on equal machines.
        threads: of each cell.
        progress: told the stage :data:`STAGE`.

    Raises:
        SettingsError: the cluster cannot be reached, or a cell made too many of its workers die.
        Cancelled: what is finished stays, and so do checkpoints of unfinished trainings.
    """
    check_executor(executor)
    root.mkdir(parents=True, exist_ok=True)
    (root / STOP).unlink(missing_ok=True)
    keys = keys_of(cells)
    done = {}
    for cell in cells:
        finished = read_finished(cell, keys[cell.name], root)
        if finished is not None and all(name in done for name in cell.needs):
            done[cell.name] = finished
    todo = [cell for cell in cells if cell.name not in done]
    if executor == LOCAL:
        for cell in todo:
            inner = CellProgress(progress, STAGE, len(done), len(cells), cell.name, root / STOP)
            inner.stage("begin")
            done[cell.name] = compute(cell, keys[cell.name], root, threads, inner)
    elif todo:
        _run_on_cluster(todo, keys, root, executor, threads, done, len(cells), progress)
    progress.stage(STAGE, 1.0)
    return {cell.name: done[cell.name] for cell in cells}


def _run_on_cluster(
    todo: Sequence[Cell],
    keys: dict[str, str],
    root: Path,
    executor: str,
    threads: int,
    done: dict[str, FinishedCell],
    count: int,
    progress: Progress,
) -> None:

    def report(left: int) -> None:
        progress.stage(STAGE, (count - left) / count)

    futures: dict[str, Any] = {}
    with cluster_client(executor) as client, told_to_stop(client, futures.values(), root / STOP):
        from distributed import KilledWorker

        for cell in todo:
            waits_for = [futures[name] for name in cell.needs if name in futures]
            futures[cell.name] = client.submit(
                _compute_remotely,
                *(cell, keys[cell.name], str(root), threads, waits_for),
                key=f"{cell.name}-{keys[cell.name][:12]}",
                pure=False,
            )
        try:
            for future in as_they_end(client, futures.values(), report):
                finished = future.result()
                done[finished.name] = finished
        except KilledWorker as error:
            raise SettingsError(
                f"A cell ended the process of every worker that tried it ({error.task}). Do they have enough memory?"
            ) from error


def _compute_remotely(
    cell: Cell, key: str, root: str, threads: int, waited_for: Sequence[FinishedCell]
) -> FinishedCell:
    stop = Path(root) / STOP
    return compute(cell, key, Path(root), threads, CellProgress(Silent(), STAGE, 0, 1, cell.name, stop))
