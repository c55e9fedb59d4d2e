"""Whether a DICOM object may be used: accept, accept with flags, or refuse, each with its reasons.

In: a Header and a Policy. Out: a `Decision`. Only the header is judged here; what the pixels add
(undecodable, without contrast, saturated) comes when they are loaded. Each reason is one code of CODES;
words for a person say expected and found and never quote what could name a woman.

The ordinary screening object passes: Digital Mammography X-Ray For Presentation, one frame, CC or MLO
of one breast, without view modifiers, with a physical pixel spacing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..records import Laterality, View
from .pixels import DECODABLE, LOSSY, MAYBE_LOSSY, description_problem, voi_problem
from .spacing import Spacing, read_spacing
from .tags import Header
from .views import BaseView, Modifier, ViewReading, read_view

#: Every reason, in the order in which reasons are reported, and its meaning.
CODES: dict[str, str] = {
    "unreadable_file": "the operating system does not give the file",
    "not_dicom": "not a DICOM file",
    "truncated_file": "the file ends before its content",
    "malformed_header": "the data elements cannot be read",
    "non_image_object": "a DICOM object without an image (report, presentation state, directory)",
    "no_pixel_data": "an image object without pixel data",
    "secondary_capture": "a secondary capture: digitised film, screenshot or proprietary object",
    "not_mammography_modality": "Modality is not MG",
    "unsupported_sop_class": "not a Digital Mammography X-Ray object",
    "tomosynthesis_volume": "a tomosynthesis volume or another multi-frame object",
    "tomosynthesis_slice": "one slice of a tomosynthesis volume",
    "tomosynthesis_projection": "a projection image of a tomosynthesis sweep",
    "stereo_biopsy": "a stereotactic image for a biopsy",
    "specimen": "an image of a specimen",
    "quality_control": "a quality control image, phantom or flat field",
    "body_part_other": "another part of the body",
    "intent_for_processing": "raw pixels, FOR PROCESSING",
    "intent_missing": "neither the header nor the SOP class tells the presentation intent",
    "intent_conflict": "presentation intent and SOP class contradict each other",
    "synthetic_2d": "a two-dimensional image computed from tomosynthesis",
    "contrast_recombined": "a contrast-enhanced image",
    "colour_image": "a colour image",
    "photometric_unknown": "grey scale absent, unknown, or contradicted by the presentation LUT shape",
    "unsupported_transfer_syntax": "a transfer syntax that is not decoded",
    "undecodable_pixels": "pixels that cannot be decoded, or are described wrongly",
    "voi_invalid": "a window or VOI LUT that cannot be applied",
    "image_too_small": "too few pixels or too small a field for a screening view",
    "view_missing": "no projection in the header",
    "view_conflict": "coded view and ViewPosition contradict each other",
    "view_not_standard": "a projection other than CC and MLO",
    "laterality_missing": "no single side in the header",
    "laterality_conflict_header": "two sides in one header",
    "laterality_conflict_pixels": "the breast lies on the other side than the header says",
    "orientation_unusual": "a picture that is turned or upside down by its header",
    "spot_compression": "a spot compression view",
    "magnification": "a magnification view",
    "other_view_modifier": "a view with another modifier (rolled, tangential, cleavage, ...)",
    "implant_present": "a breast with an implant",
    "implant_displaced": "an implant-displaced view",
    "partial_view": "a part of a breast that needs several images",
    "pixel_spacing_missing": "no physical pixel spacing",
    "pixel_spacing_conflict": "pixel spacings that contradict each other or make no sense",
    "pixel_spacing_from_imager": "pixel spacing of the detector, divided by the magnification",
    "burned_in_annotation": "identifying text burned into the pixels",
    "lossy_compression": "compressed with loss",
    "low_dynamic_range": "pixels without contrast",
    "saturated": "a large part of the image is at its brightest value",
    "age_missing": "no age in the header",
    "age_implausible": "an age that no woman at screening has",
    "patient_id_missing": "no patient number in the header",
    "vendor_not_validated": "a machine on which the model was not validated",
    "mixed_vendors_in_exam": "images of different machines in one exam",
    "patient_mismatch": "different patients under one exam number",
    "study_mismatch": "another study of the same exam was used",
    "duplicate_instance": "the same object as another file",
    "duplicate_view_older": "a repeat of this view was used instead",
}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is accepted beyond the ordinary screening object, and where the limits lie."""

    #: Secondary captures of film of any modality, without physical spacing: accepted with flags.
    digitised_film: bool = False
    #: Full-field views of breasts with implants (implant-displaced views always pass, with a flag).
    implants: bool = False
    #: C-View, S-View and their kind.
    synthetic_2d: bool = False
    #: Fewest rows and columns.
    min_side: int = 128
    #: Smallest side of the field in mm (a spot field is smaller than any full field).
    min_field_mm: float = 50.0
    #: Contact views are 1.00-1.07, magnification views 1.5-2.
    max_magnification: float = 1.2
    #: Ages outside get a flag.
    min_age_years: float = 18.0
    max_age_years: float = 110.0


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


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's answer for one header. Refused when `reasons` is not empty; flags do not refuse."""

    reasons: tuple[Finding, ...]
    flags: tuple[str, ...]
    view: View | None
    laterality: Laterality | None
    spacing: Spacing
    implant_displaced: bool = field(default=False)

    @property
    def codes(self) -> tuple[str, ...]:
        """All codes: what refuses, then the flags."""
        return (*(reason.code for reason in self.reasons), *self.flags)

    @property
    def message(self) -> str:
        """All reasons in words."""
        return "; ".join(str(reason) for reason in self.reasons)


_CLASS = "1.2.840.10008.5.1.4.1.1."
_PRESENTATION_CLASS, _PROCESSING_CLASS = f"{_CLASS}1.2", f"{_CLASS}1.2.1"
_TOMOSYNTHESIS_CLASS = f"{_CLASS}13.1.3"
_PROJECTION_CLASSES = frozenset({f"{_CLASS}13.1.4", f"{_CLASS}13.1.5"})
_CAPTURE_CLASSES = frozenset({f"{_CLASS}7", *(f"{_CLASS}7.{i}" for i in range(1, 5))})
# Presentation states, structured reports, encapsulated documents, segmentations, raw data; DICOMDIR.
_NON_IMAGE = (f"{_CLASS}11.", f"{_CLASS}88.", f"{_CLASS}104.", f"{_CLASS}66", "1.2.840.10008.1.3.10")
_INTENT_OF_CLASS = {_PRESENTATION_CLASS: "FOR PRESENTATION", _PROCESSING_CLASS: "FOR PROCESSING"}
_FILM_FORGIVES = frozenset({"secondary_capture", "not_mammography_modality", "pixel_spacing_missing"})
_BREAST = ("BREAST", "MAMM", "BRUST", "BORST", "SEIN", "MAMA", "BRYST", "SENO", "BROST")


def judge(header: Header, policy: Policy) -> Decision:
    """Accept, accept with flags, or refuse one object by its header."""
    reading, spacing = read_view(header), read_spacing(header)
    film = policy.digitised_film and _may_be_film(header)
    reasons: list[Finding] = []
    flags: list[str] = []
    if header.sop_class.startswith(_NON_IMAGE):
        reasons.append(Finding("non_image_object", "an image", f"SOP class {_short(header.sop_class)}"))
    else:
        for finding in (
            *_object_findings(header),
            *_kind_findings(header, policy),
            *_pixel_findings(header),
            *_size_findings(header, policy, spacing),
            *_view_findings(reading),
            *_orientation_findings(header, reading),
            *_modifier_findings(header, policy, reading),
            *_spacing_findings(spacing),
        ):
            if film and finding.code in _FILM_FORGIVES:
                flags.append(finding.code)
            else:
                reasons.append(finding)
        flags.extend(_flags(header, policy, reading, spacing))
    order = list(CODES)
    return Decision(
        reasons=tuple(sorted(reasons, key=lambda finding: order.index(finding.code))),
        flags=tuple(sorted(set(flags), key=order.index)),
        view=View(reading.view.value) if reading.view in (BaseView.CC, BaseView.MLO) else None,
        laterality=reading.laterality,
        spacing=spacing,
        implant_displaced=Modifier.IMPLANT_DISPLACED in reading.modifiers,
    )


def _may_be_film(header: Header) -> bool:
    return (
        header.sop_class in _CAPTURE_CLASSES
        and header.n_frames == 1
        and header.modality in ("MG", "RG", "OT", "CR", "DX")
        and header.intent in ("", "FOR PRESENTATION")
    )


def _object_findings(header: Header) -> Iterator[Finding]:
    """What kind of DICOM object this is."""
    image_class = header.sop_class
    if header.pixel_data is None:
        yield Finding("no_pixel_data", "pixel data", "none")
    if image_class in _CAPTURE_CLASSES:
        yield Finding(
            "secondary_capture",
            "a Digital Mammography X-Ray object",
            "a secondary capture",
            "Use the digitised-film policy if it is a film",
        )
    elif image_class not in (
        _PRESENTATION_CLASS,
        _PROCESSING_CLASS,
        _TOMOSYNTHESIS_CLASS,
        *_PROJECTION_CLASSES,
    ):
        found = f"SOP class {_short(image_class)}" if image_class else "none"
        yield Finding("unsupported_sop_class", "Digital Mammography X-Ray", found)
    if header.modality != "MG":
        yield Finding("not_mammography_modality", "Modality MG", _short(header.modality))
    if header.body_part and not any(word in header.body_part for word in _BREAST):
        yield Finding("body_part_other", "body part BREAST", _short(header.body_part))
    if header.burned_in:
        yield Finding("burned_in_annotation", "pixels without a name in them", "BurnedInAnnotation YES")
    yield from _intent_findings(header)


def intent_of(header: Header) -> str:
    """FOR PRESENTATION, FOR PROCESSING or "": the header's word, else what the SOP class says."""
    return header.intent or _INTENT_OF_CLASS.get(header.sop_class, "")


def _intent_findings(header: Header) -> Iterator[Finding]:
    by_class = _INTENT_OF_CLASS.get(header.sop_class, "")
    intent = intent_of(header)
    if by_class and header.intent and header.intent != by_class:
        yield Finding("intent_conflict", f"{by_class} as the SOP class says", _short(header.intent))
    if intent == "FOR PROCESSING" or by_class == "FOR PROCESSING":
        yield Finding(
            "intent_for_processing", "FOR PRESENTATION", "FOR PROCESSING", "Use the processed image of it"
        )
    elif not intent and header.sop_class not in (
        *_CAPTURE_CLASSES,
        *_PROJECTION_CLASSES,
        _TOMOSYNTHESIS_CLASS,
    ):
        yield Finding("intent_missing", "PresentationIntentType", "none")


def _kind_findings(header: Header, policy: Policy) -> Iterator[Finding]:
    """Objects that look like a screening view and are not."""
    parts = set(header.image_type)
    if header.n_frames > 1 or header.sop_class == _TOMOSYNTHESIS_CLASS:
        yield Finding("tomosynthesis_volume", "one frame", f"a volume of {header.n_frames} frames")
    elif header.sop_class in _PROJECTION_CLASSES or "TOMO_PROJ" in parts:
        yield Finding("tomosynthesis_projection", "a mammogram", "a tomosynthesis projection")
    elif parts & {"TOMO", "TOMOSYNTHESIS"} or header.volumetric in ("VOLUME", "SAMPLED"):
        yield Finding("tomosynthesis_slice", "a mammogram", "a tomosynthesis slice")
    if "STEREO" in parts or header.detector_mode == "STEREO":
        yield Finding("stereo_biopsy", "a screening view", "ImageType or DetectorMode STEREO")
    if header.quality_control or header.view_position in ("FLATFIELD", "FLAT FIELD") or header.is_physics:
        yield Finding("quality_control", "an image of a woman", "a quality control image")
    if _is_synthetic(header) and not policy.synthetic_2d:
        yield Finding("synthetic_2d", "an exposure", "an image computed from tomosynthesis")
    if header.contrast or parts & {"POST_CONTRAST", "RECOMBINED", "SUBTRACTION", "LOW_ENERGY", "HIGH_ENERGY"}:
        yield Finding("contrast_recombined", "a mammogram without contrast agent", "one with contrast agent")


def _is_synthetic(header: Header) -> bool:
    series = header.series_description.upper()
    if any(name in series for name in ("C-VIEW", "S-VIEW")):
        return True
    if {"TOMO_2D", "GENERATED_2D"} & set(header.image_type):
        return True
    # Fuji writes no word for it: derived images of the tomosynthesis machine (rule of mammocat).
    return (
        "FDR-3000AWS" in header.model.upper()
        and header.image_type[:2] == ("DERIVED", "PRIMARY")
        and "POST_CONTRAST" not in header.image_type
    )


def _pixel_findings(header: Header) -> Iterator[Finding]:
    """Whether the pixels are described in a way that can be decoded and shown."""
    grey = header.grayscale
    photometric, shape = grey.photometric, grey.presentation_shape
    colour = photometric.startswith(("RGB", "YBR", "PALETTE", "HSV", "ARGB", "CMYK"))
    if colour or (header.samples_per_pixel or 1) != 1:
        found = f"{_short(photometric)}, {header.samples_per_pixel} samples per pixel"
        yield Finding("colour_image", "a grey-scale image", found)
    elif header.pixel_data is not None or photometric:
        if photometric not in ("MONOCHROME1", "MONOCHROME2"):
            yield Finding("photometric_unknown", "MONOCHROME1 or MONOCHROME2", _short(photometric))
        elif shape and shape != {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}[photometric]:
            # PS3.3 C.8.11.3.1.2 ties them together; when they differ nobody knows what is white.
            yield Finding("photometric_unknown", f"a shape that fits {photometric}", _short(shape))
    if header.pixel_data is None:
        return
    if header.transfer_syntax not in DECODABLE:
        yield Finding("unsupported_transfer_syntax", "a decodable syntax", _short(header.transfer_syntax))
    problem = description_problem(header)
    if problem:
        yield Finding("undecodable_pixels", "unsigned pixels of 8 to 16 bits", problem)
    problem = voi_problem(grey)
    if problem:
        yield Finding("voi_invalid", "a VOI that can be applied", problem)


def _size_findings(header: Header, policy: Policy, spacing: Spacing) -> Iterator[Finding]:
    if header.pixel_data is None or not header.rows or not header.columns:
        return
    rows, columns = header.rows, header.columns
    if min(rows, columns) < policy.min_side:
        yield Finding(
            "image_too_small", f"at least {policy.min_side} rows and columns", f"{rows} x {columns}"
        )
    elif spacing.mm is not None and not spacing.conflict:
        field_mm = min(rows * spacing.mm[0], columns * spacing.mm[1])
        if field_mm < policy.min_field_mm:
            yield Finding("image_too_small", f"a field of {policy.min_field_mm:g} mm", f"{field_mm:.1f} mm")


def _view_findings(reading: ViewReading) -> Iterator[Finding]:
    if reading.view is BaseView.SPECIMEN:
        yield Finding("specimen", "a view of a breast", "a specimen")
    elif reading.view_conflict:
        yield Finding("view_conflict", "one view", _short(reading.view_text))
    elif reading.view_unknown:
        yield Finding("view_not_standard", "CC or MLO", _short(reading.view_text) or "an unknown code")
    elif reading.view is None:
        yield Finding("view_missing", "a view code or ViewPosition", _short(reading.view_text))
    elif reading.view not in (BaseView.CC, BaseView.MLO):
        yield Finding("view_not_standard", "CC or MLO", reading.view.value)
    if reading.laterality_conflict:
        yield Finding("laterality_conflict_header", "one side", _short(reading.laterality_text))
    elif reading.laterality is None:
        yield Finding("laterality_missing", "a side, L or R", _short(reading.laterality_text))


def _orientation_findings(header: Header, reading: ViewReading) -> Iterator[Finding]:
    """Rows must run from head to foot: along a row towards front or back, never towards a side."""
    if len(header.orientation) < 2 or not all(header.orientation[:2]):
        return
    along_row, down_column = header.orientation[:2]
    turned = along_row[0] not in "AP"
    upside_down = reading.view is BaseView.MLO and "H" in down_column
    if turned or upside_down:
        found = _short("/".join(header.orientation))
        yield Finding("orientation_unusual", "rows from front to back (A or P), head up", found)


def _modifier_findings(header: Header, policy: Policy, reading: ViewReading) -> Iterator[Finding]:
    modifiers = reading.modifiers
    if Modifier.SPOT_COMPRESSION in modifiers:
        yield Finding("spot_compression", "a full-field view", "spot compression")
    factor = header.magnification
    if Modifier.MAGNIFICATION in modifiers or (factor is not None and factor > policy.max_magnification):
        yield Finding("magnification", "a contact view", f"magnification {factor or 'view'}")
    others = modifiers - {Modifier.SPOT_COMPRESSION, Modifier.MAGNIFICATION, Modifier.IMPLANT_DISPLACED}
    if others or reading.modifier_unknown:
        found = ", ".join(sorted(others)) or "an unknown code"
        yield Finding("other_view_modifier", "a view without modifiers", found)
    if header.implant and Modifier.IMPLANT_DISPLACED not in modifiers and not policy.implants:
        yield Finding("implant_present", "a breast without implant", "BreastImplantPresent YES")


def _spacing_findings(spacing: Spacing) -> Iterator[Finding]:
    if spacing.mm is None:
        yield Finding("pixel_spacing_missing", "PixelSpacing or ImagerPixelSpacing", "neither")
    elif spacing.conflict:
        yield Finding("pixel_spacing_conflict", "spacings that agree", spacing.conflict)


def _flags(header: Header, policy: Policy, reading: ViewReading, spacing: Spacing) -> Iterator[str]:
    """Codes that are recorded and do not refuse."""
    if spacing.source == "ImagerPixelSpacing":
        yield "pixel_spacing_from_imager"
    if (
        header.lossy == "01"
        or header.transfer_syntax in LOSSY
        or (header.transfer_syntax in MAYBE_LOSSY and header.lossy != "00")
    ):
        yield "lossy_compression"
    if header.partial_view:
        yield "partial_view"
    if Modifier.IMPLANT_DISPLACED in reading.modifiers:
        yield "implant_displaced"
    if header.implant and (policy.implants or Modifier.IMPLANT_DISPLACED in reading.modifiers):
        yield "implant_present"
    if policy.synthetic_2d and _is_synthetic(header):
        yield "synthetic_2d"
    if header.age_years is None:
        yield "age_missing"
    elif not policy.min_age_years <= header.age_years <= policy.max_age_years:
        yield "age_implausible"
    if not header.patient_id:
        yield "patient_id_missing"


def _short(text: str) -> str:
    """At most 40 printable characters of a header's term."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return clean[:40] or "none"
