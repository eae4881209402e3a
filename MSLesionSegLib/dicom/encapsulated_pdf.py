"""The page of a result as an Encapsulated PDF (DICOM PS3.3, A.45.1)."""

from __future__ import annotations

import highdicom
from pydicom import Dataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from MSLesionSegLib.dicom.making import RESEARCH, origin
from MSLesionSegLib.dicom.source_series import SourceSeries, patient_and_study, references

_SERIES_NUMBER = 9004


class EncapsulatedPDF(highdicom.SOPClass):
    """A PDF file as an object of a study.

    Args:
        pdf: content of the file.
        series: that it tells about; patient and study are those of its header.
    """

    def __init__(self, pdf: bytes, series: SourceSeries) -> None:
        header = series.header
        super().__init__(
            sop_class_uid=EncapsulatedPDFStorage,
            modality="DOC",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            **patient_and_study(header),
            **origin(_SERIES_NUMBER, "MS lesion report"),
        )
        self.copy_patient_and_study_information(header)
        self.ConversionType = "WSD"
        self.BurnedInAnnotation = "YES"
        self.AcquisitionDateTime = ""
        self.DocumentTitle = f"MS lesions. {RESEARCH}."
        self.ConceptNameCodeSequence: list[Dataset] = []
        self.MIMETypeOfEncapsulatedDocument = "application/pdf"
        self.SourceInstanceSequence = references(series)
        self.EncapsulatedDocumentLength = len(pdf)
        self.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
