"""A small patient and a small model that finds its lesions, so that the real child process takes seconds."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np


def grid(orientation: str, spacing: tuple[float, float, float], shape: tuple[int, int, int]) -> np.ndarray:
    """The affine of a grid with these axes and the RAS origin in its middle."""
    affine = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(orientation), shape)
    affine[:3, :3] = affine[:3, :3] @ np.diag(spacing)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def oblique(affine: np.ndarray, degrees: float = 13.0) -> np.ndarray:
    """The grid turned about two axes."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    turned = affine.copy()
    turned[:3] = turn @ affine[:3]
    return turned


def patient(
    affine: np.ndarray, shape: tuple[int, int, int], seed: int = 0
) -> tuple[nib.Nifti1Image, np.ndarray]:
    """A brain-extracted FLAIR of 380 ml with ventricles, and its four lesions (bool)."""
    rng = np.random.default_rng(seed)
    x, y, z = np.moveaxis(nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1)), -1, 0)
    brain = (x / 42) ** 2 + (y / 51.3) ** 2 + (z / 41.5) ** 2 < 1
    ventricles = np.minimum(*(((x - s * 8) / 5) ** 2 + (y / 20) ** 2 + (z / 9) ** 2 for s in (-1, 1))) < 1
    values = np.where(ventricles, 60.0, 110.0)
    lesions = np.zeros(shape, bool)
    for cx, cy, cz, radius, height in (
        (18, 8, 4, 5, 1),
        (-19, -9, 8, 7, 1),
        (16, -22, -6, 5, 0.8),
        (-12, 30, 8, 5, 0.55),
    ):
        here = ((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 < radius**2) & ~ventricles
        values[here] = 110 + 75 * height
        lesions |= here
    values = np.where(brain, values + rng.normal(0, 2, shape), 0.0).astype(np.float32)
    return nib.Nifti1Image(values, affine), lesions


def save_patient(path: Path, orientation: str = "LAS", *, turned: bool = False, seed: int = 0) -> np.ndarray:
    """Write the patient's FLAIR on 3 mm voxels (2 x 2 x 4 mm where turned); return its lesions."""
    spacing, shape = ((2, 2, 4), (52, 62, 28)) if turned else ((3, 3, 3), (40, 46, 38))
    affine = grid(orientation, spacing, shape)
    flair, lesions = patient(oblique(affine) if turned else affine, shape, seed)
    flair.set_qform(flair.affine, 1)
    flair.set_sform(flair.affine, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(flair, path)
    return lesions


def save_result(scan: Path, lesions: np.ndarray, folder: Path) -> Path:
    """Write the result folder of a search that found these lesions (bool) on a FLAIR; return it."""
    import json

    from MSLesionSegLib.files.checksums import file_sha256
    from MSLesionSegLib.imaging.writing import save_image
    from MSLesionSegLib.segmentation.result_folder import output_names

    folder.mkdir()
    names, image = output_names(scan.name.split(".")[0]), nib.load(scan)
    files = {role: names[role] for role in ("probability", "mask")}
    save_image(np.where(lesions, 0.9, 0.05).astype(np.float32), image, folder / files["probability"])
    save_image(lesions.astype(np.uint8), image, folder / files["mask"])
    manifest = {
        "task": "flair",
        "inputs": {"flair": {"sha256": file_sha256(scan), "shape": image.shape}},
        "model": {"name": "bright", "weights_sha256": "0"},
        "settings": {"threshold": 0.5, "minimum_mm3": 0.0, "minimum_peak": 0.0, "device": "cpu"},
        "findings": [],
        "files": files,
    }
    (folder / "result.json").write_text(json.dumps(manifest))
    return folder


def save_bright_model(folder: Path, name: str = "bright") -> None:
    """A model of the real architecture: random, but for a last layer fitted to find the phantom's lesions."""
    import torch

    from MSLesionSegLib.imaging.grid import to_network_grid
    from MSLesionSegLib.imaging.normalization import zscore
    from MSLesionSegLib.network.architectures import Architecture, build
    from MSLesionSegLib.network.models.card import ModelCard
    from MSLesionSegLib.network.models.store import save_model

    spacing = 1.0  # what models need to be fine-tuned
    affine = grid("RAS", (3, 3, 3), (40, 46, 38))
    flair, lesions = patient(affine, (40, 46, 38))
    architecture = Architecture(kind="unet", levels=3, feature_maps=4)
    on_grid = to_network_grid(flair, spacing)
    truth = np.asarray(to_network_grid(nib.Nifti1Image(lesions.astype(np.float32), affine), spacing).dataobj)
    values = np.asarray(on_grid.dataobj)
    channel = zscore(values, values > 1)
    pad = [(0, -n % architecture.multiple) for n in channel.shape]
    image = torch.from_numpy(np.pad(channel, pad)[None, None].astype(np.float32))
    target = torch.from_numpy(np.pad(truth, pad)[None, None].astype(np.float32))
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(1)
        network = build(architecture).eval()
        last = network.output_block.conv.conv
        # the first channel passes the intensity straight on: through the input block and over the highest skip
        _pass_on(network.input_block.conv1.conv, 0)
        _pass_on(network.input_block.conv2.conv, 0)
        block = network.upsamples[-1].conv_block
        _pass_on(block.conv1.conv, block.conv1.conv.in_channels // 2)
        _pass_on(block.conv2.conv, 0)
        last.weight.zero_()
        last.weight[0, 0] = 1.0
        last.bias.zero_()
        height = network(image)[0, 0]
        inside, outside = height[target[0, 0] > 0.5], height[(target[0, 0] == 0) & (image[0, 0] != 0)]
        low, high = outside.quantile(0.999), inside.quantile(0.2)
        last.weight[0, 0] = 4.0 / (high - low)
        last.bias.fill_(-float(last.weight[0, 0, 0, 0, 0]) * float(high + low) / 2)
    card = ModelCard(
        name=name,
        task="flair",
        architecture=architecture,
        channels=("FLAIR",),
        spacing_mm=spacing,
        threshold=0.5,
        minimum_mm3=20.0,
        description="Finds bright balls; for tests.",
    )
    save_model(folder, network, card)


def _pass_on(convolution, channel: int) -> None:
    """Let the first output be the input's ``channel``, unchanged."""
    convolution.weight[0] = 0.0
    convolution.weight[(0, channel, *(n // 2 for n in convolution.kernel_size))] = 1.0
    if convolution.bias is not None:
        convolution.bias[0] = 0.0
