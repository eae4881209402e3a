"""Models on disk: weights and card, checked, archived, in use, and as a tree."""
