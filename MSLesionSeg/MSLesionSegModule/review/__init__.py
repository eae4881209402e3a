"""The panel's review: lesion table, decisions, keys and what is painted by hand."""
