"""Millimetres per pixel and their source."""

from __future__ import annotations

from pathlib import Path

import pytest

from forescreen.dicom.read import read_header
from forescreen.dicom.spacing import Spacing, read_spacing

from .builders import build_mammogram, build_pixels, save

SMALL = build_pixels(rows=8, columns=6)


def read(
    tmp_path: Path,
    pixel: list[float] | None,
    imager: list[float] | None = None,
    factor: float | None = None,
) -> Spacing:
    changes = {
        "PixelSpacing": pixel,
        "ImagerPixelSpacing": imager,
        "EstimatedRadiographicMagnificationFactor": factor,
    }
    return read_spacing(read_header(save(tmp_path / "a.dcm", build_mammogram(SMALL, changes=changes))))


def test_pixel_spacing_is_taken_as_it_is_rows_first(tmp_path: Path) -> None:
    assert read(tmp_path, [0.1, 0.2]) == Spacing((0.1, 0.2), "PixelSpacing")


def test_imager_spacing_is_divided_by_the_magnification(tmp_path: Path) -> None:
    found = read(tmp_path, None, [0.085, 0.085], 1.0625)
    assert found.source == "ImagerPixelSpacing"
    assert found.mm == pytest.approx((0.08, 0.08), rel=1e-12)


@pytest.mark.parametrize("factor", [None, 0.0, 77.0])
def test_a_missing_or_impossible_magnification_counts_as_one(tmp_path: Path, factor: float | None) -> None:
    assert read(tmp_path, None, [0.1, 0.1], factor).mm == (0.1, 0.1)


def test_no_source_gives_no_spacing(tmp_path: Path) -> None:
    assert read(tmp_path, None) == Spacing(None, "")


@pytest.mark.parametrize(
    ("pixel", "factor", "agrees"),
    [
        (0.07 / 1.073, 1.073, True),  # demagnified, as one maker writes it: .065238
        (0.07, 1.073, True),  # not demagnified
        (0.07 / 1.073, None, True),
        (0.07 / 1.5, 1.073, False),
        (0.14, 1.073, False),
        (46.575, 1.0, False),
    ],
)
def test_both_spacings_may_differ_by_the_magnification_only(
    tmp_path: Path, pixel: float, factor: float | None, agrees: bool
) -> None:
    found = read(tmp_path, [round(pixel, 6)] * 2, [0.07, 0.07], factor)
    assert (found.conflict == "") == agrees
    assert found.source == "PixelSpacing"


def test_a_spacing_that_is_no_mammograms_is_a_conflict(tmp_path: Path) -> None:
    assert "PixelSpacing 5 x 5 mm" in read(tmp_path, [5.0, 5.0]).conflict
