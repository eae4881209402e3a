"""What a series is, told from headers as the scanners of several makers write them."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from MSLesionSegLib.imaging.dicom.role import role_of

AFTER = "ce-gadolinium_T1w"
SHORT = {
    "TR": "RepetitionTime",
    "TE": "EchoTime",
    "TI": "InversionTime",
    "agent": "ContrastBolusAgent",
    "protocol": "ProtocolName",
    "sequence": "SequenceName",
    "maker": "Manufacturer",
    "kind": "ImageType",
    "b": "DiffusionBValue",
    "modality": "Modality",
    "place": "ImagePositionPatient",
}
# description, what else the header tells, what the series is
SERIES: list[tuple[str, dict[str, Any], str]] = [
    # settings alone, and names alone
    ("", {"TR": 9000, "TE": 120, "TI": 2500}, "FLAIR"),
    ("", {"TR": 4800, "TE": 320, "TI": 1650}, "FLAIR"),
    ("", {"TR": 2300, "TE": 2.9, "TI": 900}, "T1w"),
    ("", {"TR": 500, "TE": 12}, "T1w"),
    ("", {"TR": 500, "TE": 12, "agent": "Dotarem"}, AFTER),
    ("", {"TR": 4000, "TE": 100}, "other"),
    ("", {"TR": 4000, "TE": 60, "TI": 150}, "other"),
    ("", {}, "other"),
    ("t2_tirm_tra_dark-fluid", {}, "FLAIR"),
    ("sT2W_FLAIR", {}, "FLAIR"),
    ("t2_spc_da_fl_sag", {}, "FLAIR"),
    ("sT1W_3D_TFE", {}, "T1w"),
    ("T1 MPRAGE post Gd", {}, AFTER),
    # Siemens
    ("t2_spc_da-fl_sag_p2_iso", {"TR": 5000, "TE": 395, "TI": 1800, "sequence": "*spcir_278ns"}, "FLAIR"),
    ("t2_tirm_tra_dark-fluid", {"TR": 9000, "TE": 86, "TI": 2500, "sequence": "*tir2d1_16"}, "FLAIR"),
    ("t2_tirm_cor", {"TR": 4500, "TE": 72, "TI": 160, "sequence": "*tir2d1_11"}, "other"),  # a STIR
    ("t1_mprage_sag_p2_iso", {"TR": 2300, "TE": 2.98, "TI": 900, "sequence": "*tfl3d1_16ns"}, "T1w"),
    ("t1_mprage_sag +KM", {"TR": 2300, "TE": 2.98, "TI": 900, "sequence": "*tfl3d1_16ns"}, AFTER),
    ("t1_spc_sag_p2_iso", {"TR": 600, "TE": 11, "sequence": "*spc_78ns"}, "T1w"),
    ("t1_spc_fs_sag_KM", {"TR": 600, "TE": 11, "sequence": "*spc_78ns"}, AFTER),
    ("t1_se_tra", {"TR": 550, "TE": 14, "sequence": "*se2d1"}, "T1w"),
    ("t1_mp2rage_sag_INV2", {"TR": 5000, "TE": 2.98, "TI": 2500, "sequence": "*tfl3d1_16ns"}, "other"),
    ("t2_spc_dir_sag_p2_iso", {"TR": 7500, "TE": 318, "TI": 3000, "sequence": "*spcir_150ns"}, "other"),
    ("t2_spc_sag_p2_iso", {"TR": 3200, "TE": 408, "sequence": "*spc_282ns"}, "other"),
    ("pd+t2_tse_tra", {"TR": 3000, "TE": 11, "sequence": "*tse2d2_5"}, "other"),
    ("t2_fl2d_tra_hemo", {"TR": 620, "TE": 20, "sequence": "*fl2d1"}, "other"),
    ("SWI_Images", {"TR": 28, "TE": 20, "sequence": "*swi3d1r"}, "other"),
    ("Pha_Images", {"TR": 28, "TE": 20, "kind": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "other"),
    ("ep2d_diff_b1000", {"TR": 6000, "TE": 90, "b": 1000.0}, "other"),
    ("ep2d_diff_3scan_trace_ADC", {"TE": 90, "kind": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}, "derived"),
    ("ep2d_diff_TRACEW", {"TE": 90, "kind": ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"]}, "derived"),
    ("gre_field_mapping", {"TR": 400, "TE": 4.92, "sequence": "*fm2d2r"}, "other"),
    ("TOF_3D_multi-slab", {"TR": 21, "TE": 3.4, "sequence": "*fi3d1r"}, "other"),
    ("localizer", {"TR": 8.6, "TE": 4, "sequence": "*fl2d1"}, "localizer"),
    ("AAHead_Scout_64ch-head-coil", {"TR": 3.2, "TE": 1.4, "sequence": "*fl3d1"}, "localizer"),
    ("AAHScout_32ch", {"TR": 3.2, "TE": 1.4, "sequence": "*fl3d1"}, "localizer"),
    (
        "t2_spc_da-fl_MPR_Tra",
        {"TR": 5000, "TE": 395, "TI": 1800, "kind": ["DERIVED", "SECONDARY", "MPR", "CSA MPR"]},
        "derived",
    ),
    ("t1_se_tra_SUB", {"TR": 550, "TE": 14, "kind": ["DERIVED", "PRIMARY", "M", "SUB"]}, "derived"),
    ("t1_se_tra_SUB", {"TR": 550, "TE": 14, "kind": ["DERIVED", "PRIMARY", "M", "ND"]}, "derived"),
    ("t1_vibe_dixon_F", {"TR": 7, "TE": 2.5, "kind": ["DERIVED", "PRIMARY", "DIXON", "FAT"]}, "derived"),
    # Philips
    (
        "3D Brain VIEW FLAIR SHC",
        {"TR": 4800, "TE": 340, "TI": 1660, "kind": ["ORIGINAL", "PRIMARY", "M_IR", "M", "IR"]},
        "FLAIR",
    ),
    ("T2W_FLAIR", {"TR": 11000, "TE": 125, "TI": 2800}, "FLAIR"),
    ("T2W_FLAIR_longTR", {"TR": 11000, "TE": 125}, "FLAIR"),
    ("sT1W_3D_TFE", {"TR": 8.2, "TE": 3.8}, "T1w"),
    ("sT1W_3D_TFE+C", {"TR": 8.2, "TE": 3.8}, AFTER),
    ("T1W_IR_TSE", {"TR": 2100, "TE": 18, "TI": 800}, "T1w"),
    ("sDIR_3D", {"TR": 5500, "TE": 252, "TI": 2550}, "other"),
    ("T2W_FFE", {"TR": 700, "TE": 16}, "other"),
    ("SWIp", {"TR": 31, "TE": 7.2}, "other"),
    ("s3DI_MC_HR", {"TR": 23, "TE": 3.5}, "other"),
    ("sPCA", {"TR": 15, "TE": 6}, "other"),
    ("dADC", {"TE": 90, "kind": ["DERIVED", "PRIMARY", "ADC", "ADC"]}, "derived"),
    ("SmartBrain", {"TR": 5.6, "TE": 2.3}, "localizer"),
    ("MST CoilSurvey", {"TR": 5.6, "TE": 2.3}, "localizer"),
    # GE, whose protocol is that of the whole examination
    (
        "Sag CUBE T2 FLAIR",
        {"TR": 6500, "TE": 125, "TI": 1900, "maker": "GE MEDICAL SYSTEMS", "protocol": "MS W/WO CONTRAST"},
        "FLAIR",
    ),
    ("Ax T2 FLAIR FS PROPELLER", {"TR": 8500, "TE": 120, "TI": 2200, "maker": "GE MEDICAL SYSTEMS"}, "FLAIR"),
    ("Ax FLAIR +C", {"TR": 8500, "TE": 120, "TI": 2200, "agent": "Gadavist"}, "FLAIR"),
    (
        "Ax FSPGR BRAVO",
        {
            "TR": 8.2,
            "TE": 3.2,
            "TI": 450,
            "maker": "GE MEDICAL SYSTEMS",
            "protocol": "MS BRAIN WITH CONTRAST MRA",
        },
        "T1w",
    ),
    ("SAG 3D T1 BRAVO +C", {"TR": 8.2, "TE": 3.2, "TI": 450}, AFTER),
    ("Sag T1 FLAIR", {"TR": 2000, "TE": 24, "TI": 800}, "T1w"),
    ("AX T1 C+", {"TR": 500, "TE": 12}, AFTER),
    ("Ax T2 GRE", {"TR": 600, "TE": 20}, "other"),
    ("Ax SWAN", {"TR": 40, "TE": 24}, "other"),
    ("Sag Double Inversion CUBE", {"TR": 6500, "TE": 90, "TI": 2900}, "other"),
    ("Sag STIR", {"TR": 4000, "TE": 45, "TI": 160}, "other"),
    ("ASSET calibration", {"TR": 150, "TE": 2.1}, "other"),
    ("3D ASL", {"TR": 4800, "TE": 10.5, "TI": 2025}, "other"),
    ("3Plane Loc SSFSE", {"TR": 1200, "TE": 90}, "localizer"),
    ("Cor reformat", {"TE": 125, "kind": ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"]}, "derived"),
    ("Screen Save", {"kind": ["DERIVED", "SECONDARY", "SCREEN SAVE"], "place": None}, "derived"),
    ("Screen Save", {"kind": ["OTHER"], "place": None}, "other"),
    # before or after contrast, by what people write
    ("T1 pre", {"TR": 500, "TE": 12, "agent": "Dotarem"}, "T1w"),
    ("t1_se", {"TR": 500, "TE": 12, "agent": "NONE"}, "T1w"),
    ("t1_se", {"TR": 500, "TE": 12, "agent": "N/A"}, "T1w"),
    ("T1 non-contrast", {"TR": 500, "TE": 12}, "T1w"),
    ("T1 noncontrast", {"TR": 500, "TE": 12}, "T1w"),
    ("T1 precontrast", {"TR": 500, "TE": 12}, "T1w"),
    ("T1 w/o contrast", {"TR": 500, "TE": 12}, "T1w"),
    ("T1 SE ohne KM", {"TR": 500, "TE": 12}, "T1w"),
    ("T1 sans injection", {"TR": 500, "TE": 12}, "T1w"),
    ("T1 senza mdc", {"TR": 500, "TE": 12}, "T1w"),
    ("T1 posterior fossa", {"TR": 500, "TE": 12}, "T1w"),
    ("T1 SE tra KM", {"TR": 500, "TE": 12}, AFTER),
    ("T1 POSTCONTRAST", {"TR": 500, "TE": 12}, AFTER),
    ("T1 postgad", {"TR": 500, "TE": 12}, AFTER),
    ("T1 Gadavist", {"TR": 500, "TE": 12}, AFTER),
    ("T1 apres injection", {"TR": 500, "TE": 12}, AFTER),
    ("T1 dopo mdc", {"TR": 500, "TE": 12}, AFTER),
    ("T1 con contraste", {"TR": 500, "TE": 12}, AFTER),
    # no MR
    ("FLAIR", {"modality": "CT"}, "other"),
    ("FLAIR lesions", {"modality": "SEG"}, "other"),
    ("FLAIR", {"modality": "OT", "place": None}, "other"),
]


def header(description: str, told: dict[str, Any]) -> Dataset:
    item = Dataset()
    item.Modality, item.ImagePositionPatient, item.SeriesDescription = "MR", [0, 0, 0], description
    item.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    for short, value in told.items():
        setattr(item, SHORT[short], value)
    return item


@pytest.mark.parametrize(("description", "told", "role"), SERIES, ids=lambda value: str(value)[:40])
def test_a_series_is_known_by_its_settings_and_then_by_its_name(description, told, role) -> None:
    found = role_of(header(description, told))
    assert found.role == role, found
    assert found.reason


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_reasons_repeat_nothing_of_the_headers_text() -> None:
    for agent in ("Gadovist for Mr Secret", ""):
        item = header("t1 km Mr Secret", {"TR": 500, "TE": 12, "agent": agent})
        assert "ecret" not in role_of(item).reason
    item.Modality = "SECRET^NAME"
    assert role_of(item).reason == "modality unknown"
