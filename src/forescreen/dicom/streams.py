"""What a compressed stream says of itself, read before any codec sees it.

In: the bytes of one frame and the header's description of its pixels. Out: nothing, or the DicomError that
says how the two contradict each other. A codec allocates what the stream asks for, which may be any size, and
some of them search for minutes, or end the process, on bytes made to that end: so number of components,
precision, size, coding process, tiles, code blocks and precincts are compared here first.

Source: ISO 10918-1 annex B (JPEG), ISO 14495-1 annex C (JPEG-LS), ISO 15444-1 annex A and I (JPEG 2000, JP2),
ISO 15444-15 (HTJ2K); PS3.5 8.2.1, 8.2.3, 8.2.4 (which processes a transfer syntax allows).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import DicomError
from .syntaxes import (
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_FIRST,
    JPEG_LS,
)

_REVERSIBLE = frozenset({JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL})
# Start-of-frame markers that each syntax allows: baseline, extended sequential, lossless (all Huffman).
_PROCESSES = {
    JPEG_BASELINE: frozenset({0xC0, 0xC1}),
    JPEG_EXTENDED: frozenset({0xC0, 0xC1}),
    JPEG_LOSSLESS: frozenset({0xC3}),
    JPEG_LOSSLESS_FIRST: frozenset({0xC3}),
}
# OpenJPEG keeps a record of a few hundred bytes to some kilobytes for each of these. Tiles of 128 x 128
# pixels make 1600 of the largest detector, precincts of 128 x 128 about 2200, of 64 x 64 about 8800.
_MOST_TILES, _MOST_PRECINCTS, _MOST_PACKETS = 4096, 1 << 16, 1 << 21
_SMALLEST_CODE_BLOCK = 64  # pixels; encoders of mammograms write 1024 or 4096
_MOST_SEGMENTS = 20_000  # marker segments and tile-parts of one stream


@dataclass(frozen=True, slots=True)
class StreamShape:
    """What the header expects of a stream."""

    rows: int
    columns: int
    bits_allocated: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class _Tiles:
    """Rows and columns of one tile, at most those of the image, and how many there are."""

    rows: int
    columns: int
    n: int


def check_jpeg(data: bytes, shape: StreamShape) -> int:
    """Hold a JPEG stream against the header. Returns its precision in bits.

    Raises DicomError `truncated_file` for a stream without end marker, `undecodable_pixels`.
    """
    _require_end(data)
    found = None
    for marker, at, length in _jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if found is not None:
                raise undecodable("one image", "several frame headers")
            if marker not in _PROCESSES[shape.transfer_syntax]:
                raise undecodable("the coding process of its transfer syntax", f"process {marker - 0xC0}")
            found = _frame_header(data, at, length, shape)
            lossless = marker == 0xC3
        elif marker == 0xDA and found is not None:
            # Each pixel of a lossless image costs one bit at least, each block of 64 of the others two.
            least = shape.rows * shape.columns // (8 if lossless else 256)
            if len(data) - at < least:
                raise undecodable(f"at least {least} bytes of image data", str(len(data) - at))
            return found
    raise undecodable("a frame header and a scan", "none")


def lengthened_jpeg(data: bytes, more: bytes) -> bytes | None:
    """A checked JPEG stream with `more` (no 0xFF in it) behind the image data of its first scan.

    None where restart intervals are missing: what follows the others would not be decoded as theirs
    (ISO 10918-1 B.2.1, E.2.4).
    """
    interval = n_pixels = 0
    at = len(data)
    for marker, place, length in _jpeg_segments(data):
        if marker == 0xDD and length == 4:
            interval = (data[place + 2] << 8) + data[place + 3]
        elif marker in (0xC0, 0xC1, 0xC3):
            rows, columns = struct.unpack_from(">HH", data, place + 3)
            unit = 1 if marker == 0xC3 else 8  # of one component, whatever its sampling factors (A.2.2)
            n_pixels = -(-rows // unit) * -(-columns // unit)
        at = place + length
    n_restarts = 0
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] == 0xFF:  # fill byte
            at += 1
        elif data[at + 1] == 0 or 0xD0 <= data[at + 1] <= 0xD7:
            n_restarts += data[at + 1] != 0
            at += 2
        else:
            break
    if at < 0 or (interval and n_restarts != -(-n_pixels // interval) - 1):
        return None
    return data[:at] + more + data[at:]


def check_jpeg_ls(data: bytes, shape: StreamShape) -> None:
    """Hold a JPEG-LS stream against the header. Raises DicomError as `check_jpeg`."""
    _require_end(data)
    found = None
    for marker, at, length in _jpeg_segments(data):
        if marker == 0xF7:
            if found is not None:
                raise undecodable("one image", "several frame headers")
            found = _frame_header(data, at, length, shape)
        elif marker == 0xF8 and (length < 3 or data[at + 2] != 1):
            # Only preset coding parameters: tables map to colours, oversize dimensions escape the check.
            raise undecodable("coding parameters", "a mapping table or oversize dimensions")
        elif marker == 0xDA and found is not None:
            if length != 8 or data[at + 2] != 1:
                raise undecodable("a scan of one component", "another scan header")
            near = data[at + 5]
            if near and shape.transfer_syntax == JPEG_LS:
                raise undecodable("a lossless stream, as its transfer syntax says", f"NEAR {near}")
            return
    raise undecodable("a frame header and a scan", "none")


def jpeg_2000_codestream(data: bytes) -> bytes:
    """The codestream, taken out of the JP2 file that some archives leave around it, against PS3.5 A.4.4."""
    if data[:4] == b"\xff\x4f\xff\x51":
        return data
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, at)
        start = at + 8
        if length == 1 and at + 16 <= len(data):
            length, start = struct.unpack_from(">Q", data, at + 8)[0], at + 16
        if kind == b"jp2c":
            return data[start : at + length if length else len(data)]
        if length < start - at:
            break
        at += length
    raise undecodable("a JPEG 2000 codestream", "other bytes")


def check_jpeg_2000(data: bytes, shape: StreamShape) -> None:
    """Hold a codestream against the header. Raises DicomError as `check_jpeg`."""
    _require_end(data)
    if data[:4] != b"\xff\x4f\xff\x51":
        raise undecodable("a JPEG 2000 codestream", "other bytes")
    grid: _Tiles | None = None
    styled = False
    parts: dict[int, int] = {}
    promised: dict[int, int] = {}
    for marker, at, length in _jpeg_2000_segments(data):
        if marker == 0x51:
            if grid is not None:
                raise undecodable("one image", "several size markers")
            grid = _tiles(data, at, length, shape)
        elif grid is None:
            raise undecodable("an image size first", "another segment")
        elif marker in (0x52, 0x53):  # COD, COC: also where a tile has its own
            _check_style(data, at, length, marker, grid, shape)
            styled = styled or marker == 0x52
        elif marker == 0x90:
            number, n_parts = (data[at + 2] << 8) + data[at + 3], data[at + 9]
            parts[number] = parts.get(number, 0) + 1
            if n_parts:
                promised[number] = n_parts
    if grid is None or not styled:
        raise undecodable("an image size and a coding style", "none")
    # OpenJPEG leaves a tile that is not there black and says nothing.
    if sorted(parts) != list(range(grid.n)) or any(parts[tile] != n for tile, n in promised.items()):
        raise undecodable(f"all parts of {grid.n} tiles", f"parts of {len(parts)}")


def _require_end(data: bytes) -> None:
    """libjpeg fills what is missing with grey and says nothing; charls looks for it for 20 s."""
    tail = data[-64:] if data[-64:].strip(b"\0") else data
    if not tail.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise DicomError(
            "truncated_file",
            expected="a compressed stream with its end marker",
            found="one that ends before it",
            remedy="Copy the file again from its source",
        )


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, place and length (its own two bytes included) of the segments up to the first scan."""
    at, n = 2, 0
    if data[:2] != b"\xff\xd8":
        return
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        n += 1
        if n > _MOST_SEGMENTS:
            raise undecodable(f"at most {_MOST_SEGMENTS} segments", "more")
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        length = (data[at + 2] << 8) + data[at + 3]
        if length < 2 or at + 2 + length > len(data):
            return
        yield marker, at + 2, length
        if marker == 0xDA:
            return
        at += 2 + length


def _frame_header(data: bytes, at: int, length: int, shape: StreamShape) -> int:
    """Check SOF (ISO 10918-1 B.2.2); rows of 0 would be told later (DNL), which DICOM forbids."""
    if length < 8:
        raise undecodable("a frame header", "a shorter segment")
    precision, rows, columns, components = struct.unpack_from(">BHHB", data, at + 2)
    _require_shape(shape, int(rows), int(columns), int(components), int(precision))
    if length != 11:
        raise undecodable("a frame header of one component", f"one of {length} bytes")
    factors = data[at + 9]  # of one component they mean nothing, whatever they are
    if not (1 <= factors >> 4 <= 4 and 1 <= factors & 15 <= 4):
        raise undecodable("sampling factors of 1 to 4", "others")
    return int(precision)


def _jpeg_2000_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Segments of the main header and of the headers of all tile-parts (ISO 15444-1 A.3)."""
    at, part, part_length, n = 2, -1, 0, 0
    while at + 2 <= len(data):
        n += 1
        if n > _MOST_SEGMENTS:
            raise undecodable(f"at most {_MOST_SEGMENTS} segments", "more")
        if data[at] != 0xFF:
            raise undecodable("a marker where a tile-part ends", "other bytes")
        marker = data[at + 1]
        if marker == 0xD9 and part >= 0:
            return
        if marker == 0x93 and part >= 0:  # start of data
            if part_length == 0:  # up to the end of the codestream
                return
            at = part + part_length
            continue
        length = (data[at + 2] << 8) + data[at + 3] if at + 4 <= len(data) else 0
        if length < 2 or at + 2 + length > len(data):
            break
        if marker == 0x90 and length == 10:
            part, part_length = at, int(struct.unpack_from(">L", data, at + 6)[0])
            if part_length and part_length < 14:
                break
        yield marker, at + 2, length
        at += 2 + length
    raise DicomError(
        "truncated_file",
        expected="a codestream with all its tile-parts",
        found="one that ends before it",
        remedy="Copy the file again from its source",
    )


def _tiles(data: bytes, at: int, length: int, shape: StreamShape) -> _Tiles:
    """Check SIZ (ISO 15444-1 A.5.1) and tell how it divides the image."""
    if length < 41:
        raise undecodable("an image size segment", "a shorter one")
    right, bottom, left, top, width, height, tile_left, tile_top, components = struct.unpack_from(
        ">8LH", data, at + 4
    )
    precision, step_x, step_y = data[at + 38] & 0x7F, data[at + 39], data[at + 40]
    _require_shape(shape, int(bottom - top), int(right - left), int(components), precision + 1)
    if (step_x, step_y) != (1, 1):
        raise undecodable("a component of full resolution", f"steps {step_x} and {step_y}")
    first_ends = width + tile_left > left and height + tile_top > top
    if not (width and height and tile_left <= left and tile_top <= top and first_ends):
        raise undecodable("tiles that cover the image", "others")
    n_tiles = -(-(right - tile_left) // width) * -(-(bottom - tile_top) // height)
    if n_tiles > _MOST_TILES:
        raise undecodable(f"at most {_MOST_TILES} tiles", str(n_tiles))
    return _Tiles(min(int(height), shape.rows), min(int(width), shape.columns), int(n_tiles))


def _check_style(data: bytes, at: int, length: int, marker: int, tile: _Tiles, shape: StreamShape) -> None:
    """Check COD and COC (A.6.1, A.6.2): what they make of one tile must stay countable."""
    layers = 1
    if marker == 0x52:
        if length < 12:
            raise undecodable("a coding style", "a shorter segment")
        layers = (data[at + 4] << 8) + data[at + 5]
        has_precincts, body = data[at + 2] & 1, at + 7
    else:
        if length < 9:
            raise undecodable("a coding style", "a shorter segment")
        has_precincts, body = data[at + 3] & 1, at + 4
    levels, log_width, log_height = data[body], data[body + 1] + 2, data[body + 2] + 2
    if levels > 32 or log_width > 10 or log_height > 10 or log_width + log_height > 12 or not layers:
        raise undecodable("a coding style of ISO 15444-1", "another")
    if shape.transfer_syntax in _REVERSIBLE and data[body + 4] != 1:
        raise undecodable("a lossless stream, as its transfer syntax says", "an irreversible transform")
    n_precincts = 0
    for level in range(levels + 1):
        size = data[body + 5 + level] if has_precincts and body + 5 + level < at + length else 0xFF
        log_x, log_y = size & 15, size >> 4
        reduction = levels - level
        rows, columns = -(-tile.rows // (1 << reduction)), -(-tile.columns // (1 << reduction))
        n_precincts += (rows // (1 << log_y) + 2) * (columns // (1 << log_x) + 2)
        halved = 1 if level else 0  # a precinct of a sub-band (B.7)
        within = min(log_width, max(log_x - halved, 0)) + min(log_height, max(log_y - halved, 0))
        if min(rows, columns) > 64 and 1 << within < _SMALLEST_CODE_BLOCK:
            raise undecodable(f"code blocks of at least {_SMALLEST_CODE_BLOCK} pixels", "smaller ones")
    if n_precincts > _MOST_PRECINCTS or n_precincts * layers > _MOST_PACKETS:
        raise undecodable("a countable number of packets", f"{n_precincts} precincts, {layers} layers")


def _require_shape(shape: StreamShape, rows: int, columns: int, components: int, precision: int) -> None:
    if (rows, columns) != (shape.rows, shape.columns):
        raise undecodable(f"a stream of {shape.rows} x {shape.columns} pixels", f"one of {rows} x {columns}")
    if components != 1:
        raise undecodable("a stream of one component", f"one of {components}")
    if not 2 <= precision <= shape.bits_allocated:
        raise undecodable(f"a precision of at most {shape.bits_allocated} bits", f"{precision} bits")


def undecodable(expected: str, found: str) -> DicomError:
    """The refusal of pixels that contradict their description."""
    return DicomError(
        "undecodable_pixels",
        expected=expected,
        found=found,
        remedy="Export the image again from its source",
    )
