"""A tiny model and a small head, so that whole commands run in seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from MSLesionSegLib.synthesis.patient import SyntheticPatient
from phantoms.phantom import Head, centred, make_head
from phantoms.synthetic_heads import THICK, shared_patient
from support.forked_commands import forked_commands
from support.orthanc import MISSING, Orthanc, orthanc_at
from support.worker_processes import forked_instead_of_spawned


@pytest.fixture(scope="session", autouse=True)
def forked_workers() -> Iterator[None]:
    """Workers of a batch begin at once."""
    with forked_instead_of_spawned():
        yield


@pytest.fixture(scope="session")
def head() -> Head:
    """The phantom on 3 mm RAS voxels."""
    shape = (40, 46, 38)
    return make_head(centred((3, 3, 3), np.eye(3), shape), shape)


@pytest.fixture(scope="session")
def synthetic_head(tmp_path_factory: pytest.TempPathFactory) -> SyntheticPatient:
    """A synthetic patient of full size with skull, on 1 mm voxels."""
    return shared_patient(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def thick_head(tmp_path_factory: pytest.TempPathFactory) -> SyntheticPatient:
    """The same patient on thick slices."""
    return shared_patient(tmp_path_factory.getbasetemp(), THICK)


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory, head: Head) -> Path:
    """A models folder with one model, ``tiny``: random weights that call about 1 % of ``head`` lesion."""
    import torch

    from MSLesionSegLib.imaging.grid import to_network_grid
    from MSLesionSegLib.imaging.normalization import zscore
    from MSLesionSegLib.network.architectures import Architecture, build
    from MSLesionSegLib.network.models.card import ModelCard
    from MSLesionSegLib.network.models.store import save_model

    folder = tmp_path_factory.mktemp("models")
    architecture = Architecture(kind="unet", levels=3, feature_maps=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = build(architecture).eval()
    spacing = 2.0
    flair, brain = (np.asarray(to_network_grid(image, spacing).dataobj) for image in (head.flair, head.brain))
    inside = brain > 0.5
    channel = zscore(flair, inside)
    padded = np.pad(channel, [(0, -n % architecture.multiple) for n in channel.shape])
    with torch.inference_mode():
        logits = network(torch.from_numpy(padded)[None, None])[0, 0].numpy()
        logits = logits[tuple(slice(n) for n in channel.shape)][inside]
        output = network.output_block.conv.conv
        output.weight *= 2 / logits.std()
        output.bias.copy_(
            torch.tensor([-2 * float(np.quantile(logits - output.bias.item(), 0.99)) / logits.std()])
        )
    card = ModelCard(
        name="tiny",
        task="flair",
        architecture=architecture,
        channels=("FLAIR",),
        spacing_mm=spacing,
        threshold=0.5,
        minimum_mm3=100.0,
        description="Random weights for tests.",
    )
    save_model(folder, network, card)
    return folder


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A real archive, shared by the tests of this process."""
    if MISSING:
        pytest.skip(MISSING)
    with orthanc_at(tmp_path_factory.mktemp("orthanc")) as archive:
        yield archive


@pytest.fixture
def short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a training takes is measured on two steps of it instead of six."""
    for name in ("_WARM", "_TIMED"):
        monkeypatch.setattr(f"MSLesionSegLib.training.fine_tuning.budget.{name}", 1)


@pytest.fixture
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks look at cubes of 48 voxels, into which the examples of the tests fit, instead of 96."""
    monkeypatch.setattr("MSLesionSegLib.network.architectures.WINDOW", 48)


@pytest.fixture
def small_patients(small_window: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The brains of ``write_centre``, which fit into such a cube, are large enough to be brains."""
    monkeypatch.setattr("MSLesionSegLib.network.brain_extraction.SMALLEST_BRAIN_ML", 30)


@pytest.fixture(autouse=True)
def no_replay_buffers(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user has no replay buffers, and the shipped one is not unpacked into the user's data folder."""
    monkeypatch.setenv("MSLESIONSEG_REPLAY", str(tmp_path_factory.getbasetemp() / "no-buffers"))


@pytest.fixture
def models(models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use the tiny model's folder as the user's models folder, in this process and in child processes."""
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(models_folder))
    return models_folder


@pytest.fixture
def commands_begin_at_once() -> Iterator[None]:
    """Commands that are started as processes of their own are forked."""
    with forked_commands():
        yield


@pytest.fixture
def command_environment(models: Path) -> dict[str, str]:
    """Environment for child processes that run the real command."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}
