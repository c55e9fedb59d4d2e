"""Every transfer syntax bit for bit; signed pixels, overlays in unused bits, and what is refused."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.dicom.elements import PixelData
from forescreen.dicom.read import read_header, read_pixels
from forescreen.dicom.stored import decode, description_problem
from forescreen.errors import DicomError

from .builders import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    HTJ2K,
    HTJ2K_LOSSY,
    HTJ2K_RPCL,
    IMPLICIT_LITTLE,
    JPEG_2000,
    JPEG_2000_LOSSY,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_ANY,
    JPEG_LS,
    JPEG_LS_NEAR,
    RLE,
    build_mammogram,
    build_pixels,
    encode,
    encode_with_restarts,
    save,
    save_frames,
)

LOSSLESS = [
    IMPLICIT_LITTLE,
    EXPLICIT_LITTLE,
    DEFLATED,
    EXPLICIT_BIG,
    RLE,
    JPEG_LOSSLESS,
    JPEG_LS,
    JPEG_2000,
    HTJ2K,
]


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_lossless_syntaxes_give_back_every_bit(tmp_path: Path, syntax: str, bits: int) -> None:
    pixels = build_pixels(rows=61, columns=47, bits=bits)
    path = save(tmp_path / "a.dcm", build_mammogram(pixels, bits=bits), syntax=syntax)
    decoded = read_pixels(path, read_header(path))
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, RLE, JPEG_LOSSLESS, JPEG_LS])
def test_eight_bit_images_of_odd_size_are_exact(tmp_path: Path, syntax: str) -> None:
    pixels = build_pixels(rows=21, columns=17, bits=8).astype(np.uint8)
    path = save(tmp_path / "a.dcm", build_mammogram(pixels, bits=8), syntax=syntax)
    np.testing.assert_array_equal(read_pixels(path, read_header(path)), pixels)


@pytest.mark.parametrize(("syntax", "bits"), [(JPEG_EXTENDED, 12), (JPEG_BASELINE, 8)])
def test_lossy_jpeg_is_close_in_8_and_12_bits(tmp_path: Path, syntax: str, bits: int) -> None:
    pixels = build_pixels(bits=bits).astype(np.uint16 if bits > 8 else np.uint8)
    path = save(tmp_path / "a.dcm", build_mammogram(pixels, bits=bits), syntax=syntax)
    decoded = read_pixels(path, read_header(path)).astype(int)
    assert 0 < np.abs(decoded - pixels).mean() < 0.01 * (1 << bits)


def test_a_frame_in_several_fragments_is_joined(tmp_path: Path) -> None:
    pixels = build_pixels()
    path = save(tmp_path / "a.dcm", build_mammogram(pixels), syntax=JPEG_LOSSLESS)
    ds = pydicom.dcmread(path)
    frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
    ds.PixelData = pydicom.encaps.encapsulate([frame], fragments_per_frame=4)
    ds.save_as(path)
    header = read_header(path)
    assert header.pixel_data is not None
    assert len(header.pixel_data.parts) == 4
    np.testing.assert_array_equal(read_pixels(path, header), pixels)


@pytest.mark.parametrize("syntax", [RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K])
def test_damaged_streams_are_undecodable_and_never_half_an_image(tmp_path: Path, syntax: str) -> None:
    large = build_pixels(rows=800, columns=700)
    path = save(tmp_path / "a.dcm", build_mammogram(large), syntax=syntax)
    header = read_header(path)
    assert header.pixel_data is not None
    (offset, length), *_ = header.pixel_data.parts
    stream = path.read_bytes()[offset : offset + length]
    hole = stream[: length // 2] + stream[length // 2 + 5000 :]
    damaged = [stream[: length // 2], stream[: length // 2] + b"\xff\xd9", stream[:40], b"", b"\0" * 100]
    for data in damaged if syntax == RLE else [*damaged, hole]:
        with pytest.raises(DicomError, match="expected") as caught:
            decode(data, header)
        assert caught.value.code in {"undecodable_pixels", "truncated_file"}


def test_a_stream_of_another_size_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", build_mammogram(), syntax=JPEG_LOSSLESS)
    header = replace(read_header(path), rows=299)
    with pytest.raises(DicomError, match="299 x 260 pixels, found one of 300 x 260") as caught:
        read_pixels(path, header)
    assert caught.value.code == "undecodable_pixels"


def test_values_beyond_the_stored_bits_are_refused(tmp_path: Path) -> None:
    ds = build_mammogram(build_pixels(bits=14), bits=14, changes={"BitsStored": 12, "HighBit": 11})
    path = save(tmp_path / "a.dcm", ds)
    with pytest.raises(DicomError, match="12 bits") as caught:
        read_pixels(path, read_header(path))
    assert caught.value.code == "undecodable_pixels"


def test_an_unknown_syntax_is_named(tmp_path: Path) -> None:
    header = replace(
        read_header(save(tmp_path / "a.dcm", build_mammogram())), transfer_syntax="1.2.840.113619.5.2"
    )
    with pytest.raises(DicomError, match=r"1\.2\.840\.113619\.5\.2") as caught:
        decode(b"", header)
    assert caught.value.code == "unsupported_transfer_syntax"


def test_several_threads_decode_the_same_pixels(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / f"{i}.dcm", build_mammogram(build_pixels(seed=i)), syntax=syntax)
        for i, syntax in enumerate(LOSSLESS)
    ]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda path: read_pixels(path, read_header(path)), paths * 4))
    for i, pixels in enumerate(found):
        np.testing.assert_array_equal(pixels, build_pixels(seed=i % len(LOSSLESS)))


def small_header(
    path: Path, pixels: np.ndarray, bits: int, changes: dict[str, object], syntax: str
) -> Header:
    ds = build_mammogram(pixels, bits=bits, changes=changes)
    return read_header(save(path, ds, syntax=syntax))


@pytest.mark.parametrize("bits", range(8, 17))
@pytest.mark.parametrize("predictor", [1, 4, 7])
def test_lossless_jpeg_of_every_precision_and_predictor_is_exact(
    tmp_path: Path, bits: int, predictor: int
) -> None:
    pixels = build_pixels(rows=37, columns=29, bits=bits)
    values = pixels if bits > 8 else pixels.astype(np.uint8)
    stream = imagecodecs.jpeg8_encode(values, lossless=True, predictor=predictor, bitspersample=bits)
    path = save_frames(
        tmp_path / "a.dcm", build_mammogram(pixels, bits=bits), [stream], syntax=JPEG_LOSSLESS_ANY
    )
    np.testing.assert_array_equal(read_pixels(path, read_header(path)), pixels)


@pytest.mark.parametrize(
    ("syntax", "level", "error"),
    [(JPEG_LS_NEAR, 3, 3), (JPEG_2000_LOSSY, 50, 60), (HTJ2K_LOSSY, 0.0005, 300)],
)
def test_lossy_streams_differ_by_no_more_than_they_were_told(
    tmp_path: Path, syntax: str, level: float, error: int
) -> None:
    bits = 16 if syntax == HTJ2K_LOSSY else 12  # its encoder always declares 16
    pixels = build_pixels(bits=bits)
    if syntax == JPEG_LS_NEAR:
        stream = imagecodecs.jpegls_encode(pixels, level=level)
    elif syntax == HTJ2K_LOSSY:
        stream = imagecodecs.htj2k_encode(pixels, level=level, reversible=False)
    else:
        stream = imagecodecs.jpeg2k_encode(
            pixels, level=level, codecformat="j2k", reversible=False, bitspersample=12
        )
    path = save_frames(tmp_path / "a.dcm", build_mammogram(pixels, bits=bits), [stream], syntax=syntax)
    difference = np.abs(read_pixels(path, read_header(path)).astype(int) - pixels)
    assert 0 < difference.max() <= error


@pytest.mark.parametrize("syntax", [HTJ2K_RPCL, HTJ2K_LOSSY])
def test_all_three_high_throughput_syntaxes_are_read(tmp_path: Path, syntax: str) -> None:
    pixels = build_pixels()
    stream = imagecodecs.htj2k_encode(pixels)
    path = save_frames(tmp_path / "a.dcm", build_mammogram(pixels), [stream], syntax=syntax)
    np.testing.assert_array_equal(read_pixels(path, read_header(path)), pixels)


@pytest.mark.parametrize("syntax", [JPEG_LS, JPEG_LOSSLESS, JPEG_2000, RLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
@pytest.mark.parametrize("bits", [12, 16])
def test_signed_pixels_are_twos_complement_within_their_bits(tmp_path: Path, syntax: str, bits: int) -> None:
    unsigned = build_pixels(rows=30, columns=20, bits=bits)
    expected = unsigned.astype(int)
    expected[expected >= 1 << (bits - 1)] -= 1 << bits
    ds = build_mammogram(unsigned, bits=bits, changes={"PixelRepresentation": 1, "PixelPaddingValue": None})
    path = save(tmp_path / "a.dcm", ds, syntax=syntax)
    found = read_pixels(path, read_header(path))
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("syntax", [JPEG_2000, EXPLICIT_LITTLE])
def test_signed_values_whose_sign_fills_the_cell_are_the_same(tmp_path: Path, syntax: str) -> None:
    values = (build_pixels(rows=30, columns=20).astype(int) - 2048).astype(np.int16)
    ds = build_mammogram(values.view(np.uint16), changes={"PixelRepresentation": 1})
    if syntax == JPEG_2000:
        stream = imagecodecs.jpeg2k_encode(
            values, level=0, codecformat="j2k", reversible=True, bitspersample=12
        )
        path = save_frames(tmp_path / "a.dcm", ds, [stream], syntax=syntax)
    else:
        path = save(tmp_path / "a.dcm", ds)
    np.testing.assert_array_equal(read_pixels(path, read_header(path)), values)


def test_bits_above_a_signed_value_that_are_not_its_sign_are_refused(tmp_path: Path) -> None:
    pixels = build_pixels(rows=30, columns=20)
    pixels[3, 4] = 0x1234  # neither 0x0234 nor, sign extended, 0xF...
    path = save(tmp_path / "a.dcm", build_mammogram(pixels, changes={"PixelRepresentation": 1}))
    with pytest.raises(DicomError, match="bits above them that are not the sign") as caught:
        read_pixels(path, read_header(path))
    assert caught.value.code == "undecodable_pixels"


def test_a_signed_stream_under_an_unsigned_header_is_refused(tmp_path: Path) -> None:
    values = (build_pixels(rows=30, columns=20).astype(int) - 2048).astype(np.int16)
    stream = imagecodecs.jpeg2k_encode(values, level=0, codecformat="j2k", reversible=True, bitspersample=12)
    ds = build_mammogram(values.view(np.uint16))
    path = save_frames(tmp_path / "a.dcm", ds, [stream], syntax=JPEG_2000)
    with pytest.raises(DicomError, match="found a signed one") as caught:
        read_pixels(path, read_header(path))
    assert caught.value.code == "undecodable_pixels"


def add_overlay(ds: pydicom.Dataset, position: int, *, group: int = 0x6000) -> None:
    """An overlay plane in the unused bits of the pixels, as old machines write it."""
    ds.add_new((group, 0x0010), "US", ds.Rows)
    ds.add_new((group, 0x0011), "US", ds.Columns)
    ds.add_new((group, 0x0100), "US", 16)
    ds.add_new((group, 0x0102), "US", position)


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, EXPLICIT_BIG, RLE])
def test_declared_overlays_in_unused_bits_are_masked_out(tmp_path: Path, syntax: str) -> None:
    pixels = build_pixels(rows=30, columns=20)
    marked = pixels.copy()
    marked[5:9, 3:7] |= 1 << 13
    marked[:, 10] |= 1 << 15
    ds = build_mammogram(marked)
    add_overlay(ds, 13)
    with_one = read_header(save(tmp_path / "one.dcm", ds, syntax=syntax))
    assert with_one.grayscale.overlay_bits == 1 << 13
    with pytest.raises(DicomError, match="12 bits"):  # bit 15 is declared by nobody
        read_pixels(tmp_path / "one.dcm", with_one)
    ds = build_mammogram(marked)
    add_overlay(ds, 13)
    add_overlay(ds, 15, group=0x6004)
    path = save(tmp_path / "two.dcm", ds, syntax=syntax)
    np.testing.assert_array_equal(read_pixels(path, read_header(path)), pixels)


def test_an_overlay_with_data_of_its_own_masks_nothing(tmp_path: Path) -> None:
    ds = build_mammogram(build_pixels(rows=30, columns=20))
    add_overlay(ds, 0)
    ds[0x6000, 0x0100].value = 1
    ds.add_new((0x6000, 0x3000), "OW", b"\0" * 76)
    assert read_header(save(tmp_path / "a.dcm", ds)).grayscale.overlay_bits == 0


@pytest.mark.parametrize(("rows", "columns"), [(21, 17), (20, 16)])
@pytest.mark.parametrize("vr", ["OW", "OB"])
def test_bytes_in_big_endian_words_come_back_in_order(
    tmp_path: Path, rows: int, columns: int, vr: str
) -> None:
    pixels = build_pixels(rows=rows, columns=columns, bits=8).astype(np.uint8)
    cells = pixels.tobytes() + b"\0" * (pixels.size % 2)
    swapped = np.frombuffer(cells, ">u2").astype("<u2").tobytes() if vr == "OW" else cells
    header = replace(
        read_header(save(tmp_path / "a.dcm", build_mammogram(pixels, bits=8))),
        transfer_syntax=EXPLICIT_BIG,
        big_endian=True,
        pixel_data=PixelData(((0, len(cells)),), encapsulated=False, vr=vr),
    )
    np.testing.assert_array_equal(decode(swapped, header), pixels)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "bits allocated 32"),
        ({"BitsAllocated": 12}, "bits allocated 12"),
        ({"BitsStored": 17}, "stored 17"),
        ({"BitsStored": 0, "HighBit": None}, "stored 0"),
        ({"HighBit": 15}, "high bit 15 for 12 bits"),
        ({"Rows": 0}, "0 rows"),
        ({"Rows": 65535, "Columns": 65535}, "65535 rows"),
        ({"NumberOfFrames": -1}, "-1 frames"),
        ({"Columns": 259}, "bytes for 300 rows and 259 columns"),  # would be sheared
        ({"Rows": 299}, "bytes for 299 rows"),
        ({"SamplesPerPixel": 3}, "3 samples"),
    ],
)
def test_descriptions_that_cannot_be_right_are_refused_before_reading(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    path = save(tmp_path / "a.dcm", build_mammogram(changes=changes))
    with pytest.raises(DicomError) as caught:
        read_pixels(path, read_header(path))
    assert words in str(caught.value)
    assert caught.value.code == "undecodable_pixels"


def test_a_codestream_in_a_jp2_file_is_taken_out(tmp_path: Path) -> None:
    pixels = build_pixels()
    stream = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="jp2", reversible=True, bitspersample=12)
    assert b"jp2c" in stream
    path = save_frames(tmp_path / "a.dcm", build_mammogram(pixels), [stream + b"\0"], syntax=JPEG_2000)
    np.testing.assert_array_equal(read_pixels(path, read_header(path)), pixels)


@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS, JPEG_LS, JPEG_2000])
@pytest.mark.parametrize("fragments", [1, 3])
def test_each_frame_of_several_is_read_by_its_number(tmp_path: Path, syntax: str, fragments: int) -> None:
    frames = [build_pixels(seed=seed) for seed in (1, 2, 3)]
    ds = build_mammogram(frames[0], changes={"NumberOfFrames": 3})
    path = save_frames(
        tmp_path / "a.dcm",
        ds,
        [encode(frame, syntax) for frame in frames],
        syntax=syntax,
        fragments=fragments,
    )
    header = read_header(path)
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(read_pixels(path, header, frame=number), frame)
    with pytest.raises(DicomError, match="found 3 frames"):
        read_pixels(path, header, frame=3)


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED])
def test_each_uncompressed_frame_of_several_is_read_by_its_number(tmp_path: Path, syntax: str) -> None:
    frames = [build_pixels(rows=20, columns=16, seed=seed) for seed in (1, 2, 3)]
    ds = build_mammogram(frames[0], changes={"NumberOfFrames": 3})
    ds.PixelData = b"".join(frame.tobytes() for frame in frames)
    path = save(tmp_path / "a.dcm", ds, syntax=syntax)
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(read_pixels(path, read_header(path), frame=number), frame)


def test_frames_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    ds = build_mammogram(changes={"NumberOfFrames": 4})
    path = save_frames(tmp_path / "a.dcm", ds, [encode(build_pixels(), JPEG_LS)] * 3, syntax=JPEG_LS)
    with pytest.raises(DicomError, match="expected 4 frames") as caught:
        read_pixels(path, read_header(path))
    assert caught.value.code == "undecodable_pixels"


def test_a_wrong_spectral_selection_byte_does_not_change_the_pixels(tmp_path: Path) -> None:
    # Seen in published 12-bit objects: Se = 0 in the scan header instead of 63.
    pixels = build_pixels()
    stream = bytearray(encode(pixels, JPEG_EXTENDED))
    scan = stream.index(b"\xff\xda\x00\x08")
    assert stream[scan + 8] == 63
    right = save_frames(tmp_path / "a.dcm", build_mammogram(pixels), [bytes(stream)], syntax=JPEG_EXTENDED)
    stream[scan + 8] = 0
    wrong = save_frames(tmp_path / "b.dcm", build_mammogram(pixels), [bytes(stream)], syntax=JPEG_EXTENDED)
    np.testing.assert_array_equal(
        read_pixels(wrong, read_header(wrong)), read_pixels(right, read_header(right))
    )


@pytest.mark.parametrize("missing", [300, 3000])
@pytest.mark.parametrize("syntax", [JPEG_BASELINE, JPEG_EXTENDED])
def test_a_lossy_jpeg_with_a_hole_is_not_an_image(tmp_path: Path, syntax: str, missing: int) -> None:
    bits = 8 if syntax == JPEG_BASELINE else 12
    pixels = build_pixels(rows=800, columns=700, bits=bits).astype(np.uint8 if bits == 8 else np.uint16)
    stream = encode(pixels, syntax, bits)
    middle = len(stream) // 2
    ds = build_mammogram(pixels, bits=bits)
    path = save_frames(tmp_path / "a.dcm", ds, [stream[:middle] + stream[middle + missing :]], syntax=syntax)
    with pytest.raises(DicomError, match="expected") as caught:
        read_pixels(path, read_header(path))
    assert caught.value.code == "undecodable_pixels"


def build_grey_end(*, bits: int, rows: int = 60, columns: int = 40) -> np.ndarray:
    """A picture whose last rows are middle grey: air at the lowest signed value is just that."""
    pixels = build_pixels(rows=rows, columns=columns, bits=bits)
    pixels[rows // 2 :] = 1 << (bits - 1)
    return pixels


@pytest.mark.parametrize("restarts", [0, 4])
@pytest.mark.parametrize(("bits", "signed"), [(12, 1), (16, 1), (16, 0), (12, 0)])
def test_a_lossless_jpeg_may_end_in_middle_grey(
    tmp_path: Path, bits: int, signed: int, restarts: int
) -> None:
    pixels = build_grey_end(bits=bits)
    stream = imagecodecs.ljpeg_encode(pixels, bitspersample=bits)
    if restarts:
        stream = encode_with_restarts(pixels, bits, restarts)
    changes = {"PixelRepresentation": signed, "PixelPaddingValue": None}
    ds = build_mammogram(pixels, bits=bits, changes=changes)
    path = save_frames(tmp_path / "a.dcm", ds, [stream], syntax=JPEG_LOSSLESS)
    found = read_pixels(path, read_header(path))
    expected = pixels.astype(int)
    if signed:
        expected[expected >= 1 << (bits - 1)] -= 1 << bits
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kept", [0.3, 0.55, 0.9])
@pytest.mark.parametrize("restarts", [0, 4])
@pytest.mark.parametrize("grey", [False, True])
def test_a_lossless_jpeg_that_ends_early_is_no_image_whatever_it_shows(
    tmp_path: Path, kept: float, restarts: int, grey: bool
) -> None:
    pixels = build_grey_end(bits=12) if grey else build_pixels(rows=60, columns=40)
    stream = encode_with_restarts(pixels, 12, restarts) if restarts else imagecodecs.ljpeg_encode(pixels)
    short = stream[: int(kept * len(stream))].rstrip(b"\xff") + b"\xff\xd9"
    path = save_frames(tmp_path / "a.dcm", build_mammogram(pixels), [short], syntax=JPEG_LOSSLESS)
    with pytest.raises(DicomError) as caught:
        read_pixels(path, read_header(path))
    assert caught.value.code == "undecodable_pixels"


@pytest.mark.parametrize(("syntax", "bits"), [(JPEG_BASELINE, 8), (JPEG_EXTENDED, 12)])
def test_a_lossy_jpeg_may_end_in_middle_grey(tmp_path: Path, syntax: str, bits: int) -> None:
    pixels = build_grey_end(bits=bits, rows=64).astype(np.uint8 if bits == 8 else np.uint16)
    path = save(tmp_path / "a.dcm", build_mammogram(pixels, bits=bits), syntax=syntax)
    assert (read_pixels(path, read_header(path))[-8:] == 1 << (bits - 1)).all()


@settings(max_examples=60, deadline=None)
@given(
    bits=st.integers(8, 16),
    fill=st.sampled_from(["empty", "sign"]),
    values=st.lists(st.integers(-32768, 32767), min_size=6, max_size=6),
)
def test_signed_values_survive_whatever_fills_the_bits_above(
    tmp_path_factory: pytest.TempPathFactory, bits: int, fill: str, values: list[int]
) -> None:
    base = tmp_path_factory.getbasetemp() / "signed.dcm"
    if not base.exists():
        save(base, build_mammogram(build_pixels(rows=2, columns=3, bits=16), bits=16))
    header = read_header(base)
    grey = replace(header.grayscale, bits_stored=bits, high_bit=bits - 1, signed=True)
    expected = np.array(values).clip(-(1 << (bits - 1)), (1 << (bits - 1)) - 1).reshape(2, 3)
    cells = expected if fill == "sign" else expected & ((1 << bits) - 1)
    found = decode(cells.astype(np.int64).astype("<u2").tobytes(), replace(header, grayscale=grey))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("segments", [(100, 30 * 20), (30 * 20, 100), (30 * 20 + 50, 30 * 20)])
def test_rle_planes_that_are_too_short_or_too_long_are_refused(
    tmp_path: Path, segments: tuple[int, int]
) -> None:
    def plane(n: int) -> bytes:
        return b"".join(bytes((257 - k, 7)) for k in [128] * (n // 128) + ([n % 128] if n % 128 > 1 else []))

    high, low = (plane(n) for n in segments)
    stream = struct.pack("<16L", 2, 64, 64 + len(high), *[0] * 13) + high + low
    ds = build_mammogram(build_pixels(rows=30, columns=20), bits=16)
    path = save_frames(tmp_path / "a.dcm", ds, [stream], syntax=RLE)
    with pytest.raises(DicomError, match="expected") as caught:
        read_pixels(path, read_header(path))
    assert caught.value.code == "undecodable_pixels"


def test_description_problem_is_silent_for_an_ordinary_object(tmp_path: Path) -> None:
    assert description_problem(read_header(save(tmp_path / "a.dcm", build_mammogram()))) == ""
