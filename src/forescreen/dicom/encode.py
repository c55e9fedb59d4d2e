"""Lossless transfer syntaxes for writing: stored pixels in, the bytes of one frame out.

Source: PS3.5 annex A.4 (JPEG, JPEG-LS, JPEG 2000) and G (RLE). The codecs are those of imagecodecs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import imagecodecs
import numpy as np
from jaxtyping import UInt16

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"  # process 14, any predictor: liblj92 writes predictor 6
JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"


def _encode_native(pixels: UInt16[np.ndarray, "row column"], bits: int) -> bytes:
    return pixels.astype("<u2", copy=False).tobytes()


def _encode_rle(pixels: UInt16[np.ndarray, "row column"], bits: int) -> bytes:
    """PS3.5 annex G: one PackBits segment per byte plane, most significant first, even lengths."""
    planes = (pixels >> 8).astype(np.uint8), (pixels & 0xFF).astype(np.uint8)
    segments = []
    for plane in planes:
        segment = imagecodecs.packbits_encode(plane)  # row by row: runs never cross rows (G.3.1)
        segments.append(segment + b"\0" * (len(segment) % 2))
    offsets = (len(segments), 64, 64 + len(segments[0]), *[0] * 13)
    return struct.pack("<16L", *offsets) + b"".join(segments)


def _encode_jpeg_lossless(pixels: UInt16[np.ndarray, "row column"], bits: int) -> bytes:
    return bytes(imagecodecs.ljpeg_encode(pixels, bitspersample=bits))


def _encode_jpeg_ls(pixels: UInt16[np.ndarray, "row column"], bits: int) -> bytes:
    return bytes(imagecodecs.jpegls_encode(pixels))


def _encode_jpeg_2000(pixels: UInt16[np.ndarray, "row column"], bits: int) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(
            pixels, level=0, codecformat="j2k", reversible=True, bitspersample=bits, numthreads=1
        )
    )


#: Transfer syntax UID to the function that makes its pixel bytes; all are lossless.
ENCODERS: dict[str, Callable[[UInt16[np.ndarray, "row column"], int], bytes]] = {
    EXPLICIT_LITTLE_ENDIAN: _encode_native,
    RLE_LOSSLESS: _encode_rle,
    JPEG_LOSSLESS: _encode_jpeg_lossless,
    JPEG_LS_LOSSLESS: _encode_jpeg_ls,
    JPEG_2000_LOSSLESS: _encode_jpeg_2000,
}
