"""Bytes of a DICOM file become data elements: the wanted ones, without touching the pixels.

In: an open file. Out: `Elements`, a mapping from tag to raw value, and the place where the pixel data
begin. Values stay bytes, so that a value that breaks its own rules (age "000Y", a 70-character SH)
costs nothing here and cannot stop the file.

pydicom reads headers too; this page exists because intake needs three things that its reader does not
give: every declared length held against the size of the file (a truncated file is seen in the header
pass), no warnings machinery (its switches are process-wide, headers are read in several threads), and
speed (docs/reference/dicom.md, "Decisions"). The tests hold each value against pydicom's.

Source: PS3.5 section 7 (data elements, sequences), PS3.10 section 7 (file meta information).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from pydicom.datadict import dictionary_VR

from ..errors import DicomError
from .inflate import MAX_INFLATED_BYTES
from .inflate import inflated as inflated  # belongs to data_set_start below

UNDEFINED = 0xFFFFFFFF
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

MAX_DEPTH = 12
#: Elements, items and fragments of one file; a volume of 100 frames has some ten thousand.
MAX_HEADERS = 500_000
#: Bytes of all values that are kept; the largest overlay planes have 3 MB each.
MAX_KEPT_BYTES = 1 << 26

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_TRANSFER_SYNTAX = 0x00020010
# VRs with two reserved bytes and a 32-bit length, PS3.5 table 7.1-1.
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})


@dataclass(frozen=True, slots=True)
class Element:
    """One data element: its value as bytes, or its items when it is a sequence."""

    vr: str
    value: bytes = b""
    items: tuple[dict[int, Element], ...] = ()


@dataclass(frozen=True, slots=True)
class PixelData:
    """Where the pixel data lie: `parts` are (offset, length) of the value or of its fragments.

    Offsets in a deflated file are those of the inflated data set.
    """

    parts: tuple[tuple[int, int], ...]
    encapsulated: bool
    vr: str = ""  # OB or OW; "" where the encoding has none (implicit VR)


@dataclass(frozen=True, slots=True)
class Elements:
    """The wanted data elements of one file."""

    by_tag: dict[int, Element]
    transfer_syntax: str
    big_endian: bool
    pixel_data: PixelData | None
    media_storage_class: str = field(default="")


def read_elements(stream: BinaryIO, wanted: frozenset[int]) -> Elements:
    """The `wanted` elements of a DICOM file, with or without preamble and file meta information.

    Sequences are kept with those of their elements that are wanted too. Raises DicomError with the code
    `not_dicom`, `truncated_file` or `malformed_header`.
    """
    size = stream.seek(0, 2)
    if size == 0:
        raise DicomError("truncated_file", expected="a DICOM file", found="a file of zero bytes")
    start = _find_start(stream, size)
    stream.seek(start)
    meta = _Walker(stream, size, explicit=True, big_endian=False)
    by_tag = meta.elements(frozenset({_TRANSFER_SYNTAX, 0x00020002}), stop_at_group=0x0003)
    syntax = _uid(by_tag.get(_TRANSFER_SYNTAX))
    media_class = _uid(by_tag.get(0x00020002))
    deflated = syntax == DEFLATED
    if deflated:
        stream, size = inflated(stream), MAX_INFLATED_BYTES
    explicit, big_endian = _encoding(stream, syntax)
    walker = _Walker(stream, size, explicit=explicit, big_endian=big_endian)
    found = walker.elements(wanted, stop_at_group=None)
    if deflated:  # its size is known only now
        walker.require(stream.seek(0, 2))
    if not syntax:
        syntax = EXPLICIT_BIG if big_endian else EXPLICIT_LITTLE if explicit else IMPLICIT_LITTLE
    return Elements(found, syntax, big_endian, walker.pixel_data, media_class)


def data_set_start(stream: BinaryIO) -> None:
    """Put the stream behind the file meta information (needed to inflate a file again)."""
    size = stream.seek(0, 2)
    stream.seek(_find_start(stream, size))
    _Walker(stream, size, explicit=True, big_endian=False).elements(frozenset(), stop_at_group=0x0003)


def _find_start(stream: BinaryIO, size: int) -> int:
    stream.seek(0)
    head = stream.read(132)
    if head[128:] == b"DICM":
        return 132
    # Without preamble a data set must begin with group 0002 or 0008; anything else is another format.
    group_little, element_little = struct.unpack_from("<HH", head) if len(head) >= 8 else (0, 0)
    group_big = struct.unpack_from(">H", head)[0] if len(head) >= 8 else 0
    has_vr = head[4:6].isalpha() and head[4:6].isupper()
    if group_little in (0x0002, 0x0008) and element_little < 0x2000:
        length = struct.unpack_from("<H", head, 6)[0] if has_vr else struct.unpack_from("<L", head, 4)[0]
        if length <= size:
            return 0
    if group_big == 0x0008 and has_vr:
        return 0
    raise DicomError(
        "not_dicom",
        expected="a DICOM file (the letters DICM at byte 128, or a data set that begins with group 0008)",
        found="another format",
        remedy="Remove it from the folder, or leave it: it is ignored",
    )


def _encoding(stream: BinaryIO, syntax: str) -> tuple[bool, bool]:
    """Explicit VR? Big endian? Seen in the first element, because the declared syntax may be wrong."""
    position = stream.tell()
    head = stream.read(6)
    stream.seek(position)
    big_endian = syntax == EXPLICIT_BIG
    if not syntax and len(head) == 6:
        big_endian = head[:2] == b"\x00\x08"
    return head[4:6].isalpha() and head[4:6].isupper(), big_endian


class _Walker:
    """Goes through one stream element by element; holds the position of the pixel data."""

    def __init__(self, stream: BinaryIO, size: int, *, explicit: bool, big_endian: bool) -> None:
        self.stream = stream
        self.size = size
        self.explicit = explicit
        self.pixel_data: PixelData | None = None
        self.n_headers = self.n_kept = self.reached = 0
        order = ">" if big_endian else "<"
        self.tag_length = struct.Struct(order + "HHL").unpack
        self.short_header = struct.Struct(order + "HH2sH").unpack
        self.long_length = struct.Struct(order + "L").unpack

    def elements(
        self,
        wanted: frozenset[int],
        *,
        stop_at_group: int | None,
        end: int | None = None,
        depth: int = 0,
    ) -> dict[int, Element]:
        """Elements up to `end`, to the end of the item, to a group, or to the pixel data."""
        # Items of UN sequences should be implicit VR (PS3.5 6.2.2 note 2), and in the field are not:
        # the first element tells.
        explicit = self.explicit if depth == 0 else self._looks_explicit()
        if depth > MAX_DEPTH:
            raise _malformed(f"sequences nested more than {MAX_DEPTH} deep")
        found: dict[int, Element] = {}
        stream = self.stream
        while end is None or stream.tell() < end:
            head = stream.read(8)
            if len(head) < 8:
                if head.strip(b"\0") or end is not None or depth:
                    raise self._cut_short()
                break
            self._count()
            vr = b""
            if explicit and head[4:6].isalpha() and head[:2] not in (b"\xfe\xff", b"\xff\xfe"):
                group, element, vr, length = self.short_header(head)
                if vr in _LONG:
                    more = stream.read(4)
                    if len(more) < 4:
                        raise self._cut_short()
                    length = self.long_length(more)[0]
            else:  # implicit VR, delimiters, and writers that change to implicit VR inside a sequence
                group, element, length = self.tag_length(head)
            tag = group << 16 | element
            if stop_at_group is not None and group >= stop_at_group:
                stream.seek(-len(head) - (4 if vr in _LONG else 0), 1)
                break
            if tag in (_ITEM_END, _SEQUENCE_END):
                break
            if tag in _PIXEL_DATA and depth == 0:
                self.pixel_data = self._locate_pixels(length, vr.decode("ascii"))
                break
            self._element(found, wanted, tag, vr, length, depth)
        if not depth:
            self.reached = stream.tell()
        return found

    def require(self, size: int) -> None:
        """Hold the walk against a size that was not known when it began."""
        parts = self.pixel_data.parts if self.pixel_data else ()
        if max([self.reached, *(start + length for start, length in parts)]) > size:
            self.size = size
            raise self._cut_short()

    def _element(
        self,
        found: dict[int, Element],
        wanted: frozenset[int],
        tag: int,
        vr: bytes,
        length: int,
        depth: int,
    ) -> None:
        if length == UNDEFINED:
            keep = wanted if tag in wanted else frozenset[int]()
            items = self._items(keep, None, depth + 1)
            if keep:
                found[tag] = Element("SQ", items=items)
            return
        end = self.stream.tell() + length
        if end > self.size:
            raise self._cut_short()
        if tag not in wanted:
            self.stream.seek(end)
            return
        name = vr.decode("ascii") if vr and vr != b"UN" else _dictionary_vr(tag)
        if name == "SQ":
            found[tag] = Element("SQ", items=self._items(wanted, end, depth + 1))
            self.stream.seek(end)
        else:
            self.n_kept += length
            if self.n_kept > MAX_KEPT_BYTES:
                raise _malformed(f"values of more than {MAX_KEPT_BYTES >> 20} MiB")
            found[tag] = Element(name, self.stream.read(length))

    def _items(self, wanted: frozenset[int], end: int | None, depth: int) -> tuple[dict[int, Element], ...]:
        items = []
        stream = self.stream
        while end is None or stream.tell() < end:
            tag, length = self._item_header()
            if tag == _SEQUENCE_END:
                break
            if tag != _ITEM:
                raise _malformed("a sequence without item tags")
            if length == UNDEFINED:
                items.append(self.elements(wanted, stop_at_group=None, depth=depth))
                continue
            item_end = stream.tell() + length
            if item_end > self.size:
                raise self._cut_short()
            if wanted:
                items.append(self.elements(wanted, stop_at_group=None, end=item_end, depth=depth))
            stream.seek(item_end)
        return tuple(items)

    def _looks_explicit(self) -> bool:
        head = self.stream.read(6)
        self.stream.seek(-len(head), 1)
        return head[4:6].isalpha() and head[4:6].isupper()

    def _locate_pixels(self, length: int, vr: str) -> PixelData:
        if length != UNDEFINED:
            start = self.stream.tell()
            if start + length > self.size:
                raise DicomError(
                    "truncated_file",
                    expected=f"{length} bytes of pixel data",
                    found=str(self.size - start),
                    remedy="Copy the file again from its source",
                )
            return PixelData(((start, length),), encapsulated=False, vr=vr)
        fragments = []
        while True:
            tag, size = self._item_header()
            if tag == _SEQUENCE_END:
                break
            if tag != _ITEM or size == UNDEFINED:
                raise _malformed("encapsulated pixel data without item tags")
            fragments.append((self.stream.tell(), size))
            if self.stream.seek(size, 1) > self.size:
                raise self._cut_short()
        # The first item is the basic offset table, PS3.5 A.4.
        return PixelData(tuple(fragments[1:]), encapsulated=True, vr=vr)

    def _item_header(self) -> tuple[int, int]:
        head = self.stream.read(8)
        if len(head) < 8:
            raise self._cut_short()
        self._count()
        group, element, length = self.tag_length(head)
        return group << 16 | element, length

    def _count(self) -> None:
        self.n_headers += 1
        if self.n_headers > MAX_HEADERS:
            raise _malformed(f"more than {MAX_HEADERS} elements, items and fragments")

    def _cut_short(self) -> DicomError:
        return DicomError(
            "truncated_file",
            expected="a complete file",
            found=f"data elements that need more than its {self.size} bytes",
            remedy="Copy the file again from its source",
        )


def _dictionary_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:  # private, or of a later edition
        return "UN"


def _malformed(found: str) -> DicomError:
    return DicomError("malformed_header", expected="data elements as in PS3.5 section 7", found=found)


def _uid(element: Element | None) -> str:
    return element.value.decode("ascii", "replace").strip("\0 ") if element else ""
