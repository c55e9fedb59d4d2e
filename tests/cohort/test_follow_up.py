"""Outcome by mode of detection; the dates of each case are worked out by hand."""

from __future__ import annotations

import pytest

from forescreen.cohort.follow_up import IN_SITU, NO_ASSESSMENT, NO_SCREEN, NOT_FOLLOWED, follow_up
from forescreen.cohort.registry import NEVER
from forescreen.cohort.settings import CohortConfig

from .builders import build_tables, one_woman

YEAR = CohortConfig()
TWO_YEARS = CohortConfig(interval_window_months=24)


@pytest.mark.parametrize(
    ("screens", "diagnosis", "config", "mode"),
    [
        ([("2010-01-01", "0")], "2010-03-01", YEAR, "screen-detected"),
        ([("2010-01-01", "4")], "2010-01-01", YEAR, "screen-detected"),
        ([("2010-01-01", "5")], "2011-01-01", YEAR, "screen-detected"),  # 365 days <= 12 · 30.4375
        ([("2010-01-01", "1")], "2010-09-01", YEAR, "interval"),
        ([("2010-01-01", "3")], "2010-09-01", YEAR, "interval"),  # 3 counts as negative
        ([("2010-01-01", "1")], "2011-01-01", YEAR, "interval"),
        ([("2010-01-01", "1")], "2011-09-01", TWO_YEARS, "interval"),
        # The latest screen decides: here the negative one after a positive one, and the reverse.
        ([("2010-01-01", "0"), ("2010-08-01", "1")], "2010-10-01", YEAR, "interval"),
        ([("2010-01-01", "1"), ("2010-12-01", "0")], "2010-12-20", YEAR, "screen-detected"),
        # Of two screens on one day the positive one counts.
        ([("2010-01-01", "1"), ("2010-01-01", "0")], "2010-02-01", YEAR, "screen-detected"),
        # A screen after the diagnosis changes nothing.
        ([("2010-01-01", "1"), ("2010-09-02", "0")], "2010-09-01", YEAR, "interval"),
    ],
)
def test_the_latest_screen_decides_the_mode(
    screens: list[tuple[str, str]], diagnosis: str, config: CohortConfig, mode: str
) -> None:
    exams = [
        {"woman_id": "w", "exam_date": when, "assessment": code, "exam_id": f"e{i}"}
        for i, (when, code) in enumerate(screens)
    ]
    tables = build_tables([{"woman_id": "w"}], exams, [{"woman_id": "w", "diagnosis_date": diagnosis}])
    found = follow_up(tables, config)
    assert (found.mode[0], found.reason[0]) == (mode, "")


@pytest.mark.parametrize(
    ("screens", "diagnosis", "behaviour", "end", "reason"),
    [
        ([("2010-01-01", "1")], "2010-09-01", "in situ", "2020-12-31", IN_SITU),
        ([("2010-01-01", "1")], "2011-01-02", "invasive", "2020-12-31", NO_SCREEN),
        ([("2010-01-01", "0")], "2011-01-02", "invasive", "2020-12-31", NO_SCREEN),
        ([("2010-01-01", "1")], "2009-01-01", "invasive", "2020-12-31", NO_SCREEN),
        ([("2010-01-01", "")], "2010-03-01", "invasive", "2020-12-31", NO_ASSESSMENT),
        ([("2010-01-01", "0")], "2010-03-01", "invasive", "2010-02-28", NOT_FOLLOWED),
    ],
)
def test_other_cancers_have_no_mode_and_keep_the_reason(
    screens: list[tuple[str, str]], diagnosis: str, behaviour: str, end: str, reason: str
) -> None:
    found = follow_up(one_woman(screens, diagnosis, behaviour, follow_up_end=end), YEAR)
    assert (found.mode[0], found.reason[0]) == ("", reason)


def test_an_in_situ_cancer_after_a_positive_screen_is_screen_detected() -> None:
    assert (
        follow_up(one_woman([("2010-01-01", "0")], "2010-02-01", "in situ"), YEAR).mode[0]
        == "screen-detected"
    )


def test_a_diagnostic_exam_does_not_decide_the_mode() -> None:
    tables = build_tables(
        [{"woman_id": "w"}],
        [
            {"woman_id": "w", "exam_date": "2010-01-01", "assessment": "1"},
            {"woman_id": "w", "exam_date": "2010-08-01", "assessment": "5", "purpose": "diagnostic"},
        ],
        [{"woman_id": "w", "diagnosis_date": "2010-08-10"}],
    )
    assert follow_up(tables, YEAR).mode[0] == "interval"


def test_the_first_cancer_counts_and_invasive_goes_before_in_situ_of_one_day() -> None:
    tables = build_tables(
        [{"woman_id": "w"}],
        [{"woman_id": "w", "exam_date": "2010-01-01"}],
        [
            {"woman_id": "w", "diagnosis_date": "2015-06-01"},
            {"woman_id": "w", "diagnosis_date": "2010-06-01", "behaviour": "in situ"},
            {"woman_id": "w", "diagnosis_date": "2010-06-01", "behaviour": "invasive"},
        ],
    )
    found = follow_up(tables, YEAR)
    assert (found.mode[0], found.diagnosis[0]) == ("interval", 14761)  # 2010-06-01


def test_follow_up_ends_with_death_and_freedom_the_day_before_the_diagnosis() -> None:
    healthy = follow_up(one_woman([("2010-01-01", "1")], death_date="2012-01-01"), YEAR)
    assert (healthy.end[0], healthy.free_until[0], healthy.diagnosis[0]) == (15340, 15340, NEVER)
    ill = follow_up(one_woman([("2010-01-01", "1")], "2010-09-01"), YEAR)
    assert ill.free_until[0] == ill.diagnosis[0] - 1 < ill.end[0]


def test_the_positive_assessments_are_a_setting() -> None:
    config = CohortConfig(positive_assessments=(0, 3, 4, 5), negative_assessments=(1, 2))
    assert follow_up(one_woman([("2010-01-01", "3")], "2010-03-01"), config).mode[0] == "screen-detected"
