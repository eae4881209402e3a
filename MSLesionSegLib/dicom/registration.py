"""Where the baseline lies on the follow-up, as a Spatial Registration (DICOM PS3.3, A.39.1)."""

from __future__ import annotations

import highdicom
import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, SpatialRegistrationStorage

from MSLesionSegLib.dicom.making import RESEARCH, origin
from MSLesionSegLib.dicom.source_series import SourceSeries, patient_and_study, references

_SERIES_NUMBER = 9005


class SpatialRegistration(highdicom.SOPClass):
    """Brings the frame of reference of the baseline into that of the follow-up.

    Args:
        matrix: 4 x 4, from points of the baseline to those of the follow-up, LPS mm; a rigid or affine one.
        baseline, followup: the two series. Patient and study are those of the follow-up.
    """

    def __init__(self, matrix: np.ndarray, baseline: SourceSeries, followup: SourceSeries) -> None:
        header = followup.header
        super().__init__(
            sop_class_uid=SpatialRegistrationStorage,
            modality="REG",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            **patient_and_study(header),
            **origin(_SERIES_NUMBER, "MS baseline onto follow-up"),
        )
        self.copy_patient_and_study_information(header)
        self.FrameOfReferenceUID = header.FrameOfReferenceUID
        self.PositionReferenceIndicator = header.get("PositionReferenceIndicator", "")
        self.Laterality = ""  # a head has none, and checkers ask for it
        self.ContentLabel, self.ContentDescription = "MS_LESIONS", RESEARCH
        self.ContentCreatorName = ""
        self.RegistrationSequence = [_item(followup, np.eye(4)), _item(baseline, matrix)]
        self.ReferencedSeriesSequence = [_series(followup)]
        if baseline.header.StudyInstanceUID == header.StudyInstanceUID:
            self.ReferencedSeriesSequence.append(_series(baseline))
        else:
            study = Dataset()
            study.StudyInstanceUID = baseline.header.StudyInstanceUID
            study.ReferencedSeriesSequence = [_series(baseline)]
            self.StudiesContainingOtherReferencedInstancesSequence = [study]


def _item(series: SourceSeries, matrix: np.ndarray) -> Dataset:
    """How the frame of reference of a series is brought into that of the object."""
    step = Dataset()
    step.FrameOfReferenceTransformationMatrix = [f"{value:.10g}" for value in matrix.ravel()]
    step.FrameOfReferenceTransformationMatrixType = "RIGID" if _is_rigid(matrix) else "AFFINE"
    registration = Dataset()
    registration.MatrixSequence = [step]
    kind = (
        codes.DCM.FrameOfReferenceIdentity
        if np.array_equal(matrix, np.eye(4))
        else codes.DCM.ImageContentBasedAlignment
    )
    registration.RegistrationTypeCodeSequence = [highdicom.sr.CodedConcept.from_code(kind)]
    item = Dataset()
    item.FrameOfReferenceUID = series.header.FrameOfReferenceUID
    item.ReferencedImageSequence = references(series)
    item.MatrixRegistrationSequence = [registration]
    return item


def _is_rigid(matrix: np.ndarray) -> bool:
    turn = matrix[:3, :3]
    return bool(np.allclose(turn @ turn.T, np.eye(3), atol=1e-5))


def _series(series: SourceSeries) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = series.header.SeriesInstanceUID
    item.ReferencedInstanceSequence = references(series)
    return item
