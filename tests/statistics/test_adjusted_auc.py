from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.adjusted_auc import covariate_adjusted_auc, stratified_auc
from forescreen.statistics.discrimination import auc
from forescreen.statistics.matched import matched_concordance

from .builders import EXACT, SAME_ALGORITHM, build_matched

seeds = st.integers(0, 10_000)

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # score, case, stratum


def build_strata(seed: int = 0, n: int = 90, n_strata: int = 3, decimals: int = 1) -> Rows:
    """Scores that rise with the stratum, more cases in the higher ones, with ties."""
    rng = np.random.default_rng(seed)
    stratum = np.arange(n) % n_strata
    case = rng.random(n) < 0.25 + 0.1 * stratum
    for s in range(n_strata):  # two cases and two controls in each
        case[stratum == s] = np.where(np.arange(n // n_strata) < 2, True, case[stratum == s])
        case[np.flatnonzero(stratum == s)[2:4]] = False
    score = np.round(rng.normal(size=n) + 0.7 * case + 2.0 * stratum, decimals)
    order = rng.permutation(n)
    return score[order], case[order], stratum[order]


def share_below(value: float, controls: np.ndarray) -> float:
    return float(np.mean((controls < value) + 0.5 * (controls == value)))


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_the_area_is_the_mean_place_of_the_cases_and_the_mean_of_the_areas_by_cases(seed: int) -> None:
    score, case, stratum = build_strata(seed)
    places = [
        share_below(score[i], score[(stratum == stratum[i]) & ~case]) for i in np.flatnonzero(case).tolist()
    ]
    ours = stratified_auc(score, case, strata=stratum)
    assert ours.value == pytest.approx(np.mean(places), abs=EXACT)
    areas = [auc(score[stratum == s], case[stratum == s]).value for s in range(3)]
    counts = [np.count_nonzero(case & (stratum == s)) for s in range(3)]
    assert ours.value == pytest.approx(np.average(areas, weights=counts), abs=EXACT)


def test_the_variance_is_that_of_the_places_written_out() -> None:
    score, case, stratum = build_strata()
    ours = stratified_auc(score, case, strata=stratum)
    n_cases = int(case.sum())
    places = np.array(
        [share_below(score[i], score[(stratum == stratum[i]) & ~case]) for i in np.flatnonzero(case).tolist()]
    )
    variance = np.var(places, ddof=1) / n_cases
    for s in range(3):
        cases, controls = score[case & (stratum == s)], score[~case & (stratum == s)]
        above = [1 - share_below(c, cases) for c in controls]
        variance += (cases.size / n_cases) ** 2 * np.var(above, ddof=1) / controls.size
    assert ours.standard_error**2 == pytest.approx(variance, abs=EXACT)
    assert (ours.n, ours.n_events) == (90, n_cases)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_one_stratum_is_the_plain_auc_with_its_variance(seed: int) -> None:
    score, case, _ = build_strata(seed)
    weights = np.random.default_rng(seed).uniform(0.5, 3, size=case.size)
    one = np.zeros(case.size, dtype=int)
    for w in (None, weights):
        ours, plain = stratified_auc(score, case, strata=one, weights=w), auc(score, case, weights=w)
        assert (ours.value, ours.standard_error) == pytest.approx(
            (plain.value, plain.standard_error), abs=EXACT
        )


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_order_labels_and_monotone_transforms_within_strata_do_not_matter(seed: int) -> None:
    score, case, stratum = build_strata(seed)
    order = np.random.default_rng(seed).permutation(case.size)
    # Another increasing transform in each stratum: nothing is compared between strata.
    moved = np.exp(score / 5) * (1 + stratum) - 100.0 * stratum
    one = stratified_auc(score, case, strata=stratum)
    other = stratified_auc(moved[order], case[order], strata=np.array(["c", "a", "b"])[stratum][order])
    assert (other.value, other.standard_error) == pytest.approx((one.value, one.standard_error), abs=EXACT)


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_weight_two_is_the_row_twice(seed: int) -> None:
    score, case, stratum = build_strata(seed, n=45)
    weights = np.random.default_rng(seed).integers(1, 4, size=45)
    ours = stratified_auc(score, case, strata=stratum, weights=weights.astype(float))
    copies = [np.repeat(x, weights) for x in (score, case, stratum)]
    repeated = stratified_auc(copies[0], copies[1], strata=copies[2])
    assert ours.value == pytest.approx(repeated.value, abs=EXACT)
    # Copies of one woman are one woman: the same sums, with n/(n − 1) of the women
    clustered = stratified_auc(
        copies[0], copies[1], strata=copies[2], cluster=np.repeat(np.arange(45), weights)
    )
    weighted = stratified_auc(
        score, case, strata=stratum, weights=weights.astype(float), cluster=np.arange(45)
    )
    assert clustered.standard_error == pytest.approx(weighted.standard_error, abs=EXACT)


def test_sets_as_strata_have_the_concordance_of_the_sets() -> None:
    data = build_matched(n_sets=30, controls=(2, 3, 4), decimals=1)
    ours = stratified_auc(data.score, data.case, strata=data.sets)
    matched = matched_concordance(data.score, data.case, sets=data.sets)
    assert ours.value == pytest.approx(matched.value, abs=EXACT)


def test_adjustment_takes_away_what_the_stratum_does_to_the_score() -> None:
    # Within strata Φ(0.7/√2) = 0.690; pooled, the strata that raise score and cases would add to it
    rng = np.random.default_rng(3)
    stratum = rng.integers(0, 3, size=30_000)
    case = rng.random(30_000) < 0.05 + 0.1 * stratum
    score = rng.normal(size=30_000) + 0.7 * case + 2.0 * stratum
    ours = stratified_auc(score, case, strata=stratum)
    truth = 0.5 * (1 + math.erf(0.7 / 2))
    assert abs(ours.value - truth) < 4 * ours.standard_error
    assert auc(score, case).value > truth + 0.05


def test_standard_error_is_the_spread_of_simulated_areas() -> None:
    areas, errors = [], []
    for seed in range(300):
        ours = stratified_auc(*build_strata(seed, n=150, decimals=6)[:2], strata=np.zeros(150, dtype=int))
        areas.append(ours.value)
        score, case, stratum = build_strata(seed, n=150, decimals=6)
        ours = stratified_auc(score, case, strata=stratum)
        areas[-1] = ours.value
        errors.append(ours.standard_error)
    # 300 repetitions give a standard deviation with relative error 1/√600
    assert np.std(areas) == pytest.approx(np.mean(errors), rel=0.15)


def test_strata_that_say_nothing_are_dropped_and_told() -> None:
    score, case, stratum = build_strata()
    extra_score, extra_case = np.array([1.0, 2, 3, 4, 5]), np.array([True, True, False, False, False])
    extra_stratum = np.array([7, 7, 7, 8, 8])  # one control for two cases; no case
    ours = stratified_auc(
        np.concatenate([score, extra_score]),
        np.concatenate([case, extra_case]),
        strata=np.concatenate([stratum, extra_stratum]),
    )
    plain = stratified_auc(score, case, strata=stratum)
    assert (ours.value, ours.standard_error, ours.n) == (plain.value, plain.standard_error, 90)
    assert ours.notes == (
        "1 strata without a case dropped",
        "1 strata with fewer than 2 controls dropped",
        "2 cases in dropped strata",
    )


def test_complete_separation_within_strata_has_the_exact_limit_of_disjoint_pairs() -> None:
    _, case, stratum = build_strata(n=30)
    ours = stratified_auc(case + 10.0 * stratum, case, strata=stratum)
    pairs = sum(
        min(np.count_nonzero(case & (stratum == s)), np.count_nonzero(~case & (stratum == s)))
        for s in range(3)
    )
    assert (ours.value, ours.upper) == (1.0, 1.0)
    assert ours.lower == pytest.approx(0.025 ** (1 / pairs), abs=EXACT)
    high = stratified_auc(case + 0.5 * np.random.default_rng(0).random(30) * ~case, case, strata=stratum)
    assert high.upper <= 1


def build_continuous(seed: int = 0, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A score whose location and scale change with age; the truth is Φ(0.8/√2)."""
    rng = np.random.default_rng(seed)
    age = rng.uniform(50, 70, size=n)
    case = rng.random(n) < 0.1 + 0.02 * (age - 50)
    noise = rng.normal(size=n) + 0.8 * case
    return np.exp(0.05 * (age - 60)) * noise + 0.2 * age, case, age


def test_location_and_scale_of_the_controls_are_taken_away() -> None:
    score, case, age = build_continuous(1, n=20_000)
    truth = 0.5 * (1 + math.erf(0.8 / 2))
    ours = covariate_adjusted_auc(score, case, covariates=age[:, None], seed=1, n_resamples=50)
    assert abs(ours.value - truth) < 4 * ours.standard_error
    assert auc(score, case).value > truth + 0.03
    assert ours.lower < ours.value < ours.upper
    assert (ours.n, ours.n_events) == (20_000, int(case.sum()))


def test_without_columns_it_is_the_plain_auc() -> None:
    score, case, _ = build_strata()
    ours = covariate_adjusted_auc(score, case, covariates=np.empty((90, 0)), seed=1, n_resamples=400)
    plain = auc(score, case)
    assert ours.value == pytest.approx(plain.value, abs=EXACT)
    assert ours.standard_error == pytest.approx(plain.standard_error, rel=0.15)


def test_one_binary_covariate_standardises_each_group_by_its_own_controls() -> None:
    score, case, stratum = build_strata(n_strata=2)
    residual = np.empty(case.size)
    for s in (0, 1):
        own = score[(stratum == s) & ~case]
        residual[stratum == s] = (score[stratum == s] - own.mean()) / own.std()
    ours = covariate_adjusted_auc(
        score, case, covariates=stratum[:, None].astype(float), seed=1, n_resamples=20
    )
    # Ties of different groups cannot be told from near misses: one pair of rounding at most
    assert ours.value == pytest.approx(auc(residual, case).value, abs=SAME_ALGORITHM)


@settings(max_examples=8, deadline=None)
@given(seed=seeds)
def test_units_shifts_by_the_covariates_and_order_do_not_matter(seed: int) -> None:
    score, case, age = build_continuous(seed, n=120)
    one = covariate_adjusted_auc(score, case, covariates=age[:, None], seed=1, n_resamples=20)
    order = np.random.default_rng(seed).permutation(120)
    other = covariate_adjusted_auc(
        (3 * score + 0.7 * age - 5)[order],
        case[order],
        covariates=12 * age[order, None],
        seed=1,
        n_resamples=20,
    )
    assert other.value == pytest.approx(one.value, abs=SAME_ALGORITHM)


def test_weight_two_is_the_row_twice_for_residuals_and_seeds_repeat() -> None:
    score, case, age = build_continuous(n=120)
    weights = np.random.default_rng(5).integers(1, 4, size=120)

    def value(**options) -> float:  # type: ignore[no-untyped-def]
        copies = options.pop("copies", np.ones(120, dtype=int))
        return covariate_adjusted_auc(
            np.repeat(score, copies),
            np.repeat(case, copies),
            covariates=np.repeat(age, copies)[:, None],
            seed=1,
            n_resamples=20,
            **options,
        ).value

    assert value(weights=weights.astype(float)) == pytest.approx(value(copies=weights), abs=SAME_ALGORITHM)
    arguments = (score, case)
    one = covariate_adjusted_auc(*arguments, covariates=age[:, None], seed=1, n_resamples=20)
    assert one == covariate_adjusted_auc(*arguments, covariates=age[:, None], seed=1, n_resamples=20)
    assert one != covariate_adjusted_auc(*arguments, covariates=age[:, None], seed=2, n_resamples=20)
    clustered = covariate_adjusted_auc(
        *arguments, covariates=age[:, None], seed=1, n_resamples=20, cluster=np.arange(120) // 2
    )
    assert (clustered.value, clustered.n) == (one.value, 60)
    assert "women" in clustered.method


def test_what_cannot_be_adjusted_for_is_refused() -> None:
    score, case, stratum = build_strata()
    broken = score.copy()
    broken[:2] = math.nan
    with pytest.raises(InputError, match="2 of 90 rows"):
        stratified_auc(broken, case, strata=stratum)
    with pytest.raises(TooFewEventsError, match="in strata with two controls") as caught:
        stratified_auc(score, case, strata=np.arange(90))
    assert (caught.value.n_found, caught.value.n_needed) == (0, 2)
    with pytest.raises(TooFewEventsError, match="women"):
        stratified_auc(score, case, strata=stratum, cluster=np.zeros(90, dtype=int))
    z = np.column_stack([stratum, 2.0 * stratum])
    with pytest.raises(InputError, match="not collinear"):
        covariate_adjusted_auc(score, case, covariates=z, seed=1)
    with pytest.raises(InputError, match="vary among the controls"):
        covariate_adjusted_auc(score, case, covariates=case[:, None] * 1.0, seed=1)
    z[4, 0] = math.inf
    with pytest.raises(InputError, match="1 of 90 rows"):
        covariate_adjusted_auc(score, case, covariates=z, seed=1)
    few = np.random.default_rng(0).normal(size=(12, 3))
    with pytest.raises(TooFewEventsError, match="controls") as caught:
        covariate_adjusted_auc(few[:, 0], np.arange(12) < 4, covariates=few, seed=1)
    assert (caught.value.n_found, caught.value.n_needed) == (8, 15)
