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
from unittest import mock

IMPORTED_ONCE = [
    *("distributed", "torch._dynamo", "monai.losses", "monai.networks.nets", "SimpleITK", "cc3d"),
    *("PIL.ImageDraw", "PIL.JpegImagePlugin", "isal.igzip_threaded", "safetensors.torch", "typer._adapters"),
    *("MSLesionSegLib.cli", "MSLesionSegLib.warm_start", "MSLesionSegLib.imaging.dicom.choice"),
    *("MSLesionSegLib.network.brain_extraction", "MSLesionSegLib.network.fast_layers"),
    *("MSLesionSegLib.network.monai_loading", "MSLesionSegLib.network.sliding_window"),
    *("MSLesionSegLib.segmentation.segment", "MSLesionSegLib.segmentation.report.report"),
    *("MSLesionSegLib.cases.adding", "MSLesionSegLib.training.fine_tuning.run", "pytest", "runpy"),
]
FORKS = sys.platform != "win32"
_FORKED = multiprocessing.get_context("forkserver" if FORKS else "spawn")


@contextmanager
def cluster_of(workers: int) -> Iterator[Any]:
    """The workers of a ``LocalCluster``, each with a nanny that starts it anew when it is killed."""
    import dask
    from distributed import LocalCluster
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver" if FORKS else "spawn"}):
        if FORKS:
            get_mp_context()  # sets what it wants imported
            _FORKED.set_forkserver_preload(IMPORTED_ONCE)
        with LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            env=dict(os.environ),  # of now, not of when the first cluster began
        ) as cluster:
            yield cluster


class ForkedProcess(_FORKED.Process):
    """Has the environment of now, not of when the first one began."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.environment = dict(os.environ)

    def start(self) -> None:
        if FORKS:
            _FORKED.set_forkserver_preload(IMPORTED_ONCE)
        super().start()

    def run(self) -> None:
        os.environ.clear()
        os.environ.update(self.environment)
        super().run()


class _Context(type(_FORKED)):
    Process = ForkedProcess


@contextmanager
def forked_instead_of_spawned() -> Iterator[None]:
    """Who asks ``multiprocessing`` for processes that are started anew gets forked ones, where there are such."""
    original = multiprocessing.get_context

    def get_context(method: str | None = None) -> Any:
        return _Context() if method == "spawn" and FORKS else original(method)

    with mock.patch.object(multiprocessing, "get_context", get_context):
        yield
