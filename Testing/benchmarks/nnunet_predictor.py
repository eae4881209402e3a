"""nnU-Net's predictor on a traced network; run by inference.py with the Python of an environment that has nnunetv2.

    python nnunet_predictor.py FOLDER WINDOW THREADS

FOLDER holds channels.npy and network.pt; it gets row-*.json and row-*.npy.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor


def main() -> None:
    """Predict without and with mirroring."""
    folder, window, threads = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    channels = torch.from_numpy(np.load(folder / "channels.npy"))
    for number, mirrored in enumerate((False, True)):
        predictor = nnUNetPredictor(
            tile_step_size=0.5,
            use_gaussian=True,
            use_mirroring=mirrored,
            perform_everything_on_device=False,
            device=torch.device("cpu"),
            allow_tqdm=False,
        )
        predictor.network = torch.jit.load(str(folder / "network.pt"))
        predictor.configuration_manager = SimpleNamespace(patch_size=[window] * 3)
        predictor.label_manager = SimpleNamespace(num_segmentation_heads=1)
        predictor.allowed_mirroring_axes = (0, 1, 2)
        before = time.process_time(), time.perf_counter()
        logits = predictor.predict_sliding_window_return_logits(channels)
        content = {
            "name": f"nnU-Net's predictor{', mirrored' if mirrored else ''}",
            "cpu_s": time.process_time() - before[0],
            "wall_s": time.perf_counter() - before[1],
        }
        np.save(folder / f"row-{number}.npy", torch.sigmoid(logits.float())[0].numpy())
        (folder / f"row-{number}.json").write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
