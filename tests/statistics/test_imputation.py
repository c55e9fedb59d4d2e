from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from forescreen.errors import InputError
from forescreen.records import Estimate
from forescreen.statistics.imputation import (
    pool,
    pooled_estimate,
    pooled_ratio,
    pooled_share,
    pooled_wald_test,
)

from .builders import EXACT, SAME_ALGORITHM, read_reference

REFERENCE = read_reference(Path(__file__).parents[1] / "reference" / "imputation.json")["values"]


def build_estimate(value: float, se: float, n: int = 500, method: str = "AUC") -> Estimate:
    return Estimate(
        value=value, lower=math.nan, upper=math.nan, n=n, n_events=40, method=method, standard_error=se
    )


def reference_estimates(n: int) -> list[Estimate]:
    return [build_estimate(q, math.sqrt(u), n) for q, u in zip(REFERENCE["Q"], REFERENCE["U"], strict=True)]


@pytest.mark.parametrize("row", REFERENCE["cases"])
def test_against_r_mice_pool_scalar(row) -> None:  # type: ignore[no-untyped-def]
    ours = pool(np.array(REFERENCE["Q"]), np.array(REFERENCE["U"]), n=row["n"], n_parameters=row["k"])
    found = (
        ours.value,
        ours.within_variance,
        ours.between_variance,
        ours.total_variance,
        ours.relative_increase,
        ours.fraction_missing,
    )
    assert found == pytest.approx(tuple(row[k] for k in ("qbar", "ubar", "b", "t", "r", "fmi")), abs=EXACT)
    assert ours.degrees_of_freedom == pytest.approx(row["df"], rel=EXACT)
    assert ours.n_imputations == 5


def test_against_r_limits_and_p_value() -> None:
    ours = pooled_estimate(reference_estimates(20), n_parameters=3)
    assert (ours.lower, ours.upper) == pytest.approx(tuple(REFERENCE["limits_n_20"]), abs=SAME_ALGORITHM)
    assert ours.p_value == pytest.approx(REFERENCE["p_n_20"], rel=SAME_ALGORITHM)
    assert ours.standard_error == pytest.approx(math.sqrt(0.045524), abs=EXACT)
    assert (ours.n, ours.n_events) == (20, 40)
    assert "5 imputations pooled" in ours.method
    assert any("fraction of missing information 0.218" in note for note in ours.notes)


def test_the_same_estimate_every_time_has_the_interval_of_the_complete_data() -> None:
    # No variance between: t with Barnard and Rubin's degrees of freedom of the complete data
    ours = pool(np.full(4, 0.3), np.full(4, 0.01), n=30, n_parameters=2)
    assert (ours.total_variance, ours.fraction_missing, ours.relative_increase) == (0.01, 0.0, 0.0)
    df = 29 / 31 * 28
    assert ours.degrees_of_freedom == pytest.approx(df, rel=EXACT)
    assert ours.limits()[1] == pytest.approx(0.3 + stats.t.ppf(0.975, df) * 0.1, abs=SAME_ALGORITHM)
    many = pool(np.full(4, 0.3), np.full(4, 0.01))
    assert many.degrees_of_freedom == math.inf
    assert many.limits()[0] == pytest.approx(0.3 - 1.959963984540054 * 0.1, abs=EXACT)
    assert many.p_value() == pytest.approx(math.erfc(3 / math.sqrt(2)), rel=1e-12)


def test_no_variance_within_leaves_that_between() -> None:
    ours = pool(np.array([0.2, 0.4]), np.zeros(2), n=50)
    assert ours.total_variance == pytest.approx(1.5 * 0.02, abs=EXACT)
    assert (ours.relative_increase, ours.degrees_of_freedom) == (math.inf, 0.0)
    nothing = pool(np.zeros(2), np.zeros(2))
    assert nothing.p_value() == 1.0
    assert nothing.p_value(null=1.0) == 0.0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), m=st.integers(2, 8), scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_order_and_units_do_not_matter(seed: int, m: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    values, variances = rng.normal(size=m), rng.uniform(0.1, 1, size=m)
    one = pool(values, variances, n=100, n_parameters=2)
    order = rng.permutation(m)
    other = pool(scale * values[order] + shift, scale**2 * variances[order], n=100, n_parameters=2)
    assert other.value == pytest.approx(scale * one.value + shift, abs=1e-9)
    assert other.standard_error == pytest.approx(scale * one.standard_error, rel=1e-9)
    assert other.degrees_of_freedom == pytest.approx(one.degrees_of_freedom, rel=1e-9)
    assert other.fraction_missing == pytest.approx(one.fraction_missing, abs=1e-9)
    assert 0 <= one.fraction_missing <= 1
    assert one.total_variance >= one.within_variance


def test_shares_are_pooled_as_logits_by_the_delta_method() -> None:
    values, errors = [0.62, 0.66, 0.70], [0.03, 0.028, 0.031]
    ours = pooled_share([build_estimate(v, e) for v, e in zip(values, errors, strict=True)])
    logits = np.array([math.log(v / (1 - v)) for v in values])
    spread = np.array([e / (v * (1 - v)) for v, e in zip(values, errors, strict=True)])
    by_hand = pool(logits, spread**2, n=500)
    centre = special.expit(logits.mean())
    assert ours.value == pytest.approx(centre, abs=EXACT)
    assert (ours.lower, ours.upper) == pytest.approx(tuple(special.expit(by_hand.limits())), abs=EXACT)
    assert ours.standard_error == pytest.approx(by_hand.standard_error * centre * (1 - centre), abs=EXACT)
    assert ours.p_value == pytest.approx(by_hand.p_value(), rel=1e-12)  # logit of ½ is 0
    # One minus the shares mirror the interval.
    mirrored = pooled_share([build_estimate(1 - v, e) for v, e in zip(values, errors, strict=True)])
    assert (mirrored.lower, mirrored.upper) == pytest.approx((1 - ours.upper, 1 - ours.lower), abs=EXACT)


def test_ratios_are_pooled_as_logarithms() -> None:
    values = [1.4, 1.5, 1.7]
    ours = pooled_ratio([build_estimate(v, 0.1, method="odds ratio") for v in values])
    by_hand = pool(np.log(values), np.full(3, 0.01), n=500)
    assert ours.value == pytest.approx((1.4 * 1.5 * 1.7) ** (1 / 3), abs=EXACT)
    assert (ours.lower, ours.upper) == pytest.approx(tuple(np.exp(by_hand.limits())), abs=EXACT)
    assert ours.standard_error == pytest.approx(by_hand.standard_error, abs=EXACT)
    inverse = pooled_ratio([build_estimate(1 / v, 0.1, method="odds ratio") for v in values])
    assert (inverse.lower, inverse.p_value) == pytest.approx((1 / ours.upper, ours.p_value), abs=EXACT)


def test_several_coefficients_are_tested_by_the_formula_of_li() -> None:
    rng = np.random.default_rng(4)
    m, k = 6, 3
    coefficients = rng.normal(0.3, 0.1, size=(m, k))
    covariances = np.stack([np.diag(rng.uniform(0.01, 0.02, size=k)) for _ in range(m)])
    ours = pooled_wald_test(coefficients, covariances)
    mean, within = coefficients.mean(axis=0), covariances.mean(axis=0)
    r = (1 + 1 / m) * np.trace(np.cov(coefficients.T) @ np.linalg.inv(within)) / k
    expected = mean @ np.linalg.inv(within) @ mean / (k * (1 + r))
    t = k * (m - 1)
    df = 4 + (t - 4) * (1 + (1 - 2 / t) / r) ** 2
    assert ours.statistic == pytest.approx(expected, rel=EXACT)
    assert ours.denominator_degrees_of_freedom == pytest.approx(df, rel=EXACT)
    assert ours.p_value == pytest.approx(stats.f.sf(expected, k, df), rel=SAME_ALGORITHM)
    # A linear change of the coefficients does not matter.
    turn = rng.normal(size=(k, k))
    turned = pooled_wald_test(coefficients @ turn.T, turn @ covariances @ turn.T)
    assert turned.statistic == pytest.approx(ours.statistic, rel=1e-9)


def test_one_coefficient_has_the_square_of_the_pooled_t_statistic() -> None:
    values, variances = np.array(REFERENCE["Q"]), np.array(REFERENCE["U"])
    ours = pooled_wald_test(values[:, None], variances[:, None, None])
    one = pool(values, variances)
    assert ours.statistic == pytest.approx((one.value / one.standard_error) ** 2, rel=EXACT)
    # t = 4: t (1 + 1/k) (1 + 1/r)²/2
    assert ours.denominator_degrees_of_freedom == pytest.approx(4 * (1 + 1 / one.relative_increase) ** 2)
    same = pooled_wald_test(np.ones((3, 1)), np.full((3, 1, 1), 0.25))
    assert same.denominator_degrees_of_freedom == math.inf
    assert same.p_value == pytest.approx(math.erfc(2 / math.sqrt(2)), rel=1e-12)


def test_what_cannot_be_pooled_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2 imputations, found 1"):
        pool(np.ones(1), np.ones(1))
    with pytest.raises(InputError, match="at least 2 imputations"):
        pooled_share([build_estimate(0.6, 0.1)])
    with pytest.raises(InputError, match="at least 2 imputations"):
        pooled_wald_test(np.ones((1, 2)), np.ones((1, 2, 2)))
    with pytest.raises(InputError, match="1 of 3 otherwise"):
        pool(np.array([0.1, math.nan, 0.2]), np.ones(3))
    with pytest.raises(InputError, match="2 of 3 otherwise"):
        pool(np.zeros(3), np.array([-1.0, math.inf, 1.0]))
    with pytest.raises(InputError, match="more units than the 3 parameters"):
        pool(np.zeros(3), np.ones(3), n=3, n_parameters=3)
    with pytest.raises(InputError, match="2 quantities: AUC; sensitivity"):
        pooled_estimate([build_estimate(0.6, 0.1), build_estimate(0.6, 0.1, method="sensitivity")])
    with pytest.raises(InputError, match="strictly between 0 and 1, found 1 imputations"):
        pooled_share([build_estimate(1.0, 0.0), build_estimate(0.9, 0.1)])
    with pytest.raises(InputError, match="positive ratios"):
        pooled_ratio([build_estimate(0.0, 0.1), build_estimate(0.9, 0.1)])
    with pytest.raises(InputError, match="confidence level"):
        pool(np.zeros(3), np.ones(3)).limits(1.5)
