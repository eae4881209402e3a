"""The lesions as a DICOM Segmentation on the frame of reference and grid of the scan (PS3.3, A.51)."""

from __future__ import annotations

import highdicom
import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentationTypeValues, SegmentDescription
from pydicom.sr.codedict import codes

from MSLesionSegLib import __version__
from MSLesionSegLib.dicom.exported import ExportedLesion, ExportedResult
from MSLesionSegLib.dicom.making import MAKER, RESEARCH, origin
from MSLesionSegLib.dicom.terms import ABNORMAL, lesion_type, region_codes

_SERIES_NUMBER, _PROBABILITY_NUMBER = 9001, 9002
_MAPPED_FROM = 0.05  # lower probabilities are left out of the map: they would fill it with empty brain


def lesion_segmentation(result: ExportedResult) -> highdicom.seg.Segmentation:
    """A binary segmentation, one segment per lesion, in the order of their numbers.

    ``result`` must have lesions: a segmentation without segments does not exist.
    """
    numbers = np.zeros(int(result.labels.max()) + 1, np.uint16)
    for segment, each in enumerate(result.lesions, start=1):
        numbers[each.lesion.id] = segment
    return _segmentation(
        result,
        numbers[result.series.planes(result.labels)],
        SegmentationTypeValues.BINARY,
        [_segment(result, n, each) for n, each in enumerate(result.lesions, start=1)],
        origin(_SERIES_NUMBER, "MS lesions"),
    )


def probability_map(result: ExportedResult, probability: np.ndarray) -> highdicom.seg.Segmentation:
    """The network's probability (columns, rows, slices) as a fractional segmentation with one segment."""
    shown = np.where(probability >= _MAPPED_FROM, probability, 0.0).astype(np.float32)
    segment = SegmentDescription(
        segment_number=1,
        segment_label=f"Probability of {result.task.kind or 'MS'} lesions",
        segmented_property_category=ABNORMAL,
        segmented_property_type=lesion_type(result.task.name),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=_algorithm(result),
    )
    return _segmentation(
        result,
        result.series.planes(shown)[..., None],
        SegmentationTypeValues.FRACTIONAL,
        [segment],
        origin(_PROBABILITY_NUMBER, "MS lesion probability"),
    )


def _segmentation(
    result: ExportedResult,
    pixels: np.ndarray,
    kind: SegmentationTypeValues,
    segments: list[SegmentDescription],
    made: dict,
) -> highdicom.seg.Segmentation:
    return highdicom.seg.Segmentation(
        source_images=result.series.images,
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=segments,
        device_serial_number=result.model["weights_sha256"][:16],
        content_label="MS_LESIONS",
        content_description=f"{RESEARCH}. Check every lesion.",
        **made,
    )


def _segment(result: ExportedResult, number: int, each: ExportedLesion) -> SegmentDescription:
    place, modifier = region_codes(each.lesion.region)
    known = (
        SegmentAlgorithmTypeValues.SEMIAUTOMATIC if result.reviewed else SegmentAlgorithmTypeValues.AUTOMATIC
    )
    segment = SegmentDescription(
        segment_number=number,
        segment_label=f"{each.name}, {each.lesion.region}, {each.state}",
        segmented_property_category=ABNORMAL,
        segmented_property_type=lesion_type(result.task.name),
        algorithm_type=known,
        algorithm_identification=_algorithm(result),
        tracking_uid=each.tracking.uid,
        tracking_id=each.tracking.identifier,
        anatomic_regions=[place],
    )
    if modifier is not None:
        segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [
            highdicom.sr.CodedConcept.from_code(modifier)
        ]
    return segment


def _algorithm(result: ExportedResult) -> highdicom.AlgorithmIdentificationSequence:
    return highdicom.AlgorithmIdentificationSequence(
        name=f"{MAKER} {result.model['name']}",
        family=codes.DCM.ArtificialIntelligence,
        version=__version__,
        source=MAKER,
        parameters={str(n): text for n, text in enumerate(result.settings)},
    )
