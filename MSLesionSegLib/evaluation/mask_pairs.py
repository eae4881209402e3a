"""Predicted masks of many patients against their references: per case, on average and by lesion load."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.evaluation.bootstrap import resampled
from MSLesionSegLib.evaluation.metrics import MATCH_RULES, CaseMetrics, compare_lesions
from MSLesionSegLib.evaluation.size_groups import SizeGroup, size_groups, size_table
from MSLesionSegLib.imaging.checks.label_grid import covering
from MSLesionSegLib.imaging.checks.lesion_mask import read_lesion_mask
from MSLesionSegLib.imaging.reading import InputWarning, is_part, warnings_of
from MSLesionSegLib.jobs.printable import printable

LOAD_GROUPS = ("lesion-free", "under 5 ml", "5 to 15 ml", "over 15 ml")
_SHOWN = ("dice", "sensitivity", "ppv", "f1", "hd95_mm", "assd_mm", "relative_volume_difference")
_NUMBERS = tuple(field.name for field in fields(CaseMetrics) if field.name != "preset")


@dataclass(frozen=True)
class CaseResult:
    """Metrics of one patient; ``load_group`` (one of ``LOAD_GROUPS``) by the reference's lesion volume.

    ``sizes``: its lesions by size. ``findings``: what a person should know about the masks.
    """

    name: str
    load_group: str
    metrics: CaseMetrics
    sizes: tuple[SizeGroup, ...]
    findings: tuple[InputWarning, ...] = ()


@dataclass(frozen=True)
class Average:
    """Mean over the cases where a metric is defined, its standard error (None below two), and how many those are."""

    mean: float | None
    standard_error: float | None
    defined: int


@dataclass(frozen=True)
class LoadGroup:
    """Cases of similar lesion load: false-positive lesions per scan, and predicted minus reference volume (mm3)."""

    name: str
    cases: int
    false_positives_per_scan: Average
    volume_bias_mm3: Average


@dataclass(frozen=True)
class Evaluation:
    """Result of :func:`evaluate_pairs`; ``averages`` holds one :class:`Average` per number of CaseMetrics."""

    preset: str
    definition: str
    cases: tuple[CaseResult, ...]
    averages: dict[str, Average]
    load_groups: tuple[LoadGroup, ...]


def evaluate_pairs(
    pairs: Iterable[tuple[str, Path, Path]], preset: str = "any-overlap", lesion_label: str | None = None
) -> Evaluation:
    """Compare predicted masks with references.

    ``pairs``: (name, prediction, reference) per patient; NIfTI or NRRD files or folders with one DICOM series.
    ``preset``: key of ``metrics.MATCH_RULES``. ``lesion_label``: which label of files with several is the lesion, see
    :func:`~MSLesionSegLib.imaging.checks.lesion_mask.parse_label`.
    Raises SettingsError for an unknown preset or no pairs; ImageError, naming the case and the file, for files that
    cannot be read, are no masks of lesions, or lie on another grid than their reference (shape, affine).
    """
    if preset not in MATCH_RULES:
        raise SettingsError(f"There is no preset '{preset}'. Choose one of: {', '.join(MATCH_RULES)}.")
    cases = [
        _evaluate_case(name, Path(predicted), Path(true), preset, lesion_label)
        for name, predicted, true in pairs
    ]
    if not cases:
        raise SettingsError("There is nothing to evaluate: no pairs of prediction and reference were given.")
    metrics = [case.metrics for case in cases]
    return Evaluation(
        preset=preset,
        definition=MATCH_RULES[preset].definition,
        cases=tuple(cases),
        averages={name: average([getattr(m, name) for m in metrics]) for name in _NUMBERS},
        load_groups=tuple(_load_group(name, cases) for name in LOAD_GROUPS),
    )


def average(values: Sequence[float | None]) -> Average:
    """Average the values that are not None. Standard error = standard deviation (n - 1) / sqrt(n)."""
    defined = np.array([value for value in values if value is not None], dtype=float)
    if defined.size == 0:
        return Average(None, None, 0)
    error = float(defined.std(ddof=1) / math.sqrt(defined.size)) if defined.size > 1 else None
    return Average(float(defined.mean()), error, int(defined.size))


def load_group(reference_volume_mm3: float) -> str:
    """Return the lesion-load group of a patient with this reference volume."""
    if reference_volume_mm3 <= 0:
        return LOAD_GROUPS[0]
    if reference_volume_mm3 < 5000:
        return LOAD_GROUPS[1]
    return LOAD_GROUPS[2] if reference_volume_mm3 <= 15000 else LOAD_GROUPS[3]


def write_case_table(evaluation: Evaluation, path: Path) -> None:
    """Write one row per case, units and preset in the columns; undefined values stay empty."""
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", "load_group", *_NUMBERS, "preset"])
        for case in evaluation.cases:
            values = [getattr(case.metrics, name) for name in _NUMBERS]
            row = ["" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in values]
            writer.writerow([case.name, case.load_group, *row, evaluation.preset])


def write_json(evaluation: Evaluation, path: Path) -> None:
    """Write everything as JSON; undefined values are null."""
    Path(path).write_text(json.dumps(asdict(evaluation), indent=2) + "\n", encoding="utf-8")


def write_markdown(evaluation: Evaluation, path: Path) -> None:
    """Write the text of :func:`to_markdown`."""
    Path(path).write_text(to_markdown(evaluation), encoding="utf-8")


def to_markdown(evaluation: Evaluation) -> str:
    """Return tables of the cases with mean and standard error, by lesion load and by size, with definitions."""
    heads = ["Dice", "Sensitivity", "PPV", "F1", "HD95 (mm)", "ASSD (mm)", "Volume difference (%)"]
    lines = [
        "| Case | Lesions (reference) | " + " | ".join(heads) + " | False positives |",
        "|---|---|" + "---|" * (len(heads) + 1),
    ]
    for case in evaluation.cases:
        shown = [_shown(name, getattr(case.metrics, name)) for name in _SHOWN]
        m = case.metrics
        lines.append(
            f"| {_markdown_text(case.name)} | {m.reference_lesions} | "
            + " | ".join([*shown, str(m.false_positives)])
            + " |"
        )
    averages = [_shown_average(name, evaluation.averages[name], len(evaluation.cases)) for name in _SHOWN]
    lesions, false = (
        _shown_average(name, evaluation.averages[name], len(evaluation.cases))
        for name in ("reference_lesions", "false_positives")
    )
    lines.append(f"| **Mean +- SE** | {lesions} | " + " | ".join([*averages, false]) + " |")
    if len(evaluation.cases) > 1:
        shown = [_shown_interval(name, evaluation.cases) for name in (*_SHOWN, "false_positives")]
        lines.append("| 95 % interval of the mean | | " + " | ".join(shown) + " |")
    lines += [
        "",
        "| Lesion load (reference) | Cases | False positives per scan | Volume bias (ml) |",
        "|---|---|---|---|",
    ]
    for group in evaluation.load_groups:
        wrong, bias = group.false_positives_per_scan, group.volume_bias_mm3
        lines.append(
            f"| {group.name} | {group.cases} | {_shown_average('false_positives', wrong, group.cases)} "
            f"| {_shown_average('volume_bias', bias, group.cases)} |"
        )
    lines += [
        "",
        size_table([case.sizes for case in evaluation.cases]),
        f"Preset `{evaluation.preset}`: {evaluation.definition}. Dice, volumes and distances are voxel-wise over "
        "all voxels, whatever their lesion's size. Mean and standard error (SE) over cases; where a value is not "
        "defined for all of them (no reference lesion, empty mask), the number of cases it was averaged over "
        "follows in brackets. Intervals are those of a bootstrap over cases. Both take each case for another "
        "patient: with several visits of one they are too narrow. HD95: larger of the two directed "
        "95th percentiles of surface distances; ASSD: mean surface distance both ways. Volume difference: predicted "
        "minus reference, relative to the reference. By size: all lesions together, false positives by their own "
        "size.",
    ]
    return "\n".join(lines) + "\n"


def _markdown_text(text: str) -> str:
    """Text of others as itself: not as Markdown, above all not as the end of a cell."""
    return printable(re.sub(r"([\\`*|<])", r"\\\1", " ".join(text.split())))


def _evaluate_case(name: str, predicted: Path, true: Path, preset: str, label: str | None) -> CaseResult:
    prediction, reference = _on_one_grid(name, predicted, true, label)
    spacing = nib.affines.voxel_sizes(reference.affine)
    masks = np.asarray(prediction.dataobj), np.asarray(reference.dataobj)
    metrics, judged = compare_lesions(*masks, spacing, preset)
    sizes = size_groups(judged, float(np.prod(spacing)))
    findings = (*warnings_of(reference), *warnings_of(prediction))
    return CaseResult(name, load_group(metrics.reference_volume_mm3), metrics, sizes, findings)


def _on_one_grid(
    name: str, predicted: Path, true: Path, label: str | None
) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """Both masks on the voxels of the reference; where that may be a part of its scan, on those of the prediction."""
    read_prediction = partial(_read, predicted, f"Case {name}, prediction", label=label)
    read_reference = partial(_read, true, f"Case {name}, reference", label=label)
    reference = read_reference(None)
    if not is_part(reference):
        return read_prediction(reference), reference
    prediction = read_prediction(None)
    grid = covering(prediction, reference) if is_part(prediction) else prediction
    return read_prediction(grid), read_reference(grid)


def _read(path: Path, role: str, reference: nib.Nifti1Image | None, label: str | None) -> nib.Nifti1Image:
    try:
        return read_lesion_mask(path, reference, label)
    except ImageError as error:  # it names the file, and masks of many patients may have one name
        raise ImageError(f"{role}: {error}") from error


def _load_group(name: str, cases: Sequence[CaseResult]) -> LoadGroup:
    metrics = [case.metrics for case in cases if case.load_group == name]
    return LoadGroup(
        name=name,
        cases=len(metrics),
        false_positives_per_scan=average([m.false_positives for m in metrics]),
        volume_bias_mm3=average([m.volume_difference_mm3 for m in metrics]),
    )


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name == "relative_volume_difference":
        return f"{100 * value:+.0f}"
    if name == "volume_bias":
        return f"{value / 1000:+.2f}"
    return f"{value:.1f}" if name.endswith(("_mm", "positives", "lesions")) else f"{value:.3f}"


def _shown_interval(name: str, cases: Sequence[CaseResult]) -> str:
    values = [getattr(case.metrics, name) for case in cases]
    defined = np.array([[value] for value in values if value is not None], float)
    mean = resampled(lambda v: v[..., 0].mean(-1), defined) if len(defined) else None
    if mean is None or mean.low is None:
        return "-"
    return f"{_shown(name, mean.low)} to {_shown(name, mean.high)}"


def _shown_average(name: str, value: Average, cases: int) -> str:
    if value.mean is None:
        return "-"
    text = _shown(name, value.mean)
    if value.standard_error is not None:
        text += f" +- {_shown(name, value.standard_error).lstrip('+')}"
    return text if value.defined == cases else f"{text} ({value.defined} of {cases})"
