"""Four machines: their header must bring back what the phantom gave them."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi_lut, apply_windowing

from forescreen.errors import ConfigError
from forescreen.simulation.vendors import LEVELS, VENDORS, Vendor, vendor_of

ONE_STORED_STEP = 1.5 / 1023  # gamma stores 10 bits; rounding and the window's half-pixel conventions


def voi_of(vendor: Vendor) -> Dataset:
    data = Dataset()
    data.PhotometricInterpretation = vendor.grey.photometric
    data.BitsStored = vendor.grey.bits_stored
    data.PixelRepresentation = 0
    data.WindowCenter = [str(window.center) for window in vendor.grey.windows]
    data.WindowWidth = [str(window.width) for window in vendor.grey.windows]
    if vendor.grey.voi_function:
        data.VOILUTFunction = vendor.grey.voi_function
    return data


@pytest.mark.parametrize("key", VENDORS)
def test_the_first_window_gives_the_presentation_values_back(key: str) -> None:
    vendor = VENDORS[key]
    full = 2**vendor.grey.bits_stored - 1
    shown = apply_windowing(vendor.stored, voi_of(vendor)) / full
    if vendor.grey.photometric == "MONOCHROME1":
        shown = 1 - shown
    wanted = np.arange(LEVELS) / (LEVELS - 1)
    if vendor.grey.voi_function == "SIGMOID":  # a sigmoid keeps away from black and white
        wanted = np.clip(wanted, 0.02, 0.985)
    assert np.max(np.abs(shown - wanted)) < ONE_STORED_STEP


def test_each_lookup_table_of_beta_is_its_sigmoid_window() -> None:
    vendor = VENDORS["beta"]
    assert len(vendor.grey.luts) == len(vendor.grey.windows) == 3
    data = voi_of(vendor)
    for index, lut in enumerate(vendor.grey.luts):
        stored = np.arange(lut.first, lut.first + lut.values.size, dtype=np.uint16)
        by_window = apply_windowing(stored, data, index=index)
        assert np.max(np.abs(by_window - lut.values)) <= 0.51, "LUT and window differ by more than rounding"


def test_pydicom_applies_the_lookup_table_of_beta_like_its_window() -> None:
    vendor = VENDORS["beta"]
    data = voi_of(vendor)
    item = Dataset()
    lut = vendor.grey.luts[0]
    item.LUTDescriptor = [lut.values.size, lut.first, lut.bits]
    item.LUTData = lut.values.tolist()
    data.VOILUTSequence = [item]
    by_table = apply_voi_lut(vendor.stored, data, prefer_lut=True)
    by_window = apply_voi_lut(vendor.stored, data, prefer_lut=False)
    assert np.max(np.abs(by_table - by_window)) <= 1


@pytest.mark.parametrize("key", VENDORS)
def test_air_is_darker_than_any_shade_and_never_a_shade(key: str) -> None:
    vendor = VENDORS[key]
    assert int(vendor.stored.max()) < 2**vendor.grey.bits_stored
    if vendor.grey.photometric == "MONOCHROME1":
        assert vendor.background > int(vendor.stored.max())
    else:
        assert vendor.background < int(vendor.stored.min())
    if vendor.grey.padding is not None:
        assert vendor.grey.padding == vendor.background


def test_delta_pads_with_a_value_that_is_not_zero() -> None:
    assert VENDORS["delta"].grey.padding == 3500
    assert VENDORS["delta"].grey.bits_stored == 16


def test_machines_differ_in_what_a_reader_must_get_right() -> None:
    vendors = VENDORS.values()
    assert {v.grey.photometric for v in vendors} == {"MONOCHROME1", "MONOCHROME2"}
    assert {v.grey.bits_stored for v in vendors} == {10, 12, 16}
    assert {v.pixel_spacing for v in vendors} == {True, False}
    assert len({v.transfer_syntax for v in vendors}) == 4
    assert all("phantom" in v.equipment.manufacturer for v in vendors), "no maker's name is a real one"


@pytest.mark.parametrize("binning", [1, 2, 4, 8])
@pytest.mark.parametrize("key", VENDORS)
def test_binning_keeps_the_field_of_view(key: str, binning: int) -> None:
    full, binned = VENDORS[key].full_matrix, VENDORS[key].matrix(binning)
    assert binned.spacing_mm == full.spacing_mm * binning
    lost_mm = full.rows * full.spacing_mm - binned.rows * binned.spacing_mm
    assert 0 <= lost_mm < binned.spacing_mm


def test_a_machine_is_found_by_what_follows_the_last_dash() -> None:
    assert vendor_of("S-12-gamma") is VENDORS["gamma"]


def test_an_unknown_machine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"alpha, beta, gamma, delta, found 'S1-omega'"):
        vendor_of("S1-omega")


def test_a_binning_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="binning of at least 1, found 0"):
        VENDORS["alpha"].matrix(0)
