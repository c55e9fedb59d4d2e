"""One DICOM mammogram becomes the same mammogram without a trace of who she is.

In: the file of one object, and keyed pseudonyms. Out: an object in the same transfer syntax with the same
pixel bytes, whose header holds only what `attributes.RULES` allows, each value checked or replaced. The
file meta information is written anew, the preamble is zero, nothing follows the pixel data.

Objects that may show who she is are refused, not cleaned: text burned in by the machine's own word,
secondary captures, colour, reports, overlays inside the pixels. What this does and does not do is on the
page docs/reference/deidentify.md.

Source: PS3.15 annex E (Basic Application Level Confidentiality Profile, options Clean Descriptors, Retain
Patient Characteristics, Retain Longitudinal Temporal Information); PS3.10 section 7 (file meta).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import imagecodecs
import numpy as np

from ..errors import ConfigError
from ..identity import Pseudonyms
from .assemble import exam_number
from .attributes import PROFILE, RULES
from .cleaning import Clean, Cleaner, encode
from .comments import starts_frame, without_comments
from .elements import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Element,
    Elements,
    PixelData,
    data_set_start,
    inflated,
    read_elements,
)
from .encode import ENCODERS
from .guard import METHOD_TEXT, OVERLAY_BITS, guard, pixel_bytes, refusal
from .syntaxes import RLE
from .tags import Header, parse_header
from .values import WANTED, tag_of
from .write import derived_uid, file_head

#: Bytes of native pixels that are in memory at a time.
CHUNK = 1 << 20
JPEG_LOSSLESS_FIRST = "1.2.840.10008.1.2.4.70"  # process 14, selection value 1

# PS3.16 CID 7050: what was done, as codes.
_METHODS = {
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113108": "Retain Patient Characteristics Option",
}
_MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
_FULL_DATES = ("113106", "Retain Longitudinal Temporal Information Full Dates Option")

_SOP_INSTANCE, _DERIVATION = tag_of("SOPInstanceUID"), tag_of("DerivationDescription")
# Numbers of hers that must not stand in a number that is kept.
_HER_NUMBERS = frozenset(
    tag_of(keyword)
    for keyword in (
        "PatientID",
        "OtherPatientIDs",
        "AccessionNumber",
        "PatientBirthDate",
        "PatientTelephoneNumbers",
        "StudyID",
        "PatientName",
    )
)
_READ = frozenset(RULES) | WANTED | OVERLAY_BITS | _HER_NUMBERS | {METHOD_TEXT}


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """Pixels that stand instead of those of the file: one frame, encoded, and what was done to it.

    `transfer_syntax` is explicit VR little endian, or a lossless compressed one.
    """

    transfer_syntax: str
    data: bytes
    derivation: str  # for DerivationDescription


@dataclass(frozen=True, kw_only=True)
class Deidentified:
    """One object after cleaning. `actions` counts attributes by what became of them."""

    woman: str  # pseudonym, "" where the object has no patient number
    exam: str  # pseudonym
    sop_instance_uid: str  # the new one
    days_back: int
    header: Header  # of the original
    elements: Elements  # of the original
    clean: Clean
    actions: dict[str, int]


def deidentify(stream: BinaryIO, pseudonyms: Pseudonyms, *, keep_dates: bool = False) -> Deidentified:
    """The cleaned header of the object in `stream`; `write_deidentified` adds its pixels.

    Raises DicomError with a code of guard.REFUSALS, ConfigError for pseudonyms without a key.
    """
    if pseudonyms.key is None:
        raise ConfigError(expected="a pseudonym key", found="none", where="de-identification")
    elements = read_elements(stream, _READ)
    header = parse_header(elements)
    guard(header, elements, mark=f"{PROFILE} {pseudonyms.mark}")
    days_back = 0 if keep_dates else pseudonyms.days_back(header.patient_id or header.study_uid)
    exam = pseudonyms.exam(exam_number(header))
    cleaner = Cleaner(
        pseudonyms=pseudonyms,
        header=header,
        exam=exam,
        days_back=days_back,
        her_numbers=_her_numbers(elements),
    )
    clean = cleaner.clean(elements.by_tag)
    clean |= cleaner.added(
        clean,
        _METHODS | dict([_FULL_DATES if keep_dates else _MODIFIED_DATES]),
        profile=f"{PROFILE} {pseudonyms.mark}",
        dates="UNMODIFIED" if keep_dates else "MODIFIED",
    )
    uid = pseudonyms.uid(header.sop_instance_uid or _uid_of_unnamed(header))
    clean[_SOP_INSTANCE] = Element("UI", uid.encode("ascii"))
    return Deidentified(
        woman=pseudonyms.woman(header.patient_id),
        exam=exam,
        sop_instance_uid=uid,
        days_back=days_back,
        header=header,
        elements=elements,
        clean=clean,
        actions=dict(sorted(cleaner.actions.items())),
    )


def write_deidentified(
    source: BinaryIO, target: BinaryIO, found: Deidentified, *, replacement: Replacement | None = None
) -> None:
    """Write the object: header of `found`, pixels of `source` byte for byte, or `replacement`.

    Raises DicomError `truncated_file` where the pixels of the source end early.
    """
    syntax = replacement.transfer_syntax if replacement else found.header.transfer_syntax
    explicit, big_endian = syntax != IMPLICIT_LITTLE, syntax == EXPLICIT_BIG
    clean = found.clean
    if replacement:
        clean = clean | {_DERIVATION: Element("ST", replacement.derivation.encode("ascii"))}
    header = encode(clean, explicit=explicit, big_endian=big_endian)
    target.write(file_head(found.header.sop_class, found.sop_instance_uid, syntax))
    if syntax != DEFLATED:
        target.write(header)
        parts = _replaced(replacement, found) if replacement else _pixel_element(source, found)
        for part in parts:
            target.write(part)
        return
    data_set_start(source)
    plain = inflated(source)
    engine = zlib.compressobj(wbits=-15)
    written = target.write(engine.compress(header))
    for part in _pixel_element(plain, found):
        written += target.write(engine.compress(part))
    written += target.write(engine.flush())
    target.write(b"\0" * (written % 2))  # PS3.5 A.5


def encode_replacement(pixels: np.ndarray, header: Header, *, derivation: str) -> Replacement:
    """Changed pixels of a single-frame object, without loss: in its own syntax where that can be written
    here (JPEG lossless, JPEG-LS, JPEG 2000, RLE), else as explicit VR little endian.
    """
    bits, eight = header.grayscale.bits_stored or 16, header.grayscale.bits_allocated == 8
    cells = pixels.astype(np.uint8 if eight else np.uint16)  # signed values keep their bits
    syntax = header.transfer_syntax
    if cells.dtype == np.uint16 and pixels.dtype.kind == "u":
        if syntax == JPEG_LOSSLESS_FIRST:
            data = bytes(imagecodecs.jpeg8_encode(cells, lossless=True, predictor=1, bitspersample=bits))
            return Replacement(transfer_syntax=syntax, data=data, derivation=derivation)
        if syntax in ENCODERS:
            return Replacement(
                transfer_syntax=syntax, data=ENCODERS[syntax](cells, bits), derivation=derivation
            )
    native = cells.tobytes() if eight else cells.astype("<u2").tobytes()
    return Replacement(transfer_syntax=EXPLICIT_LITTLE, data=native, derivation=derivation)


def _pixel_element(source: BinaryIO, found: Deidentified) -> Iterator[bytes]:
    """The pixel data element as it was: native cells without surplus, or the same items."""
    header, pixels = found.header, found.elements.pixel_data
    assert pixels is not None
    if pixels.encapsulated:
        yield from _items(source, header, pixels)
        return
    order = ">" if header.big_endian else "<"
    start, length = pixels.parts[0][0], pixel_bytes(header)
    padded = length + length % 2
    if header.transfer_syntax == IMPLICIT_LITTLE:
        yield struct.pack("<HHL", 0x7FE0, 0x0010, padded)
    else:
        source.seek(start - 8)
        vr = source.read(2)
        # A file that says explicit VR and is implicit has no VR here.
        vr = vr if vr in (b"OB", b"OW") else b"OW"
        yield struct.pack(f"{order}HH2sHL", 0x7FE0, 0x0010, vr, 0, padded)
    source.seek(start)
    left = length
    while left:
        chunk = source.read(min(CHUNK, left))
        if not chunk:
            raise refusal("truncated_file", f"{length} bytes of pixel data", str(length - left))
        left -= len(chunk)
        yield chunk
    yield b"\0" * (length % 2)


def _items(source: BinaryIO, header: Header, pixels: PixelData) -> Iterator[bytes]:
    """Encapsulated pixel data (PS3.5 A.4), frame by frame, each without its comments."""
    yield struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    yield _item(_offset_table(source, header, pixels))
    group: list[bytes] = []
    for start, length in pixels.parts:
        source.seek(start)
        fragment = source.read(length)
        if len(fragment) < length:
            raise refusal("truncated_file", f"{length} bytes of a fragment", str(len(fragment)))
        if header.transfer_syntax == RLE:  # one fragment per frame (PS3.5 G.2)
            n_pixels = (header.rows or 0) * (header.columns or 0)
            yield _item(without_comments(fragment, rle_pixels=n_pixels))
            continue
        if group and starts_frame(fragment):
            yield from _frame(group)
            group = []
        group.append(fragment)
    if group:
        yield from _frame(group)
    yield struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def _frame(fragments: list[bytes]) -> Iterator[bytes]:
    whole = without_comments(b"".join(fragments))
    at = 0
    for fragment in fragments:
        yield _item(whole[at : at + len(fragment)])
        at += len(fragment)


def _item(value: bytes) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value


def _offset_table(source: BinaryIO, header: Header, pixels: PixelData) -> bytes:
    """The basic offset table of the file where it tells offsets of its fragments; else an empty one."""
    first = pixels.parts[0][0] - 8
    starts = {start - 8 - first for start, _ in pixels.parts}
    for length in sorted({4 * header.n_frames, 4}, reverse=True):
        at = first - length - 8
        if at < 0:
            continue
        source.seek(at)
        item = source.read(8 + length)
        if item[:8] == struct.pack("<HHL", 0xFFFE, 0xE000, length):
            offsets = struct.unpack(f"<{length // 4}L", item[8:])
            return item[8:] if offsets[0] == 0 and set(offsets) <= starts else b""
    return b""


def _replaced(replacement: Replacement, found: Deidentified) -> Iterator[bytes]:
    data = replacement.data + b"\0" * (len(replacement.data) % 2)
    if replacement.transfer_syntax == EXPLICIT_LITTLE:
        vr = b"OW" if found.header.grayscale.bits_allocated == 16 else b"OB"
        yield struct.pack("<HH2sHL", 0x7FE0, 0x0010, vr, 0, len(data)) + data
        return
    yield struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    yield _item(b"") + _item(data) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def _her_numbers(elements: Elements) -> frozenset[str]:
    found: set[str] = set()
    for tag in _HER_NUMBERS & set(elements.by_tag):
        digits = re.findall(r"\d+", elements.by_tag[tag].value.decode("latin-1"))
        found.update(run for run in (*digits, "".join(digits)) if len(run) >= 5)
    return frozenset(found)


def _uid_of_unnamed(header: Header) -> str:
    """For an object without SOP instance UID: what else tells it from others."""
    return derived_uid(header.study_uid, header.series_uid, header.instance_number, header.acquired)
