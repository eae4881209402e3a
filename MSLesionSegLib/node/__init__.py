"""A receiving node: studies come in, results go back to the archive."""
