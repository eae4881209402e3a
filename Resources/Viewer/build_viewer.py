"""Makes the shipped NiiVue: python Resources/Viewer/build_viewer.py (needs npm)

What the page's viewer uses of NiiVue and of the libraries that it builds on, as one small script. Zarr, which it also
reads, is left out: that brings codecs twice as large as all the rest.
"""

from __future__ import annotations

import gzip
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE / "niivue.js.gz"
PACKAGES = (
    "@niivue/niivue@0.69.0",
    "@lukeed/csprng@1.1.0",
    "@lukeed/uuid@2.0.1",
    "@ungap/structured-clone@1.4.0",
    "array-equal@1.0.2",
    "fflate@0.8.3",
    "gl-matrix@3.4.4",
    "nifti-reader-js@0.8.0",
    "esbuild@0.25.12",
)
ENTRY = 'export { Niivue, NVImage, SHOW_RENDER } from "@niivue/niivue"\n'
NO_ZARR = (
    "export const FetchStore = null, open = null, get = null, root = null, slice = null, registry = null\n"
)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        (work / "package.json").write_text("{}")
        (work / "entry.js").write_text(ENTRY)
        (work / "zarr.js").write_text(NO_ZARR)
        subprocess.run(["npm", "install", "--silent", *PACKAGES], cwd=work, check=True)
        bundle = [
            "--bundle",
            "--minify",
            "--format=iife",
            "--global-name=niivue",
            "--alias:zarrita=./zarr.js",
        ]
        subprocess.run(["npx", "esbuild", "entry.js", *bundle, "--outfile=niivue.js"], cwd=work, check=True)
        licences = (HERE / "LICENSE.txt").read_bytes()
        script = b"/*!\n" + licences + b"*/\n" + (work / "niivue.js").read_bytes()
    TARGET.write_bytes(gzip.compress(script, 9, mtime=0))
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
