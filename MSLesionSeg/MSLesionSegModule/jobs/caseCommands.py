"""What the core is asked when a case is filed and when a model is trained."""

from collections.abc import Sequence
from pathlib import Path

from ..scene.corrected import draftFile, originalFiles, writeCorrected, writeSegmentation


def addArguments(session, folder: Path, work: Path, reviewer: str, minutes: float | None) -> list[str]:
    """Command that files the corrected mask; writes the mask into ``work`` on the original file's grid.

    Slicer's own file of it, which lies on Slicer's axes, goes along for further editing.

    Raises:
        MSLesionSegError: the scan has gone, or the mask does not fit it.
    """
    task = session.record["task"]
    mask = writeCorrected(session, work / "corrected.nii.gz")
    segmentation = writeSegmentation(session, work / "corrected.seg.nrrd")
    arguments = ["cases", "add", "--cases", str(folder), "--task", task, "--mask", str(mask)]
    arguments += ["--segmentation", str(segmentation)]
    files = originalFiles(session, work)
    for name, path in files.items():
        arguments += [f"--{name}", str(path)]
    draft = draftFile(session, files[session.task.reviewed_on], work)
    if draft is not None:
        arguments += ["--draft", str(draft), "--model", session.record["model"]["name"]]
        if not session.task.compares:
            places = (",".join(f"{mm:.3f}" for mm in place) for place in session.review.possible_places)
            arguments += ["--possible-places", " ".join(places)]
    if reviewer:
        arguments += ["--reviewer", reviewer]
    if minutes is not None:
        arguments += ["--minutes", f"{minutes:.1f}"]
    return arguments


def trainArguments(
    folder: Path,
    task: str,
    start: str | None,
    tune: str,
    minutes: float | None,
    replay: bool,
    leaveOneOut: bool,
    device: str,
    settings: Sequence[str] = (),
) -> list[str]:
    """Command that fine-tunes a model on a case set."""
    arguments = ["train", "--cases", str(folder), "--task", task, "--tune", tune, "--device", device]
    if minutes is not None:
        arguments += ["--minutes", f"{minutes:g}"]
    for setting in settings:
        arguments += ["--set", setting]
    if start:
        arguments += ["--from", start]
    if leaveOneOut:
        arguments += ["--leave-one-out"]
    return arguments if replay else [*arguments, "--no-replay"]
