"""The number format is chosen by the processor's instructions, or by a trial that is made once."""

from __future__ import annotations

import json

import pytest

from MSLesionSegLib.network import precision


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """No answer is known, and the user's cache is left alone."""
    monkeypatch.setenv("MSLESIONSEG_CACHE", str(tmp_path / "cache"))
    precision.has_fast_bfloat16.cache_clear()
    yield
    precision.has_fast_bfloat16.cache_clear()


@pytest.fixture
def trials(monkeypatch) -> list[bool]:
    """A processor without the instructions; the trial gives the answers in the list and takes them out."""
    answers = [True, False]
    monkeypatch.setattr(precision, "_has_instructions", lambda: False)
    monkeypatch.setattr(precision, "_is_faster", lambda: answers.pop(0))
    return answers


def test_a_processor_with_the_instructions_is_not_tried(trials, monkeypatch):
    monkeypatch.setattr(precision, "_has_instructions", lambda: True)
    assert precision.has_fast_bfloat16() is True
    assert len(trials) == 2


def test_the_answer_of_a_trial_is_kept_for_later_processes(trials, tmp_path):
    assert precision.has_fast_bfloat16() is True
    precision.has_fast_bfloat16.cache_clear()  # as a new process
    assert precision.has_fast_bfloat16() is True
    assert len(trials) == 1
    assert list(json.loads((tmp_path / "cache" / "processor.json").read_text()).values()) == [True]


def test_another_version_of_torch_is_tried_anew(trials, monkeypatch):
    assert precision.has_fast_bfloat16() is True
    precision.has_fast_bfloat16.cache_clear()
    monkeypatch.setattr("torch.__version__", "99.0")
    assert precision.has_fast_bfloat16() is False


@pytest.mark.parametrize("content", ["not json", "[]", '{"x": 1}'])
def test_a_damaged_memory_is_made_again(trials, tmp_path, content):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "processor.json").write_text(content)
    assert precision.has_fast_bfloat16() is True


def test_a_cache_that_cannot_be_written_does_no_harm(trials, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert precision.has_fast_bfloat16() is True
    precision.has_fast_bfloat16.cache_clear()
    assert precision.has_fast_bfloat16() is False


def test_the_trial_itself_gives_an_answer():
    assert precision._is_faster() in (True, False)
