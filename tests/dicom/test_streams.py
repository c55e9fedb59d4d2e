"""Streams that ask a codec for more than the header says are refused before the codec sees them."""

from __future__ import annotations

import struct
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.dicom import codecs
from forescreen.dicom.codecs import decode_cells
from forescreen.dicom.streams import (
    StreamShape,
    check_jpeg,
    check_jpeg_2000,
    check_jpeg_ls,
    jpeg_2000_codestream,
)
from forescreen.dicom.syntaxes import DECODABLE, RLE, codec_of
from forescreen.errors import DicomError

from .builders import (
    EXPLICIT_LITTLE,
    HTJ2K,
    JPEG_2000,
    JPEG_2000_LOSSY,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LS,
    JPEG_LS_NEAR,
    build_pixels,
    encode,
)

ROWS, COLUMNS = 90, 70
PIXELS = build_pixels(rows=ROWS, columns=COLUMNS)


def shape(syntax: str, *, rows: int = ROWS, columns: int = COLUMNS, allocated: int = 16) -> StreamShape:
    return StreamShape(rows, columns, allocated, syntax)


def codestream(**changes: object) -> bytes:
    options = {"level": 0, "codecformat": "j2k", "reversible": True, "bitspersample": 12} | changes
    return bytes(imagecodecs.jpeg2k_encode(PIXELS, **options))


def patched(stream: bytes, marker: bytes, offset: int, form: str, value: int) -> bytes:
    """The stream with one field of a marker segment changed; `offset` counts from the marker."""
    changed = bytearray(stream)
    struct.pack_into(f">{form}", changed, changed.index(marker) + offset, value)
    return bytes(changed)


SIZ, COD, SOF3, SOF55 = b"\xff\x51", b"\xff\x52", b"\xff\xc3", b"\xff\xf7"


@pytest.mark.parametrize(
    ("offset", "form", "value", "words"),
    [
        (6, "L", 1 << 31, "found one of"),  # Xsiz
        (10, "L", 0xFFFFFFFF, "found one of"),  # Ysiz
        (22, "L", 1, "tiles"),  # XTsiz: 70 x 1 tiles cover it, and are few; with YTsiz below they are not
        (22, "L", 0, "tiles that cover"),
        (30, "L", 7, "tiles that cover"),  # XTOsiz right of the image
        (38, "H", 16384, "one component, found one of 16384"),
        (40, "B", 37, "precision of at most 16 bits, found 38"),
        (41, "B", 2, "steps 2 and 1"),
    ],
)
def test_image_sizes_of_jpeg_2000_that_differ_are_refused(
    offset: int, form: str, value: int, words: str
) -> None:
    stream = patched(codestream(), SIZ, offset, form, value)
    if offset == 22 and value == 1:
        stream = patched(stream, SIZ, 26, "L", 1)  # a tile for each pixel
        words = f"at most 4096 tiles, found {ROWS * COLUMNS}"
    with pytest.raises(DicomError, match=words) as caught:
        check_jpeg_2000(stream, shape(JPEG_2000))
    assert caught.value.code == "undecodable_pixels"


@pytest.mark.parametrize(
    ("offset", "form", "value", "words"),
    [
        (6, "H", 0, "coding style"),  # layers
        (9, "B", 33, "coding style"),  # levels
        (10, "B", 9, "coding style"),  # code blocks of 2048
        (13, "B", 0, "irreversible"),
    ],
)
def test_coding_styles_outside_the_standard_are_refused(
    offset: int, form: str, value: int, words: str
) -> None:
    with pytest.raises(DicomError, match=words) as caught:
        check_jpeg_2000(patched(codestream(), COD, offset, form, value), shape(JPEG_2000))
    assert caught.value.code == "undecodable_pixels"


def styled(size: int, layers: int, n: int = 4096) -> bytes:
    """The beginning of a codestream of n x n pixels with precincts of 2^size and so many layers."""
    siz = struct.pack(">HHHLLLLLLLLHBBB", 0xFF51, 41, 0, n, n, 0, 0, n, n, 0, 0, 1, 11, 1, 1)
    precincts = bytes([size << 4 | size]) * 6
    cod = struct.pack(">HHBBHBBBBBB", 0xFF52, 18, 1, 0, layers, 0, 5, 4, 4, 0, 1) + precincts
    sot = struct.pack(">HHHLBB", 0xFF90, 10, 0, 0, 0, 1)
    return b"\xff\x4f" + siz + cod + sot + b"\xff\x93" + b"\0" * 20 + b"\xff\xd9"


@pytest.mark.parametrize(
    ("size", "layers", "words"),
    [(0, 1, "code blocks"), (3, 1, "code blocks"), (5, 1, ""), (7, 20, ""), (7, 65535, "packets")],
)
def test_precincts_and_layers_must_be_countable(size: int, layers: int, words: str) -> None:
    stream, where = styled(size, layers), shape(JPEG_2000, rows=4096, columns=4096)
    if not words:
        check_jpeg_2000(stream, where)
        return
    with pytest.raises(DicomError, match=words) as caught:
        check_jpeg_2000(stream, where)
    assert caught.value.code == "undecodable_pixels"


def test_a_coding_style_hidden_in_a_tile_is_seen() -> None:
    stream = styled(7, 1)
    hidden = struct.pack(">HHBBBBBBB", 0xFF53, 15, 0, 1, 5, 4, 4, 0, 1) + bytes(6)
    at = stream.index(b"\xff\x93")
    with pytest.raises(DicomError, match="code blocks"):
        check_jpeg_2000(stream[:at] + hidden + stream[at:], shape(JPEG_2000, rows=4096, columns=4096))


def test_a_codestream_cut_between_its_tile_parts_is_truncated() -> None:
    stream = bytes(imagecodecs.htj2k_encode(PIXELS, tile=(32, 32)))
    where = shape(HTJ2K)
    check_jpeg_2000(stream, where)
    last = stream.rindex(b"\xff\x90\x00\x0a")
    with pytest.raises(DicomError, match="all parts of 9 tiles, found parts of 8"):
        decode_cells(stream[:last] + b"\xff\xd9", where)  # OpenJPEG would leave it black
    with pytest.raises(DicomError, match="tile-part") as caught:
        check_jpeg_2000(stream[: last - 40] + b"\xff\xd9", where)
    assert caught.value.code in {"truncated_file", "undecodable_pixels"}


@pytest.mark.parametrize("content", [b"", b"\0" * 40, b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x01jp2x"])
def test_bytes_without_a_codestream_are_refused(content: bytes) -> None:
    with pytest.raises(DicomError, match="JPEG 2000 codestream") as caught:
        jpeg_2000_codestream(content)
    assert caught.value.code == "undecodable_pixels"


@pytest.mark.parametrize(
    ("offset", "form", "value", "words"),
    [
        (5, "H", 0, "found one of 0 x 70"),  # rows told later, by DNL
        (5, "H", 65535, "found one of 65535 x 70"),
        (4, "B", 17, "precision of at most 16 bits, found 17"),
        (9, "B", 3, "one component, found one of 3"),
        (11, "B", 0xFF, "sampling"),
        (1, "B", 0xC2, "process 2"),  # progressive
        (1, "B", 0xC0, "process 0"),  # a lossy process under a lossless syntax
        (1, "B", 0xCB, "process 11"),  # arithmetic
    ],
)
def test_frame_headers_of_jpeg_that_differ_are_refused(
    offset: int, form: str, value: int, words: str
) -> None:
    stream = encode(PIXELS, JPEG_LOSSLESS)
    with pytest.raises(DicomError, match=words) as caught:
        check_jpeg(patched(stream, SOF3, offset, form, value), shape(JPEG_LOSSLESS))
    assert caught.value.code == "undecodable_pixels"


def test_a_lossless_process_under_a_lossy_syntax_is_refused() -> None:
    with pytest.raises(DicomError, match="coding process of its transfer syntax, found process 3"):
        check_jpeg(encode(PIXELS, JPEG_LOSSLESS), shape(JPEG_EXTENDED))


def test_a_scan_that_is_shorter_than_any_image_is_refused() -> None:
    stream = encode(PIXELS, JPEG_LOSSLESS)
    scan = stream.index(b"\xff\xda")
    with pytest.raises(DicomError, match=f"at least {ROWS * COLUMNS // 8} bytes"):
        check_jpeg(stream[: scan + 300] + b"\xff\xd9", shape(JPEG_LOSSLESS))


@pytest.mark.parametrize(
    ("offset", "form", "value", "words"),
    [
        (5, "H", 0, "found one of 0 x 70"),
        (4, "B", 1, "precision"),
        (9, "B", 200, "found one of 200"),
    ],
)
def test_frame_headers_of_jpeg_ls_that_differ_are_refused(
    offset: int, form: str, value: int, words: str
) -> None:
    with pytest.raises(DicomError, match=words) as caught:
        check_jpeg_ls(patched(encode(PIXELS, JPEG_LS), SOF55, offset, form, value), shape(JPEG_LS))
    assert caught.value.code == "undecodable_pixels"


def test_loss_under_a_lossless_syntax_is_refused() -> None:
    near = bytes(imagecodecs.jpegls_encode(PIXELS, level=2))
    check_jpeg_ls(near, shape(JPEG_LS_NEAR))
    with pytest.raises(DicomError, match="found NEAR 2"):
        check_jpeg_ls(near, shape(JPEG_LS))
    irreversible = codestream(reversible=False, level=60)
    check_jpeg_2000(irreversible, shape(JPEG_2000_LOSSY))
    with pytest.raises(DicomError, match="irreversible"):
        check_jpeg_2000(irreversible, shape(JPEG_2000))


def test_oversize_dimensions_and_colour_tables_of_jpeg_ls_are_refused() -> None:
    stream = encode(PIXELS, JPEG_LS)
    for kind in (2, 4):
        extra = b"\xff\xf8" + struct.pack(">HBBLL", 12, kind, 4, 70000, 70000)
        with pytest.raises(DicomError, match="oversize dimensions"):
            check_jpeg_ls(stream[:2] + extra + stream[2:], shape(JPEG_LS))


@pytest.mark.parametrize("syntax", sorted(DECODABLE))
def test_every_decodable_syntax_names_what_decodes_it(syntax: str) -> None:
    name = codec_of(syntax)
    known = ("none", "zlib ", "imcd ", "libjpeg-turbo 3", "charls 2", "openjpeg 2")
    assert name.startswith(known)
    assert " " not in name.strip() or name.split()[1][0].isdigit()


def test_a_syntax_that_is_not_decoded_has_no_codec() -> None:
    assert codec_of("1.2.840.10008.1.2.4.100") == ""


STREAMS: dict[str, Callable[[], bytes]] = {
    JPEG_LOSSLESS: lambda: encode(PIXELS, JPEG_LOSSLESS),
    JPEG_EXTENDED: lambda: encode(PIXELS, JPEG_EXTENDED),
    JPEG_BASELINE: lambda: encode(PIXELS.astype(np.uint8), JPEG_BASELINE, 8),
    JPEG_LS: lambda: encode(PIXELS, JPEG_LS),
    JPEG_2000: lambda: encode(PIXELS, JPEG_2000),
    HTJ2K: lambda: encode(PIXELS, HTJ2K),
    RLE: lambda: imagecodecs_rle(PIXELS),
}


def imagecodecs_rle(pixels: np.ndarray) -> bytes:
    planes = [imagecodecs.packbits_encode(plane.astype(np.uint8)) for plane in (pixels >> 8, pixels & 0xFF)]
    return struct.pack("<16L", 2, 64, 64 + len(planes[0]), *[0] * 13) + b"".join(planes)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_streams_give_cells_of_the_right_shape_or_a_dicom_error(data: st.DataObject) -> None:
    syntax = data.draw(st.sampled_from(sorted(STREAMS)))
    damaged = bytearray(STREAMS[syntax]())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    try:
        cells = decode_cells(bytes(damaged), shape(syntax))
        outcome = "cells" if cells.shape == (ROWS, COLUMNS) and cells.dtype.itemsize <= 2 else "wrong cells"
    except DicomError as error:
        outcome = error.code
    assert outcome in {"cells", "undecodable_pixels", "truncated_file"}


def test_an_unexpected_codec_error_is_a_dicom_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(data: bytes) -> np.ndarray:
        raise MemoryError("no memory")

    monkeypatch.setattr(codecs, "jpegls_decode", fails)
    with pytest.raises(DicomError, match="found no memory") as caught:
        decode_cells(encode(PIXELS, JPEG_LS), shape(JPEG_LS))
    assert caught.value.code == "undecodable_pixels"


def test_uncompressed_frames_too_short_are_truncated() -> None:
    with pytest.raises(DicomError, match=f"{ROWS * COLUMNS * 2} bytes of pixel data, found 10") as caught:
        decode_cells(b"\0" * 10, shape(EXPLICIT_LITTLE))
    assert caught.value.code == "truncated_file"
