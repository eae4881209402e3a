"""How the model for enhancing lesions is made: first tumours' rims and metastasis-like foci, then MS-like ones.

No masks of enhancing MS lesions exist in the open, so all MS-like foci are synthetic, put on the fly into T1 pairs of
tumour patients (away from the tumour) and into T1 scans with synthetic vessels. The vessels, sinuses, dura and plexus
are what the model learns to leave alone.
"""

from __future__ import annotations

from pathlib import Path

from model_development.default_models import Stage, described_stage, train_and_store
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.patches.enhancing_pairs import enhancing_insertion
from MSLesionSegLib.training.patches.patches import PatchSource

ARCHITECTURE = Architecture(feature_maps=16, full_resolution_divisor=2, in_channels=2)
CHANNELS = ("T1 before gadolinium", "T1 after gadolinium")
FIRST_PARENT = "flair-base"
FIRST_GAINS = (-1.0, 1.0)
_BASE = TrainingRecipe(
    steps=250,
    patch=48,  # the foci are small; the time is better spent on more patches
    lesion_share=0.4,
    focus_share=0.4,
    insertion=0.9,
    other_pathology=1.0,
    thick_slices=0.2,
    intensity=0.7,
    geometry=0.8,
)
_MADE_UP = {"made-up-ms3seg": 0.5, "made-up-openms_long": 0.5}

STAGES: dict[str, Stage] = {
    "enhancing-base": Stage(FIRST_PARENT, _BASE, {"pairs-tumour": 3.0, **_MADE_UP}),
    # the open MS pairs are left out for good: the model that ships is the very one that is measured on them
    "enhancing-ms": Stage(
        "enhancing-base",
        _BASE.but(steps=2500, other_pathology=0.1, lesion_share=0.1),
        {"pairs-brats": 4.0, "pairs-tumour": 0.5, **_MADE_UP},
    ),
}


def train_stage(name: str, data: Path, work: Path, progress: Progress) -> Path:
    """Train one stage and store it as a model below ``work/models``; a finished stage is not trained again.

    Raises:
        SettingsError: its parent is not trained yet, or a model of its name was made from other cases, another recipe
            or another parent.
    """
    stage, examples, card = described_stage(
        STAGES, name, work, task="enhancing", architecture=ARCHITECTURE, channels=CHANNELS
    )
    source = PatchSource(examples, stage.recipe, insert=enhancing_insertion(stage.recipe.other_pathology))
    gains = FIRST_GAINS if stage.parent == FIRST_PARENT else ()
    return train_and_store(card, stage.recipe, source, work, progress, gains)
