"""One file: header pass and pixel pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from forescreen.dicom.read import read_header, read_pixels
from forescreen.errors import DicomError

from .builders import build_mammogram, build_pixels, save

SMALL = build_pixels(rows=8, columns=6)


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="No such file") as caught:
        read_header(tmp_path / "none.dcm")
    assert caught.value.code == "unreadable_file"


def test_a_data_set_without_sop_class_is_not_dicom(tmp_path: Path) -> None:
    ds = build_mammogram(SMALL, changes={"SOPClassUID": None})
    path = save(tmp_path / "a.dcm", ds, preamble=False)
    with pytest.raises(DicomError, match="SOP class") as caught:
        read_header(path)
    assert caught.value.code == "not_dicom"


def test_pixels_of_a_header_without_pixel_data_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", build_mammogram(SMALL, changes={"PixelData": None}))
    with pytest.raises(DicomError, match="found none") as caught:
        read_pixels(path, read_header(path))
    assert caught.value.code == "no_pixel_data"


def test_a_file_that_shrank_between_the_passes_is_truncated(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", build_mammogram(SMALL))
    header = read_header(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DicomError, match="has changed") as caught:
        read_pixels(path, header)
    assert caught.value.code == "truncated_file"


def test_fewer_bytes_than_rows_and_columns_need_are_truncated(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", build_mammogram(SMALL, changes={"Rows": 9}))
    with pytest.raises(DicomError, match="108 bytes of pixel data, found 96") as caught:
        read_pixels(path, read_header(path))
    assert caught.value.code == "truncated_file"
