"""The slice views: layout, jumping into a lesion, and the scan that is in focus."""
