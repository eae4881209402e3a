"""The conformance statement tells what is exchanged, all of it and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from MSLesionSegLib.pacs.sop_classes import COMPRESSED, MR_IMAGES, OTHER_OBJECTS, UNCOMPRESSED

PAGE = Path(__file__).parents[3] / "docs" / "dicom.md"


def test_storage_classes_and_transfer_syntaxes_are_those_of_the_code():
    statement = PAGE.read_text(encoding="utf-8").partition("## Conformance")[2]
    told = set(re.findall(r"^\| [^|]+ \| `([\d.]+)` \|", statement, flags=re.M))
    assert told == {*MR_IMAGES, *OTHER_OBJECTS, *UNCOMPRESSED, *COMPRESSED}
