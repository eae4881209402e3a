"""Masks of many patients against reference masks, listed in a CSV file; the result as a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from MSLesionSegLib import __version__
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.evaluation.mask_pairs import (
    Evaluation,
    evaluate_pairs,
    write_case_table,
    write_json,
    write_markdown,
)
from MSLesionSegLib.files.foreign_tables import ForeignTableError, read_table
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.segmentation import result_folder

TASK = "evaluate"
STAGE = "compare masks"
FILES = {
    "table": "cases.csv",
    "numbers": "evaluation.json",
    "text": "evaluation.md",
    "manifest": result_folder.MANIFEST,
}
COLUMNS = ("name", "prediction", "reference")
Case = tuple[str, Path, Path]


def read_cases(path: Path) -> list[Case]:
    """Read a table with the columns ``name``, ``prediction`` and ``reference``, one patient per row.

    Relative paths start at the folder of the table; for how it may be written see
    :mod:`~MSLesionSegLib.files.foreign_tables`.

    Raises:
        SettingsError: the file cannot be read, a column, a value or all rows are missing.
    """
    try:
        rows = read_table(path, COLUMNS)
    except ForeignTableError as error:
        raise SettingsError(
            f"{path} cannot be read as a list of cases: {error}. It needs the columns {', '.join(COLUMNS)}, with "
            "tabs, semicolons or commas between them."
        ) from error
    if not rows:
        raise SettingsError(f"{path} lists no cases. It needs the columns {', '.join(COLUMNS)}.")
    cases: list[Case] = []
    for row in rows:
        missing = [column for column in COLUMNS if not row.cells[column]]
        if missing:
            raise SettingsError(
                f"Line {row.line} of {path} has no {missing[0]}. Columns: {', '.join(COLUMNS)}."
            )
        name, *files = (row.cells[column] for column in COLUMNS)
        prediction, reference = (path.parent / _path(file) for file in files)
        cases.append((name, prediction, reference))
    return cases


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # a home folder of nobody
        raise SettingsError(f"{text}: {error}") from error


def evaluate(
    cases: Sequence[Case],
    progress: Progress,
    *,
    preset: str = "any-overlap",
    lesion_label: str | None = None,
    listing: Path | None = None,
    output: Path | None = None,
    overwrite: bool = False,
) -> Evaluation:
    """Compare each prediction with its reference; write ``cases.csv``, ``evaluation.json`` and ``.md`` if asked.

    Args:
        cases: name, prediction and reference of each patient.
        progress: told the stage ``STAGE``.
        preset: key of ``metrics.MATCH_RULES``.
        lesion_label: which label of files with several is the lesion.
        listing: the CSV file that the cases come from.
        output: folder to make.
        overwrite: replace an earlier evaluation in ``output``.

    Raises:
        MSLesionSegError: a mask, the preset or the output cannot be used.
    """
    if output is not None:
        files = [file for _, *pair in cases for file in pair]
        inputs = [*files, listing] if listing else files
        result_folder.check_output(output, TASK, overwrite=overwrite, inputs=inputs)

    def told() -> Iterator[Case]:
        for number, case in enumerate(cases):
            progress.stage(STAGE, number / len(cases))
            yield case

    evaluation = evaluate_pairs(told(), preset, lesion_label)
    progress.stage(STAGE, 1.0)
    for case in evaluation.cases:
        for finding in case.findings:
            progress.warning(finding.code, f"Case {case.name}: {finding.sentence}")
    if output is not None:
        with result_folder.staged(output, TASK, overwrite=overwrite) as folder:
            write_case_table(evaluation, folder / FILES["table"])
            write_json(evaluation, folder / FILES["numbers"])
            write_markdown(evaluation, folder / FILES["text"])
            content = {"program": result_folder.PROGRAM, "version": __version__, "task": TASK}
            result_folder.write_manifest(
                content | {"preset": preset, "cases": len(cases), "files": FILES}, folder
            )
    return evaluation
