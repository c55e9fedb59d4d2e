"""Text that hides in compressed pixels: comments, application segments, boxes, what follows the end.

In: the bytes of one encapsulated frame. Out: the same number of bytes, in which whatever is no part of
the picture is blank: the picture decodes to the same pixels, and offsets into the stream stay right.

Source: ISO 10918-1 annex B and ISO 14495-1 annex C (JPEG and JPEG-LS markers), ISO 15444-1 annexes A
(codestream) and I (JP2 boxes), PS3.5 annex G (RLE).
"""

from __future__ import annotations

import re
import struct

#: Fragments that begin so begin a frame: JPEG and JPEG-LS, JPEG 2000 codestream, JP2 file.
JPEG_START, CODESTREAM_START, JP2_START = b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "
# Comments of encoders, in which only versions vary; they name a program.
_ENCODERS = re.compile(
    rb"(Kakadu-v?|Created by OpenJPEG version |OpenJPEG version |OpenJPH Ver |LEAD Technologies Inc\. V)"
    rb"[0-9.]{1,12}"
    rb"|CREATOR: JasPer Version [0-9.]{1,12}"
)
# Markers in entropy-coded data: not the stuffed zero of JPEG, not a restart; JPEG-LS stuffs a zero bit.
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_SEGMENTS_OF_TEXT = frozenset({0xFE, *range(0xE0, 0xF0)})  # COM, APPn
_JP2_BOXES = frozenset({b"jP  ", b"ftyp", b"jp2h", b"jp2c"})


def starts_frame(fragment: bytes) -> bool:
    """Whether a fragment begins a compressed frame; others continue the one before."""
    return fragment.startswith((JPEG_START, CODESTREAM_START, JP2_START))


def without_comments(frame: bytes, *, rle_pixels: int = 0) -> bytes:
    """`frame` with blanks where text may hide. A stream that cannot be followed stays as it is.

    `rle_pixels`: for RLE, the pixels of a frame; what follows the last of them in a segment becomes 0.
    Not looked into: entropy-coded data.
    """
    blank = bytearray(frame)
    if rle_pixels:
        _rle(blank, rle_pixels)
        return bytes(blank)
    if frame.startswith(JPEG_START):
        _jpeg(blank, 0)
    elif frame.startswith(CODESTREAM_START):
        _codestream(blank, 0, len(blank))
    elif frame.startswith(JP2_START):
        _boxes(blank)
    return bytes(blank)


def _jpeg(data: bytearray, at: int) -> None:
    at += 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xD9:
            _blank(data, at + 2, len(data))
            return
        length = int(struct.unpack_from(">H", data, at + 2)[0])
        end = at + 2 + length
        if end > len(data):
            return
        if marker in _SEGMENTS_OF_TEXT:
            _blank(data, at + 4 + _needed(bytes(data[at + 4 : end]), marker), end)
        at = end
        if marker == 0xDA:  # start of scan: entropy-coded data up to the next marker
            found = _MARKER.search(data, at)
            if found is None:
                return
            at = found.start()
    if data[at : at + 2] == b"\xff\xd9":
        _blank(data, at + 2, len(data))


def _rle(data: bytearray, n_pixels: int) -> None:
    """PS3.5 annex G: a header of 64 bytes, then segments of PackBits, one byte of each pixel per segment."""
    if len(data) < 64:
        return
    n_segments, *offsets = struct.unpack_from("<16L", data)
    starts = offsets[:n_segments]
    if not 1 <= n_segments <= 15 or starts[0] < 64 or sorted(starts) != starts or starts[-1] > len(data):
        return
    _blank(data, 4 + 4 * n_segments, starts[0])
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        at, left = start, n_pixels
        while left > 0 and at < end:
            code = data[at]
            if code < 128:  # that many bytes as they are, and one
                at, left = at + code + 2, left - code - 1
            elif code > 128:  # the next byte, several times
                at, left = at + 2, left - 257 + code
            else:
                at += 1
        _blank(data, min(at, end), end)


def _needed(payload: bytes, marker: int) -> int:
    """Bytes at the beginning of an application segment that decoders read."""
    if marker == 0xE0 and payload.startswith(b"JFIF\0"):
        return 12  # without the size of a thumbnail: none is left
    if marker == 0xEE and payload.startswith(b"Adobe"):
        return 12
    if marker == 0xE8 and payload.startswith(b"mrfx"):
        return 5
    if marker == 0xE8 and payload.startswith(b"SPIFF\0"):
        return 30
    if marker == 0xE8 and payload == b"\0\0\0\1\xff\xd8":  # end of a SPIFF directory
        return 6
    return 0


def _codestream(data: bytearray, at: int, end: int) -> None:
    """Main header, then tile-parts; comments in both."""
    at += 2
    tile_start, tile_length = at, 0
    while at + 4 <= end:
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == 0xFFD9:
            _blank(data, at + 2, end)
            return
        if marker == 0xFF93:  # start of data: on to the next tile-part
            closing = end if tile_length else bytes(data).rfind(b"\xff\xd9", at, end)
            at = tile_start + tile_length if tile_length else closing
            if at <= tile_start or at > end:
                return
            continue
        if length < 2 or at + 2 + length > end:
            return
        if marker == 0xFF90:
            tile_start, tile_length = at, int(struct.unpack_from(">L", data, at + 6)[0])
        if marker == 0xFF64:
            text = bytes(data[at + 6 : at + 2 + length])
            if not _ENCODERS.fullmatch(text):
                _blank(data, at + 6, at + 2 + length, b" ")
        at += 2 + length
    if data[at : at + 2] == b"\xff\xd9":
        _blank(data, at + 2, end)


def _boxes(data: bytearray) -> None:
    at = 0
    while at + 8 <= len(data):
        length, kind = int(struct.unpack_from(">L", data, at)[0]), bytes(data[at + 4 : at + 8])
        start = at + 8
        if length == 1 and at + 16 <= len(data):
            length, start = int(struct.unpack_from(">Q", data, at + 8)[0]), at + 16
        end = len(data) if length == 0 else at + length
        if end > len(data) or end < start:
            return
        if kind == b"jp2c" and data[start : start + 4] == CODESTREAM_START:
            _codestream(data, start, end)
        elif kind not in _JP2_BOXES:
            _blank(data, start, end)
        at = end


def _blank(data: bytearray, start: int, end: int, with_byte: bytes = b"\0") -> None:
    data[start:end] = with_byte * max(0, end - start)
