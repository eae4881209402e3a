"""What every study runs on: cells, their executor, the record, the cases and the networks inside a cell."""
