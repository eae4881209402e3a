"""Drawing the next step's patches while a GPU learns from this one's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

from MSLesionSegLib.training.loop.loop import Source


@contextmanager
def drawn_ahead(source: Source, device: str) -> Iterator[Source]:
    """The same batches; those for a GPU are drawn by a thread, a step ahead. A CPU's cores have no time for it."""
    if device == "cpu":
        yield source
        return
    # on a stream of its own, so that who waits for a patch does not wait for the network
    with ThreadPoolExecutor(1, "patches", torch.cuda.set_stream, (torch.cuda.Stream(),)) as pool:
        yield DrawnAhead(source, pool)


class DrawnAhead:
    """A source whose next batch is being drawn while the last one is used.

    Args:
        source: the same step gives the same batch, so nothing depends on when it is drawn.
        pool: draws, one batch at a time.
    """

    def __init__(self, source: Source, pool: Executor) -> None:
        self.examples = source.examples
        self._source, self._pool = source, pool
        self._drawing: dict[int, Future[tuple[Any, torch.Tensor]]] = {}

    def batch(self, step: int) -> tuple[Any, torch.Tensor]:
        """See :class:`~MSLesionSegLib.training.loop.loop.Source`."""
        now = self._drawing.get(step) or self._pool.submit(self._drawn, step)
        self._drawing = {step + 1: self._pool.submit(self._drawn, step + 1)}
        inputs, label = now.result()
        if label.is_cuda:
            for tensor in (
                inputs,
                label,
            ):  # their memory is not to be used again while this stream reads them
                tensor.record_stream(torch.cuda.current_stream())
        return inputs, label

    def _drawn(self, step: int) -> tuple[Any, torch.Tensor]:
        inputs, label = self._source.batch(step)
        if label.is_cuda:
            torch.cuda.current_stream().synchronize()
        return inputs, label
