"""Dates move by whole days; what is no date does not pass."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forescreen.dicom.dates import clean_time, shift_date, shift_datetime


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 365))
def test_a_date_moves_back_by_its_days(day: date, back: int) -> None:
    moved = shift_date(day.strftime("%Y%m%d"), back)
    assert moved == (day - timedelta(days=back)).strftime("%Y%m%d")
    assert shift_date(day.strftime("%Y.%m.%d"), back) == moved
    assert shift_datetime(day.strftime("%Y%m%d") + "235959.123456+0130", back) == moved + "235959.123456+0130"


@given(st.dates(date(1950, 1, 1)), st.dates(date(1950, 1, 1)), st.integers(0, 365))
def test_order_and_intervals_stay(a: date, b: date, back: int) -> None:
    moved = [shift_date(day.strftime("%Y%m%d").rjust(8, "0"), back) for day in (a, b)]
    days = [date(int(m[:4]), int(m[4:6]), int(m[6:])) for m in moved]
    assert days[1] - days[0] == b - a


@pytest.mark.parametrize(
    "text",
    ["", "00000000", "20210229", "Doe^Jane", "2021", "202103", "20210314-20210315", "00010101", "2021031412"],
)
def test_what_is_no_day_becomes_empty(text: str) -> None:
    assert shift_date(text, 10) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20210314", "20210304"),
        ("2021031410", "2021030410"),
        ("20210314101500", "20210304101500"),
        ("20210314101500.5-0800", "20210304101500.5-0800"),
        ("20210314+0100", "20210304+0100"),
        ("202103", ""),
        ("20210314Doe", ""),
        ("20210314101500+9900", ""),
    ],
)
def test_dates_with_times(text: str, expected: str) -> None:
    assert shift_datetime(text, 10) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("101500.000000", "101500.000000"),
        ("10:15:00", "101500"),
        ("10", "10"),
        (" 1015 ", "1015"),
        ("235960", "235960"),
        ("250000", ""),
        ("1015Doe", ""),
        ("Doe", ""),
        ("101500.1234567", ""),
    ],
)
def test_times_of_day(text: str, expected: str) -> None:
    assert clean_time(text) == expected
