"""How long a command takes and how much memory it needs, from the command line to the page.

    python Testing/benchmarks/bench.py [--model NAME] [--repeat N] [--json] [ROW ...]

Every row is the real command in a child process on a synthetic patient; compare rows of one run only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measuring import Figure, finish, markdown

ROWS = {
    # name: voxel size in mm (left-right, front-back, head-foot), further options of the command
    "flair 1 mm": ((1.0, 1.0, 1.0), []),
    "flair thick slices": ((0.9, 0.9, 6.0), []),
    "flair 1 mm, mirrored": ((1.0, 1.0, 1.0), ["--mirroring"]),
    "flair 1 mm, N4": ((1.0, 1.0, 1.0), ["--n4"]),
}
PAIRS = {
    # name: voxel sizes of baseline and follow-up, further options of the command
    "new, 4 and 3 mm slices": (((0.72, 0.72, 4.0), (0.72, 0.72, 3.0)), []),
    "new, 1 mm": (((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)), []),
    "new, full SyN": (
        ((0.72, 0.72, 4.0), (0.72, 0.72, 3.0)),
        ["--registration", "full-syn"],
    ),
}
ENHANCING = "enhancing, 1 mm"
STANDARD = ("flair 1 mm", "flair thick slices")


@dataclass(frozen=True)
class MeasuredScan:
    """One run: seconds in all and by stage, CPU seconds, peak resident memory."""

    wall_s: float
    cpu_s: float
    peak_gib: float
    stages: dict[str, float]


def measure(arguments: list[str], out: Path) -> MeasuredScan:
    """Run the command once."""
    command = [sys.executable, "-m", "MSLesionSegLib", *arguments, "-o", str(out), "--events"]
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    last = list(process.stdout)[-1]
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {last}")
    stages = json.loads((out / "result.json").read_text(encoding="utf-8"))["timings_s"]
    per_gib = 2**30 if sys.platform == "darwin" else 2**20
    return MeasuredScan(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / per_gib, stages)


def make_scan(folder: Path, spacing: tuple[float, float, float]) -> Path:
    """Save a synthetic FLAIR with skull."""
    import nibabel as nib

    from MSLesionSegLib.synthesis.patient import synthetic_patient

    path = folder / f"flair_{'x'.join(f'{edge:g}' for edge in spacing)}.nii.gz"
    if not path.exists():
        nib.save(synthetic_patient(11, lesions=15, spacing=spacing).flair, path)
    return path


def make_gadolinium_pair(folder: Path) -> tuple[Path, Path]:
    """Save a T1-like scan (a brain-extracted synthetic FLAIR, inverted) and the same with enhancing vessels."""
    import nibabel as nib
    import numpy as np

    from MSLesionSegLib.imaging.normalization import zscore
    from MSLesionSegLib.synthesis.gadolinium_enhancement import enhance_normally
    from MSLesionSegLib.synthesis.patient import synthetic_patient

    patient = synthetic_patient(11, lesions=15, skull=False)
    brain = np.asarray(patient.brain.dataobj) > 0
    pre = -zscore(np.asarray(patient.flair.dataobj, dtype=np.float32), brain) * brain
    post = enhance_normally(pre, brain, np.random.default_rng(0))
    paths = folder / "pre.nii.gz", folder / "post.nii.gz"
    for path, z in zip(paths, (pre, post), strict=True):
        nib.save(
            nib.Nifti1Image(np.where(brain, 500 + 100 * z, 0).astype(np.float32), patient.flair.affine), path
        )
    return paths


def command(name: str, folder: Path) -> list[str]:
    """The command of a row, with its scans made."""
    if name == ENHANCING:
        pre, post = make_gadolinium_pair(folder)
        return ["segment", "enhancing", "--pre", str(pre), "--post", str(post)]
    if name in PAIRS:
        spacings, extra = PAIRS[name]
        baseline, followup = (str(make_scan(folder, spacing)) for spacing in spacings)
        return ["segment", "new", "--baseline", baseline, "--followup", followup, *extra]
    spacing, extra = ROWS[name]
    return ["segment", "flair", "--flair", str(make_scan(folder, spacing)), *extra]


def main() -> None:
    """Measure the rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = [*ROWS, *PAIRS, ENHANCING]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(known)}; or all")
    parser.add_argument("--model", help="another model than the shipped one")
    parser.add_argument("--repeat", type=int, default=1, help="runs per row; the fastest counts")
    parser.add_argument("--json", action="store_true", help="the figures as a last line of JSON")
    options = parser.parse_args()
    names = known if options.rows == ["all"] else options.rows or list(STANDARD)
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"no row {unknown[0]}")

    results: dict[str, MeasuredScan] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in names:
            arguments = command(name, folder)
            arguments += ["--model", options.model] if options.model else []
            runs = [measure([*arguments, "--overwrite"], folder / "out") for _ in range(options.repeat)]
            results[name] = min(runs, key=lambda run: run.wall_s)
            print(f"{name}: {results[name].wall_s:.1f} s", file=sys.stderr)
    print_table(results)
    figures = []
    for name, run in results.items():
        figures += [Figure(f"{name}, CPU", run.cpu_s, "s"), Figure(f"{name}, memory", run.peak_gib, "GiB")]
    finish(figures, options.json)


def print_table(results: dict[str, MeasuredScan]) -> None:
    """Print a Markdown table: a line per measured thing, a column per row."""
    stages = list(dict.fromkeys(stage for r in results.values() for stage in r.stages if stage != "total"))
    lines = [["seconds", *results]]
    lines += [[stage, *(f"{r.stages.get(stage, 0):.1f}" for r in results.values())] for stage in stages]
    lines += [
        ["start-up", *(f"{r.wall_s - r.stages['total']:.1f}" for r in results.values())],
        ["**whole command**", *(f"**{r.wall_s:.1f}**" for r in results.values())],
        ["CPU time", *(f"{r.cpu_s:.1f}" for r in results.values())],
        ["peak memory, GiB", *(f"{r.peak_gib:.2f}" for r in results.values())],
    ]
    print(markdown(lines))
    print(f"\n{os.cpu_count()} CPU cores, load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "")


if __name__ == "__main__":
    main()
