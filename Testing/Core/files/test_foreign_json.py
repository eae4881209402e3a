"""JSON of others is read within limits, and what is odd about it becomes a sentence."""

from __future__ import annotations

import json

import pytest

from MSLesionSegLib.files.foreign_json import DEEPEST, ForeignJsonError, parse_json, read_json


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "'c' twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": [-Infinity]}', "-Infinity"),
        ('{"a": 1e400}', "too large"),
        ('{"a": ' + "9" * 19 + "}", "19 digits"),
        ('{"a": ' + "9" * 100_000 + "}", "100000 digits"),
        ('{"a": "\\ud83d"}', "half a character"),
        ('{"\\udc00": 1}', "half a character"),
        (nested(DEEPEST + 2), "nested"),
        ("[" * 200_000, "nested"),
        ('{"a":' * 200_000, "nested"),
        ('{"a": 1', "not JSON"),
        ("", "not JSON"),
        ('["' + "x" * 200 + '"]', "larger"),
    ],
)
def test_what_is_odd_is_refused_with_the_reason(text, reason):
    most = 100 if reason == "larger" else 1 << 21
    for content in (text, text.encode()):
        with pytest.raises(ForeignJsonError, match=reason):
            parse_json(content, most)


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path):
    file = tmp_path / "endless.json"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)  # a hole: takes no room on the disk
    with pytest.raises(ForeignJsonError, match="larger than 1 KiB"):
        read_json(file, 1 << 10)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_people_and_programs_write_comes_back_as_it_is(tmp_path, encoding):
    content = {"name": "Müller & Søn \U0001f9e0", "n": [1, -2.5, 10**17, None, True, {}], "deep": nested(3)}
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content, ensure_ascii=False), encoding=encoding)
    assert read_json(file) == content


def test_the_deepest_that_is_read_can_be_written_again():
    text = nested(DEEPEST)
    assert json.dumps(parse_json(text)) == text
