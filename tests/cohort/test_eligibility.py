from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from forescreen.cohort.eligibility import (
    Exclusion,
    case_exams,
    cohort_exams,
    control_exams,
    eligible_exams,
)
from forescreen.cohort.follow_up import follow_up
from forescreen.cohort.registry import RegistryTables
from forescreen.cohort.settings import CohortConfig
from forescreen.errors import CohortError

from .builders import one_woman

CONFIG = CohortConfig()


def case_dates(tables: RegistryTables, config: CohortConfig = CONFIG, **settings: Any) -> list[str]:
    follow = follow_up(tables, config)
    eligible = eligible_exams(tables, follow, config=config, **settings)
    found = case_exams(tables, follow, eligible=eligible, config=config)
    return [f"{tables.exams['exam_date'][row]:%Y-%m-%d}" for row in found.exam]


def reasons(flow: tuple[Any, ...]) -> list[Exclusion]:
    return [exclusion for step in flow for exclusion in step.excluded]


@pytest.mark.parametrize(
    ("screens", "index"),
    [
        # Diagnosis 2010-12-01 after the positive screen of 2010-11-01.
        ([("2009-11-01", "1"), ("2010-11-01", "0")], ["2009-11-01"]),
        ([("2008-11-01", "1"), ("2009-11-01", "1"), ("2010-11-01", "0")], ["2009-11-01"]),
        ([("2008-11-01", "1"), ("2009-11-01", "0"), ("2010-11-01", "0")], ["2008-11-01"]),
        ([("2010-06-02", "1"), ("2010-11-01", "0")], []),  # 182 days < 6 · 30.4375
        ([("2010-06-01", "1"), ("2010-11-01", "0")], ["2010-06-01"]),  # 183 days
        ([("2005-12-01", "1"), ("2010-11-01", "0")], ["2005-12-01"]),  # 1826 days <= 60 · 30.4375
        ([("2005-11-30", "1"), ("2010-11-01", "0")], []),  # 1827 days
    ],
)
def test_the_index_exam_is_the_latest_negative_screen_in_time(
    screens: list[tuple[str, str]], index: list[str]
) -> None:
    assert case_dates(one_woman(screens, "2010-12-01")) == index


def test_an_index_exam_without_images_gives_way_to_an_earlier_one() -> None:
    tables = one_woman([("2008-11-01", "1"), ("2009-11-01", "1"), ("2010-11-01", "0")], "2010-12-01")
    assert case_dates(tables, available_exams=frozenset({"w-2008-11-01"})) == ["2008-11-01"]


def test_a_case_whose_index_exams_lack_images_is_counted_as_such() -> None:
    tables = one_woman([("2004-01-01", "1"), ("2009-11-01", "1"), ("2010-11-01", "0")], "2010-12-01")
    follow = follow_up(tables, CONFIG)
    eligible = eligible_exams(tables, follow, config=CONFIG, available_exams=frozenset({"w-2004-01-01"}))
    found = case_exams(tables, follow, eligible=eligible, config=CONFIG)
    said = Exclusion("no images of a negative screen 6 to 60 months before diagnosis", 1)
    assert (len(found.exam), reasons(found.flow)) == (0, [said])


def test_images_of_another_registry_are_refused() -> None:
    tables = one_woman([("2009-11-01", "1")])
    with pytest.raises(CohortError, match="none of them in the registry"):
        case_dates(tables, available_exams=frozenset({"x"}))


@pytest.mark.parametrize(
    ("screen", "diagnosis", "said"),
    [
        ("2011-01-01", "2010-12-01", "on or after the day of a cancer diagnosis"),
        ("2011-01-01", "2011-01-01", "on or after the day of a cancer diagnosis"),
        ("2021-01-01", None, "after the end of follow-up"),
        ("1989-12-31", None, "age outside 40 to 74 years"),
    ],
)
def test_women_not_at_risk_are_not_eligible(screen: str, diagnosis: str | None, said: str) -> None:
    config = CohortConfig(min_age_years=40, max_age_years=74)
    tables = one_woman([(screen, "1")], diagnosis)
    eligible = eligible_exams(tables, follow_up(tables, config), config=config)
    assert (len(eligible.exam), reasons(eligible.flow)) == (0, [Exclusion(said, 1)])


@pytest.mark.parametrize(("end", "n"), [("2012-01-01", 0), ("2012-01-02", 1)])  # 730 and 731 days
def test_a_control_exam_needs_two_years_without_cancer(end: str, n: int) -> None:
    tables = one_woman([("2010-01-01", "1")], follow_up_end=end)
    follow = follow_up(tables, CONFIG)
    eligible = eligible_exams(tables, follow, config=CONFIG)
    assert len(control_exams(tables, follow, eligible=eligible, config=CONFIG).exam) == n


def test_a_later_case_is_a_control_only_where_allowed() -> None:
    tables = one_woman([("2008-01-01", "1"), ("2010-06-01", "1")], "2010-12-01")
    for config, n in ((CONFIG, 0), (CohortConfig(allow_later_cases=True), 1)):
        follow = follow_up(tables, config)
        eligible = eligible_exams(tables, follow, config=config)
        assert len(control_exams(tables, follow, eligible=eligible, config=config).exam) == n


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        # Diagnosis 2010-12-01: 2010-09 is too near, 2004 too far but free of cancer for two years.
        ("all", {"2004-01-01": "none", "2007-01-01": "interval", "2009-01-01": "interval"}),
        ("first", {"2004-01-01": "none"}),
        ("latest", {"2009-01-01": "interval"}),
    ],
)
def test_a_cohort_follows_each_exam(choice: Any, expected: dict[str, str]) -> None:
    config = CohortConfig(design="cohort", exam_per_woman=choice)
    dates = ["2004-01-01", "2007-01-01", "2009-01-01", "2010-09-01"]
    tables = one_woman([(when, "1") for when in dates], "2010-12-01")
    follow = follow_up(tables, config)
    found = cohort_exams(
        tables,
        follow,
        eligible=eligible_exams(tables, follow, config=config),
        config=config,
        generator=np.random.default_rng(1),
    )
    when = [f"{tables.exams['exam_date'][row]:%Y-%m-%d}" for row in found.exam]
    assert dict(zip(when, found.outcome, strict=True)) == expected
    assert Exclusion("cancer within 6 months after the exam", 1) in reasons(found.flow)


def test_a_cohort_counts_cancers_without_mode() -> None:
    config = CohortConfig(design="cohort")
    tables = one_woman([("2009-11-01", "1"), ("2010-06-01", "1")], "2010-12-31", "in situ")
    follow = follow_up(tables, config)
    eligible = eligible_exams(tables, follow, config=config)
    found = cohort_exams(tables, follow, eligible=eligible, config=config, generator=np.random.default_rng(1))
    assert reasons(found.flow) == [Exclusion("in situ cancer after a negative screen", 2)]
