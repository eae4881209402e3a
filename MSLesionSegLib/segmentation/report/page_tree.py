"""A page of this program as a tree of its elements, with text and pictures for paper."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from xml.etree.ElementTree import Element, TreeBuilder
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

_VOID = ("meta", "img", "br", "link", "input", "hr")
_LIGHTS = {"amber": "#e6a100", "red": "#c22f1e"}
_GREEN = "#2e9e5b"
_LETTER = 26  # pixels


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tree = TreeBuilder()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tree.start(tag, {name: value or "" for name, value in attrs})
        if tag in _VOID:
            self.tree.end(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            self.tree.end(tag)

    def handle_data(self, data: str) -> None:
        self.tree.data(data)


def parse_page(page: str) -> Element:
    """The element ``main`` of a page: what a person reads."""
    reader = _Reader()
    reader.feed(page[page.index("<main") : page.index("</main>") + len("</main>")])
    return reader.tree.close()


def has_class(element: Element, name: str) -> bool:
    return name in element.get("class", "").split()


def style_value(element: Element, name: str) -> str:
    """A value of the attribute ``style``; empty where it is not there."""
    found = re.search(rf"(?:^|;)\s*{name}\s*:\s*([^;]+)", element.get("style", ""))
    return found[1].strip() if found else ""


def markup(element: Element) -> str:
    """The text of an element as reportlab's paragraphs take it: bold, line breaks and coloured dots."""
    lines = has_class(element, "text")
    parts = [_text(element.text, lines)]
    for child in element:
        inner = markup(child)
        if child.tag == "br":
            inner = "<br/>"
        elif child.tag == "b":
            inner = f"<b>{inner}</b>"
        elif child.tag == "span":
            inner = f" {inner} "
        elif has_class(child, "dot"):
            light = next((c for name, c in _LIGHTS.items() if has_class(child, name)), _GREEN)
            inner = f'<font color="{style_value(child, "background") or light}">\u25cf</font>\u00a0'
        parts += [inner, _text(child.tail, lines)]
    return "".join(parts)


def _text(text: str | None, lines: bool) -> str:
    told = escape(text or "")
    return told.strip().replace("\n", "<br/>") if lines else re.sub(r"\s+", " ", told)


def picture(element: Element) -> Image.Image:
    """What the pictures of an element show, laid over each other, with the letters at its left and right edge."""
    base, *over = [_decoded(image) for image in element.iter("img")]
    shown = base.convert("RGBA").convert("RGB")
    for layer in over:
        lines = layer.convert("RGBA")
        shown.paste(lines, (0, 0), lines)
    letters = [letter.text or "" for letter in element.iter("em")]
    draw, font = ImageDraw.Draw(shown), ImageFont.load_default(size=_LETTER)
    for text, x in zip(letters, (6, shown.width - 6 - _LETTER * 2 // 3), strict=False):
        draw.text((x, (shown.height - _LETTER) // 2), text, font=font, fill="#cdd6de")
    return shown


def _decoded(image: Element) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(image.get("src", "").partition(",")[2])))
