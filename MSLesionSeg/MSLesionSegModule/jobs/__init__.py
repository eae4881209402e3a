"""Work of the core that runs beside Slicer."""
