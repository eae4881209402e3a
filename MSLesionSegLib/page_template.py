"""Pages for people: one HTML file each, with everything in it and in one look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent  # of page.css, which templates include


def fill_page(template: Path, filters: Mapping[str, Callable[..., Any]] | None = None, **content: Any) -> str:
    """The text of a page. Everything that comes from outside is escaped.

    Args:
        template: Jinja file; ``page.css`` can be included.
        filters: functions that it uses, by name.
        content: what it shows, by name.
    """
    from jinja2 import Environment, FileSystemLoader

    loader = FileSystemLoader([template.parent, _HERE])
    pages = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    pages.filters.update(filters or {})
    return pages.get_template(template.name).render(**content)
