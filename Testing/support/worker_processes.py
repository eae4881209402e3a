"""A Dask cluster of worker processes on this machine, of which one may be killed."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from distributed import LocalCluster
from distributed.utils import get_mp_context

IMPORTED_ONCE = ["support.cell_functions", "torch._dynamo", "monai.losses", "monai.networks.nets"]


@contextmanager
def cluster_of(workers: int) -> Iterator[LocalCluster]:
    """Worker processes, each with a nanny that starts it anew when it is killed.

    They are forked from a process that has imported what work needs, and so begin at once.
    """
    method = "spawn" if sys.platform == "win32" else "forkserver"
    with dask.config.set({"distributed.worker.multiprocessing-method": method}):
        if method == "forkserver":
            get_mp_context()  # sets what it wants imported
            multiprocessing.get_context(method).set_forkserver_preload(["distributed", *IMPORTED_ONCE])
        with LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            env=dict(os.environ),  # of now, not of when the first cluster began
        ) as cluster:
            yield cluster
