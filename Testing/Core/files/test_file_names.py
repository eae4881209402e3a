"""A name that is too long is told before the work, with what would fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from MSLesionSegLib.cli import app
from MSLesionSegLib.errors import MSLesionSegError, OutputError
from MSLesionSegLib.files.file_names import check_name_length
from MSLesionSegLib.files.zip_archive import write_zip
from MSLesionSegLib.network.models.card_checks import check_model_name
from MSLesionSegLib.network.models.import_export import export_model, import_model
from MSLesionSegLib.network.models.store import find_model
from MSLesionSegLib.segmentation.result_folder import check_output, output_names, staged, stem_of

LONG = ["x" * 256, "x" * 240, "\u00fc" * 120, "\u8133" * 80]


@pytest.mark.parametrize("name", LONG)
def test_bytes_count_and_not_letters(tmp_path, name):
    for call in (
        lambda: check_name_length(tmp_path / name),
        lambda: check_output(tmp_path / name, "flair", overwrite=False),
        lambda: write_zip(tmp_path / f"{name}.zip", []),
        lambda: export_model("flair-ms", tmp_path / name),
        lambda: check_model_name(name),
    ):
        with pytest.raises(MSLesionSegError, match=r"too long.* bytes"):
            call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 223, "\u00fc" * 111, "\u8133" * 74])
def test_what_is_accepted_can_be_written(tmp_path, name):
    check_model_name(name)
    check_output(tmp_path / name, "flair", overwrite=False)
    with staged(tmp_path / name, "flair") as work:
        (work / "result.json").write_text("{}")
    write_zip(tmp_path / f"{name[:-4]}.zip", [("a", b"a")])
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_above_and_a_whole_path_may_be_too_long_too(tmp_path):
    with pytest.raises(OutputError, match="bytes"):
        check_output(tmp_path / ("y" * 256) / "out", "flair", overwrite=False)
    with pytest.raises(OutputError, match="fewer folders"):
        check_output(tmp_path.joinpath(*["deep" * 10] * 120), "flair", overwrite=False)


def test_a_long_name_of_a_scan_makes_names_that_can_be_written(tmp_path):
    for name in output_names(stem_of(Path("s" * 248 + ".nii")), uncertainty=True, regions=True).values():
        (tmp_path / name).touch()


@pytest.mark.parametrize("name", LONG[:2])
def test_what_cannot_exist_is_not_found(tmp_path, name):
    with pytest.raises(MSLesionSegError, match="no file or folder"):
        import_model(tmp_path / name)
    with pytest.raises(MSLesionSegError, match="no model folder"):
        find_model(tmp_path / name)


@pytest.mark.parametrize(
    "arguments",
    [["batch", "{there}", "-o", "{long}"], ["batch", "{long}", "-o", "{there}/out"], ["evaluate", "{long}"]],
)
def test_commands_end_in_a_sentence(tmp_path, capsys, arguments):
    folder = tmp_path / "sub-1" / "anat"
    folder.mkdir(parents=True)
    (folder / "sub-1_FLAIR.nii.gz").touch()
    given = [part.format(there=tmp_path, long=tmp_path / LONG[0]) for part in arguments]
    assert app(given, standalone_mode=False) == 1
    told = capsys.readouterr().err
    assert told.strip() and "Error" not in told and list(tmp_path.iterdir()) == [tmp_path / "sub-1"]
