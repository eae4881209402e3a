"""Scans per hour of ``mslesionseg batch`` with one and two workers, and what 10, 100 and 1,000 scans would take.

    python Testing/benchmarks/scale.py [--scans N] [--model NAME] [--spacing X Y Z] [--json]

Real batches over synthetic patients. Curves are calculated from the measured seconds per scan.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
from measuring import Figure, finish, machine, markdown

WORKERS = (1, 2)
SCANS = (10, 100, 1000)


def make_dataset(folder: Path, scans: int, spacing: tuple[float, float, float]) -> None:
    """A BIDS dataset of one synthetic patient under several names."""
    from MSLesionSegLib.synthesis.patient import synthetic_patient

    flair = synthetic_patient(11, lesions=15, spacing=spacing).flair
    for number in range(1, scans + 1):
        anat = folder / f"sub-{number:02d}" / "anat"
        anat.mkdir(parents=True)
        nib.save(flair, anat / f"sub-{number:02d}_FLAIR.nii.gz")


def run(dataset: Path, output: Path, workers: int, model: str | None) -> tuple[float, float]:
    """Seconds of the clock and of the CPU of a whole batch."""
    command = [sys.executable, "-m", "MSLesionSegLib", "batch", str(dataset), "-o", str(output)]
    command += ["--workers", str(workers), "--events", *(["--model", model] if model else [])]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, cpu


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=4, help="scans of each measured batch")
    parser.add_argument("--model", help="another model than the shipped one")
    parser.add_argument("--spacing", type=float, nargs=3, default=(1.0, 1.0, 1.0), help="of the voxels in mm")
    parser.add_argument("--json", action="store_true", help="the figures as a last line of JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        dataset = Path(temporary) / "bids"
        make_dataset(dataset, options.scans, tuple(options.spacing))
        rows = {n: run(dataset, Path(temporary) / f"out-{n}", n, options.model) for n in WORKERS}
    cores = os.cpu_count() or 1
    lines = [
        ["workers", "wall s per scan", "CPU s per scan", "scans per hour", *(f"{n:,} scans" for n in SCANS)]
    ]
    for workers, (wall, cpu) in rows.items():
        each = wall / options.scans
        hours = [f"{each * n / 3600:.1f} h" for n in SCANS]
        lines.append(
            [str(workers), f"{each:.1f}", f"{cpu / options.scans:.1f}", f"{3600 / each:.0f}", *hours]
        )
    least = min(cpu for _, cpu in rows.values()) / options.scans / cores
    lines.append(
        [
            "all cores busy",
            f"{least:.1f}",
            "",
            f"{3600 / least:.0f}",
            *(f"{least * n / 3600:.1f} h" for n in SCANS),
        ]
    )
    print(markdown(lines), end="\n\n")
    print(machine())
    finish([Figure(f"{n} workers", 3600 * options.scans / rows[n][0], "1/h") for n in WORKERS], options.json)


if __name__ == "__main__":
    main()
