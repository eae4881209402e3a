"""What holds for all tests."""

from __future__ import annotations

from MSLesionSegLib.jobs.memory import keep_freed_memory

keep_freed_memory()  # as every process of the program does
