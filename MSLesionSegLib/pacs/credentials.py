"""Passwords: from the environment or the system's keyring, and nowhere else."""

from __future__ import annotations

import os
import re

from MSLesionSegLib.errors import SettingsError

PASSWORDS = "MSLESIONSEG_PASSWORD_"  # variables of the environment begin so


def password(node: str, user: str) -> str:
    """The password of a user at a node.

    It stands in the variable ``MSLESIONSEG_PASSWORD_<NODE>`` (capitals, other characters as ``_``), or in the keyring
    under the service ``mslesionseg <node>``.

    Raises:
        SettingsError: it is in neither.
    """
    variable = PASSWORDS + re.sub(r"\W", "_", node).upper()
    found = os.environ.get(variable) or _of_keyring(f"mslesionseg {node}", user)
    if not found:
        raise SettingsError(
            f"No password of '{user}' for '{node}': set {variable}, or run: keyring set 'mslesionseg {node}' '{user}'"
        )
    return found


def _of_keyring(service: str, user: str) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        return keyring.get_password(service, user)
    except KeyringError:  # locked, or the system has none
        return None
