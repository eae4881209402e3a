"""Whose examination a scan is of, as far as Slicer's subject hierarchy, names and folders tell.

Two scans of different patients must not be compared by mistake. What tells nothing about a patient, such as names of
sequences, sessions and dates, is left out of names before they are compared.
"""

import re
from dataclasses import dataclass

_PATIENT = re.compile(
    r"(?<![a-z])(?:sub-(?P<bids>[a-z0-9]+)"
    r"|(?:sub|subj|subject|pat|patient|pt|case|id)[-_ ]?(?P<number>[a-z]?\d+|[a-z])(?![a-z0-9])"
    r"|p[-_ ]?(?P<short>\d{2,})(?!\d))",
    re.I,
)
_ENTITY = re.compile(
    r"(?<![a-z])(?:ses|run|acq|ce|rec|dir|echo|part|chunk|space|desc|res|label|inv|task|mod)-[a-z0-9]+", re.I
)
_SERIES = re.compile(r"^\s*\d+: ")  # before the names of scans that Slicer loaded from DICOM
_DATE = re.compile(
    r"(?<!\d)((?:19|20)\d{2})[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?:\d{4,6})?(?!\d)"
)
_SHORT_DATE = re.compile(r"\d\d(?:0[1-9]|1[0-2])\d\d")  # YYMMDD or DDMMYY
_IDENTIFIER = re.compile(r"\d{5,}|(?!19|20)\d{2}[1-9]\d")  # other numbers count series, sessions or copies
_WORD = re.compile(r"[^\W_]+")
_SAYS_NOTHING = frozenset(
    _WORD.findall(
        """
        ax axial tra trans transverse transversal sag sagittal cor coronal obl oblique d iso isotropic mpr
        reformat dis nd t w tw pd pdw dw flair tirm stir dark fluid darkfluid da fl spc space cube vista
        brainview ir irprep tse fse ffe tfe gre se spgr mprage mp rage bravo vibe blade propeller swi dwi
        adc fs fatsat fat sat spair spir dixon water sense grappa cs p te tr ti echo mag magnitude phase
        real imag norm filt filtered fast long short high hi low hires highres lowres res resolution hr mm x
        v n b c ce wgd wo with without no non pre post gad gd gado gadolinium km kmg mit ohne nach vor nativ
        native contrast kontrast enhanced unenhanced before after plus ses session tp time timepoint visit
        study scan scans series serie exam examination img image images vol volume acq run rec copy kopie
        date day week month year monat jahr m y mo yr wk one two three four first second third last next
        base baseline bl follow followup fu up later earlier prior previous initial current new old early
        late neuro head brain skull kopf schaedel cerebrum ms routine protocol mr mri mrt siemens philips ge
        toshiba canon tesla anat nii nifti gz dicom dcm nrrd raw rawdata sourcedata derivatives bids data
        dataset download downloads desktop documents home user users tmp temp export exports output outputs
        result results work media mnt public test tests orig original corr corrected bias stripped bet
        skullstripped masked registered reg coreg coregistered resampled aligned warped defaced clean final
        manual auto mask seg segmentation lesion lesions label prob probability map subtraction patient
        patients pat pats subject subjects sub subj pt case cases id jan feb mar apr may jun jul aug sep oct
        nov dec
        """
    )
)


@dataclass(frozen=True)
class Origin:
    """What is known of where a scan comes from.

    Attributes:
        name: of the scan.
        patient: its patient in the subject hierarchy, as people read it.
        patientId: the ID of that patient.
        date: of its study, YYYYMMDD.
        folders: that its file lies in, the outermost first.
    """

    name: str
    patient: str = ""
    patientId: str = ""
    date: str = ""
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Label:
    """What names a patient by its kind, such as sub-01: as it stands there, and without kind and zeros in front."""

    text: str
    value: str


def patientsApart(one: Origin, other: Origin) -> tuple[str, str] | None:
    """The two patients, as people read them, if the scans are of different ones; None if nothing tells so."""
    if one.patient and other.patient and not _samePerson(one, other):
        return _title(one), _title(other)
    labels = _label(one), _label(other)
    if all(labels):
        return (labels[0].text, labels[1].text) if labels[0].value != labels[1].value else None
    if one.patient and other.patient:
        return None
    words = _words(one, other), _words(other, one)
    told = words[0] - words[1], words[1] - words[0]
    if not all(told) or all(_SHORT_DATE.fullmatch(word) for word in told[0] | told[1]):
        return None
    return " ".join(sorted(words[0])), " ".join(sorted(words[1]))


def surelyTogether(one: Origin, other: Origin) -> bool:
    """Whether something tells that two scans are of the same patient, and nothing that they are not."""
    if patientsApart(one, other) is not None:
        return False
    if one.patient and other.patient:
        return True
    if one.patient or other.patient:
        return False
    if _label(one) and _label(other):
        return True
    words = _words(one, other), _words(other, one)
    if any(words):
        return bool(words[0] & words[1])
    return bool(one.folders) and one.folders == other.folders


def mayBelongTogether(one: Origin, other: Origin) -> bool:
    """Whether two scans may be proposed together: a patient of the hierarchy keeps to himself."""
    return bool(one.patient) == bool(other.patient) and patientsApart(one, other) is None


def dateOf(origin: Origin) -> str:
    """When a scan was made, YYYYMMDD: by its study, or else by its name or folder; empty if unknown."""
    if origin.date:
        return origin.date
    for text in (origin.name, *reversed(origin.folders[-2:])):
        found = _DATE.search(text)
        if found:
            return "".join(found.groups())
    return ""


def _samePerson(one: Origin, other: Origin) -> bool:
    if one.patientId and other.patientId:
        return one.patientId == other.patientId
    return one.patient.lower() == other.patient.lower()


def _title(origin: Origin) -> str:
    if origin.patientId and origin.patientId not in origin.patient:
        return f"{origin.patient} ({origin.patientId})"
    return origin.patient


def _label(origin: Origin) -> _Label | None:
    """The label in the name of a scan, or else in its nearest folder that has one."""
    for text in (origin.name, *reversed(origin.folders)):
        found = _PATIENT.search(text)
        if found:
            return _Label(found[0], found[found.lastgroup].lower().lstrip("0"))
    return None


def _words(origin: Origin, other: Origin) -> set[str]:
    """What may name a patient in the name of a scan, and in the folders that it does not share with the other."""
    shared = 0
    for mine, others in zip(origin.folders, other.folders, strict=False):
        if mine != others:
            break
        shared += 1
    own = origin.folders[shared:] if other.folders else ()
    texts = [_SERIES.sub("", origin.name), *own]
    return {word for text in texts for word in _telling(text)}


def _telling(text: str) -> list[str]:
    text = _DATE.sub(" ", _ENTITY.sub(" ", text.lower()))
    telling = []
    for word in _WORD.findall(text):
        letters = word.strip("0123456789")
        if not letters:
            if _IDENTIFIER.fullmatch(word):
                telling.append(word)
        elif len(letters) > 1 and letters not in _SAYS_NOTHING:
            telling.append(word if len(word) > len(letters) + 1 else letters)
    return telling
