"""The record of a derived image: what it tells, what it hides; hashes do not depend on the machine."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from forescreen import __version__
from forescreen.dicom.derivation import derive, pixels_sha256
from forescreen.dicom.folder import MammogramFile, index_folder, load_mammogram
from forescreen.dicom.profiles import convert, find_profile, png_pixels
from forescreen.dicom.read import read_pixels
from forescreen.identity import AS_GIVEN

from .builders import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    JPEG_2000,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LS,
    RLE,
    build_mammogram,
    save,
)


def indexed(folder: Path, syntax: str = EXPLICIT_LITTLE, **changes: object) -> MammogramFile:
    save(folder / "a.dcm", build_mammogram(changes=changes), syntax=syntax)
    return index_folder(folder, pseudonyms=AS_GIVEN).exams[0].mammograms[0]


def test_the_record_tells_source_conversion_and_identity(tmp_path: Path) -> None:
    file = indexed(tmp_path)
    stored = read_pixels(file.path, file.header)
    converted = convert(find_profile("mirai-dcmtk"), stored, file.header)
    made = derive(file, stored, converted, converted.pixels, flags=("saturated",), flipped=True)
    assert (made.profile, made.forescreen, made.voi) == ("mirai-dcmtk-v1", __version__, "min-max LINEAR")
    assert (made.manufacturer, made.model, made.software) == ("Maker", "Model 1", "1.0\\2.0")
    assert (made.photometric, made.intent) == ("MONOCHROME2", "FOR PRESENTATION")
    assert (made.row_spacing_mm, made.spacing_source) == (0.3, "PixelSpacing")
    assert (made.stored_min, made.stored_max, made.shown_min, made.shown_max) == (0, 4095, 0, 65535)
    assert (made.bits, made.flipped, made.flags) == (16, True, ("saturated",))
    assert made.stored_sha256 == load_mammogram(file).acquisition.pixels_sha256
    assert made.pixels_sha256 != made.stored_sha256


def test_the_record_names_nobody(tmp_path: Path) -> None:
    file = indexed(tmp_path, PatientID="W-SECRET", PatientName="Doe^Jane", AccessionNumber="A-SECRET")
    stored = read_pixels(file.path, file.header)
    converted = convert(find_profile("forescreen"), stored, file.header)
    text = repr(asdict(derive(file, stored, converted, png_pixels(converted), flags=file.flags)))
    for planted in ("SECRET", "Doe", "1.2.826.0.1", "a.dcm"):
        assert planted not in text


@pytest.mark.parametrize(
    ("syntax", "codec"),
    [
        (EXPLICIT_LITTLE, "none"),
        (EXPLICIT_BIG, "none"),
        (RLE, "imcd "),
        (JPEG_EXTENDED, "libjpeg-turbo "),
        (JPEG_LOSSLESS, "libjpeg-turbo "),
        (JPEG_LS, "charls "),
        (JPEG_2000, "openjpeg "),
    ],
)
def test_the_codec_and_its_version_are_told(syntax: str, codec: str, tmp_path: Path) -> None:
    file = indexed(tmp_path, syntax)
    stored = read_pixels(file.path, file.header)
    converted = convert(find_profile("nyu"), stored, file.header)
    made = derive(file, stored, converted, converted.pixels, flags=())
    assert made.codec.startswith(codec)
    assert made.transfer_syntax == syntax


def test_hashes_are_those_of_little_endian_values_row_by_row() -> None:
    values = np.array([[1, 2], [3, 400]], dtype=np.uint16)
    expected = hashlib.sha256(bytes([1, 0, 2, 0, 3, 0, 144, 1])).hexdigest()
    assert pixels_sha256(values) == pixels_sha256(values.astype(">u2")) == expected
    assert pixels_sha256(np.asfortranarray(values)) == expected
    assert pixels_sha256(np.array([[7]], dtype=np.uint8)) == hashlib.sha256(b"\x07").hexdigest()


def test_deflated_files_can_be_derived(tmp_path: Path) -> None:
    file = indexed(tmp_path, DEFLATED)
    stored = read_pixels(file.path, file.header)
    converted = convert(find_profile("nyu"), stored, file.header)
    assert derive(file, stored, converted, converted.pixels, flags=()).transfer_syntax == DEFLATED
