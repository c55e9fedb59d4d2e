"""Comments in compressed streams become blank, and the picture stays the same."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forescreen.dicom.comments import starts_frame, without_comments
from forescreen.dicom.encode import ENCODERS

from .builders import HTJ2K, JPEG_2000, JPEG_EXTENDED, JPEG_LOSSLESS, JPEG_LS, RLE, build_pixels, encode

TEXT = b"Quixandra 19600412"
PIXELS = build_pixels(rows=64, columns=48)
JPEGS = [JPEG_EXTENDED, JPEG_LOSSLESS, JPEG_LS]
DECODERS = {
    JPEG_EXTENDED: imagecodecs.jpeg8_decode,
    JPEG_LOSSLESS: imagecodecs.jpeg8_decode,
    JPEG_LS: imagecodecs.jpegls_decode,
    JPEG_2000: imagecodecs.jpeg2k_decode,
    HTJ2K: imagecodecs.jpeg2k_decode,
}


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def codestream_comment(text: bytes) -> bytes:
    return struct.pack(">HHH", 0xFF64, len(text) + 4, 1) + text


@pytest.mark.parametrize("syntax", JPEGS)
@pytest.mark.parametrize("marker", [0xFE, 0xE1, 0xE8, 0xEF])
def test_comments_and_application_segments_of_jpeg_are_blank(syntax: str, marker: int) -> None:
    frame = encode(PIXELS, syntax)
    planted = frame[:2] + segment(marker, TEXT) + frame[2:] + TEXT
    blank = without_comments(planted)
    assert len(blank) == len(planted)
    assert b"Quixandra" not in blank
    assert np.array_equal(DECODERS[syntax](blank), DECODERS[syntax](frame))


def test_a_comment_between_two_scans_is_found() -> None:
    rgb = np.dstack([PIXELS >> 4, PIXELS >> 5, PIXELS >> 6]).astype(np.uint8)
    frame = imagecodecs.jpegls_encode(rgb)  # one scan per component
    second = frame.rindex(b"\xff\xda")
    planted = frame[:second] + segment(0xFE, TEXT) + frame[second:]
    blank = without_comments(planted)
    assert b"Quixandra" not in blank
    assert np.array_equal(imagecodecs.jpegls_decode(blank), rgb)


@pytest.mark.parametrize("syntax", [JPEG_2000, HTJ2K])
def test_comments_of_jpeg_2000_are_blank_but_those_of_encoders(syntax: str) -> None:
    frame = encode(PIXELS, syntax)
    assert frame.startswith(b"\xff\x4f\xff\x51")
    at = frame.index(b"\xff\x52")
    kept = b"Created by OpenJPEG version 2.5.4"
    planted = frame[:at] + codestream_comment(TEXT) + codestream_comment(kept) + frame[at:] + TEXT
    blank = without_comments(planted)
    assert len(blank) == len(planted)
    assert b"Quixandra" not in blank
    assert kept in blank
    assert np.array_equal(imagecodecs.jpeg2k_decode(blank), PIXELS)


@pytest.mark.parametrize("open_ended", [False, True])
def test_a_comment_in_the_header_of_a_tile_part_is_found(open_ended: bool) -> None:
    frame = imagecodecs.jpeg2k_encode(PIXELS, level=0, codecformat="j2k", reversible=True)
    start = frame.index(b"\xff\x90\x00\x0a")
    (length,) = struct.unpack_from(">L", frame, start + 6)
    comment = codestream_comment(TEXT)
    total = struct.pack(">L", 0 if open_ended else length + len(comment))  # 0: up to the end
    planted = frame[: start + 6] + total + frame[start + 10 : start + 12] + comment + frame[start + 12 :]
    blank = without_comments(planted + TEXT)
    assert b"Quixandra" not in blank
    assert np.array_equal(imagecodecs.jpeg2k_decode(blank), PIXELS)


def test_boxes_of_a_jp2_file_that_are_no_picture_are_blank() -> None:
    frame = imagecodecs.jpeg2k_encode(PIXELS, level=0, codecformat="jp2", reversible=True)
    at = frame.index(b"jp2c") - 4
    planted = frame[:at] + struct.pack(">L", 8 + len(TEXT)) + b"xml " + TEXT + frame[at:]
    blank = without_comments(planted)
    assert b"Quixandra" not in blank
    assert np.array_equal(imagecodecs.jpeg2k_decode(blank), PIXELS)


@pytest.mark.parametrize("syntax", [*JPEGS, JPEG_2000, HTJ2K])
def test_streams_without_comments_stay_byte_for_byte(syntax: str) -> None:
    frame = encode(PIXELS, syntax)
    assert starts_frame(frame)
    assert without_comments(frame) == frame


@given(
    st.sampled_from([*JPEGS, JPEG_2000]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
)
def test_damaged_streams_keep_their_length(syntax: str, damage: list[tuple[float, int]]) -> None:
    frame = bytearray(encode(PIXELS, syntax))
    for place, value in damage:
        frame[int(place * (len(frame) - 1))] = value
    assert len(without_comments(bytes(frame))) == len(frame)


@given(st.binary(max_size=200))
def test_anything_else_is_left_alone(data: bytes) -> None:
    if not starts_frame(data):
        assert without_comments(data) == data


def test_what_follows_the_last_pixel_of_an_rle_segment_is_blank() -> None:
    frame = ENCODERS[RLE](PIXELS, 12)
    planted = frame + TEXT + b"\0" * (len(TEXT) % 2)
    blank = without_comments(planted, rle_pixels=PIXELS.size)
    assert len(blank) == len(planted)
    assert TEXT not in blank
    assert blank[: len(frame)] == frame


def test_text_between_rle_segments_and_in_the_header_is_blank() -> None:
    frame = ENCODERS[RLE](PIXELS, 12)
    second = struct.unpack_from("<L", frame, 8)[0]
    planted = bytearray(frame[:second] + b"Quixandra!" + frame[second:])
    struct.pack_into("<L", planted, 8, second + 10)
    planted[40:49] = b"Quixandra"  # offsets of segments that do not exist
    blank = without_comments(bytes(planted), rle_pixels=PIXELS.size)
    assert b"Quixandra" not in blank
    assert blank[64:second] == frame[64:second]
    assert blank[second + 10 :] == frame[second:]


@pytest.mark.parametrize(
    "data", [b"", b"\x01" * 63, b"\xff" * 200, struct.pack("<16L", 2, 900, 64, *[0] * 13)]
)
def test_rle_that_cannot_be_followed_keeps_its_length(data: bytes) -> None:
    assert len(without_comments(data, rle_pixels=100)) == len(data)
