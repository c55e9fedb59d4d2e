from __future__ import annotations

import numpy as np

from forescreen.cohort.matching import match
from forescreen.cohort.settings import CohortConfig
from forescreen.cohort.weights import fractions_by_type, matched_control_weights, post_stratified

from .test_matching import build_candidates, build_cases


def test_weights_estimate_the_women_who_could_have_been_matched() -> None:
    """Horvitz-Thompson: the mean over seeds is the number and the total age of the women at risk."""
    generator = np.random.default_rng(11)
    n_women, n_cases = 400, 30
    age = generator.uniform(50, 70, n_women)
    candidates = build_candidates(n_women, age=age)
    sampled = np.arange(n_cases) % 2 == 0  # half of the cases get sets
    cases = build_cases(
        n_cases, age=generator.uniform(50, 62, n_cases), sampled=sampled, fraction=np.full(n_cases, 0.5)
    )
    at_risk = (np.abs(age[:, None] - cases.age[None, :]) <= 2).any(axis=1)
    numbers, ages = [], []
    for seed in range(100):
        # Which cases are sampled is part of the design.
        mixed = np.random.default_rng(seed).permutation(sampled)
        found = match(
            build_cases(n_cases, age=cases.age, sampled=mixed, fraction=cases.fraction),
            candidates,
            config=CohortConfig(),
            n_women=600,
            generator=np.random.default_rng(seed),
        )
        weight = matched_control_weights(found, candidates.woman[found.candidate])
        numbers.append(weight.sum())
        ages.append(weight @ age[found.candidate])
    for values, truth in ((numbers, at_risk.sum()), (ages, age[at_risk].sum())):
        error = np.std(values) / np.sqrt(len(values))
        assert abs(np.mean(values) - truth) < 4 * error
        assert error < 0.03 * truth  # so that the line above can fail


def test_a_woman_drawn_for_certain_stands_for_herself() -> None:
    found = match(
        build_cases(),
        build_candidates(2),
        config=CohortConfig(ratio=2),
        n_women=200,
        generator=np.random.default_rng(1),
    )
    assert list(matched_control_weights(found, np.array([100, 101]))) == [1.0, 1.0]


def test_a_woman_in_two_sets_counts_once() -> None:
    found = match(
        build_cases(2),
        build_candidates(1),
        config=CohortConfig(max_control_uses=2),
        n_women=200,
        generator=np.random.default_rng(1),
    )
    assert list(matched_control_weights(found, np.array([100, 100]))) == [0.5, 0.5]


def test_post_stratified_weights_sum_to_the_population_by_years_of_birth() -> None:
    generator = np.random.default_rng(3)
    population = generator.integers(-30, 0, 5000)  # years of birth before 1970
    controls = generator.integers(-30, -10, 200)  # the youngest third is never a control
    weight = post_stratified(generator.uniform(1, 9, 200), controls, population_birth_year=population)
    np.testing.assert_allclose(weight.sum(), 5000, rtol=1e-12)
    oldest = controls < -25
    np.testing.assert_allclose(weight[oldest].sum(), (population < -25).sum(), rtol=1e-12)


def test_few_controls_are_one_post_stratum() -> None:
    weight = post_stratified(
        np.array([1.0, 3.0]), np.array([-30, -5]), population_birth_year=np.arange(-30, 0)
    )
    np.testing.assert_allclose(weight, [7.5, 22.5], rtol=1e-12)


def test_the_fraction_of_a_type_is_its_share() -> None:
    kind = np.array(["interval", "interval", "screen-detected"], dtype=object)
    assert list(fractions_by_type(kind, np.array([True, False, True]))) == [0.5, 0.5, 1.0]
