"""What is noteworthy about a DICOM object by its header: its class, intent, kind, pixels, size.

In: a Header. Out: `Finding`s, each with a code of `reasons` and words that carry no identity. Nothing is
decided here: whether a finding refuses, flags or passes is the policy's (`gate`).

Source: PS3.4 B.5 (storage classes), PS3.3 C.8.11.1 (presentation intent), C.8.11.3 (photometric and LUT
shape), C.7.6.1.1.2 (ImageType); words of makers as mammocat knows them (docs/reference/dicom.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .attributes import clean_text
from .phrases import (
    BIOPSY,
    CONTRAST,
    CONTRAST_DERIVED,
    LOW_ENERGY,
    QUALITY_CONTROL,
    SPECIMEN,
    STEREO,
    SYNTHETIC,
    phrase_in,
)
from .pixels import voi_problem
from .policy import Limits
from .spacing import Spacing
from .stored import description_problem
from .syntaxes import DECODABLE, LOSSY, MAYBE_LOSSY
from .tags import Header
from .terms import INTENTS, MODALITIES, PHOTOMETRICS, SHAPES, UNKNOWN, told, told_uid
from .values import Code
from .views import SCHEMES
from .vocabulary import OTHER

_CLASS = "1.2.840.10008.5.1.4.1.1."
_PRESENTATION, _PROCESSING = f"{_CLASS}1.2", f"{_CLASS}1.2.1"
_COMPUTED, _COMPUTED_TOMOGRAPHY = f"{_CLASS}1", f"{_CLASS}2"
_DIGITAL_XRAY, _DIGITAL_XRAY_PROCESSING = f"{_CLASS}1.1", f"{_CLASS}1.1.1"
_TOMOSYNTHESIS = f"{_CLASS}13.1.3"
_PROJECTIONS = frozenset({f"{_CLASS}13.1.4", f"{_CLASS}13.1.5"})
_CAPTURES = frozenset({f"{_CLASS}7", *(f"{_CLASS}7.{i}" for i in range(1, 5))})
#: Classes without an image, by the beginning of their UID, and a word for each.
NON_IMAGES = {
    f"{_CLASS}11.": "presentation state",
    f"{_CLASS}88.": "structured report",
    f"{_CLASS}104.": "encapsulated document",
    f"{_CLASS}66": "segmentation or raw data",
    "1.2.840.10008.1.3.10": "media directory",
}
_INTENT_OF_CLASS = {
    _PRESENTATION: "FOR PRESENTATION",
    _PROCESSING: "FOR PROCESSING",
    _DIGITAL_XRAY: "FOR PRESENTATION",
    _DIGITAL_XRAY_PROCESSING: "FOR PROCESSING",
}
_BREAST = ("BREAST", "MAMM", "BRUST", "BORST", "SEIN", "MAMA", "BRYST", "SENO", "BROST")
_COLOURS = ("RGB", "YBR", "PALETTE", "HSV", "ARGB", "CMYK")
_CONTRAST = frozenset(
    {
        *("POST_CONTRAST", "RECOMBINED", "SUBTRACTION", "HIGH_ENERGY", "LOW_ENERGY", "CESM"),
        *("DUAL_ENERGY", "DUAL ENERGY", "DUALENERGY", "DUAL_ENERGY_SUBTRACTION"),
    }
)
#: AnatomicRegionSequence: the breast, left, right, both (tables/codes.csv), SNOMED CT and retired codes.
_BREAST_REGIONS = frozenset(
    {
        *("76752008", "80248007", "73056007", "63762007"),
        *("T-04000", "T-04030", "T-04020", "T-04080"),
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason: its code, and words that carry no identity."""

    code: str
    expected: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        words = f"{self.code}: expected {self.expected}, found {self.found}"
        return f"{words}. {self.remedy}" if self.remedy else words


def non_image_kind(sop_class: str) -> str:
    """A word for a class that holds no image; "" for all others."""
    return next((word for start, word in NON_IMAGES.items() if sop_class.startswith(start)), "")


def may_be_film(header: Header) -> bool:
    """Whether a secondary capture may be a digitised film: one frame of a radiographic modality."""
    return (
        header.sop_class in _CAPTURES
        and header.n_frames == 1
        and header.modality in ("MG", "RG", "OT", "CR", "DX")
        and header.intent in ("", "FOR PRESENTATION")
    )


def intent_of(header: Header) -> str:
    """FOR PRESENTATION, FOR PROCESSING or "": the header's word, else what the SOP class says."""
    if header.intent in INTENTS:
        return header.intent
    return _INTENT_OF_CLASS.get(header.sop_class, "")


def object_findings(header: Header, *, is_view: bool) -> Iterator[Finding]:
    """What kind of DICOM object this is. `is_view`: whether projection and side could be read."""
    if header.pixel_data is None:
        yield Finding("no_pixel_data", "pixel data", "none")
    yield from _class_findings(header, is_view)
    storage_phosphor = header.sop_class == _COMPUTED and header.modality == "CR" and _is_breast(header)
    if header.modality != "MG" and not storage_phosphor:
        yield Finding("not_mammography_modality", "Modality MG", told(header.modality, MODALITIES))
    if header.body_part and not _is_breast(header):
        part = clean_text("BodyPartExamined", header.body_part)
        yield Finding("body_part_other", "body part BREAST", UNKNOWN if part == OTHER else part)
    elif any(_is_elsewhere(region) for region in header.regions):
        yield Finding("body_part_other", "the anatomic region breast", "the code of another region")
    if header.burned_in:
        yield Finding("burned_in_annotation", "pixels without a name in them", "BurnedInAnnotation YES")
    yield from _intent_findings(header)


def _class_findings(header: Header, is_view: bool) -> Iterator[Finding]:
    image_class = header.sop_class
    if image_class in (_PRESENTATION, _PROCESSING, _TOMOSYNTHESIS) or image_class in _PROJECTIONS:
        return
    wanted = "a Digital Mammography X-Ray object"
    if image_class in _CAPTURES:
        remedy = "Use the digitised-film policy if it is a film"
        yield Finding("secondary_capture", wanted, "a secondary capture", remedy)
    elif image_class == _COMPUTED and (header.modality == "MG" or _is_breast(header)):
        yield Finding("computed_radiography", wanted, "a Computed Radiography object")
    elif image_class == _COMPUTED_TOMOGRAPHY and (header.modality == "MG" or _is_breast(header)):
        yield Finding("tomosynthesis_slice", wanted, "a slice of a breast stored as CT")
    elif image_class in (_DIGITAL_XRAY, _DIGITAL_XRAY_PROCESSING) and header.modality == "MG" and is_view:
        yield Finding("digital_xray_class", wanted, "a mammogram of the class Digital X-Ray")
    else:
        found = f"SOP class {told_uid(image_class)}" if image_class else "none"
        yield Finding("unsupported_sop_class", "Digital Mammography X-Ray", found)


def _is_breast(header: Header) -> bool:
    return any(word in header.body_part for word in _BREAST)


def _is_elsewhere(region: Code) -> bool:
    """Whether a region is coded by SNOMED and is not the breast: other schemes cannot be read here."""
    if region.scheme not in SCHEMES or region.value in ("", OTHER) or region.value in _BREAST_REGIONS:
        return False
    return not any(word in region.meaning for word in _BREAST)


def _intent_findings(header: Header) -> Iterator[Finding]:
    by_class = _INTENT_OF_CLASS.get(header.sop_class, "")
    intent = intent_of(header)
    if by_class and header.intent and header.intent != by_class:
        yield Finding("intent_conflict", f"{by_class} as the SOP class says", told(header.intent, INTENTS))
    if "FOR PROCESSING" in (intent, by_class):
        yield Finding(
            "intent_for_processing", "FOR PRESENTATION", "FOR PROCESSING", "Use the processed image of it"
        )
    elif not intent and header.sop_class not in (*_CAPTURES, *_PROJECTIONS, _TOMOSYNTHESIS):
        yield Finding("intent_missing", "PresentationIntentType", "none")


def kind_findings(header: Header) -> Iterator[Finding]:
    """Objects that look like a screening view and are not."""
    parts = set(header.image_type)
    if header.n_frames > 1 or header.sop_class == _TOMOSYNTHESIS:
        yield Finding("tomosynthesis_volume", "one frame", f"a volume of {header.n_frames} frames")
    elif header.sop_class in _PROJECTIONS or "TOMO_PROJ" in parts:
        yield Finding("tomosynthesis_projection", "a mammogram", "a tomosynthesis projection")
    elif parts & {"TOMO", "TOMOSYNTHESIS"} or header.volumetric in ("VOLUME", "SAMPLED"):
        yield Finding("tomosynthesis_slice", "a mammogram", "a tomosynthesis slice")
    elif (header.concatenation_total or 1) > 1:
        found = f"one of {header.concatenation_total} parts of a multi-frame object"
        yield Finding("tomosynthesis_slice", "a mammogram", found)
    described = (header.series_description, header.study_description)
    words = phrase_in(STEREO, *described)
    if "STEREO" in parts or header.detector_mode == "STEREO":
        yield Finding("stereo_biopsy", "a screening view", "ImageType or DetectorMode STEREO")
    elif words or phrase_in(BIOPSY, header.paddle):
        found = f"the words {words} in a description" if words else "a paddle for biopsies"
        yield Finding("stereo_biopsy", "a screening view", found)
    if phrase_in(SPECIMEN, *described, header.paddle):
        yield Finding("specimen", "a view of a breast", "the word SPECIMEN in a description")
    if header.quality_control or header.view_position in ("FLATFIELD", "FLAT FIELD") or header.is_physics:
        yield Finding("quality_control", "an image of a woman", "a quality control image")
    elif words := phrase_in(QUALITY_CONTROL, *described):
        yield Finding("quality_control", "an image of a woman", f"the words {words} in a description")
    if is_synthetic(header):
        yield Finding("synthetic_2d", "an exposure", "an image computed from tomosynthesis")
    yield from _contrast_findings(header, parts)


def _contrast_findings(header: Header, parts: set[str]) -> Iterator[Finding]:
    """Low-energy images by ImageType or the series' own words; everything else of contrast mammography."""
    wanted = "a mammogram without contrast agent"
    coded = parts & _CONTRAST
    words = phrase_in(CONTRAST, header.series_description, header.study_description, header.protocol)
    words = words or phrase_in(CONTRAST_DERIVED, header.derivation)
    low = phrase_in(LOW_ENERGY, header.series_description)
    if "LOW_ENERGY" in parts or (low and not coded):
        yield Finding("contrast_low_energy", wanted, "a low-energy image")
    elif header.contrast or coded:
        yield Finding("contrast_recombined", wanted, "one with contrast agent")
    elif words:
        yield Finding("contrast_recombined", wanted, f"the words {words} in a description")


def is_synthetic(header: Header) -> bool:
    """Whether an image was computed from tomosynthesis: C-View, S-View and their kind (`phrases`)."""
    series = header.series_description.upper()
    if any(name in series for name in ("C-VIEW", "S-VIEW")) or phrase_in(SYNTHETIC, series):
        return True
    if {"TOMO_2D", "GENERATED_2D"} & set(header.image_type):
        return True
    # Fuji writes no word for it: derived images of the tomosynthesis machine (rule of mammocat).
    return (
        "FDR-3000AWS" in header.model.upper()
        and header.image_type[:2] == ("DERIVED", "PRIMARY")
        and "POST_CONTRAST" not in header.image_type
    )


def pixel_findings(header: Header) -> Iterator[Finding]:
    """Whether the pixels are described in a way that can be decoded and shown."""
    grey = header.grayscale
    photometric, shape = grey.photometric, grey.presentation_shape
    if photometric.startswith(_COLOURS) or (header.samples_per_pixel or 1) != 1:
        found = f"{told(photometric, PHOTOMETRICS)}, {header.samples_per_pixel} samples per pixel"
        yield Finding("colour_image", "a grey-scale image", found)
    elif header.pixel_data is not None or photometric:
        if photometric not in ("MONOCHROME1", "MONOCHROME2"):
            found = told(photometric, PHOTOMETRICS)
            yield Finding("photometric_unknown", "MONOCHROME1 or MONOCHROME2", found)
        elif shape and shape != {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}[photometric]:
            # PS3.3 C.8.11.3.1.2 ties them together; when they differ nobody knows what is white.
            yield Finding("photometric_unknown", f"a shape that fits {photometric}", told(shape, SHAPES))
    if header.pixel_data is None:
        return
    if header.transfer_syntax not in DECODABLE:
        yield Finding("unsupported_transfer_syntax", "a decodable syntax", told_uid(header.transfer_syntax))
    problem = description_problem(header)
    if problem:
        yield Finding("undecodable_pixels", "pixels described as they can be decoded", problem)
    problem = voi_problem(grey)
    if problem:
        yield Finding("voi_invalid", "a VOI that can be applied", problem)
    elif None in grey.windows:
        # PS3.3 C.11.2.1.2: WindowCenter and WindowWidth have the same number of values.
        yield Finding(
            "voi_inconsistent", "a centre and a width for each window", "more of one than of the other"
        )
    lossy = header.lossy == "01" or header.transfer_syntax in LOSSY
    if lossy or (header.transfer_syntax in MAYBE_LOSSY and header.lossy != "00"):
        ratio = f", ratio {header.lossy_ratio:.3g}" if header.lossy_ratio else ""
        yield Finding("lossy_compression", "lossless pixels", f"compression with loss{ratio}")


def size_findings(header: Header, spacing: Spacing, limits: Limits) -> Iterator[Finding]:
    """Whether matrix, field and pixel size are those of a screening view."""
    if spacing.mm is None:
        yield Finding("pixel_spacing_missing", "PixelSpacing or ImagerPixelSpacing", "neither")
    elif spacing.conflict:
        yield Finding("pixel_spacing_conflict", "spacings that agree", spacing.conflict)
    elif spacing.source == "ImagerPixelSpacing":
        yield Finding("pixel_spacing_from_imager", "PixelSpacing", "ImagerPixelSpacing")
    if header.partial_view:
        yield Finding("partial_view", "the whole breast in one image", "PartialView YES")
    if header.pixel_data is None or not header.rows or not header.columns:
        return
    rows, columns = header.rows, header.columns
    if min(rows, columns) < limits.min_side:
        wanted = f"at least {limits.min_side} rows and columns"
        yield Finding("image_too_small", wanted, f"{rows} x {columns}")
    elif spacing.mm is not None and not spacing.conflict:
        field_mm = min(rows * spacing.mm[0], columns * spacing.mm[1])
        if field_mm < limits.min_field_mm:
            yield Finding("image_too_small", f"a field of {limits.min_field_mm:g} mm", f"{field_mm:.1f} mm")
