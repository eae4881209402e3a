"""The lesion table as a Structured Report: Measurement Report, TID 1500 (DICOM PS3.16)."""

from __future__ import annotations

from typing import Any

import highdicom
from highdicom import sr
from pydicom.sr.codedict import codes

from MSLesionSegLib import __version__
from MSLesionSegLib.dicom.exported import ExportedLesion, ExportedResult, totals_by_state
from MSLesionSegLib.dicom.making import MAKER, origin
from MSLesionSegLib.dicom.terms import (
    ABNORMAL,
    NOT_REVIEWED,
    REVIEW,
    REVIEWED,
    STATE,
    lesion_type,
    region_codes,
    state_code,
)
from MSLesionSegLib.dicom.tracking import derived_uid

_SERIES_NUMBER = 9003


def structured_report(
    result: ExportedResult, segmentation: highdicom.seg.Segmentation | None
) -> sr.Comprehensive3DSR:
    """Volume, longest axis, finding site and state of each lesion, and totals.

    ``segmentation``: of the same lesions, to which each measurement refers; None where there are none.
    """
    groups: list[Any] = [_total(result, "All lesions", None, result.lesions)]
    present = totals_by_state((*result.lesions, *result.gone))
    if len(result.task.states) > 1:
        for state in (state for state in result.task.states if state in present):
            part = [each for each in (*result.lesions, *result.gone) if each.state == state]
            groups.append(_total(result, f"Lesions, {state}", state, part))
    if segmentation is not None:
        groups += [
            _lesion(result, segmentation, number, each) for number, each in enumerate(result.lesions, start=1)
        ]
    groups += [_gone(result, each) for each in result.gone]
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_device(result)),
        procedure_reported=codes.LN.MRIHeadReport,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    evidence = [*result.series.images, *([] if segmentation is None else [segmentation])]
    return sr.Comprehensive3DSR(
        evidence=evidence,
        content=report[0],
        is_complete=True,
        **origin(_SERIES_NUMBER, "MS lesion measurements"),
    )


def _lesion(
    result: ExportedResult, segmentation: highdicom.seg.Segmentation, number: int, each: ExportedLesion
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    measured = [
        _volume(each.lesion.volume_mm3),
        sr.Measurement(codes.SCT.LongAxis, round(each.lesion.longest_axis_mm, 2), codes.UCUM.Millimeter),
    ]
    if each.lesion.mean_probability is not None:
        mean = round(each.lesion.mean_probability, 3)
        measured.append(
            sr.Measurement(codes.DCM.Probability, mean, codes.UCUM.NoUnits, derivation=codes.SCT.Mean)
        )
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=sr.ReferencedSegment.from_segmentation(segmentation, number),
        measurements=measured,
        **_about(result, each),
    )


def _gone(result: ExportedResult, each: ExportedLesion) -> sr.MeasurementsAndQualitativeEvaluations:
    """A lesion that has no voxels, and so no segment, any more."""
    return sr.MeasurementsAndQualitativeEvaluations(
        measurements=[_volume(each.lesion.volume_mm3)], **_about(result, each)
    )


def _about(result: ExportedResult, each: ExportedLesion) -> dict[str, Any]:
    """Arguments that say which lesion it is, where it lies and what became of it."""
    place, modifier = region_codes(each.lesion.region)
    return {
        "tracking_identifier": sr.TrackingIdentifier(each.tracking.uid, each.tracking.identifier),
        "finding_type": lesion_type(result.task.name),
        "finding_category": ABNORMAL,
        "algorithm_id": _algorithm(result),
        "finding_sites": [sr.FindingSite(place, topographical_modifier=modifier)],
        "qualitative_evaluations": [_state(each.state), _review(result)],
    }


def _total(
    result: ExportedResult,
    name: str,
    state: str | None,
    lesions: list[ExportedLesion] | tuple[ExportedLesion, ...],
) -> sr.MeasurementsAndQualitativeEvaluations:
    """Number and volume of some lesions together."""
    uid = derived_uid("total", result.series.header.SeriesInstanceUID, result.task.name, name)
    volume = sum(each.lesion.volume_mm3 for each in lesions)
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid, name),
        finding_type=lesion_type(result.task.name),
        finding_category=ABNORMAL,
        algorithm_id=_algorithm(result),
        finding_sites=[sr.FindingSite(codes.SCT.Brain)],
        measurements=[
            sr.Measurement(codes.SCT.NumberOfLesions, len(lesions), codes.UCUM.NoUnits),
            _volume(volume),
        ],
        qualitative_evaluations=[*([_state(state)] if state else []), _review(result)],
    )


def _volume(mm3: float) -> sr.Measurement:
    return sr.Measurement(codes.SCT.Volume, round(mm3, 2), codes.UCUM.CubicMillimeter)


def _state(state: str) -> sr.QualitativeEvaluation:
    return sr.QualitativeEvaluation(STATE, state_code(state))


def _review(result: ExportedResult) -> sr.QualitativeEvaluation:
    return sr.QualitativeEvaluation(REVIEW, REVIEWED if result.reviewed else NOT_REVIEWED)


def _device(result: ExportedResult) -> sr.ObserverContext:
    uid = derived_uid("device", result.model["weights_sha256"], __version__)
    device = sr.DeviceObserverIdentifyingAttributes(
        uid, name=f"{MAKER} {__version__}", manufacturer_name=MAKER, model_name=result.model["name"]
    )
    return sr.ObserverContext(codes.DCM.Device, device)


def _algorithm(result: ExportedResult) -> sr.AlgorithmIdentification:
    return sr.AlgorithmIdentification(
        name=f"{MAKER} {result.model['name']}",
        version=__version__,
        parameters=result.settings,
        family=codes.DCM.ArtificialIntelligence,
    )
