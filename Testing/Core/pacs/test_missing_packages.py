"""Without the packages of the network a command says which one is missing, and the others work."""

from __future__ import annotations

import subprocess
import sys

import pytest

CONFIG = """
[dimse]
aet = PACS
host = 127.0.0.1
[web]
url = http://127.0.0.1/dicom-web
[node]
callers = PACS
archive = web
folder = queue
"""


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["pacs", "echo", "dimse"], "pynetdicom"),
        (["pacs", "echo", "web"], "dicomweb_client"),
        (["node"], "dicomweb_client"),
    ],
)
def test_a_missing_package_is_named(write_config, arguments, missing):
    code = (
        f"import sys\nsys.modules[{missing!r}] = None\n"
        f"from MSLesionSegLib.cli import app\napp({[*arguments, '--config', str(write_config(CONFIG))]!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"needs the package '{missing}" in done.stderr and "pip install 'mslesionseg[pacs]'" in done.stderr
