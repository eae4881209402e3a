"""What the gate found: the old model against the new one."""

import qt
from slicer.i18n import tr as _

from ..widgets import tables

_METRICS = ("f1", "sensitivity", "ppv", "dice", "false_positives")


def showGate(table, gate) -> None:
    """Fill a QTableWidget from the gate's part of a training's result."""
    rows = [(metricTitles()[name], gate["old"].get(name), gate["new"].get(name)) for name in _METRICS]
    rows += [
        (_("Dice at {site}").format(site=site["site"]), site["dice_old"], site["dice_new"])
        for site in gate["earlier_sites"]
    ]
    if gate["lesion_free"] is not None:
        values = (gate["lesion_free"][name] for name in ("old", "new"))
        rows.append((_("False lesions per lesion-free scan"), *values))
    tables.prepare(table, ["", _("Old"), _("New")])
    table.rowCount = len(rows)
    for index, (title, *values) in enumerate(rows):
        table.setItem(index, 0, qt.QTableWidgetItem(title))
        for column, value in enumerate(values, start=1):
            table.setItem(index, column, qt.QTableWidgetItem("-" if value is None else f"{value:.2f}"))
    for column in (1, 2):
        tables.fit(table, column)
    tables.stretch(table, 0)


def metricTitles() -> dict[str, str]:
    """What the numbers of the gate are called towards people."""
    return {
        "f1": _("Lesion F1"),
        "sensitivity": _("Lesions found (sensitivity)"),
        "ppv": _("Found lesions that are true (PPV)"),
        "dice": _("Overlap (Dice)"),
        "false_positives": _("False lesions per scan"),
    }
