"""Parts of Qt that several parts of the panel use."""
