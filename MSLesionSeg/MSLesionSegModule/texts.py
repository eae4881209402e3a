"""Sentences and labels of the panel, and the rules of when a button may be pressed: no Qt, no scene."""

from collections.abc import Mapping, Sequence
from typing import Any

from slicer.i18n import tr as _

from MSLesionSegLib.tasks import TASKS

from .choices import inputTitle

_MOST_NAMED = 12


def segmentProblem(
    task: str, chosen: Mapping[str, Any], missingPackages: Sequence[str], hasModel: bool = True
) -> str:
    """Why "Find lesions" cannot be pressed, or an empty text.

    ``chosen``: volume node, or None, by input name. ``hasModel``: whether a model of the task is on this computer.
    """
    for name in TASKS[task].required:
        if chosen.get(name) is None:
            return _("Choose the {scan} first.").format(scan=inputTitle(name))
    given = [chosen[name] for name in TASKS[task].names if chosen.get(name) is not None]
    if len({id(node) for node in given}) < len(given):
        return _("The same volume is chosen twice. Choose another one.")
    if missingPackages:
        return _("Python packages are missing. Install them under Packages first.")
    return "" if hasModel else _("There is no model for this on this computer. Import one under Models.")


def timeText(seconds: float | None) -> str:
    """Remaining time as people say it."""
    if seconds is None:
        return ""
    if seconds < 60:
        return _("about {n} s left").format(n=round(seconds))
    return _("about {n} min left").format(n=round(seconds / 60))


def stageText(event: Mapping[str, Any]) -> str:
    """Stage of a progress event."""
    return str(event["stage"]).capitalize()


def progressText(event: Mapping[str, Any]) -> str:
    """Stage and remaining time of a progress event."""
    parts = [stageText(event), timeText(event["eta_s"])]
    return ", ".join(part for part in parts if part)


def howText(record: Mapping[str, Any]) -> str:
    """What looked for the lesions of a result."""
    return _("Model {model} on {device}.").format(model=record["model"]["name"], device=record["device"])


def regionTitle(region: str) -> str:
    """Name of a region of the core towards people."""
    return {
        "periventricular": _("Periventricular"),
        "juxtacortical": _("Juxtacortical"),
        "infratentorial": _("Infratentorial"),
        "deep white matter": _("Deep white matter"),
        "undetermined": _("Undetermined"),
    }[region]


def decisionTitle(decision: str) -> str:
    titles = {"accepted": _("Accepted"), "rejected": _("Rejected"), "possible": _("Possible")}
    return titles.get(decision, "")


def ruleText(rule) -> str:
    """How lesions are counted; belongs to every count."""
    text = _("{connectivity}-connected, at least {minimum} mm3, probability from {threshold}").format(
        connectivity=rule.connectivity, minimum=f"{rule.minimum_mm3:g}", threshold=f"{rule.threshold:.2f}"
    )
    return text + (_(", peak from {peak}").format(peak=f"{rule.minimum_peak:g}") if rule.minimum_peak else "")


def remarksText(session) -> str:
    """What to know about the scans of a review and its model, a line each."""
    caution = _(
        "The model draws your attention to places and never excludes activity. "
        "Vessels, dura and plexus can look alike."
    )
    return "\n".join([*([caution] if session.task.before_after else []), *session.record["remarks"]])


def countText(review) -> str:
    """Number and volume of the lesions in the mask, and that changes by hand are kept."""
    lesions = review.lesions
    volume = sum(lesion.volume_mm3 for lesion in lesions) / 1000
    number = _("1 lesion") if len(lesions) == 1 else _("{n} lesions").format(n=len(lesions))
    text = _("{number}, {volume} ml ({rule}).").format(
        number=number, volume=f"{volume:.2f}", rule=ruleText(review.rule)
    )
    return text + (
        " " + _("Your corrections are kept when you change the threshold.") if review.edited else ""
    )


def totalsText(byRegion: Mapping[str, Mapping[str, float]], byState: Mapping[str, str]) -> str:
    """One line per grouping: how many lesions and how much volume."""
    regions = "; ".join(
        _("{region} {n} ({volume} ml)").format(
            region=regionTitle(region).lower(),
            n=int(total["lesions"]),
            volume=f"{total['volume_mm3'] / 1000:.2f}",
        )
        for region, total in byRegion.items()
        if total["lesions"]
    )
    lines = [regions.capitalize()] if regions else []
    if len(byState) > 1:
        lines.append("; ".join(f"{state} {text}" for state, text in byState.items()))
    return "\n".join(lines)


def reviewedText(done: int, total: int, possible: int) -> str:
    """How far the review is, and what comes next when it is through; ``possible``: lesions that may be one."""
    if total and done == total and possible:
        text = _("All {total} reviewed. Possible lesions: {n} (key O). Or add this case.")
        return text.format(total=total, n=possible)
    if total and done == total:
        return _("All {total} reviewed: add this case, or take the next patient.").format(total=total)
    if not total and possible:
        return _("No lesion is counted. Possible lesions: {n} (key O).").format(n=possible)
    return _("{done} / {total} reviewed").format(done=done, total=total)


def openText(numbers: Sequence[int], total: int) -> str:
    """The question before a case is added whose lesions are not all reviewed; ``numbers``: of those that are not."""
    named = ", ".join(str(number) for number in numbers[:_MOST_NAMED])
    if len(numbers) > _MOST_NAMED:
        named = _("{numbers} and {n} more").format(numbers=named, n=len(numbers) - _MOST_NAMED)
    return _("{open} of {total} lesions were not reviewed: {numbers}. Add the case as it is?").format(
        open=len(numbers), total=total, numbers=named
    )


def readingText() -> str:
    """Instead of numbers that are not known yet."""
    return _("The training set is being read...")


def casesText(cases: int, lesions: int, validation: int) -> str:
    """What a training set holds."""
    if cases == 0:
        return _("No corrected cases yet.")
    number = _("1 case") if cases == 1 else _("{n} cases").format(n=cases)
    marks = _("1 lesion") if lesions == 1 else _("{n} lesions").format(n=lesions)
    return _("{cases} with {lesions}; kept for checking models, never trained on: {validation}.").format(
        cases=number, lesions=marks, validation=validation
    )


def addCaseProblem(session, folder: str, busy: bool) -> str:
    """Why "Add this case" cannot be pressed, or an empty text."""
    if session is None:
        return _("Find lesions first.")
    if not folder:
        return _("Choose a folder for the training set first.")
    return _("Wait until the running step has ended.") if busy else ""


def trainProblem(newCases: int, missingPackages: Sequence[str], hasModel: bool, patients: int | None) -> str:
    """Why "Fine-tune" cannot be pressed, or an empty text.

    ``hasModel``: whether there is one to start from. ``patients``: to leave out one by one, which needs no new cases;
    None for a training on all at once.
    """
    if missingPackages:
        return _("Python packages are missing. Install them under Packages first.")
    if patients is not None and patients < 2:
        return _("Leaving out patients in turn needs cases of two or more to learn from.")
    if patients is None and not newCases:
        return _("Add corrected cases first: there is nothing new to learn from.")
    return "" if hasModel else _("There is no model to start from. Import one under Models.")


def leaveOneOutText(patients: int, minutes: int) -> str:
    """The choice of leave-one-out, with the time that it takes."""
    if patients < 2:
        return _("leave out patients in turn")
    return _("leave out patients in turn ({n} trainings, {time} min)").format(
        n=patients + 1, time=(patients + 1) * minutes
    )


def newCasesText(new: int, total: int) -> str:
    if total == 0:
        return _("No corrected cases yet.")
    fresh = _("1 new corrected case") if new == 1 else _("{n} new corrected cases").format(n=new)
    return _("{fresh} since the model in use was trained, {total} in all.").format(fresh=fresh, total=total)
