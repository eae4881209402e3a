"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

FREED_AND_KEPT = """
import sys, threading
from MSLesionSegLib.jobs.memory import keep_freed_memory

def resident_mib():
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * 4096 / 2**20

if sys.argv[1] == "keep":
    keep_freed_memory()

def work():
    volumes = [bytearray(b"x" * (70 * 2**20)) for _ in range(2)]
    del volumes

before = resident_mib()
if sys.argv[2] == "thread":
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
else:
    work()
print(resident_mib() - before)
"""


def _left(choice: str, where: str) -> float:
    command = [sys.executable, "-c", FREED_AND_KEPT, choice, where]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc hands freed memory back at once")
@pytest.mark.parametrize("where", ["main", "thread"])
def test_freed_volumes_are_kept_for_the_next_ones(where):
    assert _left("keep", where) > 100
    assert _left("give back", where) < 60
