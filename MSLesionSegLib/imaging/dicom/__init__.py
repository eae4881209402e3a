"""Reading a folder with one DICOM series, as it comes from the scanner or the archive."""

from MSLesionSegLib.imaging.dicom.series import (
    acquisition_date,
    open_dicom,
    series_files,
    series_sha256,
    series_values,
)

__all__ = ["acquisition_date", "open_dicom", "series_files", "series_sha256", "series_values"]
