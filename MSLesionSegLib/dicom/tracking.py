"""UIDs by which a lesion is known over all visits."""

from __future__ import annotations

import uuid

_NAMESPACE = uuid.UUID("5e0f6a1c-51bb-5a44-9d1c-6d7f1c5b9d52")


def derived_uid(*origin: str | int) -> str:
    """The UID that always follows from the same origin (DICOM PS3.5, B.2: from a UUID, here by name)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, origin))).int}"
