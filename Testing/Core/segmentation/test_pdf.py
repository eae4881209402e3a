"""The page of a result on paper."""

from __future__ import annotations

import pytest
from reportlab.platypus import Paragraph

from MSLesionSegLib.segmentation.report.page_tree import parse_page
from MSLesionSegLib.segmentation.report.pdf import _flow, write_pdf

PAGE = """<!DOCTYPE html><html><head><style>h1 { color: red }</style></head><body><main>
<header><div><h1>Lesions &amp; more</h1><p>FLAIR</p></div><p class="banner">Research use only.<br>Check.</p></header>
<section class="opening" hidden><button>Scroll</button></section>
<dialog><p>only on the screen</p></dialog><script>const text = "<p>no text</p>"</script>
<section><h2>Where</h2><table><thead><tr><th>Region</th><th class="n">Lesions</th></tr></thead>
<tbody><tr><td><i class="dot" style="background:#f06428"></i>Deep</td><td class="n">3</td></tr></tbody></table>
</section>
<section><p class="text">One line.
Another line.</p></section></main></body></html>"""


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> list[str]:
    write_pdf(PAGE, tmp_path_factory.mktemp("pdf") / "page.pdf")  # brings the letters
    return [one.text for one in _flow(parse_page(PAGE)) if isinstance(one, Paragraph)]


def test_what_is_for_the_screen_only_is_left_out(texts):
    assert not any("screen" in text or "no text" in text or "Scroll" in text for text in texts)


def test_lines_of_a_text_stay_lines(texts):
    assert "One line.<br/>Another line." in texts


def test_it_is_written_with_letters_of_many_languages(tmp_path):
    write_pdf(PAGE, tmp_path / "page.pdf", "Müller Łukasz · Ελένη · Мария")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
