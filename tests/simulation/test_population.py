"""Who the women are."""

from __future__ import annotations

import numpy as np
import pytest

from forescreen.simulation.population import RACES, draw_population
from forescreen.simulation.published import published_shares

from .registry_builders import STUDY_YEARS, build_registry


def test_screens_have_the_published_ages_and_factors() -> None:
    registry = build_registry()
    exams, women = registry.exams, registry.population
    screen = np.flatnonzero(exams.screening)
    woman, age = exams.woman[screen], exams.age_years[screen]
    for start, share in published_shares("age").items():
        width = 5 if start == "70" else 10
        inside = np.mean((age >= int(start)) & (age < int(start) + width))
        assert inside == pytest.approx(share, abs=0.04)
    for race, share in published_shares("race").items():
        assert np.mean(women.race[woman] == RACES.index(race)) == pytest.approx(share, abs=0.01)
    for factor, value in (
        ("family_history", women.family_history[woman]),
        ("breast_biopsy", women.breast_biopsy[woman]),
        ("menopause", 1 - women.menopausal(woman, age)),
        ("hormone_therapy", women.on_hormones(woman, age)),
    ):
        (share,) = published_shares(factor).values()
        assert np.mean(value) == pytest.approx(share, abs=0.02), factor


def test_the_trait_is_independent_of_density_and_clinical_factors() -> None:
    women = draw_population(60_000, STUDY_YEARS, np.random.default_rng(4))
    assert women.trait.std() == pytest.approx(1.0, abs=0.015)
    for other in (women.density_deviate, women.bmi, women.age_at_start, women.parity, women.family_history):
        # Five standard errors of a correlation of 60 000 pairs.
        assert abs(np.corrcoef(women.trait, other)[0, 1]) < 5 / np.sqrt(60_000)


def test_density_falls_with_bmi() -> None:
    women = draw_population(30_000, STUDY_YEARS, np.random.default_rng(5))
    assert np.corrcoef(women.density_deviate, np.log(women.bmi - 10))[0, 1] == pytest.approx(-0.41, abs=0.02)


def test_reproductive_ages_are_in_order() -> None:
    women = draw_population(20_000, STUDY_YEARS, np.random.default_rng(6))
    mothers = women.parity > 0
    assert (women.first_birth_age[mothers] > women.menarche_age[mothers]).all()
    assert (women.first_birth_age[mothers] < 40).all()
    assert (women.first_birth_age[~mothers] == 0).all()
    assert women.menarche_age.min() >= 9


@pytest.mark.parametrize("study_years", [1.0, 10.0, 30.0])
def test_every_woman_is_of_screening_age_at_some_time_of_the_study(study_years: float) -> None:
    women = draw_population(5_000, study_years, np.random.default_rng(7))
    assert (women.age_at_start < 75).all()
    assert (women.age_at_start + study_years > 40).all()
