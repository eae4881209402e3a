"""Results written back as DICOM to the study they belong to: segmentation, structured report, page, registration."""
