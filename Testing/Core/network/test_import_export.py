"""Models travel as one zip file, and nothing but a model comes in."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import pytest
import torch

from MSLesionSegLib.errors import ModelError, OutputError
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.import_export import export_model, import_model, proposed_name
from MSLesionSegLib.network.models.store import load_model, read_card, save_model, write_card

TINY = Architecture(feature_maps=4, levels=3)


@pytest.fixture
def exported(tmp_path, monkeypatch):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path / "theirs"))
    card = ModelCard("mine", "flair", TINY, ("FLAIR",), limits="<b>few</b> cases", description="For tests.")
    save_model(tmp_path / "theirs", build(TINY), card)
    file = export_model("mine", tmp_path / "out" / "mine")
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path / "ours"))
    return file


def rezip(source, target, change):
    """Copy a zip with its contents changed: ``change`` maps a dict of name to bytes in place."""
    with zipfile.ZipFile(source) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    change(content)
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return target


def test_an_exported_model_computes_the_same_where_it_is_imported(exported, tmp_path):
    folder = import_model(exported)
    assert folder == tmp_path / "ours" / "mine"
    here, there = load_model("mine"), load_model(tmp_path / "theirs" / "mine")
    assert here.card == there.card
    for a, b in zip(here.network.parameters(), there.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_the_zip_holds_a_page_that_shows_text_as_text(exported):
    with zipfile.ZipFile(exported) as archive:
        page = archive.read("mine/card.html").decode()
    assert "&lt;b&gt;few&lt;/b&gt; cases" in page and "Training set" not in page.split("<body>")[0]


def test_a_folder_can_be_imported_and_renamed(exported, tmp_path):
    folder = import_model(tmp_path / "theirs" / "mine", name="renamed")
    assert read_card(folder).name == "renamed" and load_model("renamed").card.limits == "<b>few</b> cases"


@pytest.mark.parametrize("name", ["mine", "flair-ms"])
def test_a_taken_name_is_refused(exported, name):
    import_model(exported)
    with pytest.raises(OutputError, match="choose another name"):
        import_model(exported, name=name)
    with pytest.raises(OutputError, match="--name"):
        import_model(exported)


def test_a_name_is_proposed_that_is_free(exported):
    assert proposed_name(exported) == "mine"
    import_model(exported)
    assert proposed_name(exported) == "mine-2"


def test_what_a_mac_leaves_in_a_zip_and_a_folder_does_not_matter(exported, tmp_path):
    def litter(content):
        content["mine/.DS_Store"] = content["__MACOSX/mine/._card.json"] = b"Mac"

    import_model(rezip(exported, tmp_path / "mac.zip", litter), "from-zip")
    with zipfile.ZipFile(exported) as archive:
        archive.extractall(tmp_path / "folder")
    (tmp_path / "folder" / "mine" / ".DS_Store").write_bytes(b"Mac")
    import_model(tmp_path / "folder" / "mine", "from-folder")
    assert load_model("from-zip").card.weights_sha256 == load_model("from-folder").card.weights_sha256


def test_an_existing_file_is_not_overwritten(exported, tmp_path):
    before = exported.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        export_model(tmp_path / "theirs" / "mine", exported)
    assert exported.read_bytes() == before


@pytest.mark.parametrize("wrapping", ["file", "renamed zip", "folder", "beside"])
def test_a_pickle_is_refused_with_the_reason(exported, tmp_path, wrapping):
    pickle = tmp_path / "weights.pt"
    torch.save({"a": torch.zeros(1)}, pickle, _use_new_zipfile_serialization=wrapping != "file")
    source = pickle
    if wrapping == "renamed zip":
        source = pickle.rename(tmp_path / "model.zip")
    elif wrapping == "folder":
        source = tmp_path / "folder"
        source.mkdir()
        pickle.rename(source / "weights.pt")
    elif wrapping == "beside":
        source = rezip(exported, tmp_path / "b.zip", lambda c: c.update({"mine/x.pkl": b"1"}))
    with pytest.raises(ModelError, match="is a pickle, and opening such a file can run programs"):
        import_model(source)
    assert not (tmp_path / "ours" / "mine").exists()


def _damage(content):
    data = bytearray(content["mine/weights.safetensors"])
    data[-1] ^= 255
    content["mine/weights.safetensors"] = bytes(data)


def _card(**changes):
    def change(content):
        card = json.loads(content["mine/card.json"])
        content["mine/card.json"] = json.dumps({**card, **changes}).encode()

    return change


def _second_model(content):
    content["yours/card.json"] = content["mine/card.json"]
    content["yours/weights.safetensors"] = content["mine/weights.safetensors"]


def _torn_apart(content):
    content["yours/weights.safetensors"] = content.pop("mine/weights.safetensors")


def _padded_weights(content):
    content["mine/weights.safetensors"] += b"0" * (12 << 20)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_damage, "damaged"),
        (_second_model, "more than one model"),
        (_torn_apart, r"several folders \(mine, yours\)"),
        (_padded_weights, "at most .* MB fit the network"),
        (lambda content: content.update({"mine/card.json": b" " * (2 << 20)}), "more than a card can have"),
        (lambda content: content.update({"mine/card.json": b'{"a":' * 90_000}), "nested"),
        (_card(weights_sha256=""), "no checksum"),
        (_card(channels=["a", "b"]), "2 input channels"),
        (_card(architecture={"kind": "unet", "base": 8, "levels": 3}), "do not fit"),
        (_card(channels=["T1w"]), "wants T1w"),
        (_card(name=5), "cannot be a model name"),
        (_card(name="../up"), "cannot be a model name"),
        (lambda content: content.pop("mine/card.json"), "not a model"),
        (lambda content: content.update({"mine/run.sh": b"echo"}), r"Found: run\.sh"),
        (lambda content: content.update({"../../evil.json": b"{}"}), "written elsewhere"),
        (lambda content: content.update({"/evil.json": b"{}"}), "written elsewhere"),
    ],
)
def test_what_is_no_sound_model_is_refused_and_leaves_nothing(exported, tmp_path, change, reason):
    source = rezip(exported, tmp_path / "changed.zip", change)
    with pytest.raises(ModelError, match=reason):
        import_model(source)
    assert list((tmp_path / "ours").iterdir()) == []


def test_a_zip_whose_compressed_bytes_are_spoilt_is_refused_in_a_sentence(exported, tmp_path):
    with zipfile.ZipFile(exported) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    source = tmp_path / "spoilt.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        start = archive.getinfo("mine/weights.safetensors").header_offset
    spoilt = bytearray(source.read_bytes())
    spoilt[start + 100 : start + 140] = b"\xff" * 40
    source.write_bytes(spoilt)
    with pytest.raises(ModelError, match="damaged"):
        import_model(source)
    assert list((tmp_path / "ours").iterdir()) == []


@pytest.mark.parametrize(
    "change", [_padded_weights, lambda c: c.update({"mine/card.json": b" " * (2 << 20)})]
)
def test_a_folder_is_judged_as_a_zip_file_is(exported, tmp_path, change):
    with zipfile.ZipFile(rezip(exported, tmp_path / "changed.zip", change)) as archive:
        archive.extractall(tmp_path / "folder")
    with pytest.raises(ModelError, match="is refused"):
        import_model(tmp_path / "folder" / "mine")
    assert list((tmp_path / "ours").iterdir()) == []


def test_a_zip_file_that_grows_without_measure_is_refused_before_anything_is_unpacked(exported, tmp_path):
    source = tmp_path / "bomb.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mine/card.json", b"{}")
        with archive.open("mine/weights.safetensors", "w") as stream:
            for _ in range(80):
                stream.write(bytes(1 << 20))
    with pytest.raises(ModelError, match="would grow to"):
        import_model(source)
    assert list((tmp_path / "ours").iterdir()) == []


def test_a_zip_file_of_a_windows_packer_is_read(exported, tmp_path):
    def backslashes(content):
        for name in list(content):
            content[name.replace("/", "\\")] = content.pop(name)

    assert read_card(import_model(rezip(exported, tmp_path / "windows.zip", backslashes))).name == "mine"


def test_the_zip_holds_no_dates(exported):
    with zipfile.ZipFile(exported) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


def test_a_card_that_cannot_be_read_is_named_after_its_file_and_not_after_a_folder_that_has_gone(
    exported, tmp_path
):
    def spoil(content):
        content["mine/card.json"] = b'{"format": 1'

    source = rezip(exported, tmp_path / "spoilt.zip", spoil)
    with pytest.raises(ModelError, match="model spoilt cannot be read") as refused:
        import_model(source)
    assert ".import-" not in str(refused.value)


def test_a_damaged_model_is_not_exported(exported, tmp_path):
    folder = tmp_path / "theirs" / "mine"
    write_card(folder, replace(read_card(folder), weights_sha256="0" * 64))
    with pytest.raises(ModelError, match="damaged"):
        export_model(folder, tmp_path / "new.zip")
    assert not (tmp_path / "new.zip").exists()
