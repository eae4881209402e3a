"""The commands around training cases in real processes, as the panel starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from MSLesionSegLib.cases.case_set import list_cases
from MSLesionSegLib.cases.checking import check_cases
from phantoms.case_fixtures import add_flair, examination, save_like
from support.command_calls import call, events

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="processes are killed differently on Windows")


def test_a_case_is_added_listed_shown_checked_and_removed(tmp_path):
    folder = tmp_path / "set"
    flair, mask, head = examination(tmp_path / "in", 1)
    draft = save_like(head.flair, np.zeros(head.flair.shape), tmp_path / "draft.nii.gz")
    arguments = ["cases", "add", "--cases", folder, "--flair", flair, "--mask", mask, "--draft", draft]
    arguments += ["--model", "flair-ms", "--reviewer", "r7", "--minutes", 3, "--site", "north"]
    arguments += ["--possible-places", "-3.5,4,0 6,0,-2.5"]
    added = events(*arguments)[-1]
    assert added["event"] == "result" and added["stored"] is True
    assert (added["version"], added["lesions"], added["lesions_added"]) == (1, 4, 4)
    again = events(*arguments)
    assert again[-1]["stored"] is False and again[-1]["case"] == added["case"]
    assert [event["code"] for event in again if event["event"] == "warning"] == ["case-known"]

    listed = events("cases", "list", "--cases", folder)[-1]
    assert [case["case"] for case in listed["cases"]] == [added["case"]]
    assert listed["lesions"] == 4 and listed["training"] + listed["validation"] == 1
    shown = events("cases", "show", "--cases", folder, added["case"])[-1]
    assert Path(shown["mask"]).is_file() and Path(shown["images"]["flair"]).is_file()
    assert (shown["versions"], shown["reviewer"], shown["minutes"]) == ([1], "r7", 3.0)
    assert shown["possible_places"] == [[-3.5, 4.0, 0.0], [6.0, 0.0, -2.5]]
    assert events("cases", "check", "--cases", folder)[-1]["findings"] == []
    assert added["case"] in call("cases", "list", "--cases", folder)
    assert "Nothing is wrong" in call("cases", "check", "--cases", folder)
    assert "Removed" in call("cases", "remove", "--cases", folder, added["case"])
    assert events("cases", "list", "--cases", folder)[-1]["cases"] == []


def test_wrong_arguments_end_with_a_sentence(tmp_path):
    folder = tmp_path / "set"
    flair, mask, _ = examination(tmp_path / "in", 1)
    error = events("cases", "list", "--cases", folder, fails=1)[-1]
    assert error["event"] == "error" and "holds no training cases" in error["sentence"]
    error = events(
        "cases", "add", "--cases", folder, "--task", "new", "--flair", flair, "--mask", mask, fails=1
    )[-1]
    assert "baseline, followup" in error["sentence"]
    for places in ("1,2", "here", "1;2;3"):
        arguments = ["--flair", flair, "--mask", mask, "--possible-places", places]
        error = events("cases", "add", "--cases", folder, *arguments, fails=1)[-1]
        assert "'x,y,z x,y,z'" in error["sentence"]
    assert not folder.exists()


@POSIX
def test_a_command_killed_while_it_adds_leaves_a_whole_set(tmp_path):
    """Killed at many moments from the start of storing on: the case is there completely or not at all."""
    folder = tmp_path / "set"
    first = add_flair(folder, tmp_path / "in", 1).case
    flair, mask, _ = examination(tmp_path / "in", 2)
    command = [sys.executable, "-m", "MSLesionSegLib", "cases", "add", "--cases", folder]
    command += ["--flair", flair, "--mask", mask, "--events"]
    for delay in (0.0, 0.01, 0.02, 0.04, 0.08):
        process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for line in process.stdout:
            if json.loads(line).get("stage") == "store case":
                break
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        found = list_cases(folder)
        assert first in found.cases and len(found.cases) <= 2 and not found.findings
        for case in found.cases:
            assert case.mask.is_file() and case.reference.is_file()
    third = add_flair(folder, tmp_path / "in", 3).case
    assert third in list_cases(folder).cases
    assert not [finding for finding in check_cases(folder) if finding.bad or finding.code == "left-over"]
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [".lock"]
