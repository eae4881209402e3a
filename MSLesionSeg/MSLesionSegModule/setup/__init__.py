"""What is installed, tidied up and offered when Slicer starts."""
