"""Which objects are de-identified at all: those that cannot show who she is beside their header.

In: a header. Out: nothing, or a refusal with its reason. Text burned in by the machine's own word,
secondary captures, colour, reports, overlays inside the pixels are refused, not cleaned; so is pixel data
that the header does not describe, because nobody knows what it holds.

Source: PS3.15 E.1.1 (note 5 of step 2: burned-in identification), E.3.1 and E.3.3 (options not taken).
"""

from __future__ import annotations

import re

from pydicom._uid_dict import UID_dictionary

from ..errors import DicomError
from .elements import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, Elements, PixelData
from .tags import Header
from .values import tag_of

#: Why an object is refused. Codes of the gate mean here what they mean there.
REFUSALS: dict[str, str] = {
    "unreadable_file": "the operating system does not give the file",
    "not_dicom": "not a DICOM file",
    "truncated_file": "the file ends before its content",
    "malformed_header": "the data elements cannot be read",
    "non_image_object": "a report, presentation state, document or directory: text and graphics about her",
    "no_pixel_data": "an image object without pixel data",
    "secondary_capture": "a secondary capture: film labels and screens show names",
    "unsupported_sop_class": "not a mammography image",
    "not_mammography_modality": "Modality is not MG",
    "colour_image": "a colour image: a screen, not a detector",
    "burned_in_annotation": "identifying text burned into the pixels, as the header says",
    "embedded_overlay": "overlay planes inside the pixel cells: graphics and text of a person",
    "unsupported_transfer_syntax": "a transfer syntax that is not one of the standard's for still images",
    "undecodable_pixels": "pixel data whose length cannot be told from the header",
    "already_deidentified": "made by this profile under this key before",
    "duplicate_instance": "the same object as another file",
    "voi_invalid": "with blanking: a window or VOI LUT that cannot be applied",
    "low_dynamic_range": "with blanking: pixels without contrast",
    "breast_not_found": "with blanking: no breast in the picture, or several pictures",
}
_CLASS = "1.2.840.10008.5.1.4.1.1."
#: Mammograms, raw and processed; tomosynthesis volumes and their projections.
ACCEPTED_CLASSES = frozenset(f"{_CLASS}{c}" for c in ("1.2", "1.2.1", "13.1.3", "13.1.4", "13.1.5"))
_CAPTURES = frozenset(f"{_CLASS}{c}" for c in ("7", "7.1", "7.2", "7.3", "7.4"))
_NON_IMAGES = (f"{_CLASS}11.", f"{_CLASS}88.", f"{_CLASS}104.", f"{_CLASS}66", "1.2.840.10008.1.3.10")
_NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG})
_COMPRESSED = ("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5")
_VIDEO = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.10\d")

METHOD_TEXT = tag_of("DeidentificationMethod")
OVERLAY_BITS = frozenset(0x60000102 + (group << 16) for group in range(0, 0x20, 2))


def guard(header: Header, elements: Elements, *, mark: str) -> None:
    """Raise DicomError with the reason for which an object is not de-identified, if there is one.

    `mark` is the DeidentificationMethod that this profile writes under this key.
    """
    sop_class, pixels, photometric = header.sop_class, elements.pixel_data, header.grayscale.photometric
    method = elements.by_tag.get(METHOD_TEXT)
    if method and mark.encode() in method.value:
        raise refusal("already_deidentified", "an original", "an object of this profile and key")
    if sop_class.startswith(_NON_IMAGES):
        raise refusal("non_image_object", "an image", "a report, presentation state or document")
    if sop_class in _CAPTURES:
        raise refusal("secondary_capture", "an image of a mammography machine", "a secondary capture")
    if sop_class not in ACCEPTED_CLASSES:
        known = f"SOP class {sop_class}" if sop_class in UID_dictionary else "an unknown SOP class"
        raise refusal("unsupported_sop_class", "a mammography image", known)
    if header.modality != "MG":
        raise refusal("not_mammography_modality", "Modality MG", "another one")
    if pixels is None:
        raise refusal("no_pixel_data", "pixel data", "none")
    if header.burned_in:
        raise refusal("burned_in_annotation", "pixels without a name in them", "BurnedInAnnotation YES")
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or (header.samples_per_pixel or 1) != 1:
        raise refusal("colour_image", "a grey-scale image", "another photometric interpretation")
    if any(elements.by_tag[tag].value.strip(b"\0") for tag in OVERLAY_BITS & set(elements.by_tag)):
        raise refusal("embedded_overlay", "pixels without overlays in them", "OverlayBitPosition")
    _check_pixels(header, pixels)


def pixel_bytes(header: Header) -> int:
    """Bytes of native pixel data that the header describes, without padding."""
    cell = (header.grayscale.bits_allocated or 0) // 8
    return (
        (header.rows or 0) * (header.columns or 0) * (header.samples_per_pixel or 1) * header.n_frames * cell
    )


def _check_pixels(header: Header, pixels: PixelData) -> None:
    syntax = header.transfer_syntax
    compressed = syntax in UID_dictionary and syntax.startswith(_COMPRESSED) and not _VIDEO.match(syntax)
    if syntax not in _NATIVE and not compressed:
        raise refusal("unsupported_transfer_syntax", "a syntax of the standard for still images", "another")
    if pixels.encapsulated != compressed or not pixels.parts:
        raise refusal("undecodable_pixels", "pixel data in the form of its syntax", "another form")
    if header.grayscale.bits_allocated not in (8, 16) or pixel_bytes(header) <= 0:
        raise refusal(
            "undecodable_pixels", "cells of 8 or 16 bits in rows and columns", "another description"
        )
    if not compressed and pixels.parts[0][1] < pixel_bytes(header):
        needed, there = pixel_bytes(header), pixels.parts[0][1]
        raise refusal("truncated_file", f"{needed} bytes of pixel data", str(there))


def refusal(code: str, expected: str, found: str) -> DicomError:
    """The error of one refusal; its words quote nothing of the object."""
    return DicomError(code, expected=expected, found=found)
