"""Tables are read as people write them; what cannot be understood is told."""

from __future__ import annotations

import pytest

from MSLesionSegLib.files.foreign_tables import ForeignTableError, MissingColumnError, read_table

COLUMNS = ("session_id", "acq_time")
WANTED = [("ses-a", "2020-05-01"), ("ses-b", "")]


def cells(file):
    return [tuple(row.cells[name] for name in COLUMNS) for row in read_table(file, COLUMNS)]


@pytest.mark.parametrize(
    "text",
    [
        "session_id\tacq_time\nses-a\t2020-05-01\nses-b\tn/a\n",
        "session_id\tacq_time\r\nses-a\t2020-05-01\r\nses-b\tN/A",
        "session_id\tacq_time\rses-a\t2020-05-01\rses-b\t\r",
        "  session_id \t acq_time\t\t\n ses-a \t 2020-05-01 \t\t\nses-b\t\t\t\n\t\t\n\n",
        "\n\nSession ID\tAcq-Time\nses-a\t2020-05-01\nses-b\tNaN\n",
        '"session_id"\t"acq_time"\n"ses-a"\t"2020-05-01"\n"ses-b"\t""\n',
        "acq_time;age;session_id\n2020-05-01;31;ses-a\n;32;ses-b\n;;\n;;\n",
        "sep=;\nsession_id;acq_time\nses-a;2020-05-01\nses-b;\n",
        '"sep=|"\nsession_id|acq_time\nses-a|2020-05-01\nses-b|-\n',
        'session_id, acq_time, note\nses-a, 2020-05-01, "first, with a comma"\nses-b, n/a, \n',
        "session_id\tacq_time\tedss\nses-a\t2020-05-01\nses-b\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_however_a_table_is_written_it_says_the_same(tmp_path, text, encoding):
    file = tmp_path / "t.tsv"
    file.write_bytes(text.encode(encoding))
    assert cells(file) == WANTED


def test_letters_of_windows_are_read(tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes("name;file\nMüller;é.nii\n".encode("cp1252"))
    assert [row.cells["name"] for row in read_table(file, ("name", "file"))] == ["Müller"]


def test_a_row_knows_its_line(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("sep=,\n\nname,file\na,1\n\nb,2\n")
    assert [row.line for row in read_table(file, ("name", "file"))] == [4, 6]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf\r\n", "empty"),
        (b"session_id acq_time\nses-a 2020\n", "no column session_id"),
        (b"session\tacq_time\nses-a\t2020\n", r"no column session_id \(its columns: session, acq_time\)"),
        (b"session_id\tacq_time\tAcq_time\nses-a\t1\t2\n", "two columns acq_time"),
        (b"session_id\tacq_time\nses-a\t2020\tmore\n", "line 2 has more cells"),
        (b"PK\x03\x04\x00\x00\x00\x08 an Excel file", "not text"),
        (b"\xff\xfeodd", "not text"),
    ],
)
def test_what_cannot_be_understood_is_told(tmp_path, content, reason):
    file = tmp_path / "t.tsv"
    file.write_bytes(content)
    with pytest.raises(ForeignTableError, match=reason):
        read_table(file, COLUMNS)


def test_a_missing_column_is_named(tmp_path):
    file = tmp_path / "t.tsv"
    file.write_text("session_id\tage\nses-a\t31\n")
    with pytest.raises(MissingColumnError) as told:
        read_table(file, COLUMNS)
    assert told.value.column == "acq_time"
    with pytest.raises(ForeignTableError, match="No such file"):
        read_table(tmp_path / "none.tsv", COLUMNS)
