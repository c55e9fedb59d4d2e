from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.triage import capture, capture_difference, positive_predictive_value, top_fraction

from .builders import EXACT


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


def test_resamples_keep_the_number_of_women_with_a_cancer() -> None:
    # All scores tied: the predictive value is the prevalence, in every resample with as many cases.
    case = np.arange(60) < 6
    ours = positive_predictive_value(
        np.zeros(60), case, fraction=0.1, weights=np.full(60, 2.0), n_resamples=50
    )
    assert (ours.value, ours.lower, ours.upper) == pytest.approx((0.1, 0.1, 0.1), abs=EXACT)


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
