"""The bytes of one frame become an array of cells, as the transfer syntax says and no more.

In: the value of the pixel data element, or the joined fragments of a frame. Out: cells of 8 or 16 bits, not
yet shifted, masked or sign-extended (`stored`). Each stream is held against the header before its codec runs
(`streams`), and no codec may make more than the header's rows and columns.

The codecs are those of imagecodecs that were fastest among those that tell when they fail
(docs/reference/dicom.md, "Codecs"); all release the GIL, so that several threads decode at once.

Source: PS3.5 section 8.2, annexes A.4 and G (RLE), 8.1.1 and 7.3 (byte order of OW).
"""

from __future__ import annotations

import struct

import numpy as np
from imagecodecs import dicomrle_decode, jpeg2k_decode, jpeg8_decode, jpegls_decode

from ..errors import DicomError
from .streams import (
    StreamShape,
    check_jpeg,
    check_jpeg_2000,
    check_jpeg_ls,
    jpeg_2000_codestream,
    lengthened_jpeg,
    undecodable,
)
from .syntaxes import JPEG_2000_FAMILY, JPEG_FAMILY, JPEG_LOSSLESS_FAMILY, NATIVE, RLE

Cells = np.ndarray  # two-dimensional; uint8, uint16, or int8, int16 where a JPEG 2000 stream is signed


def decode_cells(
    data: bytes, shape: StreamShape, *, big_endian: bool = False, in_words: bool = True
) -> Cells:
    """Cells of one frame, `shape.rows` x `shape.columns`.

    `big_endian` and `in_words` (the value representation is OW) matter for uncompressed pixels only. The
    syntax must be one of DECODABLE. Raises DicomError `truncated_file` or `undecodable_pixels`.
    """
    syntax = shape.transfer_syntax
    if syntax in NATIVE:
        cells = _native(data, shape, big_endian=big_endian, in_words=in_words)
    else:
        try:
            cells = _rle(data, shape) if syntax == RLE else _stream(data, shape)
        except DicomError:
            raise
        except Exception as error:  # a codec meets bytes from outside: each has errors of its own
            raise undecodable("a compressed image that its codec reads", f"{error}"[:120]) from error
    if cells.shape != (shape.rows, shape.columns):
        raise undecodable(f"{shape.rows} x {shape.columns} pixels", f"shape {cells.shape}")
    if cells.dtype.kind not in "ui" or cells.dtype.itemsize > 2:
        raise undecodable("whole values of at most 16 bits", str(cells.dtype))
    return cells


def native_bytes(shape: StreamShape) -> int:
    """Bytes of one uncompressed frame, without padding."""
    return shape.rows * shape.columns * (shape.bits_allocated // 8)


def _native(data: bytes, shape: StreamShape, *, big_endian: bool, in_words: bool) -> Cells:
    rows, columns, needed = shape.rows, shape.columns, native_bytes(shape)
    if len(data) < needed:
        raise DicomError(
            "truncated_file",
            expected=f"{needed} bytes of pixel data",
            found=str(len(data)),
            remedy="Copy the file again from its source",
        )
    if shape.bits_allocated == 16:
        kind = np.dtype(">u2" if big_endian else "<u2")
        return np.frombuffer(data, kind, rows * columns).reshape(rows, columns)
    if big_endian and in_words:  # two cells in a word, the second one first (PS3.5 8.1.1)
        if len(data) < needed + needed % 2:
            raise undecodable("whole words of pixel data", f"{len(data)} bytes")
        words = np.frombuffer(data, ">u2", (needed + 1) // 2).astype("<u2")
        return words.view(np.uint8)[:needed].reshape(rows, columns)
    return np.frombuffer(data, np.uint8, needed).reshape(rows, columns)


def _rle(data: bytes, shape: StreamShape) -> Cells:
    """PS3.5 annex G: one PackBits segment per byte of the cell, most significant first."""
    size = shape.bits_allocated // 8
    if len(data) < 64:
        raise undecodable("an RLE header of 64 bytes", f"{len(data)} bytes")
    n_segments, *offsets = struct.unpack_from("<16L", data)
    if n_segments != size:
        raise undecodable(f"{size} RLE segments", str(n_segments))
    ends = [*offsets[1:size], len(data)]
    if any(not 64 <= start < end <= len(data) for start, end in zip(offsets[:size], ends, strict=True)):
        raise undecodable("RLE segments one after the other", "others")
    # Each plane must fill exactly its half of the cells, so nothing is read that was not written.
    needed = native_bytes(shape)
    out = np.empty(needed, np.uint8)
    found = dicomrle_decode(data, "<u2" if size == 2 else "u1", out=out.data)
    if len(found) != needed:
        raise undecodable(f"{needed} bytes of RLE pixels", str(len(found)))
    return out.view("<u2" if size == 2 else np.uint8).reshape(shape.rows, shape.columns)


def _stream(data: bytes, shape: StreamShape) -> Cells:
    if shape.transfer_syntax in JPEG_FAMILY:
        precision = check_jpeg(data, shape)
        cells: Cells = jpeg8_decode(data)
        # Where a stream ends early libjpeg goes on with middle grey and only warns, which is not seen here:
        # in lossless images row by row, in the others block by block. Middle grey may be meant, too: it is
        # the air of a signed image.
        last = cells[-1:] if shape.transfer_syntax in JPEG_LOSSLESS_FAMILY else _last_block(cells)
        if (last == 1 << (precision - 1)).all() and _ends_early(data, cells):
            raise undecodable("image data up to the last pixel", "a stream that ends before it")
        return cells
    if shape.transfer_syntax in JPEG_2000_FAMILY:
        codestream = jpeg_2000_codestream(data)
        check_jpeg_2000(codestream, shape)
        return np.asarray(jpeg2k_decode(codestream, numthreads=1))
    check_jpeg_ls(data, shape)
    return np.asarray(jpegls_decode(data))


def _ends_early(data: bytes, cells: Cells) -> bool:
    """Whether a decoder wants more than a JPEG stream holds: then bytes that are put behind it change pixels.

    A whole stream gives the same picture, whatever follows its last pixel.
    """
    noise = np.random.default_rng(0).integers(0, 0xFF, 8 * cells.shape[1] + 1024, dtype=np.uint8)
    longer = lengthened_jpeg(data, noise.tobytes())
    return longer is None or not np.array_equal(jpeg8_decode(longer), cells)


def _last_block(cells: Cells) -> Cells:
    rows, columns = cells.shape
    return cells[(rows - 1) // 8 * 8 :, (columns - 1) // 8 * 8 :]
