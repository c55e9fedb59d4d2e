"""Overlay planes are read as they are, wherever they lie; broken ones are left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from forescreen.dicom.overlays import EMBEDDED, read_overlays
from forescreen.dicom.profiles import convert, find_profile
from forescreen.dicom.read import read_header, read_pixels
from forescreen.errors import DicomError

from .builders import EXPLICIT_BIG, IMPLICIT_LITTLE, build_mammogram, save

BITS = (np.arange(12) % 5 == 0).reshape(3, 4)


def with_overlay(group: int = 0x6000, **changes: object) -> Dataset:
    data_set = build_mammogram()
    data = np.packbits(BITS.ravel(), bitorder="little").tobytes()
    values: dict[str, tuple[int, str, object]] = {
        "rows": (0x0010, "US", 3),
        "columns": (0x0011, "US", 4),
        "kind": (0x0040, "CS", "G"),
        "origin": (0x0050, "SS", [-2, 7]),
        "data": (0x3000, "OB", data),
    }
    for name, (element, vr, value) in values.items():
        used = changes.get(name, value)
        if used is not None:
            data_set.add(DataElement(group << 16 | element, vr, used))
    return data_set


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_a_plane_is_read_with_its_place(tmp_path: Path, syntax: str) -> None:
    data_set = with_overlay()
    if syntax == IMPLICIT_LITTLE:
        data_set[0x60003000].VR = "OW"
    (plane,) = read_overlays(save(tmp_path / "a.dcm", data_set, syntax=syntax))
    assert (plane.kind, plane.top, plane.left) == ("G", -3, 6)
    assert np.array_equal(plane.bits, BITS)


def test_planes_come_in_the_order_of_their_groups(tmp_path: Path) -> None:
    data_set = with_overlay(0x6002, kind="R")
    for element in with_overlay(0x6000):
        if element.tag.group == 0x6000:
            data_set.add(element)
    assert [plane.kind for plane in read_overlays(save(tmp_path / "a.dcm", data_set))] == ["G", "R"]


@pytest.mark.parametrize(
    "changes",
    [{"rows": 0}, {"columns": None}, {"data": None}, {"rows": 60000, "columns": 60000}, {"rows": 9}],
)
def test_a_plane_that_contradicts_itself_is_left_out(tmp_path: Path, changes: dict[str, object]) -> None:
    assert read_overlays(save(tmp_path / "a.dcm", with_overlay(**changes))) == ()


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(DicomError) as caught:
        read_overlays(tmp_path / "absent.dcm")
    assert caught.value.code == "unreadable_file"


def test_a_plane_inside_the_pixel_cells_is_told_and_the_record_says_that_it_is_not_drawn(
    tmp_path: Path,
) -> None:
    data_set = with_overlay(data=None)
    data_set.add(DataElement(0x60000102, "US", 14))
    path = save(tmp_path / "a.dcm", data_set)
    (plane,) = read_overlays(path)
    assert plane.kind == EMBEDDED
    header = read_header(path)
    pixels = read_pixels(path, header)
    made = convert(find_profile("mirai-dcmtk"), pixels, header, overlays=(plane,))
    without = convert(find_profile("mirai-dcmtk"), pixels, header)
    assert np.array_equal(made.pixels, without.pixels)
    assert "overlay planes inside the pixel cells, which DCMTK draws, left out: 1" in made.notes
