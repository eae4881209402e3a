"""What the Extensions Index clones is small, has no history, and names itself the same everywhere."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
REPOSITORY = "some-hospital/SlicerMSLesionSeg"
RAW = f"https://raw.githubusercontent.com/{REPOSITORY}/main/"

if not (ROOT / ".git").exists():
    pytest.skip("a copy without its git folder", allow_module_level=True)


def git(*arguments: str, folder: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def value(name: str, cmake: str) -> str:
    """As the index reads it."""
    return re.search(rf'set\s*\({name}\s*"([^"]+)"[ ]*\)', cmake)[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The extension's repository, and the entry for the index."""
    out = tmp_path_factory.mktemp("extension")
    assert runpy.run_path(str(ROOT / ".ci" / "extension.py"))["main"](out, REPOSITORY) == 0, (
        "it is small enough"
    )
    return out / "SlicerMSLesionSeg", json.loads((out / "MSLesionSeg.json").read_text())


def test_it_is_one_commit_of_what_users_need(made):
    folder, _ = made
    assert git("rev-list", "--count", "--all", folder=folder).strip() == "1"
    assert git("status", "--porcelain", folder=folder) == ""
    assert (folder / "LICENSE").is_file() and (folder / "Resources/Models/flair-ms/card.json").is_file()
    assert not any((folder / name).exists() for name in ("Testing", ".ci", "docs/performance.json"))


def test_its_addresses_are_those_of_the_repository_and_lead_to_files_of_it(made):
    folder, entry = made
    cmake = (folder / "CMakeLists.txt").read_text()
    home = f"https://github.com/{REPOSITORY}"
    assert value("EXTENSION_HOMEPAGE", cmake) == entry["scm_url"] == home
    assert yaml.safe_load((folder / "CITATION.cff").read_text())["repository-code"] == home
    pictures = [value("EXTENSION_ICONURL", cmake), *value("EXTENSION_SCREENSHOTURLS", cmake).split()]
    assert all((folder / address.removeprefix(RAW)).is_file() for address in pictures)
    assert "OWNER" not in git("grep", "-hI", "SlicerMSLesionSeg", folder=folder)


def test_the_entry_names_the_build_s_dependencies(made):
    folder, entry = made
    cmake = (folder / "CMakeLists.txt").read_text()
    assert entry["build_dependencies"] == value("EXTENSION_DEPENDS", cmake).split()
    assert entry["scm_revision"] == git("branch", "--show-current", folder=folder).strip()


def test_links_between_its_pages_lead_somewhere(made):
    folder, _ = made
    for page in [folder / "README.md", *(folder / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_contributors_of_the_extension_are_the_authors_to_cite():
    authors = yaml.safe_load((ROOT / "CITATION.cff").read_text())["authors"]
    names = [a.get("name") or f"{a['given-names']} {a['family-names']}" for a in authors]
    assert value("EXTENSION_CONTRIBUTORS", (ROOT / "CMakeLists.txt").read_text()) == ", ".join(names)
    module = (ROOT / "MSLesionSeg" / "MSLesionSeg.py").read_text(encoding="utf-8")
    assert f"self.parent.contributors = {json.dumps(names)}" in module
