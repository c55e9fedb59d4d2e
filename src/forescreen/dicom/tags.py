"""What intake reads from the header of one DICOM object, as one frozen record.

In: data elements (`elements`). Out: `Header`, in plain Python types. Reading is tolerant: a value that
breaks its rules becomes None or "" and never an error; whether the object may be used is the gate's
decision. What identifies a woman is kept out of `repr`.

Source: PS3.3 C.7 (patient to image), C.8.11 (DX and mammography image), C.11 (grey scale).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .elements import Elements, PixelData
from .values import Code, LookUpTable, Reader, Window, age_years, iso_date

#: Slope or intercept beyond this are damage: float64 would no longer tell stored values apart.
LARGEST_RESCALE = 1e9
_DATES = ("StudyDate", "AcquisitionDate", "ContentDate")


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
    overlay_bits: int = 0  # mask of the cell's bits that hold overlay planes
    modality_problem: str = ""  # words for a modality LUT or rescale that is there and cannot be read


@dataclass(frozen=True, slots=True)
class Technique:
    """How the exposure was made: what the physics of density needs. None or "" where the header is silent."""

    kvp: float | None
    anode: str
    filter_material: str
    exposure_uas: float | None  # ExposureInuAs, else Exposure (mAs) x 1000
    relative_exposure: float | None
    thickness_mm: float | None  # BodyPartThickness
    force_newton: float | None
    angle_degrees: float | None  # PositionerPrimaryAngle
    relationship: str  # PixelIntensityRelationship: LIN, LOG
    sign: int | None  # PixelIntensityRelationshipSign: 1, -1


@dataclass(frozen=True, slots=True)
class Header:
    """One DICOM object without its pixels."""

    # Who and when
    patient_id: str = field(repr=False)
    issuer: str = field(repr=False)  # IssuerOfPatientID: the number is unique within it only
    patient_name: str = field(repr=False)
    birth_date: str = field(repr=False)  # as it stands there
    sex: str = field(repr=False)
    accession: str = field(repr=False)
    is_physics: bool
    study_uid: str = field(repr=False)
    series_uid: str = field(repr=False)
    sop_instance_uid: str = field(repr=False)
    study_date: str  # ISO 8601 or ""
    acquired: str  # date and time as digits that sort, "" where unknown
    dates: tuple[tuple[str, str], ...] = field(repr=False)  # keyword and value, of those that have one
    age_years: float | None  # PatientAge, else by the birth date
    age_by_birth_years: float | None
    series_number: int
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
    detector_type: str
    positioner: str
    study_description: str = field(repr=False)
    series_description: str = field(repr=False)
    protocol: str = field(repr=False)
    derivation: str = field(repr=False)
    processing: str = field(repr=False)  # AcquisitionDeviceProcessingDescription
    processing_code: str
    volumetric: str
    concatenation_uid: str = field(repr=False)
    concatenation_total: int | None
    contrast: bool
    body_part: str
    regions: tuple[Code, ...]  # AnatomicRegionSequence
    quality_control: bool
    burned_in: bool
    lossy: str
    lossy_ratio: float | None
    lossy_method: str
    implant: bool
    partial_view: bool
    # Which view
    view_position: str
    more_positions: tuple[str, ...]  # ViewPosition has one value; what some write behind it
    view_codes: tuple[Code, ...]
    view_modifiers: tuple[Code, ...]  # beside ViewCodeSequence, where they do not belong
    paddle: str
    image_laterality: str
    laterality: str
    frame_laterality: str
    orientation: tuple[str, ...]
    field_flipped: bool  # FieldOfViewHorizontalFlip
    field_rotation: float | None  # FieldOfViewRotation, degrees
    # Geometry
    rows: int | None
    columns: int | None
    n_frames: int
    samples_per_pixel: int | None
    pixel_spacing: tuple[float, float] | None
    imager_spacing: tuple[float, float] | None
    magnification: float | None
    technique: Technique
    # Pixels
    grayscale: Grayscale
    pixel_data: PixelData | None

    @property
    def exposure(self) -> tuple[str, ...]:
        """Equal for the FOR PROCESSING and the FOR PRESENTATION image of one exposure."""
        side = self.image_laterality or self.laterality or self.frame_laterality
        return (self.patient_id, self.study_uid, self.acquired, side, self.view_position)


def parse_header(elements: Elements) -> Header:
    """The header record of one object; never raises for a value."""
    read = Reader(elements.by_tag, ">" if elements.big_endian else "<")
    shared = read.items("SharedFunctionalGroupsSequence")
    study_date = iso_date(read.text("StudyDate"))
    acquired = iso_date(read.text("AcquisitionDate")) or iso_date(read.text("ContentDate"))
    clock = read.text("AcquisitionTime") if read.text("AcquisitionDate") else read.text("ContentTime")
    spacing = read.pair("PixelSpacing")
    birth = read.text("PatientBirthDate")
    dates = ((keyword, read.text(keyword)) for keyword in _DATES)
    positions = [part.upper() for part in read.texts("ViewPosition")]
    frame_laterality = ""
    for group in shared:
        for item in group.items("FrameAnatomySequence"):
            frame_laterality = frame_laterality or item.word("FrameLaterality")
        for item in group.items("PixelMeasuresSequence"):
            spacing = spacing or item.pair("PixelSpacing")
    return Header(
        patient_id=read.text("PatientID"),
        issuer=read.text("IssuerOfPatientID"),
        patient_name=read.text("PatientName"),
        birth_date=birth,
        sex=read.word("PatientSex"),
        accession=read.text("AccessionNumber"),
        is_physics="PHYSICS" in read.word("PatientName"),
        study_uid=read.text("StudyInstanceUID"),
        series_uid=read.text("SeriesInstanceUID"),
        sop_instance_uid=read.text("SOPInstanceUID"),
        study_date=study_date or acquired,
        acquired=(acquired.replace("-", "") + clock.replace(":", "")) if acquired else "",
        dates=tuple((keyword, text) for keyword, text in dates if text),
        age_years=age_years(read.text("PatientAge"), birth, study_date),
        age_by_birth_years=age_years("", birth, study_date),
        series_number=read.whole("SeriesNumber") or 0,
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
        detector_type=read.word("DetectorType"),
        positioner=read.word("PositionerType"),
        study_description=read.text("StudyDescription"),
        series_description=read.text("SeriesDescription"),
        protocol=read.text("ProtocolName"),
        derivation=read.text("DerivationDescription"),
        processing=read.text("AcquisitionDeviceProcessingDescription"),
        processing_code=read.text("AcquisitionDeviceProcessingCode"),
        volumetric=read.word("VolumetricProperties"),
        concatenation_uid=read.text("ConcatenationUID"),
        concatenation_total=read.whole("InConcatenationTotalNumber"),
        contrast=read.word("ContrastBolusAgent") not in ("", "NONE", "NO")
        or bool(read.items("ContrastBolusAgentSequence")),
        body_part=read.word("BodyPartExamined"),
        regions=read.codes("AnatomicRegionSequence"),
        quality_control=read.word("QualityControlImage") == "YES",
        burned_in=read.word("BurnedInAnnotation") == "YES",
        lossy=read.text("LossyImageCompression"),
        lossy_ratio=read.number("LossyImageCompressionRatio"),
        lossy_method=read.text("LossyImageCompressionMethod"),
        implant=read.word("BreastImplantPresent") == "YES",
        partial_view=read.word("PartialView") == "YES",
        view_position=positions[0] if positions else "",
        more_positions=tuple(part for part in positions[1:] if part),
        view_codes=read.codes("ViewCodeSequence"),
        view_modifiers=read.codes("ViewModifierCodeSequence"),
        paddle=read.word("PaddleDescription"),
        image_laterality=read.word("ImageLaterality"),
        laterality=read.word("Laterality"),
        frame_laterality=frame_laterality,
        orientation=tuple(part.upper() for part in read.texts("PatientOrientation")),
        field_flipped=read.word("FieldOfViewHorizontalFlip") == "YES",
        field_rotation=read.number("FieldOfViewRotation"),
        rows=read.whole("Rows"),
        columns=read.whole("Columns"),
        n_frames=read.whole("NumberOfFrames") or 1,
        samples_per_pixel=read.whole("SamplesPerPixel"),
        pixel_spacing=spacing,
        imager_spacing=read.pair("ImagerPixelSpacing"),
        magnification=read.number("EstimatedRadiographicMagnificationFactor"),
        technique=_technique(read),
        grayscale=_grayscale(read),
        pixel_data=elements.pixel_data,
    )


def _technique(read: Reader) -> Technique:
    exposure = read.number("ExposureInuAs")
    coarse = read.number("Exposure")
    if exposure is None and coarse is not None:
        exposure = 1000.0 * coarse
    return Technique(
        kvp=read.number("KVP"),
        anode=read.word("AnodeTargetMaterial"),
        filter_material=read.word("FilterMaterial"),
        exposure_uas=exposure,
        relative_exposure=read.number("RelativeXRayExposure"),
        thickness_mm=read.number("BodyPartThickness"),
        force_newton=read.number("CompressionForce"),
        angle_degrees=read.number("PositionerPrimaryAngle"),
        relationship=read.word("PixelIntensityRelationship"),
        sign=read.whole("PixelIntensityRelationshipSign"),
    )


def _grayscale(read: Reader) -> Grayscale:
    signed = read.whole("PixelRepresentation") == 1
    padding = read.stored("PixelPaddingValue", signed=signed)
    limit = read.stored("PixelPaddingRangeLimit", signed=signed)
    if limit is None:
        limit = padding
    centers, widths = read.numbers("WindowCenter"), read.numbers("WindowWidth")
    names = read.texts("WindowCenterWidthExplanation")
    n_windows = max(len(centers), len(widths))
    windows: list[Window | None] = []
    for i in range(n_windows):
        center = centers[i] if i < len(centers) else None
        width = widths[i] if i < len(widths) else None
        name = names[i] if i < len(names) else ""
        windows.append(None if center is None or width is None else Window(center, width, name))
    modality_luts = [item.look_up_table(signed=signed) for item in read.items("ModalityLUTSequence")]
    slope, intercept = read.number("RescaleSlope"), read.number("RescaleIntercept")
    # The first value that a VOI LUT maps is a modality value: signed when those can be negative.
    bits = min(max(read.whole("BitsStored") or 16, 1), 16)
    lowest = -(1 << (bits - 1)) if signed else 0
    stored_ends = (lowest, lowest + (1 << bits) - 1)
    ends = [x * (1.0 if slope is None else slope) + (intercept or 0.0) for x in stored_ends]
    negative = not modality_luts and min(ends) < 0
    return Grayscale(
        photometric=read.word("PhotometricInterpretation"),
        bits_allocated=read.whole("BitsAllocated"),
        bits_stored=read.whole("BitsStored"),
        high_bit=read.whole("HighBit"),
        signed=signed,
        slope=slope,
        intercept=intercept,
        modality_lut=modality_luts[0] if modality_luts else None,
        voi_luts=tuple(item.look_up_table(signed=negative) for item in read.items("VOILUTSequence")),
        windows=tuple(windows),
        voi_function=read.word("VOILUTFunction"),
        padding=None if padding is None or limit is None else (min(padding, limit), max(padding, limit)),
        presentation_shape=read.word("PresentationLUTShape"),
        overlay_bits=read.overlay_bits(read.whole("BitsAllocated") or 0),
        modality_problem=_modality_problem(read, modality_luts, slope, intercept),
    )


def _modality_problem(
    read: Reader, luts: list[LookUpTable | None], slope: float | None, intercept: float | None
) -> str:
    """A modality transform that is there and cannot be read must not count as none."""
    if luts and luts[0] is None:
        return "a modality LUT whose descriptor and data disagree"
    if luts and (slope not in (None, 1.0) or intercept not in (None, 0.0)):
        return "both a modality LUT and a rescale"
    for keyword, value in (("RescaleSlope", slope), ("RescaleIntercept", intercept)):
        if value is None and read.has(keyword):
            return f"a {keyword} that is no number"
    if max(abs(slope or 1.0), abs(intercept or 0.0)) > LARGEST_RESCALE:
        return "a rescale beyond any detector's values"
    return "a RescaleSlope of 0" if slope == 0 else ""
