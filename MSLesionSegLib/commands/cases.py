"""``mslesionseg cases``: corrected examinations that models are trained on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from MSLesionSegLib.commands.options import Events, JobOptions, LesionLabel, Series, takes_options
from MSLesionSegLib.commands.running import new_table, print_table, run
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.job import Job

if TYPE_CHECKING:
    from MSLesionSegLib.cases.adding import AddedCase
    from MSLesionSegLib.cases.case_set import CaseSet
    from MSLesionSegLib.cases.checking import CaseWarning
    from MSLesionSegLib.cases.nnunet_monai_export import ExportedSet
    from MSLesionSegLib.cases.record import Case, Place
    from MSLesionSegLib.cases.set_archive import ImportedSet

app = typer.Typer(
    no_args_is_help=True, help="Training cases: corrected examinations in a folder of their own."
)

Cases = Annotated[Path, typer.Option("--cases", help="Folder of the training cases.")]
Name = Annotated[str, typer.Argument(help="Case, such as sub-k3m9x2qa_ses-01_flair; see 'cases list'.")]
_LIST = {"read records": 1.0}


@dataclass(frozen=True, kw_only=True)
class AddOptions(JobOptions):
    """Options of ``cases add``, but the scans; named as in an ``AddRequest``."""

    mask: Annotated[Path, typer.Option(help="Corrected mask on the grid of the scan; may be empty.")]
    task: Annotated[str, typer.Option(help="flair, new or enhancing.")] = "flair"
    draft: Annotated[Path | None, typer.Option(help="Draft mask of the model, on the same grid.")] = None
    lesion_label: LesionLabel = None
    model: Annotated[str, typer.Option(help="Name of the model that made the draft.")] = ""
    reviewer: Annotated[str, typer.Option(help="Code of the person who corrected it, not a name.")] = ""
    minutes: Annotated[float | None, typer.Option(help="Minutes that the correction took.")] = None
    possible_places: Annotated[
        str | None,
        typer.Option(
            help="Places (mm, RAS) of the draft's possible lesions that became lesions in the mask: "
            "'x,y,z x,y,z'; '' for none."
        ),
    ] = None
    segmentation: Annotated[
        Path | None, typer.Option(help="The mask as 3D Slicer's .seg.nrrd, kept for further editing.")
    ] = None
    site: Annotated[str | None, typer.Option(help="Code of the hospital (default: the set's).")] = None
    subject: Annotated[
        str | None, typer.Option(help="Patient of the set whose further examination this is.")
    ] = None
    split: Annotated[
        Literal["training", "validation"] | None,
        typer.Option(help="Side of a new patient (default: by chance, one patient in four for validation)."),
    ] = None


@app.command("add")
@takes_options
def cases_add(
    options: AddOptions,
    cases: Cases,
    flair: Annotated[Path | None, typer.Option(help="FLAIR.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Baseline FLAIR (new).")] = None,
    followup: Annotated[Path | None, typer.Option(help="Follow-up FLAIR (new).")] = None,
    pre: Annotated[Path | None, typer.Option(help="T1 before gadolinium (enhancing).")] = None,
    post: Annotated[Path | None, typer.Option(help="T1 after gadolinium (enhancing).")] = None,
    series: Series = None,
) -> None:
    """Add a corrected examination, without names; a second correction of the same scans becomes a new version."""
    given = {"flair": flair, "baseline": baseline, "followup": followup, "pre": pre, "post": post}

    def work(job: Job) -> AddedCase:
        from MSLesionSegLib.cases.adding import AddRequest, add_case
        from MSLesionSegLib.imaging.dicom.inputs import found_scans
        from MSLesionSegLib.tasks import get_task

        images = {name: path for name, path in given.items() if path is not None}
        wanted = options.given | {"possible_places": _places(options.possible_places)}
        with found_scans(get_task(options.task), images, series or ()) as found:
            for remark in found.remarks:
                job.warning(remark.code, remark.sentence)
            return add_case(AddRequest(folder=cases, images=found.paths, **wanted), job)

    def describe(added: AddedCase) -> dict[str, Any]:
        return {**added.case.summary(), "stored": added.stored}

    run("cases add", work, {"read files": 0.6, "store case": 0.4}, describe, options, show=_print_added)


def _places(text: str | None) -> tuple[Place, ...] | None:
    """Places from ``x,y,z x,y,z``."""
    if text is None:
        return None
    try:
        return tuple((float(x), float(y), float(z)) for x, y, z in (each.split(",") for each in text.split()))
    except ValueError:
        raise SettingsError("Places are given as 'x,y,z x,y,z' in mm, such as '-21.5,10,34.2'.") from None


def _print_added(added: AddedCase) -> None:
    case = added.case
    if added.stored:
        typer.echo(
            f"{case.case_id}, version {case.version}: {case.lesions} lesions, for {case.split}{_changes(case)}."
        )


@app.command("list")
def cases_list(
    cases: Cases,
    task: Annotated[str | None, typer.Option(help="Only cases of this task.")] = None,
    events: Events = False,
) -> None:
    """The cases of a set in their newest version."""

    def work(job: Job) -> CaseSet:
        from MSLesionSegLib.cases.case_set import list_cases

        found = list_cases(cases, task)
        for finding in found.findings:
            job.warning(finding.code, finding.sentence)
        return found

    def describe(found: CaseSet) -> dict[str, Any]:
        return {
            "cases": [case.summary() for case in found.cases],
            "lesions": sum(case.lesions for case in found.cases),
            "training": len(found.training),
            "validation": len(found.validation),
        }

    run("cases list", work, _LIST, describe, JobOptions(events=events), show=_print_cases)


def _print_cases(found: CaseSet) -> None:
    table = new_table("Case", "Version", "For", "Site", "Lesions", "mm3")
    for case in found.cases:
        numbers = (str(case.lesions), f"{case.volume_mm3:.0f}")
        table.add_row(case.case_id, str(case.version), case.split, case.site, *numbers)
    print_table(table)
    typer.echo(f"{len(found.training)} for training, {len(found.validation)} for validation")


@app.command("show")
def cases_show(cases: Cases, name: Name, events: Events = False) -> None:
    """All that is stored about one case."""

    def work(job: Job) -> Case:
        from MSLesionSegLib.cases.case_set import find_case

        return find_case(cases, name)

    def describe(case: Case) -> dict[str, Any]:
        from MSLesionSegLib.cases.case_set import all_versions

        return {
            **case.summary(),
            "versions": [v.version for v in all_versions(cases) if v.case_id == case.case_id],
            "images": {role: str(path) for role, path in case.images.items()},
            "grid": case.grid,
            "mask": str(case.mask),
            "draft": str(case.draft) if case.draft else None,
            "sha256": case.sha256,
        }

    def show(case: Case) -> None:
        typer.echo(json.dumps(describe(case), indent=2))

    run("cases show", work, _LIST, describe, JobOptions(events=events), show=show)


@app.command("remove")
def cases_remove(cases: Cases, name: Name, events: Events = False) -> None:
    """Delete a case with all its versions. It cannot be undone; its scans stay on their side of the split."""

    def work(job: Job) -> Case:
        from MSLesionSegLib.cases.adding import remove_case

        return remove_case(cases, name)

    def show(case: Case) -> None:
        typer.echo(f"Removed {case.case_id}.")

    options = JobOptions(events=events)
    run("cases remove", work, _LIST, lambda case: {"case": case.case_id}, options, show=show)


@app.command("check")
@takes_options
def cases_check(options: JobOptions, cases: Cases) -> None:
    """List bad cases: masks on other grids, empty or damaged files, masks outside the brain, scans twice."""

    def work(job: Job) -> list[CaseWarning]:
        from MSLesionSegLib.cases.checking import check_cases

        findings = check_cases(cases, job)
        for finding in findings:
            job.warning(finding.code, _sentence(finding))
        return findings

    def describe(findings: list[CaseWarning]) -> dict[str, Any]:
        from dataclasses import asdict

        return {"findings": [asdict(finding) for finding in findings], "bad": _bad(findings)}

    def show(findings: list[CaseWarning]) -> None:
        typer.echo("Nothing is wrong." if not findings else f"{_bad(findings)} bad cases.")

    cancelled = "Cancelled. Nothing was changed."
    run("cases check", work, {"check cases": 1.0}, describe, options, cancelled, show)


@app.command("export")
@takes_options
def cases_export(
    options: JobOptions,
    cases: Cases,
    to: Annotated[Path, typer.Option(help="File (zip) or folder (nnunet, monai) to make.")],
    layout: Annotated[
        Literal["zip", "nnunet", "monai"],
        typer.Option("--format", help="zip for another MSLesionSeg, or the layout of nnU-Net or MONAI."),
    ] = "zip",
    task: Annotated[
        str | None, typer.Option(help="Only cases of this task (default: all in a zip, else flair).")
    ] = None,
    strip_face: Annotated[
        bool, typer.Option("--strip-face", help="Leave only the brain in the scans.")
    ] = False,
) -> None:
    """Write the cases for another computer or for another training program."""

    def work(job: Job) -> ExportedSet:
        if not strip_face:
            job.warning("faces", "Scans with a skull show the face. For other hospitals use --strip-face.")
        if layout == "zip":
            from MSLesionSegLib.cases.set_archive import export_archive

            return export_archive(cases, to, task=task, strip_face=strip_face, progress=job)
        from MSLesionSegLib.cases.nnunet_monai_export import export_monai, export_nnunet

        write = {"nnunet": export_nnunet, "monai": export_monai}[layout]
        return write(cases, to, task=task or "flair", strip_face=strip_face, progress=job)

    def describe(exported: ExportedSet) -> dict[str, Any]:
        return {
            "path": str(exported.path),
            "training": exported.training,
            "validation": exported.validation,
            "face_removed": strip_face,
        }

    def show(exported: ExportedSet) -> None:
        typer.echo(
            f"{exported.path}: {exported.training} cases for training, {exported.validation} for validation"
        )

    run("cases export", work, {"export cases": 1.0}, describe, options, show=show)


@app.command("import")
@takes_options
def cases_import(
    options: JobOptions,
    cases: Cases,
    archive: Annotated[Path, typer.Argument(help="Zip file of 'cases export'.")],
) -> None:
    """Add the cases of another set; what is there already is recognized."""

    def work(job: Job) -> ImportedSet:
        from MSLesionSegLib.cases.set_archive import import_archive

        imported = import_archive(cases, archive, job)
        for finding in imported.findings:
            job.warning(finding.code, finding.sentence)
        return imported

    def describe(imported: ImportedSet) -> dict[str, Any]:
        return {
            "added": [case.summary() for case in imported.added],
            "known": imported.known,
            "findings": [finding.sentence for finding in imported.findings],
        }

    def show(imported: ImportedSet) -> None:
        typer.echo(f"{len(imported.added)} cases added; {imported.known} masks were in the set already")

    cancelled = "Cancelled. Cases that were added stay; the same command adds the rest."
    run("cases import", work, {"import cases": 1.0}, describe, options, cancelled, show)


def _bad(findings: list[CaseWarning]) -> int:
    return len({finding.case or finding.sentence for finding in findings if finding.bad})


def _sentence(finding: CaseWarning) -> str:
    name = f"{finding.case}: " if finding.case else ""
    return f"{name}{finding.sentence}{' It is left out of training.' if finding.bad and finding.case else ''}"


def _changes(case: Case) -> str:
    review = case.review
    if review.lesions_added is None:
        return ""
    taken = f", {review.possible_taken} possible ones taken" if review.possible_taken else ""
    return f"; {review.lesions_added} lesions added to the draft{taken}, {review.lesions_rejected} rejected"
