"""Tolerant access to the values of a data set, by keyword and in plain Python types.

In: data elements as bytes (`elements`). Out: texts, numbers, codes, look-up tables; a value that breaks
its own rules becomes None or "" and never an error.

Source: PS3.5 section 6.2 (value representations), PS3.3 C.11.1 and C.11.2 (look-up tables).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from datetime import date

from pydicom.charset import python_encoding
from pydicom.datadict import tag_for_keyword

from .elements import Element

Values = dict[int, Element]


@dataclass(frozen=True, slots=True)
class Code:
    """One coded concept: value, coding scheme designator, and the modifiers nested in its item."""

    value: str
    scheme: str
    modifiers: tuple[Code, ...] = ()
    meaning: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Window:
    """A VOI window in modality values."""

    center: float
    width: float
    explanation: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class LookUpTable:
    """A modality or VOI look-up table (PS3.3 C.11.1.1, C.11.2.1.1); `data` is little-endian as stored."""

    n_entries: int
    first_mapped: int
    bits: int
    data: bytes = field(repr=False)
    explanation: str = field(default="", compare=False)


def tag_of(keyword: str) -> int:
    """The tag of a keyword of the data dictionary."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return tag


#: Every tag that `parse_header` asks for, nested ones included.
KEYWORDS = """
    SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID StudyDate AcquisitionDate ContentDate
    AcquisitionTime ContentTime AccessionNumber Modality PresentationIntentType Manufacturer
    CodeValue CodingSchemeDesignator SeriesDescription ManufacturerModelName VolumetricProperties
    PatientName PatientID PatientBirthDate PatientAge ContrastBolusAgent BodyPartExamined
    SoftwareVersions EstimatedRadiographicMagnificationFactor ImagerPixelSpacing PaddleDescription
    ViewPosition DetectorMode StudyInstanceUID InstanceNumber PatientOrientation Laterality
    ImageLaterality FrameAnatomySequence FrameLaterality SamplesPerPixel PhotometricInterpretation
    NumberOfFrames Rows Columns PixelSpacing BitsAllocated BitsStored HighBit PixelRepresentation
    PixelPaddingValue PixelPaddingRangeLimit QualityControlImage BurnedInAnnotation WindowCenter
    WindowWidth RescaleIntercept RescaleSlope VOILUTFunction ModalityLUTSequence LUTDescriptor
    LUTData VOILUTSequence BreastImplantPresent PartialView LossyImageCompression ViewCodeSequence
    ViewModifierCodeSequence PresentationLUTShape SharedFunctionalGroupsSequence
    PixelMeasuresSequence SeriesInstanceUID SeriesNumber StudyDescription ProtocolName
    AcquisitionDeviceProcessingDescription AcquisitionDeviceProcessingCode DerivationDescription
    ConcatenationUID InConcatenationNumber InConcatenationTotalNumber FieldOfViewHorizontalFlip
    FieldOfViewRotation DetectorType PositionerType PositionerPrimaryAngle LossyImageCompressionRatio
    LossyImageCompressionMethod WindowCenterWidthExplanation LUTExplanation KVP AnodeTargetMaterial
    FilterMaterial Exposure ExposureInuAs RelativeXRayExposure BodyPartThickness CompressionForce
    PixelIntensityRelationship PixelIntensityRelationshipSign IssuerOfPatientID PatientSex CodeMeaning
    AnatomicRegionSequence ContrastBolusAgentSequence
""".split()  # noqa: SIM905  a list of 100 lines says no more
# struct formats of the binary number VRs, PS3.5 table 6.2-1
_BINARY = {"US": "H", "SS": "h", "US or SS": "H", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
_TAGS = {keyword: tag_of(keyword) for keyword in KEYWORDS}
# OverlayBitsAllocated and OverlayBitPosition of the 16 overlay planes, PS3.3 C.9.2.
_OVERLAYS = tuple((group << 16 | 0x0100, group << 16 | 0x0102) for group in range(0x6000, 0x6020, 2))
WANTED = frozenset(_TAGS.values()) | frozenset(tag for pair in _OVERLAYS for tag in pair)


class Reader:
    """Tolerant access to the values of one data set by keyword."""

    def __init__(self, values: Values, order: str, encoding: str = "") -> None:
        self.values = values
        self.order = order
        self.encoding = encoding or self._declared_encoding()

    def _declared_encoding(self) -> str:
        element = self.values.get(_TAGS["SpecificCharacterSet"])
        names = element.value.decode("ascii", "replace").split("\\") if element else []
        for name in names:
            encoding = python_encoding.get(name.strip("\0 "))
            if name.strip("\0 ") and encoding:
                return encoding
        return "latin-1"  # reads every byte; PS3.5 6.1.2.1 says ASCII, of which it is a superset

    def texts(self, keyword: str) -> list[str]:
        """The components of a text value, without padding."""
        element = self.values.get(_TAGS[keyword])
        if element is None or not element.value:
            return []
        try:
            text = element.value.decode(self.encoding)
        except (UnicodeDecodeError, LookupError):
            text = element.value.decode("latin-1")
        return [part.strip("\0 \t\r\n") for part in text.split("\\")]

    def text(self, keyword: str) -> str:
        """The first component."""
        parts = self.texts(keyword)
        return parts[0] if parts else ""

    def word(self, keyword: str) -> str:
        """The first component in capitals: for defined terms."""
        return self.text(keyword).upper()

    def numbers(self, keyword: str) -> list[float | None]:
        """All numbers of a value; None for one that is no finite number."""
        element = self.values.get(_TAGS[keyword])
        if element is None or not element.value:
            return []
        form = _BINARY.get(element.vr)
        found: list[float | None] = []
        if form:
            n = len(element.value) // struct.calcsize(f"<{form}")
            found.extend(struct.unpack_from(f"{self.order}{n}{form}", element.value))
        else:
            for part in self.texts(keyword):
                try:
                    found.append(float(part))
                except ValueError:
                    found.append(None)
        return [x if x is not None and math.isfinite(x) else None for x in found]

    def number(self, keyword: str) -> float | None:
        """The first number."""
        found = self.numbers(keyword)
        return found[0] if found else None

    def whole(self, keyword: str) -> int | None:
        """The first number as an integer; None where it is none."""
        found = self.number(keyword)
        return int(found) if found is not None and found == int(found) else None

    def pair(self, keyword: str) -> tuple[float, float] | None:
        """Two positive numbers: row and column spacing."""
        found = self.numbers(keyword)
        if len(found) < 2 or found[0] is None or found[1] is None or min(found[0], found[1]) <= 0:
            return None
        return found[0], found[1]

    def stored(self, keyword: str, *, signed: bool) -> int | None:
        """A stored pixel value: 16 bits, signed as the pixels are, whatever the element's VR says."""
        element = self.values.get(_TAGS[keyword])
        if element is None or len(element.value) < 2:
            return None
        value: int = struct.unpack_from(self.order + ("h" if signed else "H"), element.value)[0]
        return value

    def overlay_bits(self, bits_allocated: int) -> int:
        """The bits of a pixel cell that hold overlay planes, as a mask (PS3.5 8.1.2 before 2004).

        A plane with data of its own has one bit allocated, and is not among them.
        """
        mask = 0
        for allocated_tag, position_tag in _OVERLAYS:
            allocated, position = self._unsigned(allocated_tag), self._unsigned(position_tag)
            if allocated == bits_allocated and position is not None and 0 < position < bits_allocated:
                mask |= 1 << position
        return mask

    def _unsigned(self, tag: int) -> int | None:
        element = self.values.get(tag)
        if element is None or len(element.value) < 2:
            return None
        value: int = struct.unpack_from(self.order + "H", element.value)[0]
        return value

    def has(self, keyword: str) -> bool:
        """Whether the element is there with a value or with items."""
        element = self.values.get(_TAGS[keyword])
        return element is not None and bool(element.value.strip(b"\0 ") or element.items)

    def items(self, keyword: str) -> list[Reader]:
        """The items of a sequence."""
        element = self.values.get(_TAGS[keyword])
        return [Reader(item, self.order, self.encoding) for item in element.items] if element else []

    def codes(self, keyword: str) -> tuple[Code, ...]:
        """The coded concepts of a code sequence."""
        return tuple(
            Code(
                item.word("CodeValue"),
                item.word("CodingSchemeDesignator"),
                item.codes("ViewModifierCodeSequence"),
                item.word("CodeMeaning"),
            )
            for item in self.items(keyword)
        )

    def look_up_table(self, *, signed: bool) -> LookUpTable | None:
        """The table of an item of a LUT sequence; None where descriptor and data contradict each other.

        `signed`: values that the table maps can be negative; explicit VRs may say so too (SS).
        """
        descriptor = self.values.get(_TAGS["LUTDescriptor"])
        data = self.values.get(_TAGS["LUTData"])
        if descriptor is None or data is None or len(descriptor.value) < 6:
            return None
        n_entries, first, bits = struct.unpack_from(self.order + "HHH", descriptor.value)
        n_entries = n_entries or 65536  # PS3.3 C.11.1.1.1: 0 stands for 2**16
        if (signed or descriptor.vr == "SS") and first > 32767:
            first -= 65536
        raw = data.value
        if len(raw) == 2 * n_entries:
            if self.order == ">":
                raw = b"".join(raw[i + 1 : i + 2] + raw[i : i + 1] for i in range(0, len(raw), 2))
        elif bits <= 8 and len(raw) in (n_entries, n_entries + 1):  # packed bytes
            raw = b"".join(bytes((x, 0)) for x in raw[:n_entries])
        else:
            return None
        if not 8 <= bits <= 16:
            return None
        return LookUpTable(n_entries, first, bits, raw, self.text("LUTExplanation"))


def iso_date(text: str) -> str:
    """ISO 8601 of a DICOM date (also the retired form with dots); "" where it is no date."""
    digits = text.replace(".", "").replace("-", "")
    if len(digits) != 8 or not (digits.isascii() and digits.isdigit()):
        return ""
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).isoformat()
    except ValueError:
        return ""


def age_years(age: str, birth: str, study_date: str) -> float | None:
    """Age in years from PatientAge (nnnD, nnnW, nnnM, nnnY), else from the dates; None where unknown."""
    if age.isascii() and age[:-1].isdigit() and age[-1].upper() in "DWMY":
        return int(age[:-1]) / {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}[age[-1].upper()]
    born = iso_date(birth)
    if born and study_date:
        return (date.fromisoformat(study_date) - date.fromisoformat(born)).days / 365.25
    return None
