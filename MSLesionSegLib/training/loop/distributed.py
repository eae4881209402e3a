"""Processes that train one network together (PyTorch DistributedDataParallel, started by torchrun)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

T = TypeVar("T")
_PATIENCE = timedelta(hours=6)  # the others wait while the first one scores the validation cases


@dataclass(frozen=True)
class ProcessGroup:
    """This process's place among those that train together; one that trains alone is a group of one."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that reports, scores and writes."""
        return self.rank == 0

    def broadcast(self, value: T | None) -> T:
        """The leading process's value, in all of them; the others have none to give."""
        box: list[Any] = [value]
        if self.size > 1:
            import torch.distributed as dist

            dist.broadcast_object_list(box, src=0)
        return box[0]

    def barrier(self) -> None:
        """Go on when all of them have come here."""
        if self.size > 1:
            import torch.distributed as dist

            dist.barrier()

    def mean(self, value: float) -> float:
        """The mean of a number over the processes."""
        if self.size == 1:
            return value
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return sum(values) / self.size


ALONE = ProcessGroup()


def is_started_by_torchrun() -> bool:
    """Whether torchrun started this process together with others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_led_here() -> bool:
    """Whether this process reports and writes: it is alone, or the first of those that torchrun started."""
    return int(os.environ.get("RANK", "0")) == 0 or not is_started_by_torchrun()


@contextlib.contextmanager
def process_group(device: str) -> Iterator[ProcessGroup]:
    """The group that torchrun started this process in; a group of one otherwise."""
    if not is_started_by_torchrun():
        yield ALONE
        return
    import torch
    import torch.distributed as dist

    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield ProcessGroup(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
