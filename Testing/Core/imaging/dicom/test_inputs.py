"""The scans of a task are found among the series of studies, with the reason, or named by a person."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom.fileset import FileSet

from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.imaging.dicom.inputs import found_scans
from MSLesionSegLib.imaging.dicom.series import series_sha256
from MSLesionSegLib.imaging.dicom.study import list_series
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.tasks import get_task
from phantoms.dicom_study import EXAMINATION, FLAIR, T1, T1_AFTER, T2, Study, write_examination
from phantoms.hospital import grid, oblique
from phantoms.scan_files import assert_same_world, noise, write_nifti

FEW = noise((36, 40, 16))
FLAIR_TASK, NEW, ENHANCING = map(get_task, ("flair", "new", "enhancing"))


def sentences(found) -> list[str]:
    return [remark.sentence for remark in found.remarks]


def voxels(path: Path) -> np.ndarray:
    return np.asarray(read_scan(path).own_values.dataobj)


def original(folder: Path) -> Path:
    """The folder in which the files of a series lie."""
    (parent,) = {file.resolve().parent for file in folder.iterdir()}
    return parent


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_examination(tmp_path / "study", Study(), FEW)


def test_the_flair_of_a_study_is_proposed_with_the_reason(study: Path) -> None:
    with found_scans(FLAIR_TASK, {"flair": study}) as found:
        assert original(found.paths["flair"]) == study / "SER00003"
        assert found.paths["flair"].name == "series 3"
        assert sentences(found) == [
            "Of 6 series, series 3 was taken as the FLAIR: the only FLAIR (inversion time 1650 ms, echo time 388 ms)."
        ]


def test_t1_before_and_after_contrast_are_told_apart(study: Path) -> None:
    given = dict.fromkeys(("pre", "post", "flair"), study)
    with found_scans(ENHANCING, given) as found:
        numbers = {name: path.name for name, path in found.paths.items()}
    assert numbers == {"pre": "series 2", "post": "series 6", "flair": "series 3"}


@pytest.mark.parametrize("wanted", ["5", "t2_TSE_tra", "tse", "flair=5"])
def test_a_series_is_named_by_number_or_description(study: Path, wanted: str) -> None:
    with found_scans(FLAIR_TASK, {"flair": study}, [wanted]) as found:
        assert original(found.paths["flair"]) == study / "SER00005"


def test_each_of_several_scans_can_be_named(study: Path) -> None:
    with found_scans(ENHANCING, {"pre": study, "post": study}, ["pre=5", "post=3"]) as found:
        assert {path.name for path in found.paths.values()} == {"series 5", "series 3"}
    with (
        pytest.raises(SettingsError, match="which scan --series 5 is meant: pre=5 or post=5"),
        found_scans(ENHANCING, {"pre": study, "post": study}, ["5"]),
    ):
        pass


def test_a_series_that_is_not_there_is_told_with_those_that_are(study: Path) -> None:
    with (
        pytest.raises(SettingsError, match=r"no series '17'; it has number 1: localizer") as error,
        found_scans(FLAIR_TASK, {"flair": study}, ["17"]),
    ):
        pass
    assert "mprage" not in str(error.value)


def test_series_that_lie_mixed_in_one_folder_are_taken_apart(tmp_path: Path) -> None:
    visit, flair = Study(), noise((36, 40, 16)) + 7
    for number, header in enumerate(EXAMINATION, start=1):
        visit.write(
            tmp_path / "mixed", header, number, flair if header is FLAIR else FEW, prefix=f"{number}-"
        )
    (tmp_path / "mixed" / "notes.txt").write_text("no image")
    with found_scans(FLAIR_TASK, {"flair": tmp_path / "mixed"}) as found:
        folder = found.paths["flair"]
        np.testing.assert_array_equal(voxels(folder).sum(), flair.sum())
        assert folder.name == "series 3"
    assert not folder.exists()


def test_a_damaged_slice_in_a_mixed_folder_is_not_left_out(tmp_path: Path) -> None:
    visit = Study()
    for number, header in enumerate(EXAMINATION, start=1):
        visit.write(tmp_path / "mixed", header, number, FEW, prefix=f"{number}-")
    damaged = tmp_path / "mixed" / "3-0001.dcm"
    damaged.write_bytes(damaged.read_bytes()[:500])
    with (
        found_scans(FLAIR_TASK, {"flair": tmp_path / "mixed"}) as found,
        pytest.raises(ImageError, match="series 3 holds a DICOM file that is damaged"),
    ):
        read_scan(found.paths["flair"])


def test_a_folder_with_one_series_and_other_files_stay_as_they_are(tmp_path: Path) -> None:
    alone = Study().write(tmp_path / "alone", T2, 5, FEW)
    Study().write(alone / "below", FLAIR, 6, FEW)
    file = write_nifti(tmp_path / "scan.nii.gz", FEW)
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    for path in (alone, file, nothing, tmp_path / "missing", Path("x" * 300)):
        with found_scans(FLAIR_TASK, {"flair": path}) as found:
            assert found.paths == {"flair": path}
            assert found.remarks == ()


def test_of_several_flairs_the_thinnest_slices_and_then_the_last_repetition_are_taken(tmp_path: Path) -> None:
    visit, thin = Study(), np.diag([3.0, 3.0, 1.5, 1.0])
    visit.write(tmp_path / "s/a", FLAIR, 2, FEW)
    visit.write(tmp_path / "s/b", FLAIR, 3, FEW, np.diag([2.0, 2.0, 6.0, 1.0]))
    with found_scans(FLAIR_TASK, {"flair": tmp_path / "s"}) as found:
        assert original(found.paths["flair"]).name == "a"
        assert "of 2 FLAIR series the one with the thinnest slices" in sentences(found)[0]
    visit.write(tmp_path / "s/c", FLAIR, 4, FEW, thin)
    with found_scans(FLAIR_TASK, {"flair": tmp_path / "s"}) as found:
        assert original(found.paths["flair"]).name == "c"
        assert "the last of 3 FLAIR series" in sentences(found)[0]


def test_two_t1_that_say_nothing_of_contrast_are_not_guessed(tmp_path: Path) -> None:
    visit = Study()
    for number in (2, 3):
        visit.write(tmp_path / "s" / str(number), T1, number, FEW)
    with (
        pytest.raises(ImageError, match="2 series of s may be the T1 "),
        found_scans(ENHANCING, {"pre": tmp_path / "s", "post": tmp_path / "s"}),
    ):
        pass
    shutil.rmtree(tmp_path / "s/3")
    visit.write(tmp_path / "s/4", T2, 4, FEW)
    with (
        pytest.raises(ImageError, match="none is known as a T1 after contrast"),
        found_scans(ENHANCING, {"pre": tmp_path / "s", "post": tmp_path / "s"}),
    ):
        pass


@pytest.fixture
def visits(tmp_path: Path) -> dict[str, Path]:
    """Two examinations of one patient; the folder of the earlier one comes later by its name."""
    write_examination(tmp_path / "patient/b", Study(date="20230301"), FEW)
    write_examination(tmp_path / "patient/a", Study(date="20240301"), FEW)
    return {"baseline": tmp_path / "patient", "followup": tmp_path / "patient"}


@pytest.mark.parametrize("wanted", [[], ["3"], ["t2_spc_da-fl_sag"]])
def test_two_studies_of_a_patient_are_baseline_and_followup_by_date(visits, wanted: list[str]) -> None:
    with found_scans(NEW, visits, wanted) as found:
        assert original(found.paths["baseline"]).parent.name == "b"
        assert original(found.paths["followup"]).parent.name == "a"
        assert not any("2023" in sentence or "2024" in sentence for sentence in sentences(found))


def test_other_than_two_studies_of_one_patient_are_not_guessed(visits, tmp_path: Path) -> None:
    def refusal() -> str:
        with (
            pytest.raises(ImageError, match="Two of one patient on two days are needed") as error,
            found_scans(NEW, visits),
        ):
            pass
        return str(error.value)

    Study(date="20220301").write(tmp_path / "patient/c", FLAIR, 3, FEW)
    assert "holds 3 studies with a FLAIR (one patient, 3 days)" in refusal()
    shutil.rmtree(tmp_path / "patient/c")
    shutil.rmtree(tmp_path / "patient/b")
    Study(date="20220301", patient_id="other").write(tmp_path / "patient/c", FLAIR, 3, FEW)
    assert "(2 patients, 2 days)" in refusal()
    shutil.rmtree(tmp_path / "patient/c")
    Study(date="20240301").write(tmp_path / "patient/c", FLAIR, 3, FEW)
    assert "(one patient, 1 days)" in refusal()


def test_a_flair_of_several_studies_is_not_guessed(visits) -> None:
    with (
        pytest.raises(ImageError, match=r"patient holds 2 studies with a FLAIR \(one patient\)"),
        found_scans(FLAIR_TASK, {"flair": visits["baseline"]}),
    ):
        pass


def test_scans_of_two_patients_get_a_remark(tmp_path: Path) -> None:
    paths = {}
    for name in ("baseline", "followup"):
        paths[name] = Study(patient_id=f"secret-{name}").write(tmp_path / name, FLAIR, 3, FEW)
    with found_scans(NEW, paths) as found:
        assert found.paths == paths
        assert [remark.code for remark in found.remarks] == ["patients"]
        assert "secret" not in sentences(found)[0]


def test_a_series_that_was_exported_twice_is_read_once(study: Path) -> None:
    shutil.copytree(study / "SER00003", study / "again")
    with found_scans(FLAIR_TASK, {"flair": study}) as found:
        assert np.array_equal(voxels(found.paths["flair"]), FEW)
        twice = read_scan(found.paths["flair"]).sha256
    assert twice == read_scan(study / "SER00003").sha256
    (flair,) = [series for series in list_series(study) if series.role == "FLAIR"]
    assert (len(flair.files), len(flair.copies), flair.images) == (16, 16, 16)
    assert series_sha256(flair.files) == twice
    changed = study / "again" / "0004.dcm"
    changed.write_bytes(changed.read_bytes()[:-2] + b"\1\1")
    with (
        found_scans(FLAIR_TASK, {"flair": study}) as found,
        pytest.raises(ImageError, match="several images of the same slice"),
    ):
        read_scan(found.paths["flair"])


def test_a_copy_of_another_series_beside_the_right_one_does_no_harm(tmp_path: Path) -> None:
    visit = Study()
    for number, header in ((3, FLAIR), (5, T2)):
        visit.write(tmp_path / "mixed", header, number, FEW, prefix=f"{number}-")
    shutil.copy(tmp_path / "mixed/5-0001.dcm", tmp_path / "mixed/copy of 5.dcm")
    shutil.copy(tmp_path / "mixed/3-0001.dcm", tmp_path / "mixed/copy of 3.dcm")
    with found_scans(FLAIR_TASK, {"flair": tmp_path / "mixed"}) as found:
        assert np.array_equal(voxels(found.paths["flair"]), FEW)


PLACES = {
    "thin": grid("LPS", (2, 2, 2), (40, 46, 38)),
    "thick": grid("LAS", (2, 2, 5), (40, 46, 20)),
    "sagittal": grid("PIL", (2, 2, 3), (40, 46, 30)),
    "oblique": oblique(grid("LPS", (2, 2, 4), (40, 46, 24))),
}


@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
@pytest.mark.parametrize("place", PLACES)
def test_each_scan_of_a_study_is_found_and_read_whatever_its_geometry(
    tmp_path: Path, place: str, enhanced: bool
) -> None:
    affine, shape = PLACES[place], {"thin": 38, "thick": 20, "sagittal": 30, "oblique": 24}[place]
    visit, data = Study(), noise((40, 46, shape))
    scans = {"pre": (T1, data), "flair": (FLAIR, data + 1), "post": (T1_AFTER, data + 2)}
    for number, (header, scan) in enumerate(scans.values(), start=1):
        visit.write(tmp_path / "study" / str(number), header, number, scan, affine, enhanced=enhanced)
    with found_scans(ENHANCING, dict.fromkeys(scans, tmp_path / "study")) as found:
        for name, (_, scan) in scans.items():
            assert_same_world(read_scan(found.paths[name]).own_values, scan, affine)


@pytest.mark.parametrize("enhanced", [False, True])
def test_a_zip_file_is_as_good_as_its_folder(tmp_path: Path, enhanced: bool) -> None:
    visit = Study()
    for number, header in enumerate((FLAIR, T1_AFTER), start=3):
        visit.write(tmp_path / "DOE^JOHN/DICOM", header, number, FEW, enhanced=enhanced, prefix=f"{number}")
    archive = shutil.make_archive(str(tmp_path / "disc"), "zip", tmp_path / "DOE^JOHN")
    with found_scans(FLAIR_TASK, {"flair": Path(archive)}) as found:
        inside = found.paths["flair"]
        assert np.array_equal(voxels(inside), FEW)
    assert not inside.exists()


def test_a_zip_file_writes_nothing_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Study().write(tmp_path / "source", FLAIR, 3, FEW)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary/deep"))
    (tmp_path / "temporary/deep").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as packed:
        for number, file in enumerate(sorted(folder.iterdir())):
            packed.write(file, ("../../", "/tmp/../", "..\\..\\", "a/")[number % 4] + file.name)
        link = zipfile.ZipInfo("link.dcm")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
    before = set(tmp_path.rglob("*"))
    with found_scans(FLAIR_TASK, {"flair": tmp_path / "evil.zip"}) as found:
        new = set(tmp_path.rglob("*")) - before
        assert all(path.is_relative_to(tmp_path / "temporary/deep") for path in new)
        assert not any(path.is_symlink() and not path.resolve().is_relative_to(tmp_path) for path in new)
        assert np.array_equal(voxels(found.paths["flair"]), FEW)
    assert set(tmp_path.rglob("*")) == before


def test_a_disc_is_read_by_its_dicomdir_and_refused_where_files_are_missing(tmp_path: Path) -> None:
    disc = FileSet()
    for file in sorted(Study().write(tmp_path / "source", FLAIR, 3, FEW).iterdir()):
        disc.add(file)
    disc.write(tmp_path / "disc")
    given = {"flair": tmp_path / "disc/DICOMDIR"}
    with found_scans(FLAIR_TASK, given) as found:
        assert np.array_equal(voxels(found.paths["flair"]), FEW)
    lost = max((tmp_path / "disc").rglob("IM*"), key=lambda path: path.name)
    lost.unlink()
    with (
        pytest.raises(ImageError, match="DICOMDIR lists 16 images, of which 1 are not there"),
        found_scans(FLAIR_TASK, given),
    ):
        pass


def test_zip_files_that_cannot_be_used_are_refused_with_a_sentence(tmp_path: Path) -> None:
    def refusal(name: str) -> str:
        with pytest.raises(ImageError) as error, found_scans(FLAIR_TASK, {"flair": tmp_path / name}):
            pass
        return str(error.value)

    (tmp_path / "text.zip").write_text("no zip file")
    assert "text.zip is damaged or not a zip file of DICOM images" in refusal("text.zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    assert "empty.zip holds no DICOM images" in refusal("empty.zip")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a", b"\0" * (100 << 20))
    assert "would grow to" in refusal("bomb.zip")
    folder = Study().write(tmp_path / "source", FLAIR, 3, FEW)
    archive = Path(shutil.make_archive(str(tmp_path / "cut"), "zip", folder))
    archive.write_bytes(archive.read_bytes()[:-4000])
    assert "cut.zip is damaged" in refusal("cut.zip")
