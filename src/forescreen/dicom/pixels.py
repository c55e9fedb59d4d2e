"""Encoded pixels become stored values; stored values become presentation values in [0, 1].

`decode` undoes the transfer syntax, exactly for the lossless ones. `present` is the conversion profile
"forescreen-v1":

    stored value -> modality LUT or rescale -> VOI (LUT item 0, else window 0 with its function, else
    minimum to maximum of the values that are not padding) -> MONOCHROME1 inverted once -> padding 0

All of it is a function of the stored value alone, so it is computed once per value (65 536 entries, in
float64) and looked up per pixel: exact, and five times faster than doing it per pixel.

Every codec here releases the GIL: several threads decode at the same time.

Source: PS3.3 C.7.6.3 (image pixel), C.11.1 (modality LUT), C.11.2 (VOI LUT), C.8.11.3 (photometric and
presentation LUT shape in DX); PS3.5 sections 8 and A.4, annex G (RLE).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from imagecodecs import jpeg2k_decode, jpeg8_decode, jpegls_decode, packbits_decode
from jaxtyping import Float32, Float64, UInt16

from ..errors import DicomError
from .elements import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from .tags import Grayscale, Header
from .values import LookUpTable, Window

#: Name and version of the conversion profile; it changes when any pixel would.
PROFILE = "forescreen-v1"

Stored = UInt16[np.ndarray, "row column"]
Table = Float64[np.ndarray, "65536"]

_JPEG = "1.2.840.10008.1.2.4."
NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG})
RLE = "1.2.840.10008.1.2.5"
# libjpeg-turbo 3 reads baseline, 12-bit extended and all lossless predictors; on lossless JPEG it is
# twice as fast as liblj92 and jpegsof3, bit for bit the same (docs/reference/dicom.md).
_CODECS: dict[str, Callable[[bytes], np.ndarray]] = {
    **dict.fromkeys((f"{_JPEG}50", f"{_JPEG}51", f"{_JPEG}57", f"{_JPEG}70"), jpeg8_decode),
    **dict.fromkeys((f"{_JPEG}80", f"{_JPEG}81"), jpegls_decode),
    # OpenJPEG for HTJ2K too: imagecodecs' OpenJPH is faster, and returns an image when decoding failed.
    **dict.fromkeys((f"{_JPEG}{i}" for i in (90, 91, 201, 202, 203)), jpeg2k_decode),
}
#: Transfer syntaxes whose pixels can be decoded.
DECODABLE = NATIVE | {RLE} | frozenset(_CODECS)
#: Syntaxes that always lose information, and those that lose it or not.
LOSSY = frozenset({f"{_JPEG}50", f"{_JPEG}51", f"{_JPEG}81"})
MAYBE_LOSSY = frozenset({f"{_JPEG}91", f"{_JPEG}203"})

MAX_PIXELS = 200_000_000  # ten times the largest mammography detector
VOI_FUNCTIONS = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})
_ROWS_AT_A_TIME = 32  # index temporaries of np.take stay in the cache: 8 ms instead of 22 for 8.5 Mpx


@dataclass(frozen=True, eq=False)
class Presented:
    """Presentation values in [0, 1], bright = dense, and which VOI made them."""

    pixels: Float32[np.ndarray, "row column"]
    voi: str


def decode(data: bytes, header: Header) -> Stored:
    """Stored values of a single-frame, single-sample image.

    `data` is the value of the pixel data element, or the joined fragments of the frame. Raises
    DicomError `unsupported_transfer_syntax`, `truncated_file` or `undecodable_pixels`.
    """
    rows, columns, bits = header.rows or 0, header.columns or 0, header.grayscale.bits_stored or 0
    syntax = header.transfer_syntax
    if syntax in NATIVE:
        pixels = _decode_native(data, header)
    elif syntax in DECODABLE:
        try:
            pixels = _decode_rle(data, header) if syntax == RLE else _decode_stream(data, header)
        except DicomError:
            raise
        except Exception as error:  # a codec meets bytes from outside: each has errors of its own
            raise _undecodable("a compressed image that its codec reads", f"{error}"[:120]) from error
    else:
        raise DicomError(
            "unsupported_transfer_syntax",
            expected="a transfer syntax for still images that forescreen decodes",
            found=syntax or "none",
            remedy="Transcode it, for example to JPEG lossless, with the archive's tools",
        )
    if pixels.shape != (rows, columns):
        raise _undecodable(f"{rows} x {columns} pixels", f"shape {pixels.shape}")
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize > 2:
        raise _undecodable("unsigned values of at most 16 bits", str(pixels.dtype))
    pixels = np.ascontiguousarray(pixels, dtype=np.uint16)
    if bits < 16 and int(pixels.max()) >= 1 << bits:
        raise _undecodable(f"values of {bits} bits", f"the value {int(pixels.max())}")
    return pixels


def _decode_native(data: bytes, header: Header) -> np.ndarray:
    rows, columns = header.rows or 0, header.columns or 0
    size = 2 if header.grayscale.bits_allocated == 16 else 1
    if len(data) < rows * columns * size:
        raise DicomError(
            "truncated_file",
            expected=f"{rows * columns * size} bytes of pixel data",
            found=str(len(data)),
            remedy="Copy the file again from its source",
        )
    kind = np.uint8 if size == 1 else np.dtype(">u2" if header.big_endian else "<u2")
    return np.frombuffer(data, kind, rows * columns).reshape(rows, columns)


def _decode_stream(data: bytes, header: Header) -> np.ndarray:
    codec = _CODECS[header.transfer_syntax]
    if not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        # libjpeg fills what is missing with grey and says nothing; charls looks for it for 20 s.
        raise DicomError(
            "truncated_file",
            expected="a compressed stream with its end marker",
            found="one that ends before it",
            remedy="Copy the file again from its source",
        )
    size = _jpeg2000_size(data) if codec is jpeg2k_decode else _jpeg_size(data)
    if size != (header.rows, header.columns):
        # Before decoding: the codec allocates what the stream asks for, which may be any size.
        raise _undecodable(
            f"a stream of {header.rows} x {header.columns} pixels",
            "none" if size is None else f"one of {size[0]} x {size[1]}",
        )
    return codec(data)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Rows and columns in the frame header (SOF, also JPEG-LS's) of a JPEG stream, ISO 10918-1 B.2.2."""
    at = 2 if data.startswith(b"\xff\xd8") else len(data)
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            rows, columns = struct.unpack_from(">HH", data, at + 5)
            return int(rows), int(columns)
        at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return None


def _jpeg2000_size(data: bytes) -> tuple[int, int] | None:
    """Rows and columns in the SIZ marker segment, ISO 15444-1 A.5.1, which comes first in the codestream."""
    at = data.find(b"\xff\x4f\xff\x51", 0, 4096)  # a JP2 file around it is tolerated
    if at < 0 or len(data) < at + 24:
        return None
    right, bottom, left, top = struct.unpack_from(">4L", data, at + 8)
    return int(bottom - top), int(right - left)


def _decode_rle(data: bytes, header: Header) -> np.ndarray:
    """PS3.5 annex G: one PackBits segment per byte of the cell, most significant first."""
    rows, columns = header.rows or 0, header.columns or 0
    size = 2 if header.grayscale.bits_allocated == 16 else 1
    if len(data) < 64:
        raise _undecodable("an RLE header of 64 bytes", f"{len(data)} bytes")
    n_segments, *offsets = struct.unpack_from("<16L", data)
    if n_segments != size:
        raise _undecodable(f"{size} RLE segments", str(n_segments))
    ends = [*offsets[1:size], len(data)]
    planes = []
    for start, end in zip(offsets[:size], ends, strict=True):
        plane = np.frombuffer(packbits_decode(data[start:end]), np.uint8)
        if plane.size < rows * columns:
            raise _undecodable(f"{rows * columns} bytes in an RLE segment", str(plane.size))
        planes.append(plane[: rows * columns])
    cells = np.zeros((rows * columns, size), dtype=np.uint8)
    for i, plane in enumerate(planes):
        cells[:, i] = plane
    return cells.view(">u2" if size == 2 else np.uint8).reshape(rows, columns)


def description_problem(header: Header) -> str:
    """What makes a header's description of its pixels undecodable, in words; "" when nothing does."""
    grey = header.grayscale
    allocated, stored, high = grey.bits_allocated, grey.bits_stored, grey.high_bit
    if allocated not in (8, 16) or stored is None or not 8 <= stored <= allocated:
        return f"bits allocated {allocated}, stored {stored}"
    if high != stored - 1:
        return f"high bit {high} for {stored} bits"
    if grey.signed:
        return "signed pixels"
    if allocated == 8 and header.big_endian:
        return "bytes in big-endian order"
    n_pixels = (header.rows or 0) * (header.columns or 0)
    if not 0 < n_pixels <= MAX_PIXELS:
        return f"{header.rows} rows, {header.columns} columns"
    if header.pixel_data is not None:
        encapsulated = header.pixel_data.encapsulated
        native = header.transfer_syntax in NATIVE
        if encapsulated == native and header.transfer_syntax in DECODABLE:
            return "a transfer syntax that does not fit the form of the pixel data"
        if encapsulated and not header.pixel_data.parts:
            return "no fragment of pixel data"
    return ""


def voi_problem(grayscale: Grayscale) -> str:
    """What makes the VOI of a header unusable, in words; "" when it can be applied."""
    if grayscale.voi_luts:
        table = grayscale.voi_luts[0]
        if table is None:
            return "a VOI LUT whose descriptor and data disagree"
        if int(_entries(table).max()) >= 1 << table.bits:
            return f"a VOI LUT with entries beyond its {table.bits} bits"
        return ""
    if not grayscale.windows:
        return ""
    window, function = grayscale.windows[0], grayscale.voi_function or "LINEAR"
    if window is None:
        return "a window without a readable centre or width"
    if function not in VOI_FUNCTIONS:
        return f"VOI LUT function {function[:20]!r}"
    if window.width < 1 if function == "LINEAR" else window.width <= 0:
        return f"a window of width {window.width:g} for {function}"
    return ""


def present(pixels: Stored, grayscale: Grayscale) -> Presented:
    """Presentation values of an image by the profile "forescreen-v1".

    The map is monotone in the stored value wherever the header's tables are: non-decreasing for
    MONOCHROME2, non-increasing for MONOCHROME1. Raises DicomError `voi_invalid`, `photometric_unknown`
    or `low_dynamic_range` (padding only, or one single value where the image itself gives the window).
    """
    problem = voi_problem(grayscale)
    if problem:
        raise DicomError("voi_invalid", expected="a VOI that can be applied", found=problem)
    if grayscale.photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise DicomError(
            "photometric_unknown",
            expected="MONOCHROME1 or MONOCHROME2",
            found=grayscale.photometric[:32] or "none",
        )
    modality = _modality_values(grayscale)
    padding = np.zeros(65536, dtype=bool)
    if grayscale.padding is not None:
        low, high = grayscale.padding
        padding[max(low, 0) : max(high, -1) + 1] = True
    if grayscale.voi_luts:
        table, voi = _apply_lut(grayscale.voi_luts[0], modality), "lut:0"
    elif grayscale.windows:
        function = grayscale.voi_function or "LINEAR"
        table, voi = _apply_window(grayscale.windows[0], function, modality), f"window:0 {function}"
    else:
        table, voi = _apply_min_max(pixels, modality, padding), "min-max"
    if grayscale.photometric == "MONOCHROME1":
        table = 1.0 - table
    table[padding] = 0.0
    return Presented(_look_up(table.astype(np.float32), pixels), voi)


def _modality_values(grayscale: Grayscale) -> Table:
    stored = np.arange(65536, dtype=np.float64)
    if grayscale.modality_lut is not None:
        table = grayscale.modality_lut
        index = np.clip(stored - table.first_mapped, 0, table.n_entries - 1).astype(np.intp)
        values: Table = _entries(table).astype(np.float64)[index]
        return values
    slope = 1.0 if grayscale.slope is None else grayscale.slope
    return stored * slope + (grayscale.intercept or 0.0)


def _entries(table: LookUpTable) -> UInt16[np.ndarray, "entry"]:
    return np.frombuffer(table.data, dtype="<u2")


def _apply_lut(table: LookUpTable | None, modality: Table) -> Table:
    """PS3.3 C.11.2.1.1: below the first mapped value the first entry, above the last the last."""
    assert table is not None  # voi_problem
    index = np.clip(np.rint(modality) - table.first_mapped, 0, table.n_entries - 1).astype(np.intp)
    values: Table = _entries(table)[index] / float((1 << table.bits) - 1)
    return values


def _apply_window(window: Window | None, function: str, modality: Table) -> Table:
    """PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.2 (LINEAR_EXACT), C.11.2.1.3.1 (SIGMOID); output 0 to 1."""
    assert window is not None  # voi_problem
    center, width = window.center, window.width
    if function == "SIGMOID":
        # The exponent is bounded so that exp does not overflow; exp(700) is far below any float32.
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (modality - center) / width, -700.0, 700.0)))
    if function == "LINEAR_EXACT":
        return np.clip((modality - center) / width + 0.5, 0.0, 1.0)
    if width == 1:  # a step: the formula would divide 0 by 0
        return (modality > center - 0.5).astype(np.float64)
    return np.clip((modality - (center - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0)


def _apply_min_max(pixels: Stored, modality: Table, padding: np.ndarray) -> Table:
    low, high = stored_range(pixels, padding)
    bounds = modality[low], modality[high]
    darkest, brightest = min(bounds), max(bounds)
    if brightest <= darkest:
        raise _flat(f"the single value {low}")
    values: Table = np.clip((modality - darkest) / (brightest - darkest), 0.0, 1.0)
    return values


def stored_range(pixels: Stored, padding: np.ndarray) -> tuple[int, int]:
    """Lowest and highest stored value that is not padding. Raises DicomError `low_dynamic_range`."""
    low, high = int(pixels.min()), int(pixels.max())
    if not padding[low : high + 1].any():
        return low, high
    present_values = np.zeros(65536, dtype=bool)
    for row in range(0, pixels.shape[0], _ROWS_AT_A_TIME):
        present_values[pixels[row : row + _ROWS_AT_A_TIME]] = True
    values = np.flatnonzero(present_values & ~padding)
    if values.size == 0:
        raise _flat("padding only")
    return int(values[0]), int(values[-1])


def _look_up(table: Float32[np.ndarray, "65536"], pixels: Stored) -> Float32[np.ndarray, "row column"]:
    out = np.empty(pixels.shape, dtype=np.float32)
    for row in range(0, pixels.shape[0], _ROWS_AT_A_TIME):
        block = slice(row, row + _ROWS_AT_A_TIME)
        np.take(table, pixels[block], mode="clip", out=out[block])  # uint16 cannot leave the table
    return out


def _undecodable(expected: str, found: str) -> DicomError:
    return DicomError(
        "undecodable_pixels",
        expected=expected,
        found=found,
        remedy="Export the image again from its source",
    )


def _flat(found: str) -> DicomError:
    return DicomError("low_dynamic_range", expected="an image with contrast", found=found)
