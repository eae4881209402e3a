"""The parts of the Slicer module: scene work and panel sections, one noun per file. See MSLesionSeg.py."""
