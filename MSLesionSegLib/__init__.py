"""MSLesionSeg core: multiple sclerosis lesions on brain MRI, from file to mask, table and report.

Importing this package is cheap: torch, MONAI and SimpleITK load where they are used. For research use only.
"""

from __future__ import annotations

__version__ = "0.1.0"
