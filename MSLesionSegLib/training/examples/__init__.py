"""Prepared examples on the network's grid: from cases, datasets, scans without masks and earlier hospitals."""
