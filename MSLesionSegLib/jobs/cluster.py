"""Work on an existing Dask cluster: connecting, waiting and being told to stop meanwhile."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from MSLesionSegLib.errors import SettingsError

if TYPE_CHECKING:
    from distributed import Client, Future

LOCAL = "local"
SECONDS_TO_ANSWER = 20  # what a scheduler has


def check_executor(executor: str) -> None:
    """Refuse what is neither ``local`` nor ``dask://HOST:PORT``.

    Raises:
        SettingsError: with what would be right.
    """
    if executor != LOCAL and not re.fullmatch(r"dask://[^\s/]+:\d+", executor):
        raise SettingsError(f"The executor '{executor}' is unknown. Give local or dask://HOST:PORT.")


@contextlib.contextmanager
def cluster_client(executor: str) -> Iterator[Client]:
    """A connection to the scheduler of ``dask://HOST:PORT``.

    Raises:
        SettingsError: the package ``distributed`` is missing, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise SettingsError(
            "A Dask cluster needs the package 'distributed': pip install distributed."
        ) from None
    try:
        client = Client(
            executor.replace("dask://", "tcp://"), timeout=SECONDS_TO_ANSWER, set_as_default=False
        )
    except (OSError, TimeoutError) as error:
        raise SettingsError(
            f"No Dask scheduler answers at {executor}. Start one with 'dask scheduler', and workers."
        ) from error
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def told_to_stop(client: Client, futures: Collection[Future], stop: Path) -> Iterator[None]:
    """Where the block fails or is cancelled, what waits is taken back and what runs finds the file ``stop``."""
    try:
        yield
    except BaseException:
        stop.touch()
        client.cancel(list(futures))
        raise


def as_they_end(client: Client, futures: Iterable[Future], tick: Callable[[int], None]) -> Iterator[Future]:
    """Futures in the order in which they end.

    ``tick`` is called twice a second with the number of those that are left: the place where a person can cancel.
    """
    from distributed import wait

    waiting = set(futures)
    while waiting:
        tick(len(waiting))
        try:
            with client.as_current():
                ended, waiting = wait(waiting, timeout=0.5, return_when="FIRST_COMPLETED")
        except TimeoutError:
            continue
        yield from ended
