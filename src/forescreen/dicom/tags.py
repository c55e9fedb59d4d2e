"""What intake reads from the header of one DICOM object, as one frozen record.

In: data elements (`elements`). Out: `Header`, in plain Python types. Reading is tolerant: a value that
breaks its rules becomes None or "" and never an error; whether the object may be used is the gate's
decision. What identifies a woman is kept out of `repr`.

Source: PS3.3 C.7 (patient to image), C.8.11 (DX and mammography image), C.11 (grey scale).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from datetime import date

from pydicom.charset import python_encoding
from pydicom.datadict import tag_for_keyword

from .elements import Element, Elements, PixelData

Values = dict[int, Element]


@dataclass(frozen=True, slots=True)
class Code:
    """One coded concept: value, coding scheme designator, and the modifiers nested in its item."""

    value: str
    scheme: str
    modifiers: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """A VOI window in modality values."""

    center: float
    width: float


@dataclass(frozen=True, slots=True)
class LookUpTable:
    """A modality or VOI look-up table (PS3.3 C.11.1.1, C.11.2.1.1); `data` is little-endian as stored."""

    n_entries: int
    first_mapped: int
    bits: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grayscale:
    """All that turns stored values into presentation values."""

    photometric: str
    bits_allocated: int | None
    bits_stored: int | None
    high_bit: int | None
    signed: bool
    slope: float | None
    intercept: float | None
    modality_lut: LookUpTable | None
    voi_luts: tuple[LookUpTable | None, ...]  # None: an item that cannot be read
    windows: tuple[Window | None, ...]  # None: a centre or a width that cannot be read
    voi_function: str
    padding: tuple[int, int] | None  # lowest and highest padding value, both inclusive
    presentation_shape: str


@dataclass(frozen=True, slots=True)
class Header:
    """One DICOM object without its pixels."""

    # Who and when
    patient_id: str = field(repr=False)
    accession: str = field(repr=False)
    is_physics: bool
    study_uid: str = field(repr=False)
    sop_instance_uid: str = field(repr=False)
    study_date: str  # ISO 8601 or ""
    acquired: str  # date and time as digits that sort, "" where unknown
    age_years: float | None
    instance_number: int
    # What it is
    sop_class: str
    transfer_syntax: str
    big_endian: bool
    modality: str
    image_type: tuple[str, ...]
    intent: str
    manufacturer: str
    model: str
    software: str
    detector_mode: str
    series_description: str = field(repr=False)
    volumetric: str
    contrast: bool
    body_part: str
    quality_control: bool
    burned_in: bool
    lossy: str
    implant: bool
    partial_view: bool
    # Which view
    view_position: str
    view_codes: tuple[Code, ...]
    paddle: str
    image_laterality: str
    laterality: str
    frame_laterality: str
    orientation: tuple[str, ...]
    # Geometry
    rows: int | None
    columns: int | None
    n_frames: int
    samples_per_pixel: int | None
    pixel_spacing: tuple[float, float] | None
    imager_spacing: tuple[float, float] | None
    magnification: float | None
    # Pixels
    grayscale: Grayscale
    pixel_data: PixelData | None

    @property
    def exposure(self) -> tuple[str, ...]:
        """Equal for the FOR PROCESSING and the FOR PRESENTATION image of one exposure."""
        side = self.image_laterality or self.laterality or self.frame_laterality
        return (self.patient_id, self.study_uid, self.acquired, side, self.view_position)


def _tag(keyword: str) -> int:
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
    PixelMeasuresSequence
""".split()  # noqa: SIM905  a list of 65 lines says no more
# struct formats of the binary number VRs, PS3.5 table 6.2-1
_BINARY = {"US": "H", "SS": "h", "US or SS": "H", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
_TAGS = {keyword: _tag(keyword) for keyword in KEYWORDS}
WANTED = frozenset(_TAGS.values())


def parse_header(elements: Elements) -> Header:
    """The header record of one object; never raises for a value."""
    read = _Reader(elements.by_tag, ">" if elements.big_endian else "<")
    shared = read.items("SharedFunctionalGroupsSequence")
    study_date = _iso_date(read.text("StudyDate"))
    acquired = _iso_date(read.text("AcquisitionDate")) or _iso_date(read.text("ContentDate"))
    clock = read.text("AcquisitionTime") if read.text("AcquisitionDate") else read.text("ContentTime")
    spacing = read.pair("PixelSpacing")
    frame_laterality = ""
    for group in shared:
        for item in group.items("FrameAnatomySequence"):
            frame_laterality = frame_laterality or item.word("FrameLaterality")
        for item in group.items("PixelMeasuresSequence"):
            spacing = spacing or item.pair("PixelSpacing")
    return Header(
        patient_id=read.text("PatientID"),
        accession=read.text("AccessionNumber"),
        is_physics="PHYSICS" in read.word("PatientName"),
        study_uid=read.text("StudyInstanceUID"),
        sop_instance_uid=read.text("SOPInstanceUID"),
        study_date=study_date or acquired,
        acquired=(acquired.replace("-", "") + clock.replace(":", "")) if acquired else "",
        age_years=_age(read.text("PatientAge"), read.text("PatientBirthDate"), study_date),
        instance_number=read.whole("InstanceNumber") or 0,
        sop_class=read.text("SOPClassUID") or elements.media_storage_class,
        transfer_syntax=elements.transfer_syntax,
        big_endian=elements.big_endian,
        modality=read.word("Modality"),
        image_type=tuple(part.upper() for part in read.texts("ImageType")),
        intent=read.word("PresentationIntentType"),
        manufacturer=read.text("Manufacturer"),
        model=read.text("ManufacturerModelName"),
        software="\\".join(read.texts("SoftwareVersions")),
        detector_mode=read.word("DetectorMode"),
        series_description=read.text("SeriesDescription"),
        volumetric=read.word("VolumetricProperties"),
        contrast=read.word("ContrastBolusAgent") not in ("", "NONE", "NO"),
        body_part=read.word("BodyPartExamined"),
        quality_control=read.word("QualityControlImage") == "YES",
        burned_in=read.word("BurnedInAnnotation") == "YES",
        lossy=read.text("LossyImageCompression"),
        implant=read.word("BreastImplantPresent") == "YES",
        partial_view=read.word("PartialView") == "YES",
        view_position=read.word("ViewPosition"),
        view_codes=read.codes("ViewCodeSequence"),
        paddle=read.word("PaddleDescription"),
        image_laterality=read.word("ImageLaterality"),
        laterality=read.word("Laterality"),
        frame_laterality=frame_laterality,
        orientation=tuple(part.upper() for part in read.texts("PatientOrientation")),
        rows=read.whole("Rows"),
        columns=read.whole("Columns"),
        n_frames=read.whole("NumberOfFrames") or 1,
        samples_per_pixel=read.whole("SamplesPerPixel"),
        pixel_spacing=spacing,
        imager_spacing=read.pair("ImagerPixelSpacing"),
        magnification=read.number("EstimatedRadiographicMagnificationFactor"),
        grayscale=_grayscale(read),
        pixel_data=elements.pixel_data,
    )


def _grayscale(read: _Reader) -> Grayscale:
    signed = read.whole("PixelRepresentation") == 1
    padding = read.stored("PixelPaddingValue", signed=signed)
    limit = read.stored("PixelPaddingRangeLimit", signed=signed)
    if limit is None:
        limit = padding
    centers, widths = read.numbers("WindowCenter"), read.numbers("WindowWidth")
    n_windows = max(len(centers), len(widths))
    windows: list[Window | None] = []
    for i in range(n_windows):
        center = centers[i] if i < len(centers) else None
        width = widths[i] if i < len(widths) else None
        windows.append(None if center is None or width is None else Window(center, width))
    modality_luts = [item.look_up_table(signed=signed) for item in read.items("ModalityLUTSequence")]
    return Grayscale(
        photometric=read.word("PhotometricInterpretation"),
        bits_allocated=read.whole("BitsAllocated"),
        bits_stored=read.whole("BitsStored"),
        high_bit=read.whole("HighBit"),
        signed=signed,
        slope=read.number("RescaleSlope"),
        intercept=read.number("RescaleIntercept"),
        modality_lut=modality_luts[0] if modality_luts else None,
        # The first value mapped is a modality value: signed when the modality values can be negative.
        voi_luts=tuple(
            item.look_up_table(signed=signed or (read.number("RescaleIntercept") or 0) < 0)
            for item in read.items("VOILUTSequence")
        ),
        windows=tuple(windows),
        voi_function=read.word("VOILUTFunction"),
        padding=None if padding is None or limit is None else (min(padding, limit), max(padding, limit)),
        presentation_shape=read.word("PresentationLUTShape"),
    )


class _Reader:
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
        form = {"US": "H", "SS": "h", "US or SS": "H", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}.get(
            element.vr
        )
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

    def items(self, keyword: str) -> list[_Reader]:
        """The items of a sequence."""
        element = self.values.get(_TAGS[keyword])
        return [_Reader(item, self.order, self.encoding) for item in element.items] if element else []

    def codes(self, keyword: str) -> tuple[Code, ...]:
        """The coded concepts of a code sequence."""
        return tuple(
            Code(
                item.word("CodeValue"),
                item.word("CodingSchemeDesignator"),
                item.codes("ViewModifierCodeSequence"),
            )
            for item in self.items(keyword)
        )

    def look_up_table(self, *, signed: bool) -> LookUpTable | None:
        """The table of an item of a LUT sequence; None where descriptor and data contradict each other."""
        descriptor = self.values.get(_TAGS["LUTDescriptor"])
        data = self.values.get(_TAGS["LUTData"])
        if descriptor is None or data is None or len(descriptor.value) < 6:
            return None
        n_entries, first, bits = struct.unpack_from(self.order + "HHH", descriptor.value)
        n_entries = n_entries or 65536  # PS3.3 C.11.1.1.1: 0 stands for 2**16
        if signed and first > 32767:
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
        return LookUpTable(n_entries, first, bits, raw)


def _iso_date(text: str) -> str:
    """ISO 8601 of a DICOM date (also the retired form with dots); "" where it is no date."""
    digits = text.replace(".", "").replace("-", "")
    if len(digits) != 8 or not (digits.isascii() and digits.isdigit()):
        return ""
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).isoformat()
    except ValueError:
        return ""


def _age(age: str, birth: str, study_date: str) -> float | None:
    """Age in years from PatientAge (nnnD, nnnW, nnnM, nnnY), else from the dates; None where unknown."""
    if age.isascii() and age[:-1].isdigit() and age[-1].upper() in "DWMY":
        return int(age[:-1]) / {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}[age[-1].upper()]
    born = _iso_date(birth)
    if born and study_date:
        return (date.fromisoformat(study_date) - date.fromisoformat(born)).days / 365.25
    return None
