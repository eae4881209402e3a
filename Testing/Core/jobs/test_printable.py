"""What others wrote cannot steer the terminal on which it is shown."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from MSLesionSegLib.cli import app
from MSLesionSegLib.jobs.job import run_job
from MSLesionSegLib.jobs.printable import printable
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import save_model

EVIL = "\x1b]0;mine\x07 \x1b[31m red \x9b2J \x7f \u202eevil\u2066 back\rspace \x00"


@pytest.mark.parametrize(
    "text", ["Müller 42 % °C ≥ 3 µm", "two\nlines\tand a tab", "می‌خواهم", "脑 \U0001f9e0"]
)
def test_text_of_people_stays_as_it_is(text):
    assert printable(text) == text


def test_characters_that_steer_a_terminal_are_written_as_their_numbers():
    assert printable("\x1b[2J\x9b\u202e") == "\\u001b[2J\\u009b\\u202e"
    assert printable(printable(EVIL)).isprintable()


@pytest.mark.parametrize("arguments", [["list"], ["show", "odd"]])
def test_the_card_of_a_foreign_model_cannot_steer_the_terminal(tmp_path, monkeypatch, arguments):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path))
    tiny = Architecture(feature_maps=4, levels=3)
    card = ModelCard("odd", "flair", tiny, ("FLAIR",), description=EVIL, created=EVIL, results={EVIL: 1.0})
    save_model(tmp_path, build(tiny), card)
    told = CliRunner().invoke(app, ["models", *arguments]).stdout
    assert "odd" in told and "evil" in told
    assert all(character.isprintable() or character == "\n" for character in told)
    if arguments[0] == "show":
        assert json.loads(told)["description"] == EVIL


def test_neither_can_a_sentence_that_quotes_a_foreign_file(capsys):
    run_job("test", lambda job: job.warning("odd", f"{EVIL} is left out."), stages={})
    told = capsys.readouterr().err
    assert "is left out" in told and "\x1b" not in told and "\u202e" not in told
