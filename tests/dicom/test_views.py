"""Projection and side from codes and words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.sequence import Sequence

from forescreen.dicom.read import read_header
from forescreen.dicom.views import (
    MODIFIER_CODES,
    VIEW_CODES,
    BaseView,
    Modifier,
    ViewReading,
    read_view,
    read_words,
)
from forescreen.records import Laterality

from .builders import build_code, build_mammogram, build_pixels, build_view, save

SMALL = build_pixels(rows=8, columns=6)


def read(tmp_path: Path, **changes: Any) -> ViewReading:
    return read_view(read_header(save(tmp_path / "a.dcm", build_mammogram(SMALL, changes=changes))))


def test_the_tables_hold_all_of_cid_4014_and_4015() -> None:
    # PS3.16: 11 views (two of them with a deprecated third code) and 14 modifiers.
    assert set(VIEW_CODES.values()) == set(BaseView)
    assert set(MODIFIER_CODES.values()) == set(Modifier)
    assert (len(VIEW_CODES), len(MODIFIER_CODES)) == (11 * 2 + 2, 14 * 2)
    assert not set(VIEW_CODES) & set(MODIFIER_CODES)


@pytest.mark.parametrize(
    ("value", "scheme", "view"),
    [
        ("399162004", "SCT", BaseView.CC),
        ("R-10226", "SNM3", BaseView.MLO),
        ("R-10226", "SRT", BaseView.MLO),
        ("R-10224", "99SDM", BaseView.ML),
        ("Y-X1770", "SNM3", BaseView.XCCL),
    ],
)
def test_a_coded_view_stands_without_view_position(
    tmp_path: Path, value: str, scheme: str, view: BaseView
) -> None:
    found = read(tmp_path, ViewCodeSequence=build_view(value, scheme), ViewPosition=None)
    assert (found.view, found.view_conflict, found.view_unknown) == (view, False, False)


def test_view_position_stands_in_where_no_code_is_given(tmp_path: Path) -> None:
    assert read(tmp_path, ViewCodeSequence=None, ViewPosition="MLO").view is BaseView.MLO
    assert read(tmp_path, ViewCodeSequence=None, ViewPosition=None).view is None


def test_ml_is_never_taken_for_mlo(tmp_path: Path) -> None:
    assert read(tmp_path, ViewCodeSequence=None, ViewPosition="ML").view is BaseView.ML


def test_code_and_position_that_differ_are_a_conflict(tmp_path: Path) -> None:
    found = read(tmp_path, ViewPosition="MLO")
    assert found.view is None
    assert found.view_conflict
    assert found.view_text == "CC/MLO"


def test_an_unknown_code_is_no_view(tmp_path: Path) -> None:
    found = read(tmp_path, ViewCodeSequence=build_view("12345", "99LOCAL"), ViewPosition=None)
    assert (found.view, found.view_unknown) == (None, True)


def test_a_known_code_under_a_foreign_scheme_counts_only_with_view_position(tmp_path: Path) -> None:
    with_position = read(tmp_path, ViewCodeSequence=build_view("399162004", "99LOCAL"))
    assert (with_position.view, with_position.scheme_foreign) == (BaseView.CC, True)
    assert not with_position.code_unknown
    alone = read(tmp_path, ViewCodeSequence=build_view("399162004", "99LOCAL"), ViewPosition=None)
    assert (alone.view, alone.code_unknown, alone.code_text) == (None, True, "an unknown scheme")


def test_an_unknown_code_beside_a_known_position_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, ViewCodeSequence=build_view("12345", "99LOCAL"))
    assert (found.view, found.code_unknown) == (BaseView.CC, True)


def test_in_a_conflict_the_code_and_the_most_specific_side_are_stated(tmp_path: Path) -> None:
    found = read(tmp_path, ViewPosition="MLO", ImageLaterality="R", Laterality="L")
    assert (found.view, found.view_stated) == (None, BaseView.CC)
    assert (found.laterality, found.laterality_stated) == (None, Laterality.RIGHT)


@pytest.mark.parametrize(
    ("text", "view", "side", "special"),
    [
        ("R MLO", BaseView.MLO, Laterality.RIGHT, ""),
        ("LCC", BaseView.CC, Laterality.LEFT, ""),
        ("Mammo_MLO-left, 2D", BaseView.MLO, Laterality.LEFT, ""),
        ("RXCCL", BaseView.XCCL, Laterality.RIGHT, ""),
        ("L CC spot", BaseView.CC, Laterality.LEFT, "SPOT"),
        ("CC and MLO, both", None, None, ""),
        ("R+L screening", None, None, ""),
        ("accelerated mlow", None, None, ""),
        ("", None, None, ""),
    ],
)
def test_words_name_a_view_and_a_side_only_as_words_and_only_once(
    text: str, view: BaseView | None, side: Laterality | None, special: str
) -> None:
    found = read_words(text)
    assert (found.view, found.laterality, found.special) == (view, side, special)


def test_what_only_the_paddle_tells_is_kept_apart(tmp_path: Path) -> None:
    coded = build_view("399162004", modifiers=("399055006",))
    assert read(tmp_path, PaddleDescription="SPOT").paddle_modifiers == {Modifier.SPOT_COMPRESSION}
    assert read(tmp_path, PaddleDescription="SPOT", ViewCodeSequence=coded).paddle_modifiers == set()


def test_modifiers_are_found_nested_beside_the_view_and_in_view_position(tmp_path: Path) -> None:
    nested = read(tmp_path, ViewCodeSequence=build_view("399162004", modifiers=("399055006", "399163009")))
    assert nested.modifiers == {Modifier.SPOT_COMPRESSION, Modifier.MAGNIFICATION}
    beside = Sequence([build_code("399162004"), build_code("R-102D5", "SNM3")])
    assert read(tmp_path, ViewCodeSequence=beside).modifiers == {Modifier.IMPLANT_DISPLACED}
    tail = read(tmp_path, ViewCodeSequence=None, ViewPosition="AT")
    assert (tail.view, tail.modifiers) == (None, {Modifier.AXILLARY_TAIL})
    assert read(tmp_path, ViewCodeSequence=build_view("399162004", modifiers=("1",))).modifier_unknown


@pytest.mark.parametrize(
    ("paddle", "modifiers"),
    [
        ("SPOT 7.5cm", {Modifier.SPOT_COMPRESSION}),
        ("10CM_MAG", {Modifier.MAGNIFICATION}),
        ("MAG SPT", {Modifier.MAGNIFICATION, Modifier.SPOT_COMPRESSION}),
        ("18x24 FLEX", set()),
        ("", set()),
    ],
)
def test_spot_and_magnification_paddles_are_recognised_by_name(
    tmp_path: Path, paddle: str, modifiers: set[Modifier]
) -> None:
    assert read(tmp_path, PaddleDescription=paddle).modifiers == modifiers


@pytest.mark.parametrize(
    ("image", "series", "side", "conflict"),
    [
        ("L", None, Laterality.LEFT, False),
        (None, "R", Laterality.RIGHT, False),
        ("R", "R", Laterality.RIGHT, False),
        ("R", "L", None, True),
        ("B", None, None, False),
        ("BILATERAL", None, None, False),
        (None, None, None, False),
        ("L", "B", Laterality.LEFT, False),
    ],
)
def test_the_side_is_said_by_image_then_series_and_never_guessed(
    tmp_path: Path, image: str | None, series: str | None, side: Laterality | None, conflict: bool
) -> None:
    found = read(tmp_path, ImageLaterality=image, Laterality=series)
    assert (found.laterality, found.laterality_conflict) == (side, conflict)
