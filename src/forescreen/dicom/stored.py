"""Encoded pixels become stored values: exactly those of the detector for lossless syntaxes.

In: the bytes of one frame (`read`) and the Header. Out: stored values, unsigned, or signed where
PixelRepresentation says so (two's complement within BitsStored, sign extended). Nothing wraps: bits above
BitsStored must be empty, repeat the sign, or belong to overlays that the header declares (they are then
masked out); everything else is an error.

Source: PS3.3 C.7.6.3 (image pixel); PS3.5 section 8.1 (cells; 8.1.2 in editions before 2004: overlays
in unused bits), 8.2.4 (sign in JPEG 2000).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int16, UInt16

from ..errors import DicomError
from .codecs import decode_cells, native_bytes
from .streams import StreamShape, undecodable
from .syntaxes import DECODABLE, NATIVE
from .tags import Header

Stored = UInt16[np.ndarray, "row column"] | Int16[np.ndarray, "row column"]

MAX_PIXELS = 200_000_000  # ten times the largest mammography detector


def decode(data: bytes, header: Header) -> Stored:
    """Stored values of one frame of a single-sample image: uint16, or int16 where the pixels are signed.

    `data` is the value of the pixel data element, or the joined fragments of the frame. Raises
    DicomError `unsupported_transfer_syntax`, `truncated_file` or `undecodable_pixels`.
    """
    if header.transfer_syntax not in DECODABLE:
        raise DicomError(
            "unsupported_transfer_syntax",
            expected="a transfer syntax for still images that forescreen decodes",
            found=header.transfer_syntax[:64] or "none",
            remedy="Transcode it, for example to JPEG lossless, with the archive's tools",
        )
    problem = description_problem(header)
    if (header.samples_per_pixel or 1) != 1:
        problem = f"{header.samples_per_pixel} samples per pixel"
    if problem:
        raise undecodable("pixels described as they can be decoded", problem)
    in_words = header.pixel_data is None or header.pixel_data.vr != "OB"
    cells = decode_cells(data, stream_shape(header), big_endian=header.big_endian, in_words=in_words)
    return _values(cells, header)


def stream_shape(header: Header) -> StreamShape:
    """What the header expects of its frames."""
    return StreamShape(
        header.rows or 0, header.columns or 0, header.grayscale.bits_allocated or 0, header.transfer_syntax
    )


def frame_bytes(header: Header) -> int:
    """Bytes of one uncompressed frame."""
    return native_bytes(stream_shape(header))


def description_problem(header: Header) -> str:
    """What makes a header's description of its pixels undecodable, in words; "" when nothing does."""
    grey = header.grayscale
    allocated, stored, high = grey.bits_allocated, grey.bits_stored, grey.high_bit
    if allocated not in (8, 16) or stored is None or not 8 <= stored <= allocated:
        return f"bits allocated {allocated}, stored {stored}"
    if high != stored - 1:  # PS3.3 C.8.11.3.1 for DX; elsewhere it is wrong more often than meant
        return f"high bit {high} for {stored} bits"
    n_pixels = (header.rows or 0) * (header.columns or 0)
    if not 0 < n_pixels <= MAX_PIXELS or header.n_frames < 1:
        return f"{header.rows} rows, {header.columns} columns, {header.n_frames} frames"
    return _form_problem(header)


def _form_problem(header: Header) -> str:
    """Whether the pixel data element has the form and the length that the header promises."""
    data = header.pixel_data
    if data is None or header.transfer_syntax not in DECODABLE:
        return ""
    native = header.transfer_syntax in NATIVE
    if data.encapsulated == native:
        return "a transfer syntax that does not fit the form of the pixel data"
    if not data.parts:
        return "no fragment of pixel data"
    promised = header.n_frames * (header.samples_per_pixel or 1) * frame_bytes(header)
    # A row or a column more than the header says would shear the picture; padding is shorter.
    one_line = max(frame_bytes(header) // max(header.rows or 1, header.columns or 1), 2)
    if native and data.parts[0][1] >= promised + one_line:
        return f"{data.parts[0][1]} bytes for {header.rows} rows and {header.columns} columns"
    return ""


def _values(cells: np.ndarray, header: Header) -> Stored:
    """Cells without what is not the value: overlays masked, the sign extended."""
    grey = header.grayscale
    bits, signed = grey.bits_stored or 16, grey.signed
    if cells.dtype.kind == "i":
        if not signed:
            raise undecodable("an unsigned stream, as the header says", "a signed one")
        return _within(np.ascontiguousarray(cells, dtype=np.int16), bits)
    # A byte-swapped or read-only view becomes a plain array here, without a copy where it is one already.
    values = np.ascontiguousarray(cells, dtype=np.uint16)
    overlays = grey.overlay_bits & ~((1 << bits) - 1)
    if overlays:
        values = values & np.uint16(0xFFFF & ~overlays)
    if signed:
        return _sign_extended(values, grey.bits_allocated or 16, bits)
    if bits < 8 * cells.dtype.itemsize and int(values.max()) >= 1 << bits:  # full cells cannot say more
        raise undecodable(f"values of {bits} bits", f"the value {int(values.max())}")
    return values


def _sign_extended(
    values: UInt16[np.ndarray, "row column"], cell_bits: int, bits: int
) -> Int16[np.ndarray, "row column"]:
    """Two's complement of `bits` in cells whose bits above are empty or repeat the sign."""
    left = np.uint16(16 - bits)
    extended: Int16[np.ndarray, "row column"] = (values << left).view(np.int16) >> np.int16(left)
    if bits < cell_bits:
        above = values >> np.uint16(bits)
        repeated = np.where(extended < 0, (1 << (cell_bits - bits)) - 1, 0)
        if ((above != 0) & (above != repeated)).any():
            raise undecodable(f"signed values of {bits} bits", "bits above them that are not the sign")
    return extended


def _within(values: Int16[np.ndarray, "row column"], bits: int) -> Int16[np.ndarray, "row column"]:
    low, high = int(values.min()), int(values.max())
    if low < -(1 << (bits - 1)) or high >= 1 << (bits - 1):
        raise undecodable(f"signed values of {bits} bits", f"values from {low} to {high}")
    return values
