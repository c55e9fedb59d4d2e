from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import ExamError
from forescreen.images.breast import BreastRegion, find_breast
from forescreen.images.orient import Side
from forescreen.images.volumetric import (
    METHOD,
    DenseVolume,
    RawImage,
    attenuation_of,
    exposure_of,
    measure_volume,
    shown,
)

from .raw_builders import RAW, build_raw, toy_attenuation


def measure(exposure: np.ndarray, region: BreastRegion, raw: RawImage = RAW) -> DenseVolume:
    muscle = np.zeros_like(region.mask)
    return measure_volume(exposure, region, muscle, Side.LEFT, raw=raw, attenuation=toy_attenuation())


@pytest.mark.parametrize("blob", [0.1, 0.3, 0.6, 0.9])
def test_known_heights_of_dense_tissue_come_back_from_a_beam_of_five_energies(blob: float) -> None:
    exposure, region, true, volume = build_raw(blob=blob)
    found = measure(exposure, region)
    assert found.density.percent == pytest.approx(true, abs=0.5)
    assert found.density.dense == pytest.approx(volume, abs=5.0)
    assert found.density.method == METHOD
    assert found.density.unit == "cm3"
    assert found.density.flags == ()


@pytest.mark.parametrize("full_mm", [25.0, 40.0, 65.0])
def test_thick_and_thin_breasts_come_back_too(full_mm: float) -> None:
    exposure, region, true, _ = build_raw(full_mm=full_mm)
    found = measure(exposure, region, replace(RAW, thickness_mm=full_mm))
    assert found.density.percent == pytest.approx(true, abs=0.5)


def test_quantum_noise_moves_the_density_by_less_than_a_point() -> None:
    exposure, region, true, _ = build_raw(noise=1.0, gain=1e6)
    assert measure(exposure, region).density.percent == pytest.approx(true, abs=1.0)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.5, 3.0))
def test_the_dose_does_not_matter(dose: float) -> None:
    exposure, region, _, _ = build_raw()
    expected = measure(exposure, region).density.percent
    changed = (exposure * np.float32(dose)).astype(np.float32)
    assert measure(changed, region).density.percent == pytest.approx(expected, abs=1e-3)


def test_more_dense_tissue_is_a_higher_density() -> None:
    found = [measure(*build_raw(blob=blob)[:2]).density.percent for blob in (0.0, 0.2, 0.4, 0.6, 0.8)]
    assert found == sorted(found)
    assert found[0] < 0.5


def test_breast_volume_is_that_of_the_modelled_shape() -> None:
    exposure, region, _, _ = build_raw()
    found = measure(exposure, region)
    assert found.density.breast == pytest.approx(found.thickness_mm.sum() / 1000, rel=1e-5)
    assert float(found.thickness_mm.max()) == 50.0
    assert (found.dense_mm <= found.thickness_mm + 1e-4).all()
    quarter = measure(exposure, region, replace(RAW, spacing_mm=(2.0, 2.0)))
    # Four times the area, and a rim half as many blocks wide.
    assert quarter.density.breast > 4 * found.density.breast


def test_a_thickness_that_is_3_mm_wrong_moves_the_density_by_less_than_a_fifth() -> None:
    exposure, region, true, _ = build_raw()
    for wrong in (47.0, 53.0):
        found = measure(exposure, region, replace(RAW, thickness_mm=wrong)).density.percent
        assert found == pytest.approx(true, rel=0.2)


def test_columns_beyond_all_dense_are_flagged() -> None:
    exposure, region, _, _ = build_raw(blob=0.9)
    flags = measure(exposure**2 / 1000, region).density.flags  # squared: twice the logarithm
    assert "denser_than_possible" in flags


def test_muscle_counts_neither_as_dense_nor_as_breast() -> None:
    exposure, region, _, _ = build_raw()
    muscle = np.zeros_like(region.mask)
    muscle[:60, :40] = region.mask[:60, :40]
    found = measure_volume(exposure, region, muscle, Side.LEFT, raw=RAW, attenuation=toy_attenuation())
    assert not found.dense_mm[muscle].any()
    assert not found.thickness_mm[muscle].any()


def test_the_breast_is_found_in_the_raw_image_as_it_is_shown() -> None:
    exposure, region, _, _ = build_raw(noise=0.5)
    picture = shown(exposure)
    assert picture[120, 40] > picture[120, 100] > picture[5, 155]
    mask = find_breast(picture).at_full_size()
    assert (mask & region.mask).sum() / (mask | region.mask).sum() > 0.9


def test_the_beam_is_linear_between_the_voltages_of_the_table() -> None:
    low, middle, high = (attenuation_of(replace(RAW, kvp=kvp)) for kvp in (28.0, 29.0, 30.0))
    assert middle.fat == pytest.approx((low.fat + high.fat) / 2)
    assert (high.difference < low.difference).all()
    assert (np.diff(low.difference) < 0).all()  # the beam hardens
    # docs/attenuation.py, W/Rh 28 kV behind 45 mm
    at = list(low.thickness_mm).index(45)
    assert low.fat[at] == pytest.approx(0.053467)
    assert low.difference[at] == pytest.approx(0.025741)


def test_heights_and_losses_are_each_others_inverse() -> None:
    beam = attenuation_of(RAW)
    mm = np.array([20.0, 45.0, 60.0])
    h = np.array([5.0, 30.0, 0.0])
    a, b = (np.interp(mm, beam.thickness_mm, column) for column in (beam.difference, beam.bend))
    assert beam.dense_mm(a * h - b * h**2, mm) == pytest.approx(h, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"intent": "FOR PRESENTATION"}, "expected a FOR PROCESSING image, found FOR PRESENTATION"),
        ({"intent": ""}, "expected a FOR PROCESSING image, found no intent"),
        ({"relationship": "LOG"}, "expected pixels linear in exposure .LIN., found .*LOG"),
        ({"relationship": ""}, "found PixelIntensityRelationship absent"),
        ({"sign": -1}, "expected low values for little exposure .* found sign -1"),
        ({"sign": None, "photometric": "MONOCHROME2"}, "found no sign and MONOCHROME2"),
    ],
)
def test_pixels_that_are_not_exposure_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ExamError, match=message):
        exposure_of(np.full((4, 4), 7, np.uint16), replace(RAW, **change))  # type: ignore[arg-type]


def test_monochrome1_without_a_sign_is_exposure_and_zero_is_not_minus_infinity() -> None:
    stored = np.array([[0, 5], [100, 4000]], np.uint16)
    exposure = exposure_of(stored, replace(RAW, sign=None))
    assert exposure.tolist() == [[1, 5], [100, 4000]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"anode": "COPPER"}, "expected anode and filter among .* found COPPER/RHODIUM"),
        ({"filter_material": ""}, "found TUNGSTEN/none"),
        ({"kvp": None}, "expected 22 to 38 kV for TUNGSTEN/RHODIUM, found none"),
        ({"kvp": 49.0}, "found 49 kV"),
    ],
)
def test_beams_that_nobody_tabulated_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ExamError, match=message):
        attenuation_of(replace(RAW, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thickness_mm": None}, "expected a compressed thickness of 10 to 100 mm, found none"),
        ({"thickness_mm": 4.0}, "found 4 mm"),
        ({"spacing_mm": None}, "expected a pixel spacing, found none"),
        ({"spacing_mm": (0.05, 0.05)}, "blocks of full thickness, found 0 in a breast of 50 mm"),
    ],
)
def test_sizes_that_cannot_be_are_refused(change: dict[str, object], message: str) -> None:
    exposure, region, _, _ = build_raw()
    with pytest.raises(ExamError, match=message):
        measure(exposure, region, replace(RAW, **change))  # type: ignore[arg-type]
