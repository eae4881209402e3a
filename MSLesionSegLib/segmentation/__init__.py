"""The tasks from end to end: inputs to mask, table and report."""
