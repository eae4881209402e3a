"""The page and the pictures of a result."""
