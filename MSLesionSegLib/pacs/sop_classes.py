"""Which objects and encodings are exchanged; docs/dicom.md lists the same."""

from __future__ import annotations

from pydicom import uid
from pynetdicom import sop_class

MR_IMAGES = (
    sop_class.MRImageStorage,
    sop_class.EnhancedMRImageStorage,
    sop_class.LegacyConvertedEnhancedMRImageStorage,
)
# what may lie in a study beside its images: results of this program and of others
OTHER_OBJECTS = (
    sop_class.SegmentationStorage,
    sop_class.ComprehensiveSRStorage,
    sop_class.Comprehensive3DSRStorage,
    sop_class.EnhancedSRStorage,
    sop_class.BasicTextSRStorage,
    sop_class.EncapsulatedPDFStorage,
    sop_class.SecondaryCaptureImageStorage,
    sop_class.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    sop_class.MultiFrameTrueColorSecondaryCaptureImageStorage,
    sop_class.SpatialRegistrationStorage,
    sop_class.DeformableSpatialRegistrationStorage,
    sop_class.ParametricMapStorage,
    sop_class.GrayscaleSoftcopyPresentationStateStorage,
    sop_class.KeyObjectSelectionDocumentStorage,
    sop_class.MRSpectroscopyStorage,
    sop_class.RawDataStorage,
)
UNCOMPRESSED = [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian]
COMPRESSED = [
    uid.JPEGLosslessSV1,
    uid.JPEGLossless,
    uid.JPEGLSLossless,
    uid.JPEGLSNearLossless,
    uid.JPEG2000Lossless,
    uid.JPEG2000,
    uid.RLELossless,
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
]
