"""The pydicom paths against pydicom itself, on objects over the grey scales that matter."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence

from forescreen.dicom.pydicom_grey import eight_bits, full_scale, header_window, min_max, shifted_lut
from forescreen.dicom.read import read_header
from forescreen.dicom.tags import Grayscale
from forescreen.errors import DicomError

from .builders import build_lut, build_mammogram, save

PIXELS = (np.arange(90 * 70) * 30011 % 4096).astype(np.uint16).reshape(90, 70)


def opened(tmp_path: Path, ds: Dataset) -> tuple[Dataset, Grayscale]:
    """The object as pydicom reads it, and our header of it."""
    path = save(tmp_path / "a.dcm", ds)
    return pydicom.dcmread(path), read_header(path).grayscale


def windowed(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray:
    """PS3.3 C.11.2.1.2 to 16 bits, cut to integers."""
    if function == "SIGMOID":
        return (65535 / (1 + np.exp(-4 * (values - center) / width))).astype(np.uint16)
    c, w = center - 0.5, width - 1
    line = np.clip(((values - c) / w + 0.5) * 65535, 0, 65535)
    line[values <= c - w / 2] = 0
    line[values > c + w / 2] = 65535
    return line.astype(np.uint16)


RESCALES = [(1, 0), (2, -100), (0.5, 0.25), (-1, 4095)]


@pytest.mark.parametrize(("slope", "intercept"), RESCALES)
@pytest.mark.parametrize("function", ["SIGMOID", "LINEAR", None])
def test_min_max_is_the_modality_lut_of_pydicom_and_a_window(
    tmp_path: Path, slope: float, intercept: float, function: str | None
) -> None:
    changes = {"RescaleSlope": slope, "RescaleIntercept": intercept, "VOILUTFunction": function}
    ds, grey = opened(tmp_path, build_mammogram(PIXELS, changes=changes))
    values = apply_modality_lut(ds.pixel_array, ds)
    low, high = values.min(), values.max()
    expected = windowed(values, (low + high + 1) / 2, high - low + 1, function or "LINEAR")
    made = min_max(PIXELS, grey)
    assert np.array_equal(made.pixels, expected)
    assert (made.voi, made.wrapped) == (f"min-max {function or 'LINEAR'}", False)


def test_min_max_goes_through_a_modality_lut_that_falls(tmp_path: Path) -> None:
    ds = build_mammogram(PIXELS, changes={"RescaleSlope": None, "RescaleIntercept": None})
    item = build_lut(65535 - np.arange(3000) * 20, 200, 16)
    item.ModalityLUTType = "US"
    ds.ModalityLUTSequence = Sequence([item])
    ds, grey = opened(tmp_path, ds)
    values = apply_modality_lut(ds.pixel_array, ds).astype(float)
    # in 16 bits the sum of the ends wraps before it is halved
    total = (int(values.min()) + int(values.max())) % 65536
    expected = windowed(values, (total + 1) / 2, values.max() - values.min() + 1, "LINEAR")
    made = min_max(PIXELS, grey)
    assert np.array_equal(made.pixels, expected)
    assert made.wrapped


@pytest.mark.parametrize(("first", "bits"), [(0, 12), (600, 12), (600, 10), (0, 16)])
def test_the_shifted_lut_is_pydicoms_times_a_power_of_two(tmp_path: Path, first: int, bits: int) -> None:
    ds = build_mammogram(PIXELS)
    ds.VOILUTSequence = Sequence([build_lut(np.arange(3000) * ((1 << bits) - 1) // 2999, first, bits)])
    ds, grey = opened(tmp_path, ds)
    expected = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds).astype(np.uint16), ds, index=0)
    expected *= 2 ** (16 - bits)
    made = shifted_lut(PIXELS, grey)
    assert np.array_equal(made.pixels, expected)
    assert not made.wrapped


def test_entries_beyond_their_bits_wrap_and_it_is_said(tmp_path: Path) -> None:
    ds = build_mammogram(PIXELS)
    ds.VOILUTSequence = Sequence([build_lut(np.arange(4096) * 5 // 4, 0, 12)])
    ds, grey = opened(tmp_path, ds)
    expected = apply_voi_lut(ds.pixel_array, ds)
    expected *= 16
    made = shifted_lut(PIXELS, grey)
    assert made.wrapped
    assert np.array_equal(made.pixels, expected)


def test_a_lut_of_eight_bits_becomes_black(tmp_path: Path) -> None:
    ds = build_mammogram(PIXELS)
    ds.VOILUTSequence = Sequence([build_lut(np.arange(256), 0, 8)])
    _, grey = opened(tmp_path, ds)
    made = shifted_lut(PIXELS, grey)
    assert made.wrapped
    assert int(made.pixels.max()) == 0


@pytest.mark.parametrize("function", ["SIGMOID", "LINEAR"])
def test_the_headers_only_window_is_used(tmp_path: Path, function: str) -> None:
    changes = {"WindowCenter": 1500, "WindowWidth": 2000.5, "VOILUTFunction": function}
    ds, grey = opened(tmp_path, build_mammogram(PIXELS, changes=changes))
    values = apply_modality_lut(ds.pixel_array, ds)
    assert np.array_equal(header_window(PIXELS, grey).pixels, windowed(values, 1500, 2000.5, function))


def test_without_a_window_a_ct_window_makes_everything_white(tmp_path: Path) -> None:
    _, grey = opened(tmp_path, build_mammogram(PIXELS, changes={"WindowCenter": None, "WindowWidth": None}))
    made = header_window(PIXELS, grey)
    assert made.voi == "CT -600/1500 LINEAR"
    assert int(made.pixels[PIXELS > 150].min()) == 65535


def test_several_windows_stop_the_peer(tmp_path: Path) -> None:
    changes = {"WindowCenter": [1500, 1600], "WindowWidth": [2000, 2100]}
    _, grey = opened(tmp_path, build_mammogram(PIXELS, changes=changes))
    with pytest.raises(DicomError, match="2 windows, on which this peer stops"):
        header_window(PIXELS, grey)


@pytest.mark.parametrize(
    ("make", "changes", "words"),
    [
        (min_max, {"VOILUTFunction": "LINEAR_EXACT"}, "LINEAR or SIGMOID"),
        (shifted_lut, {}, "found 0 items"),
        (eight_bits, {"WindowWidth": 0}, "found width 0"),
    ],
)
def test_what_stops_a_peer_is_refused_in_words(
    tmp_path: Path, make: object, changes: dict[str, object], words: str
) -> None:
    _, grey = opened(tmp_path, build_mammogram(PIXELS, changes=changes))
    with pytest.raises(DicomError, match=words) as caught:
        make(PIXELS, grey)  # type: ignore[operator]
    assert caught.value.code == "voi_invalid"


@pytest.mark.parametrize(
    ("bits", "stored", "shown"), [(10, 1023, 16372), (12, 4095, 65535), (12, 1, 16), (14, 16383, 16383)]
)
def test_full_scale_of_12_or_16_bits_is_stretched_to_16(bits: int, stored: int, shown: int) -> None:
    grey = read_grey(bits)
    assert full_scale(np.array([[0, stored]], dtype=np.uint16), grey).pixels.tolist() == [[0, shown]]


def read_grey(bits: int) -> Grayscale:
    return Grayscale("MONOCHROME2", 16, bits, bits - 1, False, 1, 0, None, (), (), "", None, "")


@pytest.mark.parametrize(
    ("photometric", "function"),
    list(itertools.product(["MONOCHROME1", "MONOCHROME2"], ["SIGMOID", None])),
)
def test_eight_bits_are_pydicoms_voi_from_minimum_to_maximum(
    tmp_path: Path, photometric: str, function: str | None
) -> None:
    changes = {"WindowCenter": [1500, 1], "WindowWidth": [2000, 7], "VOILUTFunction": function}
    ds, grey = opened(tmp_path, build_mammogram(PIXELS, photometric=photometric, changes=changes))
    shown = apply_voi_lut(ds.pixel_array, ds)
    if photometric == "MONOCHROME1":
        shown = shown.max() - shown
    expected = ((shown - shown.min()) / (shown.max() - shown.min()) * 255).astype(np.uint8)
    made = eight_bits(PIXELS, grey)
    assert made.pixels.dtype == np.uint8
    # sums in another order may move a value across a grey level
    assert int(np.abs(made.pixels.astype(int) - expected).max()) <= 1
    assert float((made.pixels != expected).mean()) < 0.001


def test_eight_bits_without_a_voi_come_from_percentiles(tmp_path: Path) -> None:
    _, grey = opened(tmp_path, build_mammogram(PIXELS, changes={"WindowCenter": None, "WindowWidth": None}))
    made = eight_bits(PIXELS, grey)
    assert made.voi == "percentiles 0.5-99.5"
    low, high = np.percentile(PIXELS, (0.5, 99.5))
    expected = ((np.clip(PIXELS, low, high) - low) / (high - low) * 255).astype(np.uint8)
    assert np.array_equal(made.pixels, expected)


def test_one_grey_value_has_no_contrast(tmp_path: Path) -> None:
    flat = np.full((90, 70), 7, dtype=np.uint16)
    _, grey = opened(tmp_path, build_mammogram(flat))
    with pytest.raises(DicomError) as caught:
        eight_bits(flat, grey)
    assert caught.value.code == "low_dynamic_range"
