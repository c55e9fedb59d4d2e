"""How numbers are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.report.numbers import (
    count_text,
    decimal_text,
    decimals_for,
    interval_text,
    p_text,
    padded,
    percent_text,
    ratio_text,
    top_text,
    within_text,
)


@pytest.mark.parametrize(
    ("value", "text"), [(0.656, "0.66"), (-0.041, "−0.04"), (1, "1.00"), (None, "–"), (math.nan, "–")]
)
def test_a_decimal_has_two_digits_a_true_minus_and_a_dash_where_absent(
    value: float | None, text: str
) -> None:
    assert decimal_text(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.04, "+0.04"), (-0.04, "−0.04"), (-0.001, "0.00")])
def test_a_difference_carries_its_sign_and_zero_has_none(value: float, text: str) -> None:
    assert decimal_text(value, signed=True) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.413, "0.41"), (9.996, "10.0"), (17.94, "17.9"), (99.96, "100"), (143.2, "143"), (2.3e7, "2e7")],
)
def test_a_ratio_has_three_figures_and_at_most_two_decimals(value: float, text: str) -> None:
    assert ratio_text(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.00004, "<\u202f0.001"),
        (0.0043, "0.004"),
        (0.0468, "0.047"),
        (0.0996, "0.10"),
        (0.312, "0.31"),
        (0.998, ">\u202f0.99"),
        (None, "–"),
    ],
)
def test_a_p_value_has_sensible_digits(p: float | None, text: str) -> None:
    assert p_text(p) == text


def test_thousands_stand_apart_by_a_narrow_space_that_does_not_break() -> None:
    assert count_text(1234567) == "1\u202f234\u202f567"
    assert count_text(999) == "999"
    assert count_text(None) == "–"


def test_percentages_and_top_groups() -> None:
    assert percent_text(0.1234) == "12.3"
    assert top_text(0.05) == "5\u202f%"
    assert top_text(0.005) == "0.5\u202f%"


def test_an_interval_without_bounds_is_nothing_at_all() -> None:
    assert interval_text("–", "–") == ""
    assert interval_text("0.63", "0.69") == "(0.63, 0.69)"


@settings(max_examples=60)
@given(st.floats(0.01, 9_000))
def test_padded_ratios_put_their_decimal_points_at_one_place_from_the_right(value: float) -> None:
    text = padded(ratio_text(value))
    places = [i for i, character in enumerate(reversed(text)) if character in ".\u2008"]
    assert places == [2]


@pytest.mark.parametrize(
    ("values", "digits"),
    [([0.31, 12.0], 2), ([31.0, 12.0], 0), ([0.0121, 0.5], 3), ([0.0, None, math.nan], 0), ([1e-9], 6)],
)
def test_the_smallest_value_keeps_two_figures_within_bounds(values: list[float | None], digits: int) -> None:
    assert decimals_for(values) == digits


def test_a_horizon_in_words() -> None:
    assert [within_text(years) for years in (1.0, 2.5, None)] == ["within 1 year", "within 2.5 years", ""]
