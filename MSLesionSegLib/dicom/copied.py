"""What of the scan's header stands in the objects that are written, and must keep to the rules of DICOM there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydicom import Dataset, config
from pydicom.multival import MultiValue
from pydicom.valuerep import MAX_VALUE_LEN, validate_value

_TEXTS = ("LO", "LT", "PN", "SH", "ST")
_CHECKED = (*_TEXTS, "AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM")
_IDENTIFIERS = re.compile(r"(IDs?|Number)$")  # a part of one would be another one
_NAME_PART = 64


def mend_copied(objects: Iterable[Dataset], header: Dataset) -> str:
    """Cut texts that are too long and empty what else breaks a rule, where an object has it from a header.

    Returns:
        A sentence that says of which attributes, without their values; empty where there was nothing to do.
    """
    cut, emptied = set(), set()
    copied = [  # all before any is changed: some are shared with the header
        element
        for one in objects
        for element in one
        if element.VR in _CHECKED and header.get(element.keyword) == element.value
    ]
    for element in copied:
        values = element.value if isinstance(element.value, MultiValue) else [element.value]
        if all(_conforms(element.VR, str(value or "")) for value in values):
            continue
        if element.VR in _TEXTS and not _IDENTIFIERS.search(element.keyword):
            element.value = [_cut(element.VR, str(value)) for value in values]
            cut.add(element.keyword)
        else:
            element.value = None
            emptied.add(element.keyword)
    if not cut | emptied:
        return ""
    changed = {"shortened": cut, "left empty": emptied}
    told = " and ".join(f"{', '.join(sorted(names))} {how}" for how, names in changed.items() if names)
    return f"The scan's header breaks rules of DICOM; in what is written, this was {told}."


def _conforms(vr: str, text: str) -> bool:
    try:
        validate_value(vr, text, config.RAISE)
    except ValueError:
        return False
    return True


def _cut(vr: str, text: str) -> str:
    if vr == "PN":  # in letters, ideographs and sounds
        return "=".join(part[:_NAME_PART].rstrip() for part in text.split("=")[:3])
    return text[: MAX_VALUE_LEN[vr]].rstrip()
