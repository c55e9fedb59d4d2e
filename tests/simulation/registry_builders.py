"""Simulated women and registries for the tests, each drawn once per test run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from forescreen.simulation.natural_history import Courses, NaturalHistory, draw_courses
from forescreen.simulation.population import Population, draw_population
from forescreen.simulation.registry import Registry, SimulationConfig, draw_registry
from forescreen.simulation.screening import ScreenedPopulation, Screening, screen_population

STUDY_YEARS = 10.0


@dataclass(frozen=True)
class Screened:
    """All women of a population, with or without an exam: what incidence is counted in."""

    population: Population
    courses: Courses
    screened: ScreenedPopulation


@lru_cache(maxsize=2)
def build_screened(n_women: int = 300_000, seed: int = 7) -> Screened:
    population = draw_population(n_women, STUDY_YEARS, np.random.default_rng([seed, 1]))
    courses = draw_courses(
        population,
        NaturalHistory(),
        screening_interval_years=Screening().intervals,
        generator=np.random.default_rng([seed, 2]),
    )
    screened = screen_population(
        population,
        courses,
        study_years=STUDY_YEARS,
        screening=Screening(),
        natural_history=NaturalHistory(),
        generator=np.random.default_rng([seed, 3]),
    )
    return Screened(population, courses, screened)


@lru_cache(maxsize=1)
def build_registry() -> Registry:
    """A registry of the size that the cited case-control studies came from."""
    return draw_registry(SimulationConfig(n_women=200_000, seed=3))
