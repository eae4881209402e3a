"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

FREED_AND_KEPT = """
import sys
from MSLesionSegLib.memory import keep_freed_memory

def resident_mib():
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * 4096 / 2**20

if sys.argv[1] == "keep":
    keep_freed_memory()
before = resident_mib()
volumes = [bytearray(b"x" * (16 * 2**20)) for _ in range(8)]
del volumes
print(resident_mib() - before)
"""


def _left(choice: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", FREED_AND_KEPT, choice], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc hands freed memory back at once")
def test_freed_volumes_are_kept_for_the_next_ones():
    assert _left("keep") > 100
    assert _left("give back") < 60
