"""What a written mammogram says about itself: who, when, which view, which machine, which grey scale.

Frozen records without DICOM objects in them; `write` turns them into data elements. Source of the
terms: PS3.3 A.27 (Digital Mammography X-Ray IOD) and C.11.2 (VOI LUT).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt16

from ..records import Laterality, View

FOR_PRESENTATION = "FOR PRESENTATION"
FOR_PROCESSING = "FOR PROCESSING"


@dataclass(frozen=True, kw_only=True)
class Window:
    """A VOI window (0028,1050/1051) with its explanation (0028,1055)."""

    center: float
    width: float
    explanation: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class VoiLut:
    """One item of the VOI LUT sequence: `values[0]` is the output for the stored value `first`."""

    first: int
    bits: int
    explanation: str
    values: UInt16[np.ndarray, "entry"]


@dataclass(frozen=True, kw_only=True, eq=False)
class GreyScale:
    """What stored values mean, up to the picture.

    `voi_function` "" leaves VOILUTFunction out (LINEAR is then meant). `padding` None leaves
    PixelPaddingValue out. `sign` is PixelIntensityRelationshipSign.
    """

    photometric: str
    bits_stored: int
    sign: int
    windows: tuple[Window, ...] = ()
    voi_function: str = ""
    luts: tuple[VoiLut, ...] = ()
    padding: int | None = None
    relationship: str = "LOG"


@dataclass(frozen=True, kw_only=True)
class Equipment:
    """The machine: manufacturer, model and detector."""

    manufacturer: str
    model: str
    serial_number: str
    software: str
    detector_type: str = "DIRECT"  # DIRECT | SCINTILLATOR
    anode: str = "TUNGSTEN"
    filter_material: str = "RHODIUM"


@dataclass(frozen=True, kw_only=True, eq=False)
class Description:
    """Everything about a mammogram but its pixels. Dates are ISO 8601, times HHMMSS.

    `pixel_spacing` False writes ImagerPixelSpacing alone, as many machines do. `spot` adds the view
    modifier spot compression. `comments` says what the picture is, where that is not plain.
    """

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    woman_id: str  # PatientID
    exam_id: str  # AccessionNumber
    exam_date: str
    time: str
    laterality: Laterality
    view: View
    spacing_mm: float
    equipment: Equipment
    grey: GreyScale
    transfer_syntax: str
    instance_number: int = 1
    patient_name: str = ""
    birth_date: str = ""
    age_years: int | None = None
    institution: str = ""
    station: str = ""
    intent: str = FOR_PRESENTATION
    pixel_spacing: bool = True
    spot: bool = False
    magnification: float = 1.0
    thickness_mm: int = 55
    compression_newton: int = 100
    kvp: int = 29
    exposure_uas: int = 90_000
    comments: str = ""
