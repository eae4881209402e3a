"""What is drawn of a review beside its segments: marks, outlines and surfaces. No scene keeps it."""
