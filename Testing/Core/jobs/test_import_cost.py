"""Starting is cheap, and the core stands on its own feet."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "monai", "slicer", "qt", "vtk", "ants", "SimpleITK", "skimage", "matplotlib", "nilearn")


@pytest.mark.parametrize("module", ["MSLesionSegLib", "MSLesionSegLib.cli", "MSLesionSegLib.jobs.job"])
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_help_is_shown_without_loading_torch():
    code = (
        "import sys\nfrom MSLesionSegLib.cli import app\n"
        "try:\n    app(['segment', 'flair', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_process_of_our_own_builds_a_network_without_packages_for_tables_and_drawings():
    code = (
        "import sys\nfrom MSLesionSegLib.network.architectures import Architecture, build\n"
        "from MSLesionSegLib.jobs.own_process import take_process\ntake_process()\n"
        "build(Architecture(feature_maps=8, levels=3))\n"
        "print(*[m for m in ('matplotlib', 'pandas', 'sklearn', 'scipy.stats') if m in sys.modules])\n"
        "import matplotlib, pandas, scipy.signal, scipy.stats, sklearn.metrics\n"
        "print(scipy.stats.norm.cdf(0), len(pandas.DataFrame({'a': [1, 2]})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["", "0.5 2"]


def test_a_package_that_is_loaded_already_stays_so():
    code = (
        "import sys, pandas\nfrom MSLesionSegLib.network.monai_loading import load_monai\n"
        "from MSLesionSegLib.jobs.own_process import take_process\ntake_process()\n"
        "load_monai()\nprint(sys.modules['pandas'] is pandas)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_in_the_process_of_another_program_monai_keeps_all_it_can_do():
    code = (
        "from MSLesionSegLib.network.architectures import Architecture, build\n"
        "build(Architecture(feature_maps=8, levels=3))\n"
        "import pandas\nfrom monai.data import CSVDataset\n"
        "print(len(CSVDataset(pandas.DataFrame({'a': [1, 2]}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"
