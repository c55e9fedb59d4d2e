from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from forescreen.statistics.association import conditional_logistic
from forescreen.statistics.profile import profile_odds_ratio

from .builders import SAME_ALGORITHM, build_matched, enumerated_log_likelihood, pairs_of_one_binary_covariate


def test_limits_for_pairs_solve_the_binomial_likelihood_ratio() -> None:
    # l(b) = 9 log p + 2 log(1 − p), p = 1/(1 + exp(−b)): a binomial of the discordant pairs
    data = pairs_of_one_binary_covariate(only_case=9, only_control=2, both=3)
    ours = profile_odds_ratio(data.X, data.case, sets=data.sets, names=("x",), name="x")

    def log_likelihood(odds: float) -> float:
        return 9 * math.log(odds / (1 + odds)) - 2 * math.log(1 + odds)

    best = log_likelihood(4.5)
    for limit in (ours.lower, ours.upper):
        assert 2 * (best - log_likelihood(limit)) == pytest.approx(
            stats.chi2.ppf(0.95, 1), abs=SAME_ALGORITHM
        )
    assert ours.value == pytest.approx(4.5, rel=SAME_ALGORITHM)
    assert ours.p_value == pytest.approx(stats.chi2.sf(2 * (best - log_likelihood(1.0)), 1), rel=1e-8)


def test_other_coefficients_are_fitted_anew_at_the_limits() -> None:
    data = build_matched(cases=(1, 2), controls=(2, 3), n_sets=12, seed=3)
    ours = profile_odds_ratio(data.X, data.case, sets=data.sets, names=("a", "b"), name="a")
    fit = conditional_logistic(data.X, data.case, sets=data.sets, names=("a", "b"))
    for limit in (ours.lower, ours.upper):
        around = fit.coefficients[1] + np.linspace(-2, 2, 401)
        profile = max(enumerated_log_likelihood(data, np.array([math.log(limit), b])) for b in around)
        # The grid of step 0.01 misses the maximum by at most 0.005² · information/2
        assert 2 * (fit.log_likelihood - profile) == pytest.approx(stats.chi2.ppf(0.95, 1), abs=2e-3)


def test_per_negative_unit_swaps_the_limits() -> None:
    data = build_matched(n_sets=20)
    names = ("a", "b")
    one = profile_odds_ratio(data.X, data.case, sets=data.sets, names=names, name="b")
    other = profile_odds_ratio(data.X, data.case, sets=data.sets, names=names, name="b", per=-2)
    assert (other.lower, other.upper) == pytest.approx((one.upper**-2, one.lower**-2))


def test_separated_sets_get_the_penalised_profile() -> None:
    # l*(b) = 7 log p + ½ log(p (1 − p)) + constant
    data = pairs_of_one_binary_covariate(only_case=7, only_control=0)
    ours = profile_odds_ratio(data.X, data.case, sets=data.sets, names=("x",), name="x")

    def penalised(odds: float) -> float:
        return 7.5 * math.log(odds / (1 + odds)) - 0.5 * math.log(1 + odds)

    gap = 2 * (penalised(15.0) - penalised(ours.lower))
    assert gap == pytest.approx(stats.chi2.ppf(0.95, 1), abs=SAME_ALGORITHM)
    assert ours.lower > 1
    assert ours.upper > 1000
    assert "Firth" in ours.method
    assert ours.notes == ("separated: x",)
