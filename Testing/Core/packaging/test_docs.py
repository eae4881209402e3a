"""The pages for people lead where they say, and name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("model_development/*.md"), *ROOT.glob("docs/**/*.md")]
CODE = [
    ROOT / name
    for name in (".", "MSLesionSeg", "MSLesionSegLib", "MSLesionSeg/MSLesionSegModule", "Testing/benchmarks")
]
NOT_HERE = {"utils.py", "settings.py", "cells.py", "study.py", "report.py"}  # names that no folder goes with


def anchors(page: Path) -> set[str]:
    """The headings' addresses, as GitHub makes them."""
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_the_headings_they_name_are_there(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        file, _, heading = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not heading or heading in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_code_that_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    for name in set(re.findall(r"`([\w./]+\.py)`", text)) - NOT_HERE:
        assert any((folder / name).is_file() for folder in CODE), name
    for module in set(re.findall(r"MSLesionSegLib(?:\.\w+)+", text)):
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), module
