"""What ``study gate`` leaves: the gate's verdict, numbers and words about every lesson."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from MSLesionSegLib.studies.engine.cells import FinishedCell
from MSLesionSegLib.studies.engine.record import write_csv
from MSLesionSegLib.studies.gate.cells import LESSONS, RIGHT
from MSLesionSegLib.studies.report.page import Section, Table, shown, write_page

_SHOWN = ("f1", "dice", "sensitivity", "ppv")


def write_gate_report(folder: Path, done: Mapping[str, FinishedCell], record: Mapping[str, Any]) -> Path:
    """Write ``gate.csv`` and the page; returns the page."""
    rows, lines, sentences = [], [], []
    for lesson, finished in done.items():
        gate = finished.results["gate"]
        kept = finished.results["after"] == finished.results["before"]
        free = gate["lesion_free"]
        falls = [f"{site['site']} {site['change']:+.3f}" for site in gate["earlier_sites"]]
        rows.append(
            [
                f"{lesson}: {LESSONS[lesson]}",
                gate["verdict"],
                "the old model" if kept else "the new model",
                *(f"{shown(gate['old'][m])} → {shown(gate['new'][m])}" for m in _SHOWN),
                ", ".join(falls) or "-",
                "-" if free is None else f"{free['old']:.1f} → {free['new']:.1f}",
            ]
        )
        sentences.append(f"{lesson}: {gate['sentence']}")
        values = [gate[when][metric] for metric in _SHOWN for when in ("old", "new")]
        lines.append([lesson, gate["verdict"], finished.results["after"], *values])
    heads = [f"{metric}_{when}" for metric in _SHOWN for when in ("old", "new")]
    write_csv(folder / "gate.csv", ["lesson", "verdict", "in_use", *heads], lines)
    wrong = [name for name in done if name != RIGHT]
    refused = sum(done[name].results["gate"]["verdict"] == "refuse" for name in wrong)
    table = Table(
        "Validation cases, old model → new model, on the 1 mm grid",
        [
            "What was filed", "Verdict", "In use afterwards", "Lesion F1", "Dice", "Sensitivity", "PPV",
            "Dice of earlier sites", "False positives per lesion-free scan",
        ],
        rows,
    )  # fmt: skip
    lead = (
        "A model is fine-tuned by the whole loop of a user - cases, training with replay, gate - on right masks and "
        "on wrong ones. The validation cases are right: they were frozen before."
    )
    found = f"The gate refused {refused} of {len(wrong)} models that were taught something wrong."
    sections = [Section("What the gate said", [found], [table]), Section("In its words", sentences)]
    return write_page(folder, "Does the gate refuse?", lead, sections, record)
