from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.records import Estimate
from forescreen.statistics.triage import (
    UnitCosts,
    cancers_per_1000,
    capture,
    capture_difference,
    cost_per_additional_cancer,
    number_needed_to_image,
    positive_predictive_value,
    top_fraction,
)

from .builders import EXACT, SAME_ALGORITHM


def build_population(
    seed: int = 0, n: int = 400, n_cases: int = 40, decimals: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    case = rng.permutation(n) < n_cases
    return np.round(rng.normal(size=n) + 0.8 * case, decimals), case


def test_a_hand_computed_population() -> None:
    # 10 women, scores 9 … 0, cancers at 9, 7 and 2: the top 30 % hold 2 of 3
    score = np.arange(10.0)
    case = np.isin(score, [9, 7, 2])
    ours = capture(score, case, fraction=0.3)
    assert ours.value == pytest.approx(2 / 3, abs=EXACT)
    assert (ours.n, ours.n_events) == (10, 3)
    assert positive_predictive_value(score, case, fraction=0.3).value == pytest.approx(2 / 3, abs=EXACT)
    # The top 25 % select half of the woman with score 7
    assert capture(score, case, fraction=0.25).value == pytest.approx(1.5 / 3, abs=EXACT)
    assert positive_predictive_value(score, case, fraction=0.25).value == pytest.approx(1.5 / 2.5, abs=EXACT)


def test_ties_at_the_threshold_are_shared() -> None:
    score = np.array([2.0, 1, 1, 1, 1, 0, 0, 0, 0, 0])
    selected = top_fraction(score, fraction=0.3)
    assert selected.threshold == 1.0
    assert selected.tie_share == pytest.approx(0.5)
    assert selected.share == pytest.approx(np.array([1, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0, 0]))
    case = np.array([True, True, False, False, False, True, False, False, False, False])
    assert capture(score, case, fraction=0.3).value == pytest.approx(1.5 / 3, abs=EXACT)


def test_a_constant_score_captures_the_fraction_itself() -> None:
    case = np.arange(50) < 5
    assert capture(np.zeros(50), case, fraction=0.1).value == pytest.approx(0.1, abs=EXACT)
    assert positive_predictive_value(np.zeros(50), case, fraction=0.1).value == pytest.approx(0.1, abs=EXACT)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), fraction=st.floats(0.001, 0.999))
def test_selected_weight_is_exactly_the_fraction(seed: int, fraction: float) -> None:
    score, _ = build_population(seed, n=60, decimals=0)
    weights = np.random.default_rng(seed).uniform(0.2, 30, size=60)
    selected = top_fraction(score, fraction=fraction, weights=weights)
    assert selected.share @ weights == pytest.approx(fraction * weights.sum(), rel=1e-12)
    assert np.all(selected.share[score > selected.threshold] == 1)
    assert np.all(selected.share[score < selected.threshold] == 0)
    assert 0 < selected.tie_share <= 1


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_row_order_monotone_transforms_and_weights_as_copies(seed: int) -> None:
    score, case = build_population(seed, n=80, n_cases=12, decimals=1)
    ours = capture(score, case, fraction=0.2)
    order = np.random.default_rng(seed).permutation(80)
    moved = capture(np.exp(score[order]), case[order], fraction=0.2)
    assert moved.value == pytest.approx(ours.value, abs=EXACT)
    weights = np.random.default_rng(seed).integers(1, 4, size=80)
    weighted = capture(score, case, fraction=0.2, weights=weights.astype(float), n_resamples=20)
    copied = capture(np.repeat(score, weights), np.repeat(case, weights), fraction=0.2)
    assert weighted.value == pytest.approx(copied.value, abs=EXACT)


def test_case_control_sample_with_weights_finds_the_threshold_of_the_population() -> None:
    score, case = build_population(n=4000)
    sampled = case | (np.arange(4000) % 5 == 0)
    weights = np.where(case, 1.0, 5.0)[sampled]
    whole = capture(score, case, fraction=0.1)
    ours = capture(score[sampled], case[sampled], fraction=0.1, weights=weights, n_resamples=50)
    naive = capture(score[sampled], case[sampled], fraction=0.1)
    assert abs(ours.value - whole.value) <= 0.05
    assert abs(naive.value - whole.value) > abs(ours.value - whole.value)


def test_interval_of_independent_rows_is_wilsons() -> None:
    # 8 of 40: Wilson by hand, z = 1.959964
    score = np.concatenate([np.full(40, -1.0), np.zeros(360)])
    score[:8] = 1.0
    score[40:72] = 1.0
    ours = capture(score, np.arange(400) < 40, fraction=0.1)
    z = 1.959963984540054
    centre, margin = (0.2 + z * z / 80), z * math.sqrt(0.2 * 0.8 / 40 + z * z / 6400)
    expected = ((centre - margin) / (1 + z * z / 40), (centre + margin) / (1 + z * z / 40))
    assert (ours.lower, ours.upper) == pytest.approx(expected, abs=EXACT)
    assert ours.method.endswith("Wilson")


def test_clusters_are_resampled_whole_and_repeatably() -> None:
    score, case = build_population(n=300, n_cases=40)
    woman = np.arange(300)
    alone = capture(score, case, fraction=0.2)
    # Every row three times, known to be one woman: the interval must not shrink to that of 120 cases.
    thrice = [np.repeat(x, 3) for x in (score, case, woman)]
    ours = capture(thrice[0], thrice[1], fraction=0.2, cluster=thrice[2], seed=5)
    naive = capture(thrice[0], thrice[1], fraction=0.2)
    assert ours.value == pytest.approx(alone.value, abs=EXACT)
    assert ours.n == 300
    assert ours.upper - ours.lower > 1.3 * (naive.upper - naive.lower)
    assert ours == capture(thrice[0], thrice[1], fraction=0.2, cluster=thrice[2], seed=5)
    assert ours.notes == ("2000 resamples, seed 5",)


def test_predictive_values_vary_with_the_number_of_women_with_a_cancer() -> None:
    # All scores tied: the predictive value is the prevalence, with its binomial standard error.
    case = np.arange(600) < 60
    ours = positive_predictive_value(
        np.zeros(600), case, fraction=0.1, weights=np.full(600, 2.0), n_resamples=1000
    )
    assert ours.value == pytest.approx(0.1, abs=EXACT)
    assert ours.standard_error == pytest.approx(math.sqrt(0.1 * 0.9 / 600), rel=0.1)
    # Captures are given the cancers: all tied, the top tenth holds a tenth of them in every resample.
    fixed = capture(np.zeros(600), case, fraction=0.1, weights=np.full(600, 2.0), n_resamples=50)
    assert (fixed.lower, fixed.upper) == pytest.approx((0.1, 0.1), abs=EXACT)


def test_difference_of_two_captures_is_paired() -> None:
    score, case = build_population()
    other = score + np.random.default_rng(9).normal(size=400) * 3
    ours = capture_difference(score, other, case, fraction=0.1, n_resamples=400)
    expected = capture(score, case, fraction=0.1).value - capture(other, case, fraction=0.1).value
    assert ours.value == pytest.approx(expected, abs=EXACT)
    assert ours.lower < ours.value < ours.upper
    same = capture_difference(score, score, case, fraction=0.1, n_resamples=20)
    assert (same.value, same.lower, same.upper, same.p_value) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, math.nan])
def test_a_fraction_outside_the_open_interval_is_refused(fraction: float) -> None:
    score, case = build_population()
    with pytest.raises(InputError, match=r"a fraction in \(0, 1\)"):
        capture(score, case, fraction=fraction)
    with pytest.raises(InputError, match=r"a fraction in \(0, 1\)"):
        top_fraction(score, fraction=fraction)


def test_one_cancer_is_too_few() -> None:
    with pytest.raises(TooFewEventsError) as caught:
        capture(np.arange(9.0), np.arange(9) == 3, fraction=0.1)
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)


def build_estimate(value: float, lower: float, upper: float) -> Estimate:
    return Estimate(
        value=value, lower=lower, upper=upper, n=1000, n_events=16, method="ppv", standard_error=0.004
    )


def test_predictive_value_as_cancers_per_1000_and_number_needed_to_image() -> None:
    # 16.5 cancers per 1000 MRI by density (DENSE): 60.6 women imaged for one
    ppv = build_estimate(0.0165, 0.0105, 0.025)
    ours = number_needed_to_image(ppv)
    assert (ours.value, ours.lower, ours.upper) == pytest.approx((1 / 0.0165, 40.0, 1 / 0.0105), abs=EXACT)
    assert ours.standard_error == pytest.approx(0.004 / 0.0165**2, abs=SAME_ALGORITHM)
    ours = cancers_per_1000(ppv)
    assert (ours.value, ours.lower, ours.upper) == pytest.approx((16.5, 10.5, 25.0), abs=EXACT)
    assert (ours.n, ours.n_events) == (1000, 16)
    assert number_needed_to_image(build_estimate(0.0165, 0.0, 0.1)).upper == math.inf
    with pytest.raises(TooFewEventsError, match="number needed to image"):
        number_needed_to_image(build_estimate(0.0, 0.0, 0.1))


COSTS = UnitCosts(supplemental_exam=300.0, assessment=150.0, biopsy=500.0, reading=10.0, currency="EUR")


def test_cost_per_additional_cancer_is_the_formula() -> None:
    ours = cost_per_additional_cancer(
        costs=COSTS, n_selected=1000, n_recalled=90, n_biopsies=60, reads_saved=2000, additional_cancers=20
    )
    total = 1000 * 300 + 90 * 150 + 60 * 500 - 2000 * 10
    assert ours.value == pytest.approx(total / 20, abs=EXACT)
    # Exact Poisson limits of 20: 12.21651959, 30.8883779 [Garwood1936]
    assert (ours.lower, ours.upper) == pytest.approx((total / 30.8883779, total / 12.21651959), rel=1e-8)
    assert ours.notes[0] == "cost 323500 EUR"
    rates = UnitCosts(supplemental_exam=300.0, assessment=150.0, recall_rate=0.09)
    by_rate = cost_per_additional_cancer(costs=rates, n_selected=1000, additional_cancers=20)
    assert by_rate.value == pytest.approx((300_000 + 90 * 150) / 20, abs=EXACT)


def test_saved_reads_may_pay_for_the_imaging() -> None:
    ours = cost_per_additional_cancer(costs=COSTS, n_selected=10, reads_saved=1000, additional_cancers=2.5)
    assert ours.value == pytest.approx(-7000 / 2.5, abs=EXACT)
    assert ours.lower < ours.value < ours.upper < 0


def test_costs_without_additional_cancers_or_with_impossible_numbers_are_refused() -> None:
    with pytest.raises(TooFewEventsError, match="additional cancer") as caught:
        cost_per_additional_cancer(costs=COSTS, n_selected=1000, additional_cancers=0)
    assert (caught.value.n_found, caught.value.n_needed) == (0, 1)
    with pytest.raises(InputError, match="additional_cancers: expected a number >= 0"):
        cost_per_additional_cancer(costs=COSTS, n_selected=1000, additional_cancers=-3)
    with pytest.raises(InputError, match="biopsy: expected a number >= 0"):
        UnitCosts(supplemental_exam=300.0, biopsy=math.nan)
    with pytest.raises(InputError, match=r"recall_rate: expected a rate in \[0, 1\]"):
        UnitCosts(supplemental_exam=300.0, recall_rate=9.0)
