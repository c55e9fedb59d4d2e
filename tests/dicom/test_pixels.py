"""The grey scale of the profile forescreen-v1, and other choices of VOI."""

from __future__ import annotations

import itertools
from collections.abc import Sequence as Values
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi, apply_windowing

from forescreen.dicom.pixels import Presented, VoiChoice, present, stored_range, voi_problem
from forescreen.dicom.read import read_header
from forescreen.dicom.tags import Grayscale
from forescreen.dicom.values import LookUpTable, Window
from forescreen.errors import DicomError

from .builders import (
    build_lut,
    build_mammogram,
    build_pixels,
    save,
)

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
        (build_grayscale(windows=[Window(100, 10)], function="CUBIC"), "an unknown VOI LUT function"),
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


LUTS = [build_table([0, 2000, 4000], first=1000), build_table([10, 20, 30], first=1000)]
WINDOWS = [Window(2000.0, 1000.0, "NORMAL"), Window(500.0, 100.0, "HARDER")]


@pytest.mark.parametrize(
    ("choice", "voi", "shown"),
    [
        (VoiChoice(), "lut:0", 2000 / 4095),
        (VoiChoice(index=1), "lut:1", 20 / 4095),
        (VoiChoice(source="lut", index=1), "lut:1", 20 / 4095),
        (VoiChoice(source="window"), "window:0 LINEAR_EXACT", 0.0),
        (VoiChoice(source="window", index=1), "window:1 LINEAR_EXACT", 1.0),
        (VoiChoice(source="min-max"), "min-max", 0.5),
    ],
)
def test_another_item_or_window_can_be_chosen(choice: VoiChoice, voi: str, shown: float) -> None:
    grey = build_grayscale(luts=LUTS, windows=WINDOWS, function="LINEAR_EXACT")
    found = present(row(0, 1001, 2002), grey, choice=choice)
    assert found.voi == voi
    assert found.pixels[0, 1] == pytest.approx(shown, abs=1e-6)


def test_the_header_s_word_for_a_voi_is_told() -> None:
    grey = build_grayscale(windows=WINDOWS, function="SIGMOID")
    assert present(row(1, 2), grey).explanation == "NORMAL"
    assert present(row(1, 2), grey, choice=VoiChoice(index=1)).explanation == "HARDER"


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (VoiChoice(source="lut"), "0 items, asked for number 0"),
        (VoiChoice(source="window", index=2), "2 items, asked for number 2"),
        (VoiChoice(index=-1), "2 items, asked for number -1"),
    ],
)
def test_a_choice_that_is_not_there_is_refused(choice: VoiChoice, words: str) -> None:
    grey = build_grayscale(windows=WINDOWS)
    with pytest.raises(DicomError, match=words) as caught:
        present(row(1, 2), grey, choice=choice)
    assert caught.value.code == "voi_invalid"


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_share_beyond_the_window_is_told_at_its_black_and_white_end(photometric: str) -> None:
    # Window 100 to 200; every eighth pixel of one row is looked at: 0, 150, 150, 300, and the padding 7.
    values = [v for value in (0, 150, 150, 300, 7) for v in [value] + [9] * 7]
    grey = build_grayscale(
        photometric=photometric, windows=[Window(150.0, 100.0)], function="LINEAR_EXACT", padding=(7, 7)
    )
    found = present(row(*values), grey)
    assert (found.clipped_low, found.clipped_high) == (0.25, 0.25)
    brighter = present(row(*[v + 100 if v == 150 else v for v in values]), grey)
    shares = (brighter.clipped_low, brighter.clipped_high)
    assert shares == ((0.25, 0.75) if photometric == "MONOCHROME2" else (0.75, 0.25))


def test_values_beyond_a_lut_count_as_clipped_and_those_of_a_sigmoid_never() -> None:
    values = [v for value in (0, 1001, 4000) for v in [value] + [9] * 7]
    found = present(row(*values), build_grayscale(luts=LUTS))
    assert (found.clipped_low, found.clipped_high) == pytest.approx((1 / 3, 1 / 3))
    falling = build_grayscale(luts=[build_table([4000, 2000, 0], first=1001)])
    assert present(row(*values), falling).clipped_low == pytest.approx(1 / 3)
    smooth = present(row(*values), build_grayscale(windows=WINDOWS, function="SIGMOID"))
    assert (smooth.clipped_low, smooth.clipped_high) == (0.0, 0.0)


def signed_row(*values: int) -> np.ndarray:
    return np.array([values], dtype=np.int16)


def test_signed_pixels_are_windowed_by_their_values() -> None:
    grey = replace(
        build_grayscale(windows=[Window(0.0, 200.0)], function="LINEAR_EXACT", padding=(-32768, -2000)),
        signed=True,
    )
    found = present(signed_row(-2000, -100, -50, 0, 100, 300), grey).pixels[0]
    np.testing.assert_allclose(found, [0.0, 0.0, 0.25, 0.5, 1.0, 1.0], atol=1e-7)


def test_the_range_of_signed_pixels_leaves_padding_out() -> None:
    grey = replace(build_grayscale(padding=(-5000, -2000)), signed=True)
    pixels = signed_row(-3000, -1000, 0, 1000)
    found = present(pixels, grey)
    np.testing.assert_allclose(found.pixels[0], [0.0, 0.0, 0.5, 1.0], atol=1e-7)
    assert stored_range(pixels, grey) == (-1000, 1000)


def test_pixels_of_the_other_sign_are_refused() -> None:
    with pytest.raises(DicomError, match="expected unsigned pixels") as caught:
        present(signed_row(1, 2), build_grayscale())
    assert caught.value.code == "undecodable_pixels"


def test_a_voi_lut_maps_negative_modality_values(tmp_path: Path) -> None:
    ds = build_mammogram(build_pixels(rows=8, columns=6), changes={"RescaleIntercept": -1000})
    ds.VOILUTSequence = pydicom.Sequence([build_lut(np.array([0, 1000, 4095]), 65536 - 500, 12)])
    grey = read_header(save(tmp_path / "a.dcm", ds)).grayscale
    table = grey.voi_luts[0]
    assert table is not None
    assert table.first_mapped == -500
    found = present(row(0, 500, 501, 502, 4000), grey).pixels[0]
    np.testing.assert_allclose(found * 4095, [0, 0, 1000, 4095, 4095], atol=1e-3)


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")])
def test_a_shape_that_contradicts_the_photometric_is_refused(photometric: str, shape: str) -> None:
    with pytest.raises(DicomError, match=f"fits {photometric}, found {shape}") as caught:
        present(row(1, 2), replace(build_grayscale(photometric=photometric), presentation_shape=shape))
    assert caught.value.code == "photometric_unknown"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"RescaleSlope": "abc"}, "a RescaleSlope that is no number"),
        ({"RescaleIntercept": "x1"}, "a RescaleIntercept that is no number"),
        ({"RescaleSlope": 0}, "a RescaleSlope of 0"),
        ({"RescaleSlope": "1e300"}, "beyond any detector's"),
    ],
)
def test_a_rescale_that_cannot_be_read_does_not_count_as_none(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    ds = build_mammogram(build_pixels(rows=8, columns=6), changes=changes)
    grey = read_header(save(tmp_path / "a.dcm", ds)).grayscale
    assert words in voi_problem(grey)


def test_a_modality_lut_that_cannot_be_read_does_not_count_as_none(tmp_path: Path) -> None:
    ds = build_mammogram(build_pixels(rows=8, columns=6))
    item = build_lut(np.arange(10), 0, 12)
    item.LUTDescriptor = [99, 0, 12]
    ds.ModalityLUTSequence = pydicom.Sequence([item])
    grey = read_header(save(tmp_path / "a.dcm", ds)).grayscale
    assert "modality LUT whose descriptor" in voi_problem(grey)
    with pytest.raises(DicomError, match="modality LUT") as caught:
        present(row(1, 2), grey)
    assert caught.value.code == "voi_invalid"


def test_a_modality_lut_and_a_rescale_contradict_each_other(tmp_path: Path) -> None:
    ds = build_mammogram(build_pixels(rows=8, columns=6), changes={"RescaleSlope": 2})
    ds.ModalityLUTSequence = pydicom.Sequence([build_lut(np.arange(10), 0, 12)])
    grey = read_header(save(tmp_path / "a.dcm", ds)).grayscale
    assert voi_problem(grey) == "both a modality LUT and a rescale"


@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
def test_a_window_of_hardly_any_width_is_a_step(function: str) -> None:
    grey = build_grayscale(windows=[Window(100.5, 1e-308)], function=function)
    assert present(row(0, 100, 101, 4095), grey).pixels[0].tolist() == [0.0, 0.0, 1.0, 1.0]


def test_presentation_values_cannot_be_written_to() -> None:
    found = present(row(1, 2, 3), build_grayscale()).pixels
    assert not found.flags.writeable
