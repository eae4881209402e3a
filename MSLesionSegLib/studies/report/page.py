"""The report of a study: one HTML page with everything in it, and the same as Markdown beside its figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.page_template import fill_page

_TEMPLATE = Path(__file__).with_name("study.html")


@dataclass(frozen=True)
class Table:
    """A table: caption, heads and rows of text."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A figure: its file name without ending, below ``figures/``, and what it shows."""

    name: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, tables and figures."""

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


def write_page(
    folder: Path, title: str, lead: str, sections: Sequence[Section], record: Mapping[str, Any]
) -> Path:
    """Write ``report.html`` and ``report.md`` into a study's folder.

    Args:
        folder: of the study; figures lie in ``figures/`` as PNG and SVG.
        title, lead: what was done, in a line and in a few sentences.
        sections: content.
        record: content of ``study.json``: settings, cases and versions are shown.

    Returns:
        The HTML page; everything from outside is escaped.
    """
    facts = study_facts(record)
    pictures = {"picture": lambda name: _data_url(folder / "figures" / f"{name}.png")}
    html = fill_page(_TEMPLATE, pictures, title=title, lead=lead, sections=sections, facts=facts)
    write_text(folder / "report.html", html)
    write_text(folder / "report.md", _markdown(title, lead, sections, facts))
    return folder / "report.html"


def study_facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What decides the numbers of a study, as lines for people."""
    sites: dict[str, int] = {}
    for case in record["cases"]:
        sites[case["site"]] = sites.get(case["site"], 0) + 1
    cases = ", ".join(f"{count} of {site}" for site, count in sites.items())
    lines = [("Careful", sentence) for sentence in record.get("cautions", ())]
    lines.append(("Cases", cases))
    for name, value in record["settings"].items():
        if isinstance(value, dict):
            text = ", ".join(f"{key} {entry}" for key, entry in value.items())
        elif isinstance(value, list):
            text = ", ".join(map(str, value)) or "none"
        else:
            text = "none" if value is None else str(value)
        lines.append((name.replace("_", " ").capitalize(), text))
    lines.append(("Versions", ", ".join(f"{name} {text}" for name, text in record["versions"].items())))
    return lines


def shown(value: float | None, digits: int = 2) -> str:
    """A number for a table; ``-`` where it is not defined."""
    return "-" if value is None else f"{value:.{digits}f}"


def shown_with_error(mean: float | None, error: float | None, digits: int = 2) -> str:
    """Mean and standard error for a table."""
    if mean is None:
        return "-"
    return shown(mean, digits) if error is None else f"{mean:.{digits}f} ± {error:.{digits}f}"


def shown_p(p: float | None) -> str:
    """A probability for a table."""
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _data_url(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _markdown(title: str, lead: str, sections: Sequence[Section], facts: Sequence[tuple[str, str]]) -> str:
    lines = [f"# {title}", "", lead, ""]
    for section in sections:
        lines += [f"## {section.title}", ""]
        for paragraph in section.paragraphs:
            lines += [paragraph, ""]
        for table in section.tables:
            lines += [f"**{table.caption}**", "", _row(table.heads), _row(["---"] * len(table.heads))]
            lines += [*(_row(row) for row in table.rows), ""]
        for picture in section.pictures:
            lines += [f"![{picture.caption}](figures/{picture.name}.png)", "", f"*{picture.caption}*", ""]
    lines += ["## How the numbers were made", ""]
    lines += [f"- {name}: {text}" for name, text in facts]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
