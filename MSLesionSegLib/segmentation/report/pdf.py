"""The page of a result as a PDF file: the same content and pictures, on A4."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import matplotlib
from PIL import Image as Picture
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    Flowable,
    HRFlowable,
    Image,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

from MSLesionSegLib.segmentation.report.page_tree import has_class, markup, parse_page, picture, style_value

_MARGIN = 15 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_GAP = 2 * mm
_NOT_READ = ("script", "style", "dialog", "button")  # on paper
_FIGURES = {"views": 3, "near": 2, "slices": 4}  # containers of figures: how many lie in a row
_CELL_EDGES = 14  # points left and right of a cell's text
_RED = colors.HexColor("#a02316")
_LINE = colors.HexColor("#d5dbe0")
_FONT, _BOLD = (
    "DejaVuSans",
    "DejaVuSans-Bold",
)  # matplotlib brings them; they know more letters than PDF's own

_BODY = ParagraphStyle("body", fontName=_FONT, fontSize=8.5, leading=11.5, spaceAfter=3)
_STYLES = {
    "h1": ParagraphStyle("h1", _BODY, fontName=_BOLD, fontSize=15, leading=19, spaceAfter=4),
    "h2": ParagraphStyle(
        "h2", _BODY, fontName=_BOLD, fontSize=10.5, leading=14, spaceBefore=8, keepWithNext=1
    ),
    "cell": ParagraphStyle("cell", _BODY, fontSize=7, leading=9, spaceAfter=0),
    "number": ParagraphStyle("number", _BODY, fontSize=7, leading=9, spaceAfter=0, alignment=TA_RIGHT),
    "caption": ParagraphStyle("caption", _BODY, fontSize=6.5, leading=8, spaceAfter=0),
    "hint": ParagraphStyle("hint", _BODY, fontSize=6.5, leading=8, keepWithNext=1),
    "small": ParagraphStyle("small", _BODY, fontSize=6.5, leading=8.5),
    "card": ParagraphStyle("card", _BODY, fontSize=8, leading=15, spaceAfter=0),
    "banner": ParagraphStyle("banner", _BODY, fontName=_BOLD, textColor=_RED, alignment=TA_RIGHT),
}


def write_pdf(page: str, path: Path, heading: str = "") -> None:
    """Write a page of this program as PDF.

    Args:
        page: the HTML of a result's page.
        path: file to write.
        heading: stands above every page, such as whose scan it is.
    """
    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    for name in (_FONT, _BOLD):
        pdfmetrics.registerFont(TTFont(name, fonts / f"{name}.ttf"))
    pdfmetrics.registerFontFamily(_FONT, normal=_FONT, bold=_BOLD, italic=_FONT, boldItalic=_BOLD)

    def frame(canvas: Any, document: SimpleDocTemplate) -> None:
        canvas.setFont(_FONT, 7)
        canvas.drawString(_MARGIN, A4[1] - 10 * mm, heading)
        canvas.drawString(_MARGIN, 9 * mm, "MSLesionSeg. For research use only. Not for diagnosis.")
        canvas.drawRightString(A4[0] - _MARGIN, 9 * mm, str(document.page))

    document = SimpleDocTemplate(
        str(path),
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title="MS lesions, for research use only",
        author="MSLesionSeg",
    )
    document.build([*_flow(parse_page(page))], onFirstPage=frame, onLaterPages=frame)


def _flow(element: Element) -> Iterator[Flowable]:
    """An element as it runs down the paper."""
    container = next((name for name in _FIGURES if has_class(element, name)), None)
    if element.tag in _NOT_READ or "hidden" in element.attrib:
        return
    if element.tag in ("h1", "h2", "p", "li"):
        text = markup(element).strip()
        if element.tag == "li" and "\u25cf" not in text:
            text = f"• {text}"
        yield Paragraph(text, _style(element))
    elif element.tag == "header":
        told, banner = element
        yield _row([[*_flow(told)], [*_flow(banner)]], [0.7, 0.3])
    elif element.tag == "table":
        yield _table(element)
    elif has_class(element, "cards"):
        cards = [Paragraph(markup(card).strip(), _STYLES["card"]) for card in element]
        yield _row([[card] for card in cards], [1 / len(cards)] * len(cards), boxed=True)
    elif container is not None:
        figures = [*element.iter("figure")]
        share = _FIGURES[container]
        for start in range(0, len(figures), share):
            yield _row(
                [_figure(one, _WIDTH / share) for one in figures[start : start + share]], [1 / share] * share
            )
    elif element.tag == "figure":
        yield KeepTogether(_figure(element, _WIDTH))
    else:
        for child in element:
            yield from _flow(child)
        if element.tag == "section":
            yield Spacer(1, _GAP)


def _style(element: Element) -> ParagraphStyle:
    special = next((name for name in ("banner", "small", "hint") if has_class(element, name)), element.tag)
    return _STYLES.get(special, _BODY)


def _figure(figure: Element, width: float) -> list[Flowable]:
    """Pictures beside each other and the caption below."""
    pictures = [picture(part) for part in _parts(figure)]
    captions = [Paragraph(markup(caption), _STYLES["caption"]) for caption in figure.iter("figcaption")]
    own = (width - _GAP) / max(len(pictures), 1)
    heads = [markup(head) for part in figure if has_class(part, "triple") for head in part.iter("em")]
    cells = [
        [*([Paragraph(head, _STYLES["caption"])] if head else []), _image(one, own - 1 * mm)]
        for one, head in zip_longest(pictures, heads)
    ]
    return [_row(cells, [1 / len(cells)] * len(cells), width=width - _GAP), *captions, Spacer(1, _GAP)]


def _parts(figure: Element) -> list[Element]:
    """The elements that show a picture each; what lies in one frame lies over each other."""
    if any(has_class(part, "triple") for part in figure.iter()):
        return [*figure.iter("img")]
    framed = [part for part in figure if part.tag == "div"]
    return framed or [*figure.iter("img")]


def _image(shown: Picture.Image, width: float) -> Image:
    stream = io.BytesIO()
    shown.save(stream, "JPEG", quality=88)
    return Image(stream, width, width * shown.height / shown.width)


def _row(
    cells: Sequence[Sequence[Flowable]],
    shares: Sequence[float],
    *,
    width: float = _WIDTH,
    boxed: bool = False,
) -> Table:
    """Cells beside each other."""
    padded = [*cells, *([[]] * (len(shares) - len(cells)))]
    style: list[tuple[object, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ]
    style += [("RIGHTPADDING", (0, 0), (-1, -1), 0), ("TOPPADDING", (0, 0), (-1, -1), 1)]
    if boxed:
        style = [("BOX", (0, 0), (-1, -1), 0.5, _LINE), ("INNERGRID", (0, 0), (-1, -1), 0.5, _LINE)]
    return Table([padded], [share * width for share in shares], style=style, hAlign="LEFT")


def _table(element: Element) -> Table:
    rows = [[_cell(cell) for cell in row] for row in element.iter("tr")]
    heads = len([*(element.find("thead") or ())])
    style = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.3, _LINE),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
    ]
    columns = zip(*element.iter("tr"), strict=True)
    widths = [max(map(_longest_line, column)) for column in columns]
    return Table(rows, [_WIDTH * width / sum(widths) for width in widths], repeatRows=heads, style=style)


def _longest_line(cell: Element) -> float:
    """Width that a cell needs so that its lines do not break, in points."""
    lines = [re.sub("<.*?>", "", line).strip() for line in markup(cell).split("<br/>")]
    size = _STYLES["cell"].fontSize
    return _CELL_EDGES + max(pdfmetrics.stringWidth(line, _BOLD, size) for line in lines)


def _cell(cell: Element) -> Flowable:
    bar = next((part for part in cell if style_value(part, "width")), None)
    if bar is not None:
        colour = colors.HexColor(style_value(bar, "background"))
        return HRFlowable(style_value(bar, "width"), 5, color=colour, hAlign="LEFT", lineCap="round")
    text = markup(cell).strip()
    style = _STYLES["number" if has_class(cell, "n") else "cell"]
    return Paragraph(f"<b>{text}</b>" if cell.tag == "th" and text else text, style)
