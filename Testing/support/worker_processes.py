"""Worker processes on this machine, of which one may be killed: of a Dask cluster, and of a batch.

They are forked from a process that has imported what work needs, and so begin at once.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

IMPORTED_ONCE = [
    *("distributed", "torch._dynamo", "monai.losses", "monai.networks.nets", "SimpleITK"),
    *("MSLesionSegLib.segmentation.segment", "MSLesionSegLib.segmentation.report.report"),
    *("MSLesionSegLib.network.brain_extraction", "MSLesionSegLib.network.sliding_window"),
]
FORKS = sys.platform != "win32"


@contextmanager
def cluster_of(workers: int) -> Iterator[Any]:
    """The workers of a ``LocalCluster``, each with a nanny that starts it anew when it is killed."""
    import dask
    from distributed import LocalCluster
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver" if FORKS else "spawn"}):
        if FORKS:
            get_mp_context()  # sets what it wants imported
            multiprocessing.get_context("forkserver").set_forkserver_preload(IMPORTED_ONCE)
        with LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            env=dict(os.environ),  # of now, not of when the first cluster began
        ) as cluster:
            yield cluster


if FORKS:
    from multiprocessing.context import ForkServerContext, ForkServerProcess

    class _Process(ForkServerProcess):
        """Has the environment of now, not of when the first one began."""

        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            self._environment = dict(os.environ)

        def run(self) -> None:
            os.environ.clear()
            os.environ.update(self._environment)
            super().run()

    class _Context(ForkServerContext):
        Process = _Process


@contextmanager
def forked_instead_of_spawned() -> Iterator[None]:
    """Who asks ``multiprocessing`` for processes that are started anew gets forked ones, where there are such."""
    original = multiprocessing.get_context

    def get_context(method: str | None = None) -> Any:
        if method != "spawn" or not FORKS:
            return original(method)
        context = _Context()
        context.set_forkserver_preload(IMPORTED_ONCE)
        return context

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiprocessing, "get_context", get_context)
        yield
