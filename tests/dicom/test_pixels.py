"""Codecs bit for bit, and the grey scale of the profile forescreen-v1."""

from __future__ import annotations

import itertools
from collections.abc import Sequence as Values
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi, apply_windowing

from forescreen.dicom.pixels import Presented, decode, present, voi_problem
from forescreen.dicom.read import read_header, read_pixels
from forescreen.dicom.tags import Grayscale
from forescreen.dicom.values import LookUpTable, Window
from forescreen.errors import DicomError

from .builders import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    HTJ2K,
    IMPLICIT_LITTLE,
    JPEG_2000,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LS,
    RLE,
    build_lut,
    build_mammogram,
    build_pixels,
    save,
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
SINGLE_PRECISION = 1e-6


def build_grayscale(
    *,
    photometric: str = "MONOCHROME2",
    bits: int = 12,
    luts: Values[LookUpTable] = (),
    windows: Values[Window] = (),
    function: str = "",
    padding: tuple[int, int] | None = None,
    slope: float = 1.0,
    intercept: float = 0.0,
) -> Grayscale:
    return Grayscale(
        photometric=photometric,
        bits_allocated=16,
        bits_stored=bits,
        high_bit=bits - 1,
        signed=False,
        slope=slope,
        intercept=intercept,
        modality_lut=None,
        voi_luts=tuple(luts),
        windows=tuple(windows),
        voi_function=function,
        padding=padding,
        presentation_shape="",
    )


def build_table(entries: Values[int] | np.ndarray, *, first: int = 0, bits: int = 12) -> LookUpTable:
    return LookUpTable(len(entries), first, bits, np.asarray(entries, "<u2").tobytes())


def row(*values: int) -> np.ndarray:
    return np.array([values], dtype=np.uint16)


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
    damaged = [stream[: length // 2], stream[:40], b"", b"\0" * 100]
    if (
        syntax != JPEG_LOSSLESS
    ):  # a hole before the end marker: libjpeg does not tell (reference page, Limits)
        damaged.append(stream[: length // 2] + b"\xff\xd9")
    for data in damaged:
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


@pytest.mark.parametrize("function", ["", "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_windows_are_those_of_the_standard(function: str, photometric: str) -> None:
    # Oracle: pydicom's apply_windowing, which is checked against PS3.3 C.11.2 by its authors.
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    ds = Dataset()
    ds.PhotometricInterpretation, ds.BitsStored, ds.PixelRepresentation = "MONOCHROME2", 12, 0
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = 2000.5, 777, function or "LINEAR"
    expected = apply_windowing(pixels, ds) / 4095.0
    grey = build_grayscale(photometric=photometric, windows=[Window(2000.5, 777.0)], function=function)
    found = present(pixels, grey)
    assert found.voi == f"window:0 {function or 'LINEAR'}"
    inverted = photometric == "MONOCHROME1"
    np.testing.assert_allclose(found.pixels, 1 - expected if inverted else expected, atol=SINGLE_PRECISION)


def test_sigmoid_linear_and_linear_exact_have_the_values_of_the_formulas() -> None:
    # By hand from PS3.3 C.11.2.1.2 and C.11.2.1.3 with centre 100 and width 40.
    pixels = row(80, 100, 120)
    window = [Window(100.0, 40.0)]
    sigmoid = present(pixels, build_grayscale(windows=window, function="SIGMOID")).pixels[0]
    np.testing.assert_allclose(sigmoid, [1 / (1 + np.e**2), 0.5, 1 / (1 + np.e**-2)], rtol=1e-6)
    linear = present(pixels, build_grayscale(windows=window)).pixels[0]
    np.testing.assert_allclose(linear, [0.0, 0.5 / 39 + 0.5, 1.0], rtol=1e-6)
    exact = present(pixels, build_grayscale(windows=window, function="LINEAR_EXACT")).pixels[0]
    np.testing.assert_allclose(exact, [0.0, 0.5, 1.0], rtol=1e-6)


def test_a_linear_window_of_width_one_is_a_step() -> None:
    found = present(row(99, 100, 101), build_grayscale(windows=[Window(100.0, 1.0)]))
    assert found.pixels[0].tolist() == [0.0, 1.0, 1.0]


def test_a_voi_lut_goes_before_a_window_and_saturates_at_its_ends(tmp_path: Path) -> None:
    entries = np.linspace(10, 4000, 1023).astype(int)
    pixels = build_pixels()
    ds = build_mammogram(pixels)
    ds.VOILUTSequence = pydicom.Sequence([build_lut(entries, 625, 12), build_lut(entries[::-1], 0, 12)])
    path = save(tmp_path / "a.dcm", ds)
    expected = apply_voi(pixels, pydicom.dcmread(path)) / 4095.0  # oracle: pydicom, item 0
    header = read_header(path)
    found = present(pixels, header.grayscale)
    assert found.voi == "lut:0"
    np.testing.assert_allclose(found.pixels, expected, atol=SINGLE_PRECISION)


def test_without_voi_the_range_of_the_image_without_padding_is_used() -> None:
    pixels = row(0, 30, 31, 500, 2031)
    found = present(pixels, build_grayscale(padding=(0, 30)))
    assert found.voi == "min-max"
    np.testing.assert_allclose(found.pixels[0], [0, 0, 0, 469 / 2000, 1.0], rtol=1e-6)


def test_bright_padding_of_monochrome1_is_background() -> None:
    # 16-bit machine of the field: padding 2852-5572 in stored values, MONOCHROME1.
    pixels = row(100, 1000, 3300, 5572, 40000)
    grey = build_grayscale(photometric="MONOCHROME1", bits=16, padding=(2852, 5572))
    found = present(pixels, grey).pixels[0]
    assert found[[2, 3]].tolist() == [0.0, 0.0]
    assert (found[0], found[4]) == (1.0, 0.0)


def test_rescale_comes_before_the_window() -> None:
    grey = build_grayscale(windows=[Window(100.0, 40.0)], function="LINEAR_EXACT", slope=2.0, intercept=-50.0)
    np.testing.assert_allclose(present(row(65, 75, 85), grey).pixels[0], [0.0, 0.5, 1.0], atol=1e-7)


def test_a_modality_lut_comes_before_the_window() -> None:
    grey = replace(
        build_grayscale(windows=[Window(100.0, 40.0)], function="LINEAR_EXACT"),
        modality_lut=build_table([80, 100, 120], first=5, bits=16),
    )
    np.testing.assert_allclose(present(row(0, 5, 6, 7, 99), grey).pixels[0], [0, 0, 0.5, 1, 1], atol=1e-7)


@pytest.mark.parametrize("padding", [None, (0, 4095)])
def test_an_image_of_one_value_or_of_padding_has_no_range(padding: tuple[int, int] | None) -> None:
    with pytest.raises(DicomError, match="contrast") as caught:
        present(row(7, 7, 7), build_grayscale(padding=padding))
    assert caught.value.code == "low_dynamic_range"


@pytest.mark.parametrize(
    ("grey", "words"),
    [
        (build_grayscale(windows=[Window(100, 0.5)]), "width 0.5 for LINEAR"),
        (build_grayscale(windows=[Window(100, 0)], function="SIGMOID"), "width 0 for SIGMOID"),
        (build_grayscale(windows=[Window(100, 10)], function="CUBIC"), "'CUBIC'"),
        (build_grayscale(luts=[build_table([0, 5000])]), "beyond its 12 bits"),
        (replace(build_grayscale(), voi_luts=(None,)), "disagree"),
        (replace(build_grayscale(), windows=(None,)), "readable"),
    ],
)
def test_a_voi_that_cannot_be_applied_is_not_replaced_by_another(grey: Grayscale, words: str) -> None:
    assert words in voi_problem(grey)
    with pytest.raises(DicomError, match="VOI") as caught:
        present(row(1, 2), grey)
    assert caught.value.code == "voi_invalid"


def test_colour_is_never_shown_as_grey() -> None:
    with pytest.raises(DicomError, match="found RGB") as caught:
        present(row(1, 2), build_grayscale(photometric="RGB"))
    assert caught.value.code == "photometric_unknown"


windows = st.builds(Window, st.floats(-500, 70000), st.floats(1, 70000))
rising_tables = st.builds(
    lambda steps, first: build_table(np.minimum(np.cumsum(steps), 4095), first=first),
    st.lists(st.integers(0, 40), min_size=1, max_size=60),
    st.integers(0, 4000),
)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.integers(0, 65535), min_size=2, max_size=40, unique=True),
    kind=st.sampled_from(["lut", "window", "min-max"]),
    window=windows,
    table=rising_tables,
    function=st.sampled_from(["", "LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
def test_the_profile_is_monotone_in_the_stored_value_and_within_0_and_1(
    values: list[int], kind: str, window: Window, table: LookUpTable, function: str
) -> None:
    pixels = row(*sorted(values))
    bright = build_grayscale(
        bits=16,
        windows=[window] if kind == "window" else [],
        luts=[table] if kind == "lut" else [],
        function=function,
    )
    rising: Presented = present(pixels, bright)
    falling = present(pixels, replace(bright, photometric="MONOCHROME1"))
    assert rising.voi.startswith(kind)
    assert rising.pixels.dtype == np.float32
    assert (np.diff(rising.pixels[0]) >= 0).all()
    assert (np.diff(falling.pixels[0]) <= 0).all()
    for shown in (rising.pixels, falling.pixels):
        assert shown.min() >= 0
        assert shown.max() <= 1
    np.testing.assert_allclose(rising.pixels + falling.pixels, 1.0, atol=SINGLE_PRECISION)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.integers(0, 4095), min_size=2, max_size=40, unique=True),
    center=st.integers(1, 4094),
    width=st.integers(2, 4096),
    function=st.sampled_from(["LINEAR_EXACT", "SIGMOID", "min-max"]),
)
def test_monochrome1_of_inverted_pixels_is_monochrome2(
    values: list[int], center: int, width: int, function: str
) -> None:
    # LINEAR is left out: its half-pixel shift (c - 0.5) is not symmetric under inversion.
    pixels = row(*values)
    given_window = function != "min-max"
    function = function if given_window else ""
    plain = build_grayscale(windows=[Window(center, width)] if given_window else [], function=function)
    mirrored = build_grayscale(
        photometric="MONOCHROME1",
        windows=[Window(4095 - center, width)] if given_window else [],
        function=function,
    )
    ours = present(pixels, plain).pixels
    theirs = present((4095 - pixels).astype(np.uint16), mirrored).pixels
    np.testing.assert_allclose(ours, theirs, atol=SINGLE_PRECISION)


def test_the_same_value_is_shown_alike_wherever_it_lies() -> None:
    # The look-up goes block by block: no block may differ from another.
    pixels = build_pixels(rows=101, columns=33)
    shown = present(pixels, build_grayscale(windows=[Window(2048, 4096)])).pixels
    for value in itertools.islice(np.unique(pixels), 0, None, 50):
        assert np.unique(shown[pixels == value]).size == 1
