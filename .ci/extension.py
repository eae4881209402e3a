"""The repository that 3D Slicer's Extensions Index clones: the tree of this commit, without its history.

``python .ci/extension.py OUT OWNER/SlicerMSLesionSeg`` writes it to ``OUT/SlicerMSLesionSeg`` as one commit, with
that address on GitHub wherever one stands, and the entry for the index to ``OUT/MSLesionSeg.json``. It fails where a
clone would be larger than the index takes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDER = "OWNER/SlicerMSLesionSeg"  # stands in the sources until a repository is public
BRANCH = "main"
FOR_DEVELOPERS = (".ci", "Testing", "docs/make_*.py", "docs/performance.json")
MOST_MIB = 95  # of 100, counted over the whole clone
SCHEMA = "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.1.json#"
AUTHOR = ("-c", "user.name=MSLesionSeg contributors", "-c", "user.email=")


def git(*arguments: str, folder: Path = ROOT) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def write_tree(folder: Path, repository: str) -> None:
    """What is committed here, but for what only developers need, with the repository's address filled in."""
    archive = folder.with_suffix(".tar")
    left_out = [f":(exclude,top){pattern}" for pattern in FOR_DEVELOPERS]
    git("archive", "--output", str(archive), "HEAD", "--", ".", *left_out)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    archive.unlink()
    for name in git("grep", "--name-only", "-I", PLACEHOLDER, "HEAD").splitlines():
        path = folder / name.removeprefix("HEAD:")
        if path.is_file():
            path.write_text(
                path.read_text(encoding="utf-8").replace(PLACEHOLDER, repository), encoding="utf-8"
            )


def commit(folder: Path) -> None:
    """One commit of the whole folder."""
    version = re.search(r'__version__ = "(.+)"', (folder / "MSLesionSegLib/__init__.py").read_text())[1]
    git("init", "--quiet", "--template=", f"--initial-branch={BRANCH}", folder=folder)
    git("add", "--all", folder=folder)
    git(*AUTHOR, "commit", "--quiet", "--message", f"MSLesionSeg {version}", folder=folder)


def entry(folder: Path, repository: str) -> dict[str, object]:
    """What the index wants to know; the dependencies are those of the build."""
    cmake = (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    return {
        "$schema": SCHEMA,
        "build_dependencies": re.search(r'set\(EXTENSION_DEPENDS "(.+)"\)', cmake)[1].split(),
        "build_subdirectory": ".",
        "category": "Segmentation",
        "scm_revision": BRANCH,
        "scm_url": f"https://github.com/{repository}",
        "tier": 1,
    }


def main(out: Path, repository: str) -> int:
    """Exit code: 0 unless the clone is too large."""
    if not re.fullmatch(r"[\w.-]+/Slicer[\w.-]+", repository):
        print(f"{repository} is no OWNER/NAME on GitHub with a name that begins with Slicer.")
        return 2
    folder = out / repository.split("/")[1]
    if folder.exists():
        print(f"{folder} exists already. Give another folder.")
        return 2
    out.mkdir(parents=True, exist_ok=True)
    write_tree(folder, repository)
    commit(folder)
    (out / "MSLesionSeg.json").write_text(
        json.dumps(entry(folder, repository), indent=2) + "\n", encoding="utf-8"
    )
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
    print(f"{folder}: {size:.1f} MiB with its one commit; the index takes 100.")
    if repository == PLACEHOLDER:
        print("Its addresses are placeholders: give REPOSITORY=owner/SlicerMSLesionSeg once it is public.")
    return int(size >= MOST_MIB)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2]))
