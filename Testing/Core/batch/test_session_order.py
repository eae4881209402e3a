"""Which examination came first is known beyond doubt, or nothing is compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from MSLesionSegLib.batch.date_parsing import span_of
from MSLesionSegLib.batch.examinations import find_examinations


def dataset(root: Path, *sessions: str) -> Path:
    for name in sessions:
        folder = root / "sub-7" / f"ses-{name}" / "anat"
        folder.mkdir(parents=True)
        (folder / f"sub-7_ses-{name}_FLAIR.nii.gz").touch()
    return root


def order(root: Path) -> list[str] | str:
    """The sessions, the earliest first, or the sentence why that is not known."""
    found = find_examinations(root, "new")
    if found[0].problem:
        assert len(found) == 1
        return found[0].problem
    pairs = {exam.baseline.removeprefix("ses-"): exam.session.removeprefix("ses-") for exam in found}
    first = (pairs.keys() - set(pairs.values())).pop()
    names = [first]
    while names[-1] in pairs:
        names.append(pairs[names[-1]])
    assert len(names) == len(found) + 1
    return names


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2020-05-01", "2022-05-01"),
        ("2020-05-01T23:59:59", "2020-05-02"),
        ("2020-05-01T10:00:00", "2020-05-01T10:00:01.5"),
        ("2020-05-01 9:05", "2020-05-01T10:00Z"),
        ("2020/5/1", "2020/05/02"),
        ("1.5.2020", "10.04.2021 08:30"),
        ("31.12.2019", "01.01.2020"),
        ("15/01/2019", "02/01/2020"),
        ("01/02/2020", "02/01/2021"),  # however they are read
        ("5/1/2020 11:00 PM", "12/1/2021 1:00 am"),
        ("20200501", "20210401"),
        ("1867-06-11", "9999-12-31"),  # shifted to protect patients
    ],
)
@pytest.mark.parametrize("where", ["sessions", "scans"])
def test_the_times_of_a_table_count_and_not_the_numbers_of_names(tmp_path, earlier, later, where):
    times = {"1": later, "2": earlier}
    root = dataset(tmp_path, *times)
    for name, time in times.items():
        if where == "scans":
            table = root / f"sub-7/ses-{name}/sub-7_ses-{name}_scans.tsv"
            table.write_text(f"filename\tacq_time\nanat/sub-7_ses-{name}_FLAIR.nii.gz\t{time}\n", "utf-8-sig")
    if where == "sessions":
        rows = "".join(f"ses-{name}\t{time}\r\n" for name, time in times.items())
        (root / "sub-7/sub-7_sessions.tsv").write_text(f"session_id\tacq_time\r\n{rows}", "utf-16")
    assert order(root) == ["2", "1"]


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("2020-05-01", "n/a", r"time of ses-2 is not told in sub-7_sessions\.tsv"),
        ("", "", "not told"),
        ("2020-05-01", "May 2022", r"not told \('May 2022'\)"),
        ("43952", "44682", "not told"),  # a spreadsheet's days
        ("2020-13-01", "2022-05-01", "not told"),
        ("05/01/2020", "03/02/2020", "can be read in more than one way"),
        ("01.05.20", "01.05.22", "can be read in more than one way"),
        ("05-01-2020", "03-02-2020", "can be read in more than one way"),
        ("2020-05-01", "2020-05-01T10:00", "can be read in more than one way or are the same"),
        ("2020-05-01T10:00", "2020-05-01T10:00", "are the same"),
    ],
)
def test_a_table_that_does_not_tell_the_order_compares_nothing(tmp_path, one, other, reason):
    root = dataset(tmp_path, "1", "2")
    text = f"session_id\tacq_time\nses-1\t{one}\nses-2\t{other}\n"
    (root / "sub-7/sub-7_sessions.tsv").write_text(text)
    assert re.search(reason, order(root))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sub-7_sessions.tsv", b"session_id acq_time\nses-1 2022-05-01\nses-2 2020-05-01\n"),
        ("sub-7_sessions.tsv", b"session\tacq_time\nses-1\t2022-05-01\nses-2\t2020-05-01\n"),
        ("sub-7_sessions.tsv", b"session_id\tdate\nses-1\t2022-05-01\nses-2\t2020-05-01\n"),
        ("sub-7_sessions.xlsx", b"PK\x03\x04\x00\x00"),
        ("Sub-7_Sessions.TSV", b""),
        ("sub-7_sessions (1).tsv", b""),
        ("sub-7_sessions.tsv.txt", b""),
        ("sub-7_session.csv", b""),
        ("sessions.csv", b"session_id;acq_time\nses-1;2022-05-01\n"),
        ("ses-1/sub-7_ses-1_scans.tsv", b"filename\tacq_time\nanat/sub-7_ses-1_FLAIR.nii.gz\t2022-05-01\n"),
    ],
)
def test_a_table_that_is_there_is_never_passed_over(tmp_path, name, content):
    root = dataset(tmp_path, "1", "2")
    (root / "sub-7" / name).write_bytes(content)
    assert isinstance(order(root), str) and Path(name).name in order(root)


def test_what_file_managers_and_spreadsheets_leave_is_no_table(tmp_path):
    root = dataset(tmp_path, "1", "2")
    for name in ("._sub-7_sessions.tsv", "~$sub-7_sessions.xlsx", "sub-7_sessions.json"):
        (root / "sub-7" / name).write_bytes(b"\x00\x05\x16\x07")
    assert order(root) == ["1", "2"]


def test_a_list_of_scans_without_times_leaves_it_to_the_sessions(tmp_path):
    root = dataset(tmp_path, "01", "02")
    (root / "sub-7/sub-7_sessions.tsv").write_text("session_id\tacq_time\n1\t2022-05-01\n2\t2020-05-01\n")
    for name in ("01", "02"):
        (root / f"sub-7/ses-{name}/sub-7_ses-{name}_scans.tsv").write_text(
            "filename\toperator\nanat/x\tn/a\n"
        )
    assert order(root) == ["02", "01"]


def test_tables_that_contradict_each_other_compare_nothing(tmp_path):
    root = dataset(tmp_path, "1", "2")
    rows = "session_id\tacq_time\nses-1\t2020-05-01\nses-2\t2021-05-01\nses-1\t2022-05-01\n"
    (root / "sub-7/sub-7_sessions.tsv").write_text(rows)
    assert "cannot be told" in order(root)


@pytest.mark.parametrize(
    "names",
    [
        ("1", "2", "10"),
        ("V1", "v2"),
        ("m03", "m12", "m120"),
        ("2019", "2020"),
        ("2019q4", "2020q1"),
        ("a3x", "a12x"),
        ("20190115", "20200102", "20200301"),
        ("15012019", "14022020"),
        ("28122018", "15012019"),
        ("301299", "130101"),
        ("d20181231", "d20190101"),
        ("201912", "202001"),
        ("20190115103000", "20190115104500"),
        ("201901151030", "201901160900"),
    ],
)
def test_names_that_count_up_or_are_dates_are_an_order(tmp_path, names):
    assert order(dataset(tmp_path, *reversed(names))) == list(names)


@pytest.mark.parametrize(
    "names",
    [
        ("pre", "post"),
        ("01022020", "02012020"),
        ("05032019", "03052019", "20112020"),
        ("030405", "040305"),
        ("100001", "100002"),
        ("1", "20200101"),
        ("99999999", "99999998"),
        ("1a2", "2a1"),
        ("0120190", "0220190"),
        ("20200101a", "20200101b"),
        ("1", "01"),
    ],
)
def test_numbers_that_may_be_something_else_are_no_order(tmp_path, names):
    assert "cannot be told" in order(dataset(tmp_path, *names))


@pytest.mark.parametrize(
    "text", ["", "soon", "1-2", "2020-05", "32.13.2020", "2020-05-01T25:00", "12:00", "2020-02-30"]
)
def test_what_is_no_date_is_none(text):
    assert span_of(text) is None
