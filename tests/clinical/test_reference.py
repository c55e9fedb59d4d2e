"""A sample of relative risks is as good as a few atoms; its baseline gives back the population's rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forescreen.clinical.absolute import Step, absolute_risk, population_hazards
from forescreen.clinical.rates import Rates
from forescreen.clinical.reference import (
    RelativeRisks,
    Rules,
    baseline_hazards,
    gauss_rule,
    independent_product,
    relative_risks,
    score_classes,
)
from forescreen.errors import InputError

EXACT = 1e-12


def build_rates(mortality: float = 0.01, incidence: float = 0.003) -> Rates:
    n = 60
    return Rates(
        name="made up",
        population="nobody",
        years="never",
        source="this test",
        event="event",
        edges=np.arange(20.0, 20 + n + 1),
        incidence=np.linspace(0, incidence, n),
        mortality=np.full(n, mortality),
        mortality_of="other causes",
    )


def build_sample(n: int = 5000, spread: float = 0.6, seed: int = 0) -> RelativeRisks:
    rng = np.random.default_rng(seed)
    return relative_risks(rng.normal(1.0, spread, n), rng.uniform(0.5, 2, n))


def moments(distribution: RelativeRisks, highest: int) -> np.ndarray:
    risk = np.exp(distribution.log_relative_risk)
    return np.array([distribution.weight @ risk**k for k in range(highest + 1)])


def test_a_gauss_rule_has_the_moments_of_the_sample_up_to_twice_its_atoms_less_one() -> None:
    sample = build_sample()
    rule = gauss_rule(sample, 5)
    assert rule.weight.size == 5
    np.testing.assert_allclose(moments(rule, 9), moments(sample, 9), rtol=1e-10)
    assert abs(moments(rule, 10)[10] / moments(sample, 10)[10] - 1) > 1e-6, "degree 10 is not promised"


def test_a_distribution_of_few_atoms_is_its_own_rule() -> None:
    few = relative_risks(np.log([1.0, 2.0, 4.0]), np.array([1.0, 2, 1]))
    rule = gauss_rule(few, 5)
    np.testing.assert_array_equal(rule.log_relative_risk, few.log_relative_risk)
    many_times = Rules(
        log_relative_risk=np.log(np.tile([1.0, 2.0, 4.0], 4))[None],
        weight=np.tile([0.25, 0.5, 0.25], 4)[None] / 4,
    )
    product = independent_product([many_times, Rules.of([relative_risks(np.zeros(1))])])
    kept = product.weight[0] > 1e-15
    np.testing.assert_allclose(np.exp(product.log_relative_risk[0, kept]), [1, 2, 4], rtol=EXACT)
    np.testing.assert_allclose(product.weight[0, kept], [0.25, 0.5, 0.25], rtol=EXACT)


def test_the_product_of_independent_relative_risks_has_the_products_of_the_moments() -> None:
    parts = [build_sample(seed=seed, spread=0.3) for seed in range(4)]
    product = independent_product([Rules.of([gauss_rule(part)]) for part in parts])
    both = RelativeRisks(log_relative_risk=product.log_relative_risk[0], weight=product.weight[0])
    expected = np.prod([moments(part, 9) for part in parts], axis=0)
    np.testing.assert_allclose(moments(both, 9), expected, rtol=1e-10)


def test_women_of_equal_relative_risk_are_joined_and_weights_are_shares() -> None:
    found = relative_risks(np.array([0.5, 0.0, 0.5, 1.0]), np.array([1.0, 2, 3, 0]))
    np.testing.assert_array_equal(found.log_relative_risk, [0.0, 0.5])
    np.testing.assert_allclose(found.weight, [2 / 6, 4 / 6], rtol=EXACT)


def test_the_attributable_fraction_is_one_less_one_over_the_mean_relative_risk() -> None:
    # Half of the women at relative risk 3: mean 2, half of the cases would not be.
    assert relative_risks(np.log([1.0, 3.0])).attributable_fraction == pytest.approx(0.5, abs=EXACT)


@pytest.mark.parametrize("incidence", [0.003, 0.1])
def test_without_competing_deaths_the_mean_risk_is_the_populations(incidence: float) -> None:
    rates, sample = build_rates(mortality=0.0, incidence=incidence), build_sample(500)
    baseline = baseline_hazards(rates, sample)
    n = sample.weight.size
    for end in (45.0, 80.0):
        risk = absolute_risk(
            np.full(n, 20.0),
            np.full(n, end),
            baseline=baseline,
            steps=[Step(from_age=20, log_relative_risk=sample.log_relative_risk)],
        )
        cumulated = rates.incidence[: int(end) - 20].sum()
        assert sample.weight @ risk == pytest.approx(-math.expm1(-cumulated), rel=1e-11)


def test_with_competing_deaths_the_mean_risk_is_the_populations_within_the_spread_of_a_year() -> None:
    rates, sample = build_rates(), build_sample(500)
    n = sample.weight.size
    start, end = np.full(n, 20.0), np.full(n, 80.0)
    steps = [Step(from_age=20, log_relative_risk=sample.log_relative_risk)]
    risk = absolute_risk(start, end, baseline=baseline_hazards(rates, sample), steps=steps)
    average = absolute_risk(
        start[:1],
        end[:1],
        baseline=population_hazards(rates),
        steps=[Step(from_age=20, log_relative_risk=np.zeros(1))],
    )
    assert sample.weight @ risk == pytest.approx(average[0], rel=1e-5)


def test_the_baseline_in_mode_icare_is_its_iteration_written_out() -> None:
    rates, sample = build_rates(), build_sample(300)
    risk, weight = np.exp(sample.log_relative_risk), sample.weight
    mean, change = [sample.mean] * rates.incidence.size, 1.0
    while change >= 1e-3:  # by the letter of section "baseline hazard" of docs/methods/log-linear-risk.md
        hazard, new, cumulated = [], [], 0.0
        for t, rate in enumerate(rates.incidence):
            share = weight * np.exp(-risk * cumulated)
            new.append(float(share @ risk / share.sum()))
            hazard.append(rate / mean[t])
            cumulated += hazard[-1]
        change = sum(abs(a - b) for a, b in zip(new, mean, strict=True))
        mean = new
    found = baseline_hazards(rates, sample, mode="icare")
    np.testing.assert_allclose(found.event, rates.incidence / np.array(mean), rtol=EXACT)


def test_mode_icare_takes_rates_of_age_groups_year_by_year_and_no_fractions() -> None:
    grouped = Rates(
        name="groups",
        population="",
        years="",
        source="",
        event="",
        edges=np.array([20.0, 25, 30]),
        incidence=np.array([0.001, 0.002]),
        mortality=np.array([0.0, 0.01]),
        mortality_of="all causes",
    )
    found = baseline_hazards(grouped, relative_risks(np.zeros(1)), mode="icare")
    np.testing.assert_array_equal(found.edges, np.arange(20, 31))
    np.testing.assert_allclose(found.event, np.repeat([0.001, 0.002], 5), rtol=EXACT)
    fractional = Rates(
        name="fractional",
        population="",
        years="",
        source="",
        event="",
        edges=np.array([20.0, 25.5]),
        incidence=np.array([0.001]),
        mortality=np.array([0.0]),
        mortality_of="all causes",
    )
    with pytest.raises(InputError, match="rates fractional: expected rates by whole years"):
        baseline_hazards(fractional, relative_risks(np.zeros(1)), mode="icare")


@pytest.mark.parametrize(
    ("log_risk", "weight", "message"),
    [
        ([], None, "at least one woman"),
        ([0.0, np.nan], None, "1 women without a relative risk"),
        ([0.0, 1.0], [1.0, -1.0], "weights of 0 or more"),
        ([0.0, 1.0], [0.0, 0.0], "weights of 0 or more"),
        ([0.0, 1.0], [1.0], "2 women, 1 weights"),
    ],
)
def test_a_sample_that_is_none_is_refused(log_risk: list, weight: list | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        relative_risks(np.array(log_risk, dtype=float), None if weight is None else np.array(weight))


def test_no_atoms_are_refused() -> None:
    with pytest.raises(InputError, match="at least 1 atom"):
        gauss_rule(build_sample(10), 0)


def test_classes_are_hundredths_of_the_partial_score_rounded_down() -> None:
    rng = np.random.default_rng(4)
    partial = rng.normal(0, 0.5, 4000)
    complete = partial + rng.normal(0, 0.3, 4000)
    weight = rng.uniform(0.5, 2, 4000)
    classes = score_classes(partial, complete, weight)
    # By the letter: standard deviation of the cut points about 0.5, so 1/0.0005 = 2000, three powers of ten.
    cuts = np.floor(np.quantile(partial, np.linspace(0, 1, 101)) * 1000) / 1000
    np.testing.assert_allclose(classes.cuts, np.unique(cuts), rtol=0, atol=1e-15)
    asked = np.array([-0.2, 0.0, 0.31])
    for score, k in zip(asked, classes.place(asked), strict=True):
        inside = (partial >= classes.cuts[k]) & (partial < classes.cuts[k + 1])
        assert classes.cuts[k] <= score < classes.cuts[k + 1]
        assert classes.mean_log[k] == pytest.approx(np.average(complete[inside], weights=weight[inside]))
        mean = np.average(np.exp(complete[inside]), weights=weight[inside])
        assert classes.rules.mean[k] == pytest.approx(mean, rel=EXACT)


def test_scores_outside_of_the_sample_belong_to_its_first_and_last_class() -> None:
    partial = np.linspace(-1, 1, 1000)
    classes = score_classes(partial, partial)
    np.testing.assert_array_equal(classes.place(np.array([-9.0, 9.0])), [0, classes.cuts.size - 1])
    assert np.isfinite(classes.mean_log).all(), "the last class, of the largest score, holds that woman"


def test_a_class_without_women_takes_its_neighbours() -> None:
    # Women of weight 0 between two groups: their class alone has nobody to average over.
    partial = np.concatenate([np.zeros(50), np.ones(50) * 0.5, np.ones(50)])
    weight = np.concatenate([np.ones(50), np.zeros(50), np.ones(50)])
    classes = score_classes(partial, partial, weight)
    middle = classes.place(np.array([0.5]))[0]
    assert 0 < classes.mean_log[middle] < 1


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=40), st.integers(1, 8))
def test_atoms_stay_within_the_sample_and_keep_its_mean(log_risk: list[float], n_atoms: int) -> None:
    sample = relative_risks(np.array(log_risk))
    rule = gauss_rule(sample, n_atoms)
    assert rule.mean == pytest.approx(sample.mean, rel=1e-10)
    assert rule.weight.sum() == pytest.approx(1)
    assert rule.log_relative_risk.min() >= min(log_risk) - 1e-8
    assert rule.log_relative_risk.max() <= max(log_risk) + 1e-8
