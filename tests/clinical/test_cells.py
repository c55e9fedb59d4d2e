"""Cells of text as factors: what is read, and what is wrong with what is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forescreen.clinical.cells import ReadFactor, read_factor
from forescreen.clinical.factors import FACTORS


def read(name: str, *cells: str | None) -> ReadFactor:
    return read_factor(name, pd.Series(list(cells), dtype=object).astype("category"))


def only_problem(name: str, cell: str) -> tuple[str, str]:
    """The code and message of one bad cell; its value must be unknown and nobody else's."""
    good = {"birth_ages": "24/27", "race": "white"}.get(name, "")
    found = read(name, good, cell)
    (problem,) = found.problems
    assert (problem.row, problem.factors) == (1, (name,))
    value = found.values[1]
    assert np.isnan(value).all() if FACTORS[name].is_number else value == -1
    return problem.code, problem.message


@pytest.mark.parametrize(
    "empty", ["", "  ", "NA", "na", "N/A", "nan", "NULL", ".", "unknown", "Not known", None]
)
def test_what_tables_write_for_not_known_is_unknown_and_no_problem(empty: str | None) -> None:
    for name in ("bmi", "race", "birth_ages"):
        assert read(name, empty).problems == ()
    assert np.isnan(read("bmi", empty).values[0])
    assert read("race", empty).values[0] == -1


def test_numbers_are_read_with_blanks_around_and_in_every_row_where_they_stand() -> None:
    found = read("bmi", " 24.5 ", "31", "24.5", "", "2.2e1")
    np.testing.assert_array_equal(found.values, [24.5, 31, 24.5, np.nan, 22])


@pytest.mark.parametrize(
    ("name", "cell", "code", "words"),
    [
        ("bmi", "heavy", "not_a_number", "is not a number"),
        ("bmi", "24,5", "not_a_number", "decimal comma"),
        ("bmi", "24.5 kg/m2", "not_a_number", "without its unit"),
        ("weight_kg", "70 kg", "not_a_number", "without its unit"),
        ("bmi", "9.9", "out_of_range", "not within 10 to 90 kg/m2"),
        ("bmi", "inf", "out_of_range", "not within"),
        ("menarche_age", "99", "out_of_range", "leave the cell empty"),
        ("age", "-45", "out_of_range", "not within 15 to 110 years"),
        ("parity", "1.5", "not_whole", "is a count"),
        ("parity", "99", "out_of_range", "not within 0 to 25"),
        # 150 lb are 68.04 kg, 65 in 165.1 cm by the definitions of pound and inch
        ("weight_kg", "150 lb", "wrong_unit", "in pounds; convert: × 0.453592 gives 68.04"),
        ("weight_kg", "150lbs.", "wrong_unit", "in pounds"),
        ("weight_kg", "330", "wrong_unit", "looks like pounds; convert to kg: × 0.453592 gives 149.7"),
        ("weight_kg", "10.5", "wrong_unit", "looks like stone"),
        ("height_cm", "65 in", "wrong_unit", "in inches; convert: × 2.54 gives 165.1"),
        ("height_cm", "65", "wrong_unit", "looks like inches"),
        ("height_cm", "1.65 m", "wrong_unit", "in metres; convert: × 100 gives 165"),
        ("height_cm", "1,65 m", "wrong_unit", "gives 165"),
        ("height_cm", "1.65", "wrong_unit", "looks like metres"),
        ("height_cm", "16.5", "wrong_unit", "looks like decimetres"),
        ("height_cm", "1650", "wrong_unit", "looks like millimetres"),
        ("height_cm", "5.4", "wrong_unit", "looks like feet"),
        ("height_cm", "5'6\"", "wrong_unit", "feet and inches"),
        ("height_cm", "5 ft 6 in", "wrong_unit", "feet and inches"),
        ("height_cm", "105", "out_of_range", "not within 120 to 220 cm"),
        ("race", "martian", "no_such_level", "is none of white, black"),
        ("menopause", "posts", "no_such_level", "is 'post' meant?"),
        ("density", "e", "no_such_level", "is none of a, b, c, d"),
        ("family_history", "9", "no_such_level", "is none of no, yes"),
        ("birth_ages", "24;27", "bad_births", "separated by /"),
        ("birth_ages", "24/5", "bad_births", "within 10 to 60"),
    ],
)
def test_a_cell_that_cannot_be_meant_is_unknown_and_says_why(
    name: str, cell: str, code: str, words: str
) -> None:
    found, message = only_problem(name, cell)
    assert found == code
    assert words in message


def test_words_of_a_shifted_table_are_not_quoted() -> None:
    for name in ("bmi", "race", "birth_ages"):
        assert "Doe" not in only_problem(name, "Jane Doe")[1]


def test_levels_are_read_in_any_case_with_hyphens_or_underscores() -> None:
    found = read("race", "White", "HISPANIC_US_BORN", "hispanic us born", "hispanic us-born", "Other")
    levels = FACTORS["race"].levels
    assert [levels[place] for place in found.values] == [
        "white",
        "hispanic us-born",
        "hispanic us-born",
        "hispanic us-born",
        "other",
    ]


def test_codes_of_our_registry_tables_are_levels() -> None:
    assert read("family_history", "0", "1", "1.0", "no", "YES").values.tolist() == [0, 1, 1, 0, 1]
    assert read("density", "a", "D", "4", "2.0").values.tolist() == [0, 3, 3, 1]
    levels = FACTORS["hormone_therapy"].levels
    found = read("hormone_therapy", "0", "1", "former").values
    assert [levels[place] for place in found] == ["not current", "current", "former"]


def test_births_are_read_side_by_side() -> None:
    found = read("birth_ages", "24/27/31", "", "30").values
    np.testing.assert_array_equal(found, [[24, 27, 31], [np.nan] * 3, [30, np.nan, np.nan]])


def test_a_column_without_any_cell_is_unknown() -> None:
    for name, width in (("bmi", ()), ("race", ()), ("birth_ages", (0,))):
        assert read(name, None, "").values.shape == (2, *width)
