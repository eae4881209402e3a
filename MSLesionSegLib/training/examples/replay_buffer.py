"""Replay buffers: prepared examples of earlier hospitals, which keep a model from forgetting them.

Karthik et al. 2022 (experience replay over hospitals): at most 20 image-label pairs of each.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.case_set import read_cases
from MSLesionSegLib.errors import MSLesionSegError, SettingsError
from MSLesionSegLib.files.atomic import atomic_folder, output_errors
from MSLesionSegLib.files.checksums import json_sha256
from MSLesionSegLib.files.file_names import check_new
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.files.zip_archive import pack_folder, unpack_folder
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.resources import RESOURCES
from MSLesionSegLib.tasks import TASKS
from MSLesionSegLib.training.examples.example import Example, read_examples
from MSLesionSegLib.training.examples.packed_example import STEP, read_packed, write_packed

KIND = "replay buffer"
MOST_EXAMPLES = 20
SHIPPED = RESOURCES / "Replay"
DESCRIPTION = "replay.json"
PACK = "pack examples"
_WAY_OUT = (
    "Replay buffers lie in your data folder; set MSLESIONSEG_REPLAY to a folder in which you may write."
)


@dataclass(frozen=True)
class Buffer:
    """A replay buffer that lies unpacked on this computer.

    Attributes:
        name: what it is called.
        folder: holds the examples, see :class:`~MSLesionSegLib.training.examples.example.Example`.
        task: of the task table.
        sites: examples by site.
        sha256: of the contents of all examples.
    """

    name: str
    folder: Path
    task: str
    sites: dict[str, int]
    sha256: str

    def examples(self) -> tuple[Example, ...]:
        """The prepared scans."""
        return tuple(read_examples(self.folder))


def user_replay_folder() -> Path:
    """Where the buffers of this user lie: the user's data folder, or ``MSLESIONSEG_REPLAY`` when that is set.

    With that variable set there are no other buffers than those in its folder, not even the shipped ones.
    """
    chosen = os.environ.get("MSLESIONSEG_REPLAY")
    if chosen:
        return Path(chosen)
    from platformdirs import user_data_dir

    return Path(user_data_dir("MSLesionSeg", appauthor=False)) / "Replay"


def make_buffer(cases: Path, name: str, *, task: str = "flair", progress: Progress | None = None) -> Buffer:
    """Prepare a buffer from the training cases of a set: brain only, 1 mm, z-scored, at most 20 of each site.

    Which ones is decided by the content of the cases. Validation cases are never in it: they would be trained on
    elsewhere.

    Args:
        cases: folder of the set.
        name: of the buffer, a code.
        task: whose cases.
        progress: told the stage ``prepare cases``.

    Raises:
        SettingsError: the name is taken or no code, or there are no usable training cases.
        OutputError: the buffer cannot be written.
    """
    from MSLesionSegLib.training.examples.case_examples import prepare_cases

    progress = progress or Silent()
    folder = _new_folder(name)
    found = read_cases(cases, task)
    for finding in found.findings:
        progress.warning(finding.code, finding.sentence)
    chosen, count = [], dict.fromkeys((case.site for case in found.training), 0)
    for case in sorted(found.training, key=lambda case: case.sha256):
        if count[case.site] < MOST_EXAMPLES:
            count[case.site] += 1
            chosen.append(case)
    with _new_buffer(folder) as work:
        examples = prepare_cases(chosen, work, progress)
        if not examples:
            raise SettingsError(f"{cases} holds no usable training cases of the task '{task}'.")
        _describe(work, task, examples)
    return read_buffer(folder)


def list_buffers(task: str | None = None) -> list[Buffer]:
    """All buffers on this computer, the user's own first; shipped ones are unpacked when they are first listed.

    Folders that are no readable buffer are left out.
    """
    root = user_replay_folder()
    shipped = [] if os.environ.get("MSLESIONSEG_REPLAY") else sorted(SHIPPED.glob("*.zip"))
    for archive in shipped:
        unpacked = root / archive.stem / DESCRIPTION
        if not unpacked.exists():
            try:
                import_buffer(archive)
            except MSLesionSegError:
                if not unpacked.exists():  # else another process was quicker
                    raise
    buffers = []
    for description in sorted(root.glob(f"*/{DESCRIPTION}")):
        try:
            buffers.append(read_buffer(description.parent))
        except SettingsError:
            continue
    last = {archive.stem for archive in shipped}
    buffers.sort(key=lambda buffer: (buffer.name in last, buffer.name))
    return [buffer for buffer in buffers if task in (None, buffer.task)]


def read_buffer(folder: Path) -> Buffer:
    """Read a buffer's description and make sure that its examples are what it says.

    Raises:
        SettingsError: no buffer, or a damaged one.
    """
    try:
        content = read_json(folder / DESCRIPTION)
        wanted, task = dict(content["Examples"]), str(content["Task"])
        found = {example.name: example.sha256 for example in read_examples(folder)}
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(
            f"{folder} is not a replay buffer. Make one with: mslesionseg replay make"
        ) from None
    if found != wanted:
        raise SettingsError(f"The replay buffer {folder} is damaged: its examples are not those of its list.")
    return Buffer(folder.name, folder, task, _sites(read_examples(folder)), _digest(wanted))


def find_buffer(name: str) -> Buffer:
    """The buffer called ``name``, or the one in a folder given by its path.

    Raises:
        SettingsError: no such buffer.
    """
    if _is_path(name):
        return read_buffer(Path(name))
    buffers = {buffer.name: buffer for buffer in list_buffers()}
    if name not in buffers:
        raise SettingsError(f"There is no replay buffer '{name}'. Buffers: {', '.join(buffers) or 'none'}.")
    return buffers[name]


def export_buffer(name: str, archive: Path, progress: Progress | None = None) -> Buffer:
    """Write a buffer into a zip file with hashes, its intensities in steps of 0.1 standard deviations.

    Raises:
        SettingsError: no such buffer.
        OutputError: the file exists or cannot be written.
    """
    progress = progress or Silent()
    buffer = find_buffer(name)
    check_new(archive)
    with tempfile.TemporaryDirectory(prefix="mslesionseg-replay-") as temporary:
        examples = buffer.examples()
        for k, example in enumerate(examples):
            progress.stage(PACK, k / len(examples))
            write_packed(example, Path(temporary))
        progress.stage(PACK, 1.0)  # the last moment to cancel
        pack_folder(Path(temporary), archive, KIND, {"task": buffer.task, "step": STEP})
    return buffer


def import_buffer(archive: Path, name: str | None = None, progress: Progress | None = None) -> Buffer:
    """Unpack a zip file of :func:`export_buffer`, after checking all of it, into the user's buffers.

    Args:
        archive: the file.
        name: for the buffer; the file's name when None.
        progress: told the stage ``pack examples``.

    Raises:
        SettingsError: the file is damaged or no buffer, or the name is taken or no code.
        OutputError: the buffer cannot be written.
    """
    progress = progress or Silent()
    folder = _new_folder(name or archive.stem)
    with tempfile.TemporaryDirectory(prefix="mslesionseg-replay-") as temporary:
        facts = unpack_folder(archive, Path(temporary), KIND)
        packed = sorted(Path(temporary).glob("*/example.json"))
        with _new_buffer(folder) as work:
            examples = []
            for k, file in enumerate(packed):
                progress.stage(PACK, k / len(packed))
                examples.append(read_packed(file.parent, work / file.parent.name))
            _check_facts(archive, facts, examples)
            _describe(work, str(facts["task"]), examples)
            progress.stage(PACK, 1.0)  # the last moment to cancel
    return read_buffer(folder)


def replay_examples(
    task: str, names: Sequence[str] | None = None, *, other_than: Collection[str] = ()
) -> tuple[Example, ...]:
    """The examples that a training on ``task`` is interleaved with.

    Args:
        task: of the training.
        names: buffers by name or path, or folders of prepared examples; all buffers of the task on this computer
            when None.
        other_than: sites that are left out, above all the one that is trained on.

    Raises:
        SettingsError: no such buffer, or one of another task.
    """
    found: list[Example] = []
    for name in list_buffers(task) if names is None else names:
        found += _examples_of(name, task)
    return tuple({e.sha256: e for e in found if e.site not in other_than}.values())


def _examples_of(source: Buffer | str, task: str) -> tuple[Example, ...]:
    if isinstance(source, str):
        prepared = read_examples(Path(source)) if _is_path(source) else []
        if prepared and not (Path(source) / DESCRIPTION).exists():
            return tuple(prepared)
        source = find_buffer(source)
    if source.task != task:
        raise SettingsError(f"The replay buffer {source.name} is for the task '{source.task}', not '{task}'.")
    return source.examples()


def _is_path(name: str) -> bool:
    """A folder of the working directory that happens to have a buffer's name is never taken for the buffer."""
    return "/" in name or os.sep in name


def _new_folder(name: str) -> Path:
    if not layout.CODE.fullmatch(name):
        raise SettingsError(
            "The name of a replay buffer has at most 32 letters, digits, '.', '-' and '_', without spaces."
        )
    folder = user_replay_folder() / name
    if folder.exists():
        raise SettingsError(f"There is a replay buffer called {name} already. Give another name.")
    return folder


@contextlib.contextmanager
def _new_buffer(folder: Path) -> Iterator[Path]:
    with output_errors(folder, _WAY_OUT), atomic_folder(folder, lambda: check_new(folder)) as work:
        yield work


def _describe(work: Path, task: str, examples: Sequence[Example]) -> None:
    content: dict[str, Any] = {
        "Task": task,
        "Examples": {example.name: example.sha256 for example in examples},
    }
    (work / DESCRIPTION).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _check_facts(archive: Path, facts: dict[str, Any], examples: Sequence[Example]) -> None:
    sites = _sites(examples)
    wrong = [
        site for site, count in sites.items() if not layout.CODE.fullmatch(site) or count > MOST_EXAMPLES
    ]
    if not examples or wrong or facts.get("task") not in TASKS:
        raise SettingsError(
            f"{archive.name} is refused: it must hold 1 to {MOST_EXAMPLES} examples of each site of a known task."
        )


def _sites(examples: Sequence[Example]) -> dict[str, int]:
    sites = [example.site for example in examples]
    return {site: sites.count(site) for site in sorted(set(sites))}


def _digest(examples: dict[str, str]) -> str:
    return json_sha256(sorted(examples.items()))
