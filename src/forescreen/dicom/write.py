"""One mammogram as a DICOM object: stored pixels and a description in, a whole file out.

In: stored pixel values (uint16, as the processing of a detector leaves them) and a `Description` of
who, when, which view and which machine. Out: a Digital Mammography X-Ray Image object, For
Presentation or For Processing, explicit VR little endian, in a lossless transfer syntax of `encode`.
Nothing is taken from the clock or from chance: equal arguments give equal bytes.

Source: PS3.3 A.27 (Digital Mammography X-Ray IOD), C.8.11.1 to C.8.11.7 (its modules), C.11.2 (VOI
LUT); PS3.5 annex A.4 (encapsulation) and G (RLE); PS3.16 CID 4014 and 4015 (views, view modifiers).
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt16
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from .. import __version__
from ..errors import InputError
from ..files import atomic_write
from ..records import Laterality, View
from .description import FOR_PRESENTATION, FOR_PROCESSING, Description, Equipment, GreyScale
from .encode import ENCODERS, EXPLICIT_LITTLE_ENDIAN

_SOP_CLASS = {
    FOR_PRESENTATION: "1.2.840.10008.5.1.4.1.1.1.2",
    FOR_PROCESSING: "1.2.840.10008.5.1.4.1.1.1.2.1",
}

# PS3.16 CID 4014 and 4015.
_VIEW_CODE = {View.CC: ("399162004", "cranio-caudal"), View.MLO: ("399368009", "medio-lateral oblique")}
_SPOT_COMPRESSION = ("399055006", "Spot Compression")
_BREAST = ("76752008", "Breast")

# PS3.3 C.7.6.1.1.1: what lies to the right and to the bottom of the stored picture, when a left breast
# has its chest wall at the left edge and a right breast at the right edge, and the axilla is on top.
_ORIENTATION = {
    (Laterality.LEFT, View.CC): ["A", "R"],
    (Laterality.RIGHT, View.CC): ["P", "L"],
    (Laterality.LEFT, View.MLO): ["A", "FR"],
    (Laterality.RIGHT, View.MLO): ["P", "FL"],
}
_MLO_ANGLE_DEGREES = 45  # PositionerPrimaryAngle, positive for the left breast


def write_mammogram(path: Path, pixels: UInt16[np.ndarray, "row column"], description: Description) -> None:
    """Write the object to `path`, whole or not at all. Raises what `encode_mammogram` raises."""
    encoded = encode_mammogram(pixels, description)
    with atomic_write(path) as stream:
        stream.write(encoded)


def encode_mammogram(pixels: UInt16[np.ndarray, "row column"], description: Description) -> bytes:
    """The object as bytes of a DICOM file (preamble, file meta information, data set).

    Raises InputError for pixels that do not fit `bits_stored`, an unknown transfer syntax, intent or
    photometric interpretation.
    """
    _check(pixels, description)
    rows, columns = pixels.shape
    elements = _lasting_elements(
        _Lasting(
            rows=rows,
            columns=columns,
            laterality=description.laterality,
            view=description.view,
            spacing_mm=description.spacing_mm,
            pixel_spacing=description.pixel_spacing,
            magnification=description.magnification,
            spot=description.spot,
            equipment=description.equipment,
            grey=description.grey,
            intent=description.intent,
        )
    )
    elements = {**elements, **_own_elements(description)}
    encoded = ENCODERS[description.transfer_syntax](pixels, description.grey.bits_stored)
    pixel_tag = struct.pack("<HH", 0x7FE0, 0x0010)
    if description.transfer_syntax == EXPLICIT_LITTLE_ENDIAN:
        body = pixel_tag + b"OW\0\0" + struct.pack("<L", len(encoded)) + encoded
    else:  # PS3.5 A.4: undefined length, items, sequence delimiter
        delimiter = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
        body = pixel_tag + b"OB\0\0" + struct.pack("<L", 0xFFFFFFFF) + encapsulate([encoded]) + delimiter
    head = file_head(
        _SOP_CLASS[description.intent], description.sop_instance_uid, description.transfer_syntax
    )
    return b"".join([head, *(elements[tag] for tag in sorted(elements)), body])


def file_head(sop_class: str, sop_instance_uid: str, transfer_syntax: str) -> bytes:
    """Preamble of zeros and file meta information (PS3.10 7.1)."""
    body = struct.pack("<HH2sHL2s", 2, 1, b"OB", 0, 2, b"\0\1") + b"".join(
        _text_element(0x00020000 + element, vr, text)
        for element, vr, text in (
            (0x0002, "UI", sop_class),
            (0x0003, "UI", sop_instance_uid),
            (0x0010, "UI", transfer_syntax),
            (0x0012, "UI", _IMPLEMENTATION_UID),
            (0x0013, "SH", f"FORESCREEN_{__version__}"[:16]),
        )
    )
    return b"\0" * 128 + b"DICM" + struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(body)) + body


def derived_uid(*parts: object) -> str:
    """The UID that belongs to `parts`, and to them alone: 2.25.<UUID> of their SHA-256 (PS3.5 B.2)."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


_IMPLEMENTATION_UID = derived_uid("forescreen", "implementation")


def _check(pixels: UInt16[np.ndarray, "row column"], description: Description) -> None:
    grey = description.grey
    for name, found, known in (
        ("transfer syntax", description.transfer_syntax, sorted(ENCODERS)),
        ("presentation intent", description.intent, sorted(_SOP_CLASS)),
        ("photometric interpretation", grey.photometric, ["MONOCHROME1", "MONOCHROME2"]),
    ):
        if found not in known:
            raise InputError(expected=f"a {name} among {', '.join(known)}", found=repr(found))
    if pixels.dtype != np.uint16 or pixels.ndim != 2 or pixels.size == 0:
        raise InputError(
            expected="pixels as a two-dimensional uint16 array", found=f"{pixels.dtype} {pixels.shape}"
        )
    if int(pixels.max()) >> grey.bits_stored:
        raise InputError(
            expected=f"stored values of at most {grey.bits_stored} bits",
            found=f"the value {int(pixels.max())}",
            remedy="Scale the pixels to the bits that the description promises",
        )


#: Longest text of each value representation used below (PS3.5 6.2).
_LONGEST = {
    "AS": 4,
    "CS": 16,
    "DA": 8,
    "IS": 12,
    "LO": 64,
    "LT": 10240,
    "PN": 64,
    "SH": 16,
    "TM": 14,
    "UI": 64,
}


def _own_elements(description: Description) -> dict[int, bytes]:
    """Elements of this one image: patient, study, series, equipment's place, exposure. All are text."""
    day = description.exam_date.replace("-", "")
    time = description.time
    age = "" if description.age_years is None else f"{description.age_years:03d}Y"
    texts: list[tuple[int, str, str]] = [
        (0x00080018, "UI", description.sop_instance_uid),
        *((tag, "DA", day) for tag in (0x00080020, 0x00080021, 0x00080022, 0x00080023)),
        *((tag, "TM", time) for tag in (0x00080030, 0x00080031, 0x00080032, 0x00080033)),
        (0x00080050, "SH", description.exam_id),
        (0x00080080, "LO", description.institution),
        (0x00081010, "SH", description.station),
        (0x00100010, "PN", description.patient_name),
        (0x00100020, "LO", description.woman_id),
        (0x00100030, "DA", description.birth_date.replace("-", "")),
        (0x00180060, "DS", str(description.kvp)),
        (0x00181152, "IS", str(round(description.exposure_uas / 1000))),
        (0x00181153, "IS", str(description.exposure_uas)),
        (0x001811A0, "DS", str(description.thickness_mm)),
        (0x001811A2, "DS", str(description.compression_newton)),
        (0x0020000D, "UI", description.study_instance_uid),
        (0x0020000E, "UI", description.series_instance_uid),
        (0x00200010, "SH", description.exam_id[:16]),
        (0x00200011, "IS", str(description.instance_number)),
        (0x00200013, "IS", str(description.instance_number)),
    ]
    if age:
        texts.append((0x00101010, "AS", age))
    if description.comments:
        texts.append((0x00204000, "LT", description.comments))
    return {tag: _text_element(tag, vr, text) for tag, vr, text in texts}


def _text_element(tag: int, vr: str, text: str) -> bytes:
    """A text element in explicit VR little endian, padded to even length (PS3.5 7.1.2)."""
    value = text.encode("utf-8")
    if len(text) > _LONGEST.get(vr, 16) or "\\" in text:
        raise InputError(
            expected=f"at most {_LONGEST.get(vr, 16)} characters without a backslash",
            found=f"{len(text)} characters",
            where=f"DICOM element ({tag >> 16:04X},{tag & 0xFFFF:04X})",
        )
    if len(value) % 2:
        value += b"\0" if vr == "UI" else b" "
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


@dataclass(frozen=True, kw_only=True)
class _Lasting:
    """What the elements depend on that many images have in common: their bytes are made once."""

    rows: int
    columns: int
    laterality: Laterality
    view: View
    spacing_mm: float
    pixel_spacing: bool
    magnification: float
    spot: bool
    equipment: Equipment
    grey: GreyScale  # compared by identity
    intent: str


@lru_cache(maxsize=128)
def _lasting_elements(lasting: _Lasting) -> dict[int, bytes]:
    """Encoded elements by tag, written and validated by pydicom."""
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID = UID(_SOP_CLASS[lasting.intent])
    data.PatientSex = "F"
    data.ReferringPhysicianName = ""
    data.StudyDescription = "Screening mammography"
    data.SeriesDescription = f"{lasting.laterality} {lasting.view}"
    _machine(data, lasting)
    _projection(data, lasting)
    _grey_scale(data, lasting)
    encoded = {}
    for element in data:
        single = Dataset()
        single.add(element)
        stream = DicomBytesIO()
        stream.is_little_endian, stream.is_implicit_VR = True, False
        write_dataset(stream, single, "utf-8")
        encoded[int(element.tag)] = stream.getvalue()
    return encoded


def _machine(data: Dataset, lasting: _Lasting) -> None:
    """General equipment, DX detector and X-ray acquisition modules."""
    equipment = lasting.equipment
    data.Manufacturer = equipment.manufacturer
    data.ManufacturerModelName = equipment.model
    data.DeviceSerialNumber = equipment.serial_number
    data.SoftwareVersions = equipment.software
    data.DetectorType = equipment.detector_type
    data.DetectorConfiguration = "AREA"
    data.DetectorID = equipment.serial_number[:16]
    data.AnodeTargetMaterial = equipment.anode
    data.FilterMaterial = equipment.filter_material
    data.FilterType = "STRIP"
    data.ExposureControlMode = "AUTOMATIC"
    spacing = [f"{lasting.spacing_mm:.8g}"] * 2
    data.ImagerPixelSpacing = spacing
    if lasting.pixel_spacing:
        data.PixelSpacing = [f"{lasting.spacing_mm / lasting.magnification:.8g}"] * 2
        if lasting.magnification != 1.0:
            data.PixelSpacingCalibrationType = "GEOMETRY"
            data.PixelSpacingCalibrationDescription = "Divided by the magnification factor"
    data.DistanceSourceToDetector = 660
    data.DistanceSourceToPatient = round(660 / lasting.magnification)
    data.EstimatedRadiographicMagnificationFactor = f"{lasting.magnification:.4g}"


def _projection(data: Dataset, lasting: _Lasting) -> None:
    """DX series, DX anatomy, mammography image and DX positioning modules."""
    data.Modality = "MG"
    data.PresentationIntentType = lasting.intent
    data.ImageType = ["ORIGINAL", "PRIMARY"]
    data.BodyPartExamined = "BREAST"
    data.AnatomicRegionSequence = [_code(*_BREAST)]
    data.ImageLaterality = str(lasting.laterality)
    data.PatientOrientation = _ORIENTATION[lasting.laterality, lasting.view]
    data.ViewPosition = str(lasting.view)
    view = _code(*_VIEW_CODE[lasting.view])
    view.ViewModifierCodeSequence = Sequence([_code(*_SPOT_COMPRESSION)] if lasting.spot else [])
    data.ViewCodeSequence = [view]
    data.PaddleDescription = "SPOT" if lasting.spot else "FULL FIELD"
    data.PositionerType = "MAMMOGRAPHIC"
    angle = _MLO_ANGLE_DEGREES if lasting.laterality is Laterality.LEFT else -_MLO_ANGLE_DEGREES
    data.PositionerPrimaryAngle = angle if lasting.view is View.MLO else 0
    data.OrganExposed = "BREAST"
    data.BreastImplantPresent = "NO"
    data.PartialView = "NO"
    data.AcquisitionContextSequence = []


def _grey_scale(data: Dataset, lasting: _Lasting) -> None:
    """Image pixel, DX image and VOI LUT modules."""
    grey = lasting.grey
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = grey.photometric
    data.Rows, data.Columns = lasting.rows, lasting.columns
    data.BitsAllocated = 16
    data.BitsStored = grey.bits_stored
    data.HighBit = grey.bits_stored - 1
    data.PixelRepresentation = 0
    data.PixelIntensityRelationship = grey.relationship
    data.PixelIntensityRelationshipSign = grey.sign
    data.RescaleIntercept = 0
    data.RescaleSlope = 1
    data.RescaleType = "US"
    data.LossyImageCompression = "00"
    data.BurnedInAnnotation = "NO"  # no text that tells who she is (PS3.3 C.7.6.1); the marker is not
    data.QualityControlImage = "NO"
    if grey.padding is not None:
        data.PixelPaddingValue = grey.padding
    data.PresentationLUTShape = "INVERSE" if grey.photometric == "MONOCHROME1" else "IDENTITY"
    if lasting.intent == FOR_PROCESSING:
        return  # raw pixels have no VOI (PS3.3 A.27.4)
    if grey.windows:
        data.WindowCenter = [f"{window.center:g}" for window in grey.windows]
        data.WindowWidth = [f"{window.width:g}" for window in grey.windows]
        if any(window.explanation for window in grey.windows):
            data.WindowCenterWidthExplanation = [window.explanation for window in grey.windows]
    if grey.voi_function:
        data.VOILUTFunction = grey.voi_function
    if grey.luts:
        items = []
        for lut in grey.luts:
            item = Dataset()
            item.add_new("LUTDescriptor", "US", [lut.values.size % 65536, lut.first, lut.bits])
            item.LUTExplanation = lut.explanation
            item.add_new("LUTData", "OW", lut.values.astype("<u2").tobytes())
            items.append(item)
        data.VOILUTSequence = items


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = "SCT"
    item.CodeMeaning = meaning
    return item
