"""DCMTK's arithmetic: every pixel of a corpus of built objects, with dcmj2pnm here and without it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forescreen.dicom.dcmtk_grey import (
    GivenWindow,
    MinMax,
    NoVoi,
    StoredLut,
    StoredWindow,
    Voi,
    look_up,
    render,
)
from forescreen.dicom.overlays import read_overlays
from forescreen.dicom.read import read_header
from forescreen.dicom.tags import Grayscale
from forescreen.errors import DicomError

from .builders import build_mammogram, save
from .dcmtk_corpus import DCMJ2PNM, REFERENCE, VOIS, cases, digest, options, rendered

CASES = list(cases())


def ours(path: Path, pixels: np.ndarray, voi: Voi) -> np.ndarray | None:
    """Our picture of a saved case; None where there is none."""
    try:
        return render(pixels, read_header(path).grayscale, voi, overlays=read_overlays(path)).pixels
    except DicomError:
        return None


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 100


def test_every_pixel_of_the_corpus_is_dcmtks(tmp_path: Path) -> None:
    """844 pictures (142 objects, six options each, eight refusals) of dcmj2pnm 3.6.7; none differs."""
    expected = json.loads(REFERENCE.read_text())["sha256_16"]
    assert set(expected) == {case.name for case in CASES}
    for case in CASES:
        path = save(tmp_path / "a.dcm", case.data_set)
        found = {name: digest(ours(path, case.pixels, voi)) for name, voi in VOIS.items()}
        assert found == expected[case.name], case.name


@pytest.mark.skipif(DCMJ2PNM is None, reason="needs dcmj2pnm of DCMTK")
@pytest.mark.parametrize("part", range(6))
def test_the_dcmtk_installed_here_gives_the_same_pixels(part: int, tmp_path: Path) -> None:
    """One option of six for each object, another one in each part of the corpus."""
    for i, case in enumerate(CASES[part::6]):
        name = list(VOIS)[(i + part) % 6]
        path = save(tmp_path / "a.dcm", case.data_set)
        theirs, mine = rendered(path, options(VOIS[name])), ours(path, case.pixels, VOIS[name])
        if theirs is None or mine is None:
            assert theirs is mine, (case.name, name)
            continue
        n_differing = int(np.count_nonzero(theirs != mine))
        assert n_differing == 0, (case.name, name)


def grey(**changes: object) -> Grayscale:
    plain = Grayscale(
        photometric="MONOCHROME2",
        bits_allocated=16,
        bits_stored=12,
        high_bit=11,
        signed=False,
        slope=1.0,
        intercept=0.0,
        modality_lut=None,
        voi_luts=(),
        windows=(),
        voi_function="",
        padding=None,
        presentation_shape="",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@given(
    st.lists(st.integers(0, 4095), min_size=4, max_size=40),
    st.sampled_from([MinMax(), NoVoi(), GivenWindow(540, 580), GivenWindow(2000.5, 1)]),
    st.sampled_from(["", "SIGMOID"]),
    st.booleans(),
)
def test_order_is_kept_and_turned_round_by_monochrome1(
    values: list[int], voi: Voi, function: str, inverse: bool
) -> None:
    pixels = np.array([values], dtype=np.uint16)
    kind = "MONOCHROME1" if inverse else "MONOCHROME2"
    made = render(pixels, grey(photometric=kind, voi_function=function), voi)
    shown = made.pixels[0][np.argsort(values)].astype(int)
    steps = np.diff(shown)
    assert (steps <= 0).all() if inverse else (steps >= 0).all()
    assert made.inverse is inverse


@given(st.integers(0, 4000), st.integers(2, 95))
def test_min_max_reaches_both_ends(low: int, span: int) -> None:
    ((dark, bright),) = render(
        np.array([[low, low + span]], dtype=np.uint16), grey(), MinMax()
    ).pixels.tolist()
    assert dark == 0
    assert bright in (65534, 65535)  # 65534.999..., truncated, for some spans: DCMTK does so too


def test_padding_is_part_of_the_minimum_and_maximum() -> None:
    pixels = np.array([[0, 1000, 4095]], dtype=np.uint16)
    assert np.array_equal(
        render(pixels, grey(padding=(4095, 4095)), MinMax()).pixels, render(pixels, grey(), MinMax()).pixels
    )


def test_without_a_voi_the_highest_value_stays_below_white() -> None:
    pixels = np.array([[0, 4095]], dtype=np.uint16)
    assert render(pixels, grey(), NoVoi()).pixels.tolist() == [[0, 65520]]
    inverse = render(pixels, grey(photometric="MONOCHROME1"), NoVoi()).pixels.tolist()
    assert inverse == [[65535, 16]]  # 65535 - 4095 x 65534/4096, truncated


@pytest.mark.parametrize(
    ("voi", "words"), [(StoredLut(0), "VOI LUT item 1"), (StoredWindow(2), "window 3, found 0 windows")]
)
def test_what_the_header_does_not_have_cannot_be_used(voi: Voi, words: str) -> None:
    with pytest.raises(DicomError, match=words) as caught:
        render(np.array([[1, 2]], dtype=np.uint16), grey(), voi)
    assert caught.value.code == "voi_invalid"


def test_colour_is_no_grey_scale() -> None:
    with pytest.raises(DicomError, match="found RGB") as caught:
        render(np.array([[1, 2]], dtype=np.uint16), grey(photometric="RGB"), MinMax())
    assert caught.value.code == "photometric_unknown"


def test_negative_values_are_looked_up_by_their_twos_complement() -> None:
    table = np.arange(65536, dtype=np.uint32)
    pixels = np.array([[-1, 0], [-32768, 32767]], dtype=np.int16)
    assert look_up(table, pixels).tolist() == [[65535, 0], [32768, 32767]]
    assert look_up(table, np.array([[255, 7]], dtype=np.uint8)).tolist() == [[255, 7]]


def test_an_object_without_overlays_has_none(tmp_path: Path) -> None:
    assert read_overlays(save(tmp_path / "a.dcm", build_mammogram())) == ()
