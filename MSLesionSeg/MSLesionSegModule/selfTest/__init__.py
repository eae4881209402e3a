"""The module tested inside Slicer: the panel without packages, and the whole way where they are installed."""
