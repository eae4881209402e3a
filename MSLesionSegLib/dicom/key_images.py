"""The page's pictures as secondary captures, for systems that show no segmentation (DICOM PS3.3, A.8.1)."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from highdicom.sc import SCImage
from PIL import Image, ImageDraw, ImageFont
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from MSLesionSegLib.dicom.making import RESEARCH, origin
from MSLesionSegLib.dicom.source_series import SourceSeries
from MSLesionSegLib.segmentation.report.page_tree import has_class, parse_page, picture

_SERIES_NUMBER = 9006
_LINE = 22  # pixels below the pictures, for what is told


def key_images(page: str, series: SourceSeries) -> list[SCImage]:
    """A colour picture for each slice that the page of a result shows, with outlines and what stands below it."""
    figures = [figure for figure in parse_page(page).iter("figure") if _shows_slices(figure)]
    made = origin(_SERIES_NUMBER, "MS lesions, key images")
    images = []
    for number, figure in enumerate(figures, start=1):
        own = made | {"instance_number": number, "sop_instance_uid": generate_uid(prefix=None)}
        images.append(_captured(figure, series, own))
    return images


def _captured(figure: Element, series: SourceSeries, made: dict[str, Any]) -> SCImage:
    told = "".join(text for part in figure.iter("figcaption") for text in part.itertext())
    letters = [(part.text or "").strip() for part in figure.iter("em")]
    sides = letters if len(letters) == 2 else ["R", "L"]
    titles = letters if len(letters) == len(_frames(figure)) else []
    # the letters of the caption are those that Pillow brings, without a raised 3
    caption = " ".join(" | ".join([*titles, told]).replace("³", "3").split())
    shown = _beside([picture(part) for part in _frames(figure)])
    image = SCImage.from_ref_dataset(
        series.header,
        np.asarray(_with_caption(shown, caption)),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=(sides[1], "P" if "axial" in caption.lower() else "F"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **made,
    )
    image.Laterality = ""  # a head has none, and checkers ask for it
    image.BurnedInAnnotation = "NO"  # nothing in it names the patient
    image.ImageComments = f"{RESEARCH}. Check every lesion."
    return image


def _shows_slices(figure: Element) -> bool:
    return has_class(figure, "slice") or any(has_class(part, "triple") for part in figure)


def _frames(figure: Element) -> list[Element]:
    """The elements that show one picture each."""
    framed = [part for part in figure if part.tag == "div" and not has_class(part, "triple")]
    return framed or [*figure.iter("img")]


def _beside(pictures: list[Image.Image]) -> Image.Image:
    whole = Image.new("RGB", (sum(one.width for one in pictures), max(one.height for one in pictures)))
    left = 0
    for one in pictures:
        whole.paste(one, (left, 0))
        left += one.width
    return whole


def _with_caption(shown: Image.Image, caption: str) -> Image.Image:
    whole = Image.new("RGB", (shown.width, shown.height + 2 * _LINE))
    whole.paste(shown, (0, 0))
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(size=_LINE // 2 + 3)
    for row, text in enumerate((caption, f"{RESEARCH}. Check every lesion.")):
        draw.text((6, shown.height + row * _LINE + 2), text, font=font, fill="#cdd6de")
    return whole
