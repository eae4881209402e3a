"""The receiving node as a process of its own, which can be killed."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE_S = 600.0


def until(true: Callable[[], Any], what: str) -> Any:
    """Wait until something is so, and return what it is."""
    for _ in range(int(PATIENCE_S / 0.05)):
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


@dataclass
class NodeProcess:
    """A running node; ``said`` is what it has printed, line by line."""

    process: subprocess.Popen[str]
    queue: Path
    said: list[str] = field(default_factory=list)

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in map(json.loads, tuple(self.said)) if event["event"] == kind]

    def audit(self) -> list[dict[str, str]]:
        file = self.queue / "audit.tsv"
        if not file.exists():
            return []
        with file.open(newline="") as stream:
            return list(csv.DictReader(stream, delimiter="\t"))

    def outcomes(self) -> list[str]:
        return [line["outcome"] for line in self.audit()]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def node_at(config: Path, queue: Path, *options: str, **settings: Any) -> Iterator[NodeProcess]:
    """Start a node and wait until it listens; at the end it is told to stop."""
    command = [sys.executable, "-m", "MSLesionSegLib", "node", "--config", str(config), "--events", *options]
    temporary = queue.parent / "temporary"
    temporary.mkdir(exist_ok=True)
    with (queue.parent / "node.log").open("a") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)},
            **settings,
        )
    node = NodeProcess(process, queue)
    reader = threading.Thread(target=lambda: node.said.extend(iter(process.stdout.readline, "")), daemon=True)
    reader.start()
    try:
        until(lambda: node.events("progress") or process.poll() is not None, "the node")
        assert process.poll() is None, node.said
        yield node
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait()
        reader.join()
