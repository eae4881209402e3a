"""Talking to archives of images: DIMSE and DICOMweb, with named nodes from a file."""
