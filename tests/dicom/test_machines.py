"""Each of the 24 combinations of vendor and geometry leads to the right decision and the right grey scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forescreen.dicom.gate import judge
from forescreen.dicom.pixels import present
from forescreen.dicom.policy import Policy, load_policy
from forescreen.dicom.read import read_header, read_pixels
from forescreen.records import Laterality, View

from .builders import EXPLICIT_LITTLE, JPEG_LOSSLESS, JPEG_LS, save
from .machines import MACHINES, Machine, build_object, build_stored, save_described

SHOWN = [machine for machine in MACHINES if machine.number != 24]
#: One machine per kind of photometric interpretation, bits and VOI, at its full matrix.
FULL_SIZE = {1: JPEG_LOSSLESS, 6: EXPLICIT_LITTLE, 15: JPEG_LS, 19: EXPLICIT_LITTLE}


def name(machine: Machine) -> str:
    return f"{machine.number}: {machine.rows} x {machine.columns} {machine.photometric} {machine.bits} bits"


def assert_grey_scale(machine: Machine, path: Path, tissue: np.ndarray) -> None:
    """Dense tissue is bright, air is dark, and exactly 0 where it is padding."""
    header = read_header(path)
    shown = present(read_pixels(path, header), header.grayscale).pixels
    breast = tissue > 0
    assert shown.shape == tissue.shape
    assert np.corrcoef(shown[breast][::7], tissue[breast][::7])[0, 1] > 0.95
    dense, fatty = tissue > 0.5, breast & (tissue < 0.2)
    assert shown[dense].mean() > shown[fatty].mean() + 0.2
    assert shown[~breast].max() == 0 if machine.padding is not None else shown[~breast].max() < 0.05
    assert shown.max() <= 1


def test_the_table_has_24_rows() -> None:
    assert [machine.number for machine in MACHINES] == list(range(1, 25))
    assert len({(m.rows, m.columns, m.photometric, m.bits, m.function, m.windows) for m in MACHINES}) >= 15


@pytest.mark.parametrize("machine", MACHINES, ids=name)
def test_the_header_leads_to_the_right_decision(tmp_path: Path, machine: Machine) -> None:
    header = read_header(save_described(tmp_path / "a.dcm", machine))
    found = judge(header, Policy())
    assert tuple(reason.code for reason in found.reasons) == machine.refused
    assert found.flags == machine.flags
    assert (found.laterality, found.view) == (Laterality(machine.side), View(machine.view))
    assert (header.rows, header.columns) == (machine.rows, machine.columns)
    expected_mm = machine.spacing_mm or machine.imager_mm
    if machine.number == 22:
        assert machine.imager_mm is not None
        expected_mm = machine.imager_mm / 1.043
    assert found.spacing.mm == (pytest.approx((expected_mm, expected_mm)) if expected_mm else None)
    grey = header.grayscale
    assert (grey.photometric, grey.bits_stored) == (machine.photometric, machine.bits)
    assert (grey.voi_function, len(grey.windows)) == (machine.function, machine.windows)
    assert header.technique.sign == machine.sign


@pytest.mark.parametrize("machine", SHOWN, ids=name)
def test_dense_tissue_is_bright_and_padding_is_black(tmp_path: Path, machine: Machine) -> None:
    stored, tissue = build_stored(machine, shrink=8)
    path = save(tmp_path / "a.dcm", build_object(machine, stored, shrink=8))
    assert_grey_scale(machine, path, tissue)


@pytest.mark.parametrize("number", sorted(FULL_SIZE))
def test_dense_tissue_is_bright_at_the_full_matrix(tmp_path: Path, number: int) -> None:
    machine = MACHINES[number - 1]
    stored, tissue = build_stored(machine)
    path = save(tmp_path / "a.dcm", build_object(machine, stored), syntax=FULL_SIZE[number])
    header = read_header(path)
    assert tuple(reason.code for reason in judge(header, Policy()).reasons) == machine.refused
    assert np.array_equal(read_pixels(path, header), stored)
    assert_grey_scale(machine, path, tissue)


@pytest.mark.parametrize("number", [5, 6, 7, 8, 9])
def test_machines_without_pixel_spacing_pass_with_that_of_their_imager(tmp_path: Path, number: int) -> None:
    machine = MACHINES[number - 1]
    stored, _ = build_stored(machine, shrink=8)
    ds = build_object(machine, stored, shrink=8)
    missing = judge(read_header(save(tmp_path / "a.dcm", ds)), load_policy("research"))
    assert (missing.reasons, missing.flags) == ((), ("pixel_spacing_missing",))
    ds.ImagerPixelSpacing = [0.4, 0.4]
    given = judge(read_header(save(tmp_path / "b.dcm", ds)), Policy())
    assert (given.reasons, given.flags) == ((), ("pixel_spacing_from_imager",))


@pytest.mark.parametrize("number", [20, 21])
def test_raw_images_pass_with_a_flag_where_density_is_asked_for(tmp_path: Path, number: int) -> None:
    header = read_header(save_described(tmp_path / "a.dcm", MACHINES[number - 1]))
    found = judge(header, load_policy("volumetric"))
    assert (found.reasons, found.flags) == ((), ("intent_for_processing", "pixel_spacing_from_imager"))
    assert header.technique.relationship == "LIN"
