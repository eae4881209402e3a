"""``mslesionseg evaluate``: masks listed in a CSV file against their references."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.cli import app
from MSLesionSegLib.errors import Cancelled, OutputError, SettingsError
from MSLesionSegLib.evaluation.evaluate import evaluate, read_cases
from MSLesionSegLib.evaluation.mask_pairs import to_markdown
from MSLesionSegLib.jobs.progress import Silent


def save_mask(path: Path, *blobs: tuple[int, int, int]) -> Path:
    mask = np.zeros((20, 20, 20), np.uint8)
    for x, y, z in blobs:
        mask[x : x + 3, y : y + 3, z : z + 3] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(mask, np.eye(4)), path)
    return path


@pytest.fixture
def listed(tmp_path) -> Path:
    """Two patients: one lesion found and one missed; one lesion found and one invented."""
    save_mask(tmp_path / "ours/a.nii.gz", (2, 2, 2))
    save_mask(tmp_path / "theirs/a.nii.gz", (2, 2, 2), (12, 12, 12))
    save_mask(tmp_path / "ours/b.nii.gz", (2, 2, 2), (12, 12, 12))
    save_mask(tmp_path / "theirs/b.nii.gz", (2, 2, 2))
    path = tmp_path / "cases.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [["name", "prediction", "reference"]]
            + [[name, f"ours/{name}.nii.gz", f"theirs/{name}.nii.gz"] for name in "ab"]
        )
    return path


def test_the_numbers_of_a_list_are_written_as_table_text_and_json(listed, tmp_path):
    out = tmp_path / "numbers"
    result = evaluate(read_cases(listed), Silent(), output=out)
    assert [case.metrics.sensitivity for case in result.cases] == [0.5, 1.0]
    assert [case.metrics.ppv for case in result.cases] == [1.0, 0.5]
    assert {p.name for p in out.iterdir()} == {"cases.csv", "evaluation.json", "evaluation.md", "result.json"}
    assert json.loads((out / "evaluation.json").read_text())["preset"] == "any-overlap"


def test_the_command_prints_definitions_with_the_numbers(listed, capsys):
    app(["evaluate", str(listed), "--preset", "msseg"], standalone_mode=False)
    text = capsys.readouterr().out
    assert "Preset `msseg`" in text
    assert "| a | 2 |" in text


def test_one_pair_needs_no_list(listed, capsys):
    ours, theirs = (str(listed.parent / folder / "a.nii.gz") for folder in ("ours", "theirs"))
    app(["evaluate", "--prediction", ours, "--reference", theirs, "--events"], standalone_mode=False)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["event"] == "result"
    assert last["averages"]["sensitivity"] == 0.5


def test_earlier_numbers_are_replaced_but_no_list_and_no_result_of_another_command(listed, tmp_path, capsys):
    out = tmp_path / "numbers"
    evaluate(read_cases(listed), Silent(), output=out)
    evaluate(read_cases(listed), Silent(), preset="msseg", output=out, overwrite=True)
    manifest = json.loads((out / "result.json").read_text())
    assert (manifest["task"], manifest["preset"]) == ("evaluate", "msseg")
    assert sorted(manifest["files"].values()) == sorted(p.name for p in out.iterdir())

    inside = out / "cases.csv"
    inside.write_text(listed.read_text().replace("ours", "../ours").replace("theirs", "../theirs"))
    app(["evaluate", str(inside), "-o", str(out), "--overwrite"], standalone_mode=False)
    assert "cases.csv lies in" in capsys.readouterr().err
    assert "../ours" in inside.read_text()
    other = tmp_path / "segmentation"
    other.mkdir()
    (other / "result.json").write_text('{"program": "mslesionseg", "task": "flair", "files": {}}')
    with pytest.raises(OutputError, match="another command"):
        evaluate(read_cases(listed), Silent(), output=other, overwrite=True)


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nName;Prediction;Reference\n{rows};;\n;;\n",
        "name\tprediction\treference\tremark\n{rows}\t\t\t\n",
        '\n"name" , "reference" , "prediction"\n{turned}\n,,\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_of_spreadsheets_are_read(listed, tmp_path, text, encoding):
    separator = ";" if ";" in text else "\t" if "\t" in text else " , "
    rows = [(name, f"ours/{name}.nii.gz", f"theirs/{name}.nii.gz") for name in "ab"]
    turned = [(name, theirs, ours) for name, ours, theirs in rows]
    lines = ["\n".join(separator.join(row) for row in one) + "\n" for one in (rows, turned)]
    path = tmp_path / "list.txt"
    path.write_bytes(text.format(rows=lines[0], turned=lines[1]).encode(encoding))
    assert read_cases(path) == read_cases(listed)


def test_a_name_cannot_break_the_table(listed):
    listed.write_text(listed.read_text().replace("\na,", '\n"a|b\\ <i>`*_x_\x1b",'))
    text = to_markdown(evaluate(read_cases(listed), Silent()))
    row = next(line for line in text.splitlines() if "x_" in line)
    cells = re.split(r"(?<!\\)\|", row)
    assert len(cells) == len(re.split(r"(?<!\\)\|", text.splitlines()[0]))
    assert r"a\|b\\ \<i>\`\*_x_" in row and "\x1b" not in row


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it is empty"),
        ("name,prediction,reference\n", "lists no cases"),
        ("name,prediction\na,b\n", "no column reference"),
        ("name,prediction,reference\na,x.nii,y.nii\nb,,y.nii\n", "Line 3"),
    ],
)
def test_a_broken_list_is_told_with_its_line(content, words, tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text(content)
    with pytest.raises(SettingsError, match=words):
        read_cases(path)


def test_a_missing_list_is_told(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        read_cases(tmp_path / "nothing.csv")


def test_a_cancelled_evaluation_writes_nothing(listed, tmp_path):
    class CancelSoon(Silent):
        def stage(self, name: str, fraction: float = 0.0) -> None:
            if fraction > 0:
                raise Cancelled

    with pytest.raises(Cancelled):
        evaluate(read_cases(listed), CancelSoon(), output=tmp_path / "numbers")
    assert not (tmp_path / "numbers").exists()
