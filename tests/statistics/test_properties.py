"""What must hold for any data: order of rows, units and monotone transforms, ties, copies, Cox strata.

Properties of one function alone stand in its own test module; here are those that modules share.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from forescreen.errors import InputError
from forescreen.statistics.association import ConditionalFit, conditional_logistic, odds_ratio_per_control_sd
from forescreen.statistics.case_types import CaseTypeFit, case_type_logistic
from forescreen.statistics.discrimination import auc, auc_difference, case_type_auc_difference, roc_curve
from forescreen.statistics.matched import (
    concordance_trend,
    matched_concordance,
    matched_concordance_difference,
    set_percentile_roc,
)
from forescreen.statistics.profile import profile_odds_ratio

from .builders import EXACT, SAME_ALGORITHM, Matched, build_matched

seeds = st.integers(0, 10_000)
few = settings(max_examples=12, deadline=None)

TYPES = np.array(["interval", "screen-detected", "none"])


def fit(data: Matched, **options) -> ConditionalFit:  # type: ignore[no-untyped-def]
    names = tuple(f"x{i}" for i in range(data.X.shape[1]))
    return conditional_logistic(data.X, data.case, sets=data.sets, names=names, **options)


def build_types(seed: int, n_sets: int = 40) -> tuple[Matched, np.ndarray]:
    """Sets with one or two cases, which alternate in type, and two or three controls."""
    data = build_matched(seed=seed, n_sets=n_sets, cases=(1, 2), controls=(2, 3), n_covariates=2)
    kind = np.where(data.case, 0, 2)
    for number, row in enumerate(np.flatnonzero(data.case).tolist()):
        kind[row] = number % 2
    return data, kind


def fit_types(data: Matched, kind: np.ndarray, labels: np.ndarray = TYPES) -> CaseTypeFit:
    return case_type_logistic(data.X, data.case, sets=data.sets, case_type=labels[kind], names=("x0", "x1"))


def reordered(data: Matched, seed: int) -> tuple[Matched, np.ndarray]:
    order = np.random.default_rng(seed + 1).permutation(data.case.size)
    return Matched(X=data.X[order], case=data.case[order], sets=data.sets[order]), order


def stacked(data: Matched, times: int = 2) -> Matched:
    """The sets written `times` times, each copy a set of its own."""
    step = int(data.sets.max()) + 1
    return Matched(
        X=np.concatenate([data.X] * times),
        case=np.concatenate([data.case] * times),
        sets=np.concatenate([data.sets + i * step for i in range(times)]),
    )


def cox_log_likelihood(
    beta: np.ndarray, X: np.ndarray, time: np.ndarray, event: np.ndarray, stratum: np.ndarray
) -> float:
    """Cox's partial log-likelihood by strata, risk set by risk set."""
    total = 0.0
    for row in np.flatnonzero(event).tolist():
        at_risk = (stratum == stratum[row]) & (time >= time[row])
        total += X[row] @ beta - math.log(np.exp(X[at_risk] @ beta).sum())
    return total


# Conditional logistic regression


@few
@given(seed=seeds)
def test_one_case_per_set_is_a_stratum_of_a_cox_model(seed: int) -> None:
    data = build_matched(seed=seed, n_sets=25, controls=(1, 2, 4))
    ours = fit(data)
    if ours.separated:
        return
    # The case has her event when all controls are still followed, whatever the time in her stratum
    rng = np.random.default_rng(seed)
    event_time = rng.uniform(1, 5, size=25)[data.sets]
    time = np.where(data.case, event_time, event_time + rng.uniform(0, 3, size=data.case.size))

    def minus(beta: np.ndarray) -> float:
        return -cox_log_likelihood(beta, data.X, time, data.case, data.sets)

    assert minus(ours.coefficients) == pytest.approx(-ours.log_likelihood, abs=1e-10)
    assert minus(np.zeros(2)) == pytest.approx(-ours.log_likelihood_null, abs=1e-10)
    found = optimize.minimize(minus, np.zeros(2), method="BFGS", options={"gtol": 1e-7})
    assert found.fun >= minus(ours.coefficients) - 1e-9
    assert found.x == pytest.approx(ours.coefficients, abs=1e-4)


@few
@given(seed=seeds)
def test_a_linear_change_of_covariates_changes_coefficients_linearly(seed: int) -> None:
    data = build_matched(seed=seed, n_sets=40, cases=(1, 2), controls=(3, 4))
    turn = np.array([[2.0, 0.3], [-1.0, 5.0]])
    one, other = fit(data), fit(Matched(X=data.X @ turn, case=data.case, sets=data.sets))
    assert turn @ other.coefficients == pytest.approx(one.coefficients, abs=1e-8)
    assert turn @ other.covariance @ turn.T == pytest.approx(one.covariance, abs=1e-8)
    assert turn @ other.robust_covariance @ turn.T == pytest.approx(one.robust_covariance, abs=1e-8)
    for name in ("lr_test", "wald_test", "score_test"):
        assert getattr(other, name).statistic == pytest.approx(getattr(one, name).statistic, abs=1e-7)


@few
@given(seed=seeds)
def test_members_tied_with_the_whole_set_say_nothing_about_a_covariate(seed: int) -> None:
    # Sets in which all members are tied multiply the likelihood by a constant
    data = build_matched(seed=seed, n_sets=25, cases=(1, 2), controls=(2, 3), n_covariates=1)
    extra = 6
    tied = Matched(
        X=np.concatenate([data.X, np.full((3 * extra, 1), 7.0)]),
        case=np.concatenate([data.case, np.tile([True, False, False], extra)]),
        sets=np.concatenate([data.sets, 100 + np.repeat(np.arange(extra), 3)]),
    )
    one, other = fit(data), fit(tied)
    assert other.coefficients == pytest.approx(one.coefficients, abs=SAME_ALGORITHM)
    assert other.covariance == pytest.approx(one.covariance, abs=SAME_ALGORITHM)
    assert other.log_likelihood == pytest.approx(one.log_likelihood - extra * math.log(3), abs=1e-9)
    assert other.lr_test.statistic == pytest.approx(one.lr_test.statistic, abs=1e-9)
    assert other.n_sets == one.n_sets + extra


@few
@given(seed=seeds, times=st.integers(2, 4))
def test_sets_written_several_times_are_weights_of_the_likelihood(seed: int, times: int) -> None:
    data = build_matched(seed=seed, n_sets=25, cases=(1, 2), controls=(2, 3))
    one, other = fit(data), fit(stacked(data, times))
    assert other.coefficients == pytest.approx(one.coefficients, abs=1e-8)
    assert other.log_likelihood == pytest.approx(times * one.log_likelihood, rel=1e-10)
    assert other.robust_covariance == pytest.approx(one.robust_covariance / times, rel=1e-7, abs=1e-9)
    assert other.score_test.statistic == pytest.approx(times * one.score_test.statistic, rel=1e-9)


@few
@given(seed=seeds)
def test_the_score_test_is_that_of_the_set_means_with_every_control_once_or_twice(seed: int) -> None:
    # At 0 the case is a random member of her set: mean and variance (divisor n) of its members
    data = build_matched(seed=seed, n_sets=30, controls=(2,), n_covariates=1)
    again = np.flatnonzero(~data.case)
    doubled = Matched(
        X=np.concatenate([data.X, data.X[again]]),
        case=np.concatenate([data.case, data.case[again]]),
        sets=np.concatenate([data.sets, data.sets[again]]),
    )
    for sample, controls in ((data, 2), (doubled, 4)):
        score = information = 0.0
        for label in range(30):
            x = sample.X[sample.sets == label, 0]
            score += sample.X[(sample.sets == label) & sample.case, 0].sum() - x.mean()
            information += x.var()
            assert x.size == controls + 1
        assert fit(sample).score_test.statistic == pytest.approx(score**2 / information, abs=1e-9)


@few
@given(seed=seeds)
def test_odds_ratio_per_sd_and_profile_limits_do_not_depend_on_unit_or_order(seed: int) -> None:
    data = build_matched(seed=seed, n_sets=40, n_covariates=1)
    moved, _ = reordered(data, seed)
    one = odds_ratio_per_control_sd(data.score, data.case, sets=data.sets)
    other = odds_ratio_per_control_sd(-1e4 * moved.score + 3, moved.case, sets=moved.sets)
    assert (other.value, other.lower, other.upper) == pytest.approx(
        (1 / one.value, 1 / one.upper, 1 / one.lower), rel=1e-8
    )
    assert other.p_value == pytest.approx(one.p_value, rel=1e-6)
    limits = [
        profile_odds_ratio(sample.X * unit, sample.case, sets=sample.sets, names=("x",), name="x", per=unit)
        for sample, unit in ((data, 1.0), (moved, 50.0))
    ]
    assert limits[0].lower == pytest.approx(limits[1].lower, rel=1e-6)
    assert limits[0].upper == pytest.approx(limits[1].upper, rel=1e-6)


# Matched concordance


@few
@given(seed=seeds)
def test_differences_trends_and_curves_depend_on_ranks_within_sets_alone(seed: int) -> None:
    data = build_matched(seed=seed, cases=(1, 2), controls=(1, 3), n_sets=20, decimals=1)
    a, b = data.X[:, 0], data.X[:, 1]
    age = 50.0 + data.sets
    order = np.random.default_rng(seed).permutation(a.size)
    # Another increasing transform in every set
    a2 = (np.exp(a) * (1 + data.sets) - 5.0 * data.sets)[order]
    b2 = (np.arctan(b) + data.sets**2)[order]
    case, sets = data.case[order], (data.sets * 7 + 3)[order]
    one = matched_concordance_difference(a, b, data.case, sets=data.sets)
    assert matched_concordance_difference(a2, b2, case, sets=sets) == one
    pairs = matched_concordance(a, data.case, sets=data.sets, weights="pairs")
    assert matched_concordance(a2, case, sets=sets, weights="pairs") == pairs
    trend = concordance_trend(a, data.case, sets=data.sets, factor=age)
    moved = concordance_trend(a2, case, sets=sets, factor=age[order] / 10)
    assert (moved.value, moved.standard_error) == pytest.approx(
        (10 * trend.value, 10 * trend.standard_error), abs=1e-10
    )
    curve, other = (
        set_percentile_roc(score, mark, sets=label)
        for score, mark, label in ((a, data.case, data.sets), (a2, case, sets))
    )
    assert other.fpr == pytest.approx(curve.fpr, abs=EXACT)
    assert other.tpr == pytest.approx(curve.tpr, abs=EXACT)


@few
@given(seed=seeds)
def test_every_woman_twice_in_her_set_changes_no_concordance(seed: int) -> None:
    data = build_matched(seed=seed, cases=(1, 2), controls=(1, 3), n_sets=15, decimals=0)
    one = matched_concordance(data.score, data.case, sets=data.sets)
    twice = matched_concordance(
        np.repeat(data.score, 2), np.repeat(data.case, 2), sets=np.repeat(data.sets, 2)
    )
    assert (twice.value, twice.standard_error, twice.n) == pytest.approx(
        (one.value, one.standard_error, one.n), abs=EXACT
    )
    assert twice.n_events == 2 * one.n_events


@few
@given(seed=seeds, times=st.integers(2, 4))
def test_sets_written_several_times_divide_the_variance_up_to_the_factor_of_the_sample(
    seed: int, times: int
) -> None:
    data = build_matched(seed=seed, cases=(1, 2), controls=(1, 3), n_sets=15, decimals=1)
    copies = stacked(data, times)
    for weights in ("set", "pairs"):
        one = matched_concordance(data.score, data.case, sets=data.sets, weights=weights)
        other = matched_concordance(copies.score, copies.case, sets=copies.sets, weights=weights)
        assert other.value == pytest.approx(one.value, abs=EXACT)
        n = one.n
        # n/(n − 1) of 15 sets against that of 15 · times
        factor = (n * times / (n * times - 1)) / (n / (n - 1)) / times
        assert other.standard_error**2 == pytest.approx(one.standard_error**2 * factor, abs=EXACT)


@few
@given(seed=seeds)
def test_pairs_count_like_the_binary_likelihood(seed: int) -> None:
    # 1:1 sets and the score replaced by its rank within the pair: the odds of concordance are the odds ratio
    data = build_matched(seed=seed, n_sets=30, controls=(1,), n_covariates=1)
    higher = np.empty(60)
    for label in range(30):
        rows = np.flatnonzero(data.sets == label)
        higher[rows] = np.argsort(np.argsort(data.score[rows]))
    ours = matched_concordance(data.score, data.case, sets=data.sets)
    if ours.value in (0.0, 1.0):
        return
    ratio = fit(Matched(X=higher[:, None], case=data.case, sets=data.sets)).odds_ratio("x0").value
    assert ratio == pytest.approx(ours.value / (1 - ours.value), rel=1e-8)


# Unmatched AUC


def build_kinds(seed: int, n: int = 60, decimals: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    kind = np.repeat([0, 1, 2], [n // 2, n // 4, n - n // 2 - n // 4])
    scores = rng.normal(size=(2, n)) + 0.5 * (kind > 0) + 0.3 * rng.normal(size=n)
    order = rng.permutation(n)
    a, b = np.round(scores, decimals)
    return a[order], b[order], kind[order]


@few
@given(seed=seeds)
def test_comparisons_depend_on_ranks_alone_and_not_on_the_order(seed: int) -> None:
    a, b, kind = build_kinds(seed)
    order = np.random.default_rng(seed + 1).permutation(kind.size)
    woman = np.arange(kind.size) // 2
    weights = np.random.default_rng(seed + 2).uniform(0.5, 2, size=kind.size)
    a2, b2, kind2 = np.exp(a[order]), np.arctan(b[order]) * 1e3, kind[order]
    for cluster, w in ((None, None), (woman, None), (None, weights), (woman, weights)):
        moved = {
            "cluster": None if cluster is None else cluster[order],
            "weights": None if w is None else w[order],
        }
        one = auc_difference(a, b, kind > 0, cluster=cluster, weights=w)
        other = auc_difference(a2, b2, kind2 > 0, **moved)
        assert (other.value, other.standard_error) == pytest.approx(
            (one.value, one.standard_error), abs=EXACT
        )
        one = case_type_auc_difference(a, b, case_a=kind == 1, case_b=kind == 2, cluster=cluster, weights=w)
        other = case_type_auc_difference(a2, b2, case_a=kind2 == 1, case_b=kind2 == 2, **moved)
        assert (other.value, other.standard_error) == pytest.approx(
            (one.value, one.standard_error), abs=EXACT
        )
        # Exchanging the types changes the sign.
        mirrored = case_type_auc_difference(
            b, a, case_a=kind == 2, case_b=kind == 1, cluster=cluster, weights=w
        )
        assert (mirrored.value, mirrored.standard_error) == pytest.approx(
            (-one.value, one.standard_error), abs=EXACT
        )


@few
@given(seed=seeds)
def test_weight_two_is_the_row_twice_in_comparisons_and_curves(seed: int) -> None:
    a, b, kind = build_kinds(seed, n=40)
    copies = np.random.default_rng(seed).integers(1, 4, size=40)
    w = copies.astype(float)
    a2, b2, kind2, woman = (np.repeat(x, copies) for x in (a, b, kind, np.arange(40)))
    for ours, repeated in (
        (
            auc_difference(a, b, kind > 0, weights=w),
            auc_difference(a2, b2, kind2 > 0, cluster=woman),
        ),
        (
            case_type_auc_difference(a, b, case_a=kind == 1, case_b=kind == 2, weights=w),
            case_type_auc_difference(a2, b2, case_a=kind2 == 1, case_b=kind2 == 2, cluster=woman),
        ),
    ):
        # Copies are one woman: the value of the rows written out, the variance of the women
        assert (ours.value, ours.standard_error) == pytest.approx(
            (repeated.value, repeated.standard_error), abs=EXACT
        )
    curve, written_out = roc_curve(a, kind > 0, weights=w), roc_curve(a2, kind2 > 0)
    assert curve.fpr == pytest.approx(written_out.fpr, abs=EXACT)
    assert curve.tpr == pytest.approx(written_out.tpr, abs=EXACT)


@few
@given(seed=seeds, factor=st.floats(0.01, 100))
def test_the_unit_of_the_weights_does_not_matter(seed: int, factor: float) -> None:
    a, _, kind = build_kinds(seed)
    w = np.random.default_rng(seed).uniform(0.5, 2, size=kind.size)
    one, other = auc(a, kind > 0, weights=w), auc(a, kind > 0, weights=factor * w)
    assert (other.value, other.standard_error) == pytest.approx((one.value, one.standard_error), abs=EXACT)


def test_ties_between_all_rows_leave_one_half_without_a_difference() -> None:
    _, _, kind = build_kinds(0)
    same = np.full(kind.size, 3.0)
    ours = auc(same, kind > 0)
    assert (ours.value, ours.p_value) == (0.5, 1.0)
    data = build_matched(n_sets=10)
    tied = matched_concordance(np.full(data.case.size, 3.0), data.case, sets=data.sets)
    assert (tied.value, tied.p_value) == (0.5, 1.0)
    curve = roc_curve(same, kind > 0)
    assert curve.fpr.tolist() == curve.tpr.tolist() == [0.0, 1.0]
    with pytest.raises(InputError, match="constant in every set"):
        odds_ratio_per_control_sd(np.full(data.case.size, 3.0), data.case, sets=data.sets)


# Types of case


@few
@given(seed=seeds)
def test_types_do_not_depend_on_order_units_labels_or_constants_of_the_set(seed: int) -> None:
    data, kind = build_types(seed)
    one = fit_types(data, kind)
    constants = np.random.default_rng(seed).normal(size=(40, 2))[data.sets]
    moved, order = reordered(
        Matched(X=data.X * [3.0, 0.01] + constants, case=data.case, sets=500 - data.sets), seed
    )
    # Labels that sort the other way exchange the types.
    other = fit_types(moved, kind[order], np.array(["z interval", "a screen-detected", "none"]))
    assert other.types == ("a screen-detected", "z interval")
    assert other.coefficients[::-1] * [3.0, 0.01] == pytest.approx(one.coefficients, abs=1e-7)
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-8)
    assert other.log_likelihood_common == pytest.approx(one.log_likelihood_common, abs=1e-8)
    for name in ("heterogeneity_lr_test", "heterogeneity_wald_test"):
        assert getattr(other, name).statistic == pytest.approx(getattr(one, name).statistic, abs=1e-6)


@few
@given(seed=seeds)
def test_sets_with_types_written_twice_halve_the_covariance(seed: int) -> None:
    data, kind = build_types(seed)
    one = fit_types(data, kind)
    other = fit_types(stacked(data), np.concatenate([kind, kind]))
    assert other.coefficients == pytest.approx(one.coefficients, abs=1e-8)
    assert other.covariance == pytest.approx(one.covariance / 2, abs=1e-8)
    assert other.heterogeneity_lr_test.statistic == pytest.approx(
        2 * one.heterogeneity_lr_test.statistic, abs=1e-7
    )


@few
@given(seed=seeds)
def test_the_model_of_common_coefficients_is_the_one_that_ignores_the_types(seed: int) -> None:
    data, kind = build_types(seed)
    ours, ignored = fit_types(data, kind), fit(data)
    assert ours.common == pytest.approx(ignored.coefficients, abs=1e-8)
    # Which of the cases has which type is then chance: one of two ways in sets with both
    both = np.bincount(data.sets[kind == 0], minlength=40) * np.bincount(data.sets[kind == 1], minlength=40)
    assert ours.log_likelihood_common == pytest.approx(
        ignored.log_likelihood - np.count_nonzero(both) * math.log(2), abs=1e-8
    )


@few
@given(seed=seeds)
def test_one_case_of_one_type_per_set_factorises_into_cox_strata(seed: int) -> None:
    data = build_matched(seed=seed, n_sets=40, controls=(2, 3))
    kind = np.where(data.case, data.sets % 2, 2)
    ours = fit_types(data, kind)
    time = np.where(data.case, 1.0, 2.0)
    total = 0.0
    for row in (0, 1):
        rows = data.sets % 2 == row
        total += cox_log_likelihood(
            ours.coefficients[row], data.X[rows], time[rows], data.case[rows], data.sets[rows]
        )
    assert ours.log_likelihood == pytest.approx(total, abs=1e-9)
    # One covariate with another coefficient per type: x, and x · 1{second type}
    stacked_fit = fit(
        Matched(
            X=np.column_stack([data.X, data.X * (data.sets % 2)[:, None]]), case=data.case, sets=data.sets
        )
    )
    assert stacked_fit.coefficients[:2] == pytest.approx(ours.coefficients[0], abs=1e-7)
    assert stacked_fit.coefficients[2:] == pytest.approx(
        ours.coefficients[1] - ours.coefficients[0], abs=1e-7
    )
