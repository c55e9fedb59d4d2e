"""What of a header's values may be repeated in messages and tables: terms of the standard, and nothing else.

In: a value as a header holds it. Out: the value where it is a term that is known here, else the words "an
unknown value": any attribute may hold a name that somebody typed into it.

Source: PS3.3 C.7.3.1.1.1 (modalities), C.7.6.3.1.2 (photometric interpretation), C.7.6.1.1.1 (patient
orientation), C.8.11.1 (presentation intent), C.11.2 and C.11.4 (VOI and presentation LUT); PS3.6 annex A.
"""

from __future__ import annotations

import re
from collections.abc import Container

from pydicom._uid_dict import UID_dictionary

UNKNOWN = "an unknown value"

MODALITIES = frozenset(
    """AR AS AU BDUS BI BMD CF CR CT CTPROTOCOL CS DG DOC DX ECG EEG EMG EPS ES FID GM HC HD IO IOL IVOCT IVUS
    KER KO LEN LS MG MR M3D NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PLAN POS PR PT PX REG RESP RF RG
    RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SC SEG SM SMR SR SRF STAIN TEXTUREMAP
    TG US VA XA XAPROTOCOL XC""".split()  # noqa: SIM905
)
PHOTOMETRICS = frozenset(
    {
        "MONOCHROME1",
        "MONOCHROME2",
        "PALETTE COLOR",
        "RGB",
        "HSV",
        "ARGB",
        "CMYK",
        "XYB",
        *("YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"),
    }
)
SHAPES = frozenset({"IDENTITY", "INVERSE", "LIN OD"})
INTENTS = frozenset({"FOR PRESENTATION", "FOR PROCESSING"})
#: Explanations of windows and tables that makers write (C.11.2.1.1): free text otherwise.
EXPLANATIONS = frozenset({"NORMAL", "HARDER", "SOFTER", "HIGH", "LOW", "BRIGHT", "DARK", "SHARP", "SMOOTH"})
_UIDS = frozenset(UID_dictionary) | {"1.2.840.113619.5.2"}  # implicit VR big endian of GE
_ORIENTATION = re.compile("[APLRHF]{1,3}")


def told(value: str, known: Container[str]) -> str:
    """A value that is one of the known terms; "none" for an empty one."""
    if not value:
        return "none"
    return value if value in known else UNKNOWN


def told_uid(value: str) -> str:
    """A UID of the standard, or a maker's that is known; "none" for an empty one."""
    return told(value, _UIDS)


def told_orientation(values: tuple[str, ...]) -> str:
    """PatientOrientation, for example A/FR; "none" for an empty one."""
    return "/".join(x if _ORIENTATION.fullmatch(x) or not x else UNKNOWN for x in values) or "none"
