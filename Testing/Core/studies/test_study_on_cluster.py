"""A whole study on a cluster of two workers, one of which is killed: the tables are those of a serial run."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.studies.continual.settings import ContinualData, ContinualSettings
from MSLesionSegLib.studies.continual.study import run_continual
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from phantoms.study_phantoms import write_examples
from support.worker_processes import cluster_of

QUICK = TrainingRecipe(
    steps=20, patch=16, batch=1, warm_up=1, insertion=0, thick_slices=0, learning_rate=1e-2
)
TABLES = ("scans.csv", "matrices.csv", "backward-transfer.csv")


class Killer(Silent):
    """Kills, once, one of two worker processes while both are in the middle of a training."""

    def __init__(self, cluster, folder) -> None:
        self._cluster, self._folder = cluster, folder
        self.interrupted: list[str] = []

    def stage(self, name: str, fraction: float = 0.0) -> None:
        if self.interrupted or len(self._begun()) < 2:
            return
        pids = [nanny.pid for nanny in self._cluster.workers.values()]
        for pid in pids:  # nothing is finished while it is looked at
            os.kill(pid, signal.SIGSTOP)
        if len(begun := self._begun()) == 2:
            self.interrupted = begun
            os.kill(pids.pop(), signal.SIGKILL)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    def _begun(self) -> list[str]:
        return [path.name for path in self._folder.glob("cells/.*.unfinished-*")]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed")
def test_a_study_gives_the_same_tables_though_a_worker_is_killed_in_the_middle_of_a_training(tmp_path):
    for k, name in enumerate(("bright", "brighter")):
        write_examples(tmp_path / name, 2, seed=k, contrast=3.0 + k)
    data = ContinualData((str(tmp_path / "bright"), str(tmp_path / "brighter")))
    settings = ContinualSettings(levels=3, base=4, recipe=QUICK.as_dict(), buffer=1)
    run_continual(settings, data, tmp_path / "here", "local", Silent())
    with cluster_of(2) as cluster:
        killer = Killer(cluster, tmp_path / "there")
        executor = cluster.scheduler_address.replace("tcp://", "dask://")
        run_continual(settings, data, tmp_path / "there", executor, killer)
    left = {path.name for path in (tmp_path / "there" / "cells").glob(".*.unfinished-*")}
    killed = left & set(killer.interrupted)
    assert len(killed) == 1  # what the dead process had begun lies there still
    name = killed.pop().removeprefix(".").partition(".unfinished-")[0]
    assert (tmp_path / "there" / "cells" / name / "cell.json").is_file()
    for table in TABLES:
        assert (tmp_path / "there" / table).read_text() == (tmp_path / "here" / table).read_text()
