"""Density against the published shares by age and BMI."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.simulation.density import (
    CATEGORIES,
    dense_fraction,
    density_score,
    measure_percent,
    read_category,
)
from forescreen.simulation.published import published_shares, published_table

from .registry_builders import build_registry

#: The two publications behind the scale differ by about 5 percentage points, the simulation lies between.
SOURCES_DIFFER = 0.045


@pytest.mark.parametrize("band", range(7))
def test_the_share_of_dense_breasts_by_age_is_as_published(band: int) -> None:
    row = published_table("dense_by_age").iloc[band]
    exams = build_registry().exams
    inside = exams.screening & (exams.age_years >= row["age_from"]) & (exams.age_years < row["age_to"])
    dense = np.mean(exams.category[inside] >= CATEGORIES.index("c"))
    assert dense == pytest.approx(row["percent"] / 100, abs=SOURCES_DIFFER)


@pytest.mark.parametrize("band", range(4))
def test_the_share_of_dense_breasts_by_bmi_is_as_published(band: int) -> None:
    row = published_table("dense_by_bmi").iloc[band]
    registry = build_registry()
    exams = registry.exams
    bmi = registry.population.bmi[exams.woman]
    inside = exams.screening & (bmi >= row["bmi_from"]) & (bmi < row["bmi_to"])
    dense = np.mean(exams.category[inside] >= CATEGORIES.index("c"))
    assert dense == pytest.approx(row["percent"] / 100, abs=SOURCES_DIFFER)


def test_the_shares_of_the_four_categories_are_as_published() -> None:
    exams = build_registry().exams
    shares = np.bincount(exams.category[exams.screening], minlength=4) / exams.screening.sum()
    printed = published_shares("density")
    for category, share in zip(CATEGORIES, shares, strict=True):
        assert share == pytest.approx(printed[category], abs=SOURCES_DIFFER)


@settings(max_examples=30, deadline=None)
@given(deviate=st.floats(-4, 4), age=st.floats(40, 70), later=st.floats(0.5, 10))
def test_density_rises_with_the_deviate_and_does_not_rise_with_age(
    deviate: float, age: float, later: float
) -> None:
    now, denser = density_score(np.array([deviate, deviate + 0.5]), np.array([age, age]))
    assert denser > now
    # Rates of fall: about 0.6 standard deviations between 40 and 70, fastest around the menopause.
    # Up to 72: the published share of dense breasts rises again after 70-74 (26 %, then 28 %).
    older = density_score(np.array([deviate]), np.array([min(age + later, 72.0)]))[0]
    assert now - 0.06 * later <= older <= now
    assert 0.02 < dense_fraction(np.array([now]))[0] < dense_fraction(np.array([denser]))[0] < 0.85


def test_about_a_quarter_of_repeated_readings_differ_and_hardly_any_by_two_categories() -> None:
    score = np.random.default_rng(0).standard_normal(40_000)
    generator = np.random.default_rng(1)
    difference = np.abs(read_category(score, generator) - read_category(score, generator))
    assert np.mean(difference > 0) == pytest.approx(0.26, abs=0.03)
    assert np.mean(difference > 1) < 0.002


def test_measured_percent_density_follows_the_true_fraction_with_noise() -> None:
    generator = np.random.default_rng(2)
    fraction = dense_fraction(generator.standard_normal(20_000))
    percent = measure_percent(fraction, np.zeros(len(fraction)), generator)
    assert 0 < percent.min() < percent.max() < 100
    assert 0.9 < np.corrcoef(percent, fraction)[0, 1] < 0.99
    higher = measure_percent(fraction, np.full(len(fraction), 0.3), generator)
    assert higher.mean() > percent.mean() + 2
