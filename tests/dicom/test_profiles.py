"""Profiles by name: which rule a peer takes, what is recorded, and that they are pure functions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.sequence import Sequence

from forescreen.dicom.dcmtk_grey import GivenWindow, MinMax, StoredLut, StoredWindow
from forescreen.dicom.pixels import present
from forescreen.dicom.profile_rules import (
    PydicomRule,
    ark_pydicom_rule,
    is_not_ge,
    mirai_dcmtk_voi,
    mirai_pydicom_rule,
    oncodata_vois,
)
from forescreen.dicom.profiles import PROFILES, Converted, convert, find_profile, png_pixels
from forescreen.dicom.read import read_header, read_pixels
from forescreen.dicom.tags import Header
from forescreen.errors import ConfigError, DicomError

from .builders import build_lut, build_mammogram, build_pixels, save

NAMES = (
    "forescreen",
    "mirai-dcmtk",
    "mirai-pydicom",
    "oncodata",
    "paper",
    "brest",
    "nyu",
    "kaggle-8bit",
    "ark-pydicom",
)


@pytest.fixture
def image(tmp_path: Path) -> tuple[np.ndarray, Header]:
    """A built image with a VOI LUT and one window."""
    ds = build_mammogram()
    ds.VOILUTSequence = Sequence([build_lut(np.arange(3000) * 4095 // 2999, 600, 12)])
    path = save(tmp_path / "a.dcm", ds)
    header = read_header(path)
    return read_pixels(path, header), header


def changed(header: Header, **grey: object) -> Header:
    return replace(header, grayscale=replace(header.grayscale, **grey))  # type: ignore[arg-type]


def test_the_profiles_are_these() -> None:
    assert tuple(profile.name for profile in PROFILES) == NAMES
    assert find_profile("mirai-dcmtk") is find_profile("mirai-dcmtk-v1") is PROFILES[1]


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="mirai-dcmtk, mirai-pydicom, oncodata"):
        find_profile("mirai-dcmtk-v2")


@pytest.mark.parametrize(
    ("maker", "series", "has_lut", "dcmtk", "oncodata", "pydicom", "ark"),
    [
        ("GE MEDICAL SYSTEMS", "", True, StoredLut(0), 2, "lut", "lut"),
        ("GE MEDICAL SYSTEMS", "", False, MinMax(), 2, "min-max", "header window"),
        ("AGFA-GEVAERT", "", True, StoredLut(0), 2, "lut", "lut"),
        ("ge medical", "", True, MinMax(), 1, "min-max", "header window"),
        ("HOLOGIC, Inc.", "L CC C-View", True, GivenWindow(540, 580), 1, "min-max", "header window"),
        ("HOLOGIC, Inc.", "L CC C-View", False, MinMax(), 1, "min-max", "header window"),
        ("HOLOGIC, Inc.", "L CC C-VIEW", True, MinMax(), 1, "min-max", "header window"),
        ("", "", False, MinMax(), 1, "min-max", "header window"),
    ],
)
def test_each_peer_chooses_by_words_of_the_header(
    image: tuple[np.ndarray, Header],
    maker: str,
    series: str,
    has_lut: bool,
    dcmtk: object,
    oncodata: int,
    pydicom: str,
    ark: str,
) -> None:
    header = replace(image[1], manufacturer=maker, series_description=series)
    if not has_lut:
        header = changed(header, voi_luts=())
    assert mirai_dcmtk_voi(header) == dcmtk
    assert len(oncodata_vois(header)) == oncodata
    assert mirai_pydicom_rule(header) is PydicomRule(pydicom)
    assert ark_pydicom_rule(header) is PydicomRule(ark)


def test_oncodata_falls_back_to_a_sigmoid_of_the_first_window(image: tuple[np.ndarray, Header]) -> None:
    pixels, header = image
    header = changed(replace(header, manufacturer="GE MEDICAL SYSTEMS"), voi_luts=())
    assert oncodata_vois(header) == (StoredLut(0), StoredWindow(0, "SIGMOID"))
    assert convert(find_profile("oncodata"), pixels, header).voi == "window:0 SIGMOID"
    assert convert(find_profile("mirai-dcmtk"), pixels, header).voi == "min-max LINEAR"


@pytest.mark.parametrize(
    ("maker", "mistaken"),
    [("AGFA-GEVAERT", True), ("GE MEDICAL SYSTEMS", False), ("GE", False), ("HOLOGIC", False), ("", False)],
)
def test_a_maker_mistaken_for_ge_is_told(
    image: tuple[np.ndarray, Header], maker: str, mistaken: bool
) -> None:
    header = replace(image[1], manufacturer=maker)
    assert is_not_ge(header) is mistaken
    notes = convert(find_profile("mirai-pydicom"), image[0], header).notes
    assert ("the letters GE in the maker's name are taken for GE" in notes) is mistaken


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_is_a_pure_function(image: tuple[np.ndarray, Header], name: str) -> None:
    pixels, header = image
    before = pixels.copy()
    first, second = (convert(find_profile(name), pixels, header) for _ in range(2))
    assert np.array_equal(pixels, before)
    assert np.array_equal(first.pixels, second.pixels)
    assert first.pixels.shape == pixels.shape
    assert first.profile == f"{name}-v1"
    assert (first.stored_min, first.stored_max) == (int(pixels.min()), int(pixels.max()))
    assert (first.shown_min, first.shown_max) == (float(first.pixels.min()), float(first.pixels.max()))


@pytest.mark.parametrize(
    ("name", "kind"), [("forescreen", np.float32), ("mirai-dcmtk", np.uint16), ("kaggle-8bit", np.uint8)]
)
def test_pixels_have_the_form_of_the_peers_file(
    image: tuple[np.ndarray, Header], name: str, kind: type
) -> None:
    assert convert(find_profile(name), *image).pixels.dtype == kind


def test_ours_is_present_and_its_png_rounds(image: tuple[np.ndarray, Header]) -> None:
    pixels, header = image
    made = convert(find_profile("forescreen"), pixels, header)
    shown = present(pixels, header.grayscale)
    assert np.array_equal(made.pixels, shown.pixels)
    assert made.voi == shown.voi
    in_16_bits = png_pixels(made)
    assert in_16_bits.dtype == np.uint16
    assert float(np.abs(in_16_bits / 65535 - shown.pixels).max()) < 0.51 / 65535


@pytest.mark.parametrize(
    ("name", "inverted"),
    [
        ("forescreen", True),
        ("mirai-dcmtk", True),
        ("brest", True),
        ("kaggle-8bit", True),
        ("mirai-pydicom", False),
        ("ark-pydicom", False),
        ("nyu", False),
    ],
)
def test_who_inverts_monochrome1_and_who_does_not(
    image: tuple[np.ndarray, Header], name: str, inverted: bool
) -> None:
    pixels, header = image
    header = changed(header, photometric="MONOCHROME1", presentation_shape="", voi_luts=())
    made = convert(find_profile(name), pixels, header)
    assert made.inverted is inverted
    low, high = np.unravel_index([pixels.argmin(), pixels.argmax()], pixels.shape)
    darkest, brightest = (made.pixels[low[i], high[i]] for i in (0, 1))
    assert (darkest > brightest) is inverted or bool(darkest > brightest) is inverted
    if not inverted:
        assert "MONOCHROME1 is not inverted: dense tissue is dark" in made.notes


def test_only_ours_leaves_the_padding_out(tmp_path: Path) -> None:
    pixels = build_pixels() // 4
    pixels[:40] = 3500
    changes = {"PixelPaddingValue": 3500, "WindowCenter": None, "WindowWidth": None}
    path = save(tmp_path / "a.dcm", build_mammogram(pixels, changes=changes))
    header = read_header(path)
    mine = convert(find_profile("forescreen"), pixels, header)
    theirs = convert(find_profile("mirai-dcmtk"), pixels, header)
    assert mine.padding_excluded
    assert float(mine.pixels[:40].max()) == 0.0
    assert not theirs.padding_excluded
    assert int(theirs.pixels[:40].min()) >= 65534
    assert "the padding is part of the minimum and maximum" in theirs.notes
    assert int(theirs.pixels[40:].max()) < 20000


def test_a_sigmoid_in_the_header_bends_the_peers_min_max_window(image: tuple[np.ndarray, Header]) -> None:
    pixels, header = image
    header = changed(header, voi_luts=(), voi_function="SIGMOID")
    for name in ("mirai-dcmtk", "mirai-pydicom"):
        made = convert(find_profile(name), pixels, header)
        assert "the header's SIGMOID is applied to the min-max window" in made.notes
        assert 5000 < made.shown_min < made.shown_max < 60000


def test_dcmtk_and_pydicom_differ_on_one_exam_of_ge(image: tuple[np.ndarray, Header]) -> None:
    pixels, header = image
    header = replace(header, manufacturer="GE MEDICAL SYSTEMS")
    scaled = convert(find_profile("mirai-dcmtk"), pixels, changed(header, presentation_shape="IDENTITY"))
    shifted = convert(find_profile("mirai-pydicom"), pixels, header)
    # a LUT of 12 bits times 65536/4096 is the same as a shift by 4; min-max is where the paths part
    assert np.array_equal(scaled.pixels, shifted.pixels)
    without = changed(header, voi_luts=(), photometric="MONOCHROME1", presentation_shape="INVERSE")
    ours, theirs = (convert(find_profile(n), pixels, without) for n in ("mirai-dcmtk", "mirai-pydicom"))
    assert int(np.abs(ours.pixels.astype(int) + theirs.pixels.astype(int) - 65535).max()) <= 1


def test_the_paper_takes_presentation_images_only(image: tuple[np.ndarray, Header]) -> None:
    pixels, header = image
    with pytest.raises(DicomError) as caught:
        convert(find_profile("paper"), pixels, replace(header, intent="FOR PROCESSING"))
    assert caught.value.code == "intent_for_processing"


def test_what_is_converted_shows_no_pixels_in_its_repr(image: tuple[np.ndarray, Header]) -> None:
    made = convert(find_profile("nyu"), *image)
    assert isinstance(made, Converted)
    assert "array" not in repr(made)
