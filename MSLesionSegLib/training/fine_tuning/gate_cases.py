"""What the gate looks at: validation cases, and the kept part of the replay buffers."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from MSLesionSegLib.cases.case_set import list_cases, read_cases
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Progress, Silent, Within
from MSLesionSegLib.network.device import choose_device
from MSLesionSegLib.network.models.store import load_model
from MSLesionSegLib.training.examples import case_examples
from MSLesionSegLib.training.examples.example import Example
from MSLesionSegLib.training.examples.replay_buffer import replay_examples
from MSLesionSegLib.training.fine_tuning.promotion_gate import Verdict, judge_candidate
from MSLesionSegLib.training.loop.stages import GATE

GATE_SHARE = 3  # one in so many buffer examples of a site is kept for the gate


def compare_models(
    old: str,
    new: str,
    cases: Path,
    replay: Sequence[str] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Verdict:
    """Let the gate compare two models on the validation cases of a set and on the kept part of the buffer.

    Raises:
        ModelError: a model cannot be used, or they are for different tasks.
        SettingsError: there is nothing to measure on.
    """
    progress = progress or Silent()
    where = choose_device(device)
    one = load_model(old)
    other = load_model(new, task=one.card.task)
    with tempfile.TemporaryDirectory(prefix="mslesionseg-") as temporary:
        found = read_cases(cases, one.card.task)
        validation = case_examples.prepare_cases(found.validation, Path(temporary), progress)
        if not validation:
            raise SettingsError(
                f"There are no usable validation cases for the task '{one.card.task}' in {cases}."
            )
        progress.stage(GATE)
        inner = Within(progress, GATE)
        earlier = hold_out(buffer_for(cases, one.card.task, replay))[1]
        return judge_candidate(one, other, validation, earlier, device=where, progress=inner)


def buffer_for(cases: Path, task: str, names: Sequence[str] | None) -> tuple[Example, ...]:
    """The replay examples of other sites than those of a case set; see :func:`replay_examples`."""
    own = {case.site for case in list_cases(cases, task).cases}
    return replay_examples(task, names, other_than=own)


def hold_out(buffer: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Buffer examples to train on, and those that are held out for the gate: about a third of each site.

    The content of an example decides, so that one that was once kept for the gate stays so; where that would keep
    none or all of a site, its first one is kept. The only example of a site is trained on.
    """
    trained, kept = [], []
    for site in dict.fromkeys(example.site for example in buffer):
        members = sorted((e for e in buffer if e.site == site), key=lambda example: example.sha256)
        chosen = [e for e in members if int(e.sha256[:8], 16) % GATE_SHARE == 0] or members[:1]
        if len(chosen) == len(members):
            chosen = members[: min(1, len(members) - 1)]
        kept += chosen
        trained += [e for e in members if e not in chosen]
    return trained, kept
