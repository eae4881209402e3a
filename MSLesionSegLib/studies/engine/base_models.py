"""The models that a study starts from: which weights they are, and whether they know the patients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.models.store import find_model, read_card
from MSLesionSegLib.studies.engine.study_cases import StudyCase
from MSLesionSegLib.training.examples.known_patients import known_patients, known_sources


@dataclass(frozen=True)
class BaseModels:
    """What ``study.json`` holds of the models that a study starts from.

    Attributes:
        weight_hashes: SHA-256 by name or folder.
        leakage_warnings: sentences for people who read the results.
    """

    weight_hashes: dict[str, str] = field(default_factory=dict)
    leakage_warnings: list[str] = field(default_factory=list)


def check_base_models(models: Iterable[str], tested: Sequence[StudyCase], progress: Progress) -> BaseModels:
    """Look up the models of a study; leakage is told as a warning too."""
    names = list(models)
    found = BaseModels(weight_hashes(names), leakage_warnings(names, tested))
    for sentence in found.leakage_warnings:
        progress.warning("known-patients", sentence)
    return found


def weight_hashes(models: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the weights of each model, by its name or folder, as ``study.json`` holds them."""
    return {model: read_card(find_model(model)).weights_sha256 for model in models}


def check_weight_hashes(models: Mapping[str, str]) -> None:
    """Refuse models that are no longer those of an earlier run.

    Raises:
        SettingsError: a model of that name has other weights. ModelError: there is none.
    """
    for model, weights in weight_hashes(models).items():
        if weights != models[model]:
            raise SettingsError(
                f"The model {model} is not that of the earlier run: its weights are others (SHA-256 {weights[:12]} "
                f"instead of {models[model][:12]}). Put the earlier one back, or begin a new study."
            )


def leakage_warnings(models: Iterable[str], cases: Sequence[StudyCase]) -> list[str]:
    """A sentence for every model that may have learnt from patients that the study tests on.

    Cards hold hashes of patients' labels, or only the names of sources, so that two hospitals with the same labels
    look like one: it is told and not refused.
    """
    sentences = []
    for model in models:
        known = known_patients(model, [case.example for case in cases])
        sources = sorted(known_sources(model) & {case.site for case in cases})
        if known:
            seen = "patients called " + ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
        elif sources:
            seen = f"cases of {', '.join(sources)}"
        else:
            continue
        sentences.append(
            f"The model {model}, or one that it comes from, was trained on {seen}. If they are the same patients, "
            "its scores here are better than on unseen patients."
        )
    return sentences
