"""The file that names the nodes: sections of keys and values, read into dataclasses; only its owner may see it."""

from __future__ import annotations

import configparser
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from MSLesionSegLib.errors import SettingsError

T = TypeVar("T")
Sections = Mapping[str, Mapping[str, str]]


def default_config() -> Path:
    """Where the file lies if nobody says otherwise."""
    from platformdirs import user_config_dir

    return Path(user_config_dir("MSLesionSeg", appauthor=False)) / "pacs.ini"


def read_config(file: Path) -> Sections:
    """The sections of the file, each with its keys and values as texts.

    Raises:
        SettingsError: it is missing or cannot be understood, or others than its owner may read or change it.
    """
    if not file.is_file():
        raise SettingsError(f"{file} is missing. docs/dicom.md shows how the nodes are named in it.")
    check_private(file)
    parser = configparser.ConfigParser(interpolation=None, default_section="", inline_comment_prefixes="#")
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except (configparser.Error, UnicodeDecodeError) as error:
        line = f" (line {error.lineno})" if isinstance(error, configparser.DuplicateOptionError) else ""
        raise SettingsError(
            f"{file} cannot be understood{line}: write [name], and key = value below."
        ) from None
    return {name: dict(parser[name]) for name in parser.sections()}


def check_private(path: Path) -> None:
    """Refuse a file or folder that others than its owner may see or change (on Windows the user's folder is closed).

    Raises:
        SettingsError: with what to do.
    """
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = 700 if path.is_dir() else 600
        raise SettingsError(f"Others than its owner may see or change {path}: chmod {mode} '{path}'")


def section_as(kind: type[T], section: Mapping[str, str], title: str, **known: Any) -> T:
    """A dataclass with the values of a section: a key per field, of the field's type.

    Args:
        title: of the section, for the sentences.
        known: fields that are no keys.

    Raises:
        SettingsError: a key that there is not, is missing, or has a value of another type.
    """
    hints = get_type_hints(kind)
    own = {field.name: field for field in fields(kind) if field.name not in known}
    for key in section:
        if key not in own:
            raise SettingsError(
                f"[{title}] has a key '{key}' that means nothing. There are {', '.join(own)}."
            )
    for key, field in own.items():
        if key not in section and field.default is MISSING:
            raise SettingsError(f"[{title}] needs the key '{key}'.")
    values = {key: _value(text, hints[key], f"[{title}] {key} = {text}") for key, text in section.items()}
    return kind(**known, **values)


def _value(text: str, kind: Any, shown: str) -> Any:
    try:
        return _READERS[kind](text.strip())
    except (KeyError, ValueError):
        raise SettingsError(f"{shown} cannot be understood: {_WANTED[kind]} is wanted.") from None


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


_SWITCH = configparser.ConfigParser.BOOLEAN_STATES
_READERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: _count,
    float: _positive,
    bool: lambda text: _SWITCH[text.lower()],
    Path: lambda text: Path(text).expanduser(),
    Path | None: lambda text: Path(text).expanduser(),
    tuple[str, ...]: lambda text: tuple(text.replace(",", " ").split()),
}
_WANTED = {
    int: "a whole number from 1",
    float: "a number above 0",
    bool: "yes or no",
}
