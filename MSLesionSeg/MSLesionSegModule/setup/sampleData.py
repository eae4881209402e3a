"""Data to try the module with: a synthetic patient that is made on this computer, and open scans of real patients."""

import slicer
from slicer.i18n import tr as _

from ..storage.background import waitFor
from .packages import coreImportable

_CATEGORY = "MS Lesion Segmentation"
_OPEN_MS = (
    "https://raw.githubusercontent.com/muschellij2/open_ms_data/65704901f60650824565aa5a4818611aa89716f4"
)
_SYNTHETIC = "synthetic_FLAIR"
_SEED = 7
_LESIONS = 14


def register() -> None:
    """Offer the data in Slicer's Sample Data module.

    The real patients are of Lesjak et al. (Neuroinformatics 2016 and 2017), CC BY.
    """
    import SampleData

    offer = SampleData.SampleDataLogic
    offer.registerCustomSampleDataCategory(_CATEGORY, title=_("MS Lesion Segmentation"))
    offer.registerCustomSampleDataSource(
        category=_CATEGORY,
        sampleName="MSSyntheticPatient",
        uris="",  # nothing is downloaded, but Slicer asks for one of each
        fileNames="",
        nodeNames=_SYNTHETIC,
        customDownloader=_download,
    )
    offer.registerCustomSampleDataSource(
        category=_CATEGORY,
        sampleName="MSCrossSectional",
        uris=f"{_OPEN_MS}/cross_sectional/MNI/patient07/"
        "FLAIR_N4_noneck_reduced_winsor_regtoFLAIR_brain_N4_regtoMNI.nii.gz",
        fileNames="open_ms_cross_07_FLAIR.nii.gz",
        nodeNames="open_ms_cross_07_FLAIR",
        checksums="SHA256:2f884f00d4e9cbca061a5fd2f988547df312d86194b331f4ca511cf852f775db",
    )
    offer.registerCustomSampleDataSource(
        category=_CATEGORY,
        sampleName="MSBaselineAndFollowup",
        uris=[f"{_OPEN_MS}/longitudinal/raw/patient01/study{n}_FLAIR.nii.gz" for n in (1, 2)],
        fileNames=["open_ms_long_01_baseline_FLAIR.nii.gz", "open_ms_long_01_followup_FLAIR.nii.gz"],
        nodeNames=["open_ms_long_01_baseline_FLAIR", "open_ms_long_01_followup_FLAIR"],
        checksums=[
            "SHA256:3a2ab438704776ad75b67cd8609740a14782cc590b26fc695dff4216ad67d231",
            "SHA256:d3bb8754526f291e787f522520af7011d5bcfadd121f7d1e8cad16e4daf70f27",
        ],
    )


def _download(_source):
    return addSyntheticPatient()


def addSyntheticPatient():
    """Make the synthetic patient's FLAIR and add it to the scene; returns the volume node.

    Returns None, after a word to the person, as long as the packages of the core are not installed.
    """
    if not coreImportable():
        slicer.util.errorDisplay(
            _("Open the module MS Lesion Segmentation first and install its packages there.")
        )
        return None
    from MSLesionSegLib.synthesis.patient import synthetic_patient

    from ..scene import volumes

    patient = waitFor(lambda: synthetic_patient(_SEED, lesions=_LESIONS))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", _SYNTHETIC)
    volumes.fill(node, patient.flair.get_fdata(dtype="float32"), patient.flair.affine)
    node.CreateDefaultDisplayNodes()
    if slicer.app.layoutManager() is not None:
        slicer.util.setSliceViewerLayers(background=node)
        slicer.app.layoutManager().resetSliceViews()
    return node
