"""Attendance, detection and false positives against published benchmarks."""

from __future__ import annotations

import numpy as np
import pytest

from forescreen.errors import ConfigError
from forescreen.simulation.published import published_table
from forescreen.simulation.screening import Screening

from .registry_builders import build_registry, build_screened


def test_false_positives_by_age_and_density_are_as_published() -> None:
    registry = build_registry()
    exams = registry.exams
    healthy = exams.screening & (registry.courses.stage_at(exams.woman, exams.age_years) == 0)
    positive = (exams.assessment == 0) | (exams.assessment >= 4)
    for _, row in published_table("false_positives").iterrows():
        for index, category in enumerate("abcd"):
            inside = healthy & (exams.category == index)
            inside &= (exams.age_years >= row["age_from"]) & (exams.age_years < row["age_to"])
            expected = row[category] / 1000
            error = np.sqrt(expected * (1 - expected) / inside.sum())
            # 0.001: a screen on the day after a band's birthday is read on the day before.
            assert positive[inside].mean() == pytest.approx(expected, abs=4 * error + 0.001)


def test_sensitivity_and_detection_rate_are_near_the_published_benchmarks() -> None:
    """BCSC 2007-2013 [Lehman2017]: sensitivity 86.9 % within 12 months, false negatives 0.8 per 1000."""
    simulated = build_screened()
    history, screens = simulated.screened.histories, simulated.screened.screens
    surfacing = history.surfacing_years[screens.woman]
    within = (surfacing > screens.time_years) & (surfacing <= screens.time_years + 1)
    again = np.append(screens.woman[1:] == screens.woman[:-1], False)
    following = np.where(again, np.append(screens.time_years[1:], 0.0), np.inf)
    missed = ~screens.found & within & (surfacing < following)
    sensitivity = screens.found.sum() / (screens.found.sum() + missed.sum())
    assert sensitivity == pytest.approx(0.869, abs=0.03)
    assert 1000 * missed.mean() == pytest.approx(0.8, abs=0.3)
    assert 3.0 < 1000 * screens.found.mean() < 5.5
    in_situ = simulated.courses.in_situ[screens.woman[screens.found]].mean()
    assert 0.20 < in_situ < 0.26


def test_women_come_at_screening_ages_and_never_after_death_loss_or_diagnosis() -> None:
    simulated = build_screened()
    history, screens = simulated.screened.histories, simulated.screened.screens
    age = simulated.population.age_at_start[screens.woman] + screens.time_years
    assert age.min() >= 40
    assert age.max() < 75
    assert screens.time_years.min() >= 0
    for end in (history.death_years, history.loss_years, history.surfacing_years):
        assert (screens.time_years < end[screens.woman]).all()
    assert (screens.time_years <= history.found_years[screens.woman]).all()
    same = screens.woman[1:] == screens.woman[:-1]
    assert np.diff(screens.time_years)[same].min() > 0.799


def test_annual_and_biennial_attenders_and_women_with_one_exam_exist() -> None:
    screens = build_screened().screened.screens
    same = screens.woman[1:] == screens.woman[:-1]
    gaps = np.diff(screens.time_years)[same]
    annual = np.mean(gaps < 1.5)
    assert 0.5 < annual < 0.8  # annual attenders make more gaps each
    assert 0.15 < np.mean((gaps > 1.6) & (gaps < 2.6)) < 0.45
    exams_per_woman = np.bincount(screens.woman)
    assert 0.05 < np.mean(exams_per_woman[exams_per_woman > 0] == 1) < 0.25


def test_deaths_follow_the_life_table() -> None:
    simulated = build_screened()
    age0, death = simulated.population.age_at_start, simulated.screened.histories.death_years
    table = published_table("life_table").set_index("age")
    inside = (age0 >= 60) & (age0 < 61)
    expected = 1 - np.prod(1 - table.loc[60:64, "death_probability"].to_numpy())
    # From an age of 60.5 on average, five years ahead.
    later = 1 - np.prod(1 - table.loc[61:65, "death_probability"].to_numpy())
    error = np.sqrt(later / inside.sum())
    assert np.mean(death[inside] <= 5) == pytest.approx((expected + later) / 2, abs=4 * error)
    assert death.min() >= 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"annual_share": 1.5}, "annual_share from 0 to 1"),
        ({"missed_share": 0.95}, "missed_share up to 0.9"),
        ({"loss_per_year": -0.1}, "loss_per_year of 0 or more"),
    ],
)
def test_impossible_screening_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Screening(**settings)
