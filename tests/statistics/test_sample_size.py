from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from forescreen.errors import InputError
from forescreen.statistics.binormal import set_concordance_variance, sets_needed
from forescreen.statistics.proportions import wilson_interval
from forescreen.statistics.sample_size import (
    cancers_for_auc,
    cancers_for_capture,
    cancers_for_observed_over_expected,
    concordance_standard_error,
    cox_snell_r2,
    hanley_mcneil_standard_error,
    odds_ratio_information,
    power_to_tell_case_types_apart,
    sets_for_concordance_difference,
    sets_for_odds_ratio,
    women_to_develop,
    women_to_develop_survival,
    women_to_validate,
)

from .builders import EXACT, read_reference

REFERENCE = read_reference(Path(__file__).parents[1] / "reference" / "sample_size.json")["values"]

#: A simulation of a million women carries about this relative error.
SIMULATED = 5e-3


def test_against_r_pmsampsize_for_a_logistic_model() -> None:
    given_ = REFERENCE["development_binary"]
    ours = women_to_develop(
        given_["r2"], n_parameters=given_["n_parameters"], prevalence=given_["prevalence"]
    )
    assert [ours.n_shrinkage, ours.n_optimism, ours.n_mean_risk] == given_["n"]
    assert ours.n == max(given_["n"])
    assert ours.events_per_parameter == pytest.approx(given_["epp"], abs=5e-3)
    assert ours.n_events == pytest.approx(662 * 0.174, abs=EXACT)


def test_against_r_pmsampsize_for_a_reported_concordance() -> None:
    # R simulates R² from the concordance (0.1663, with a standard deviation near 0.0005 at a million women)
    given_ = REFERENCE["development_concordance"]
    ours = women_to_develop(
        given_["r2_simulated"], n_parameters=given_["n_parameters"], prevalence=given_["prevalence"]
    )
    assert [ours.n_shrinkage, ours.n_optimism, ours.n_mean_risk] == given_["n"]
    exact = cox_snell_r2(given_["concordance"], given_["prevalence"])
    assert exact == pytest.approx(given_["r2_simulated"], rel=SIMULATED)


def test_against_r_pmsampsize_for_a_survival_model() -> None:
    given_ = REFERENCE["development_survival"]
    ours = women_to_develop_survival(
        given_["r2"],
        n_parameters=given_["n_parameters"],
        rate=given_["rate"],
        mean_follow_up=given_["mean_follow_up"],
        horizon=given_["horizon"],
    )
    assert ours.n == ours.n_shrinkage == given_["n"]
    assert ours.events_per_parameter == pytest.approx(given_["epp"], abs=5e-3)
    assert ours.n_optimism < ours.n
    # The smallest n whose upper limit of the risk is within 0.05
    for n, within in ((ours.n_mean_risk, True), (ours.n_mean_risk - 1, False)):
        upper = 0.065 + 1.96 * math.sqrt(0.065 / (2.07 * n))
        assert (math.exp(-0.13) - math.exp(-2 * upper) <= 0.05) is within


def test_against_r_pmvalsampsize() -> None:
    # Simulated there, integrated here
    given_ = REFERENCE["validation"]
    ours = women_to_validate(
        prevalence=given_["prevalence"],
        concordance=given_["concordance"],
        linear_predictor_mean=given_["mean"],
        linear_predictor_sd=given_["sd"],
        ratio_width=given_["ratio_width"],
    )
    assert ours.n == ours.n_calibration_slope
    assert ours.n == pytest.approx(given_["n_simulated"], rel=SIMULATED)
    assert ours.n_events == pytest.approx(ours.n * 0.018, abs=EXACT)
    # 2 sinh(1.96 se) = 1 and n = (1 − φ)/(φ se²)
    se = math.asinh(0.5) / 1.959963984540054
    assert ours.n_observed_over_expected == math.ceil(0.982 / (0.018 * se**2))
    target = 0.1 / 3.92
    assert concordance_standard_error(0.8, ours.n_concordance, prevalence=0.018) <= target
    assert concordance_standard_error(0.8, ours.n_concordance - 1, prevalence=0.018) > target


@pytest.mark.parametrize("row", REFERENCE["hanley_mcneil"])
def test_hanley_mcneil_standard_errors_of_the_reference(row) -> None:  # type: ignore[no-untyped-def]
    ours = hanley_mcneil_standard_error(row["area"], n_cases=row["n_cases"], n_controls=row["n_controls"])
    assert ours == pytest.approx(row["se"], abs=5e-5)


def test_sets_for_a_matched_concordance_are_those_of_the_reference() -> None:
    row = REFERENCE["matched_concordance"]
    assert sets_needed(row["concordance"], row["controls"], half_width=row["half_width"]) == row["sets"]


@settings(max_examples=15, deadline=None)
@given(concordance=st.floats(0.55, 0.9), prevalence=st.floats(0.005, 0.5))
def test_cox_snell_r2_is_that_of_a_large_sample_of_quantiles(concordance: float, prevalence: float) -> None:
    # −2 log likelihood of the true model over that of the mean, on a grid of normal quantiles
    shift = math.sqrt(2) * special.ndtri(concordance)
    u = special.ndtri((np.arange(200_000) + 0.5) / 200_000)
    intercept = special.logit(prevalence) - shift**2 / 2
    fitted = prevalence * np.mean(special.log_expit(intercept + shift * (u + shift)))
    fitted += (1 - prevalence) * np.mean(special.log_expit(-intercept - shift * u))
    null = prevalence * math.log(prevalence) + (1 - prevalence) * math.log1p(-prevalence)
    ours = cox_snell_r2(concordance, prevalence)
    assert ours == pytest.approx(1 - math.exp(-2 * (fitted - null)), rel=1e-3, abs=1e-6)
    # The roles of cases and controls may be exchanged.
    assert ours == pytest.approx(cox_snell_r2(concordance, 1 - prevalence), rel=1e-9)


@pytest.mark.parametrize("controls", [1, 2, 4, 10])
def test_information_of_a_set_without_effect_is_m_over_m_plus_one(controls: int) -> None:
    assert odds_ratio_information(1.0, controls) == pytest.approx(controls / (controls + 1), abs=1e-11)


@pytest.mark.parametrize("ratio", [1.3, 2.0, 4.0])
def test_information_of_a_pair_is_the_integral_over_its_difference(ratio: float) -> None:
    # d = x_case − x_control ~ N(β, 2) and the information of a logistic model without intercept is d² p(1−p)
    beta = math.log(ratio)
    d = np.linspace(beta - 16, beta + 16, 20_001)
    mass = np.exp(-((d - beta) ** 2) / 4) / math.sqrt(4 * math.pi)
    expected = float(np.sum(mass * d**2 * special.expit(beta * d) * special.expit(-beta * d)) * (d[1] - d[0]))
    assert odds_ratio_information(ratio, 1) == pytest.approx(expected, abs=1e-10)
    # The direction of the score does not matter.
    assert odds_ratio_information(1 / ratio, 3) == pytest.approx(odds_ratio_information(ratio, 3), abs=1e-10)


def test_information_of_larger_sets_agrees_with_simulated_sets() -> None:
    rng = np.random.default_rng(1)
    beta = math.log(2)
    X = rng.normal(size=(200_000, 4))
    X[:, 0] += beta
    share = np.exp(beta * X)
    share /= share.sum(axis=1, keepdims=True)
    variance = (share * X**2).sum(axis=1) - (share * X).sum(axis=1) ** 2
    error = 4 * variance.std() / math.sqrt(variance.size)
    assert odds_ratio_information(2.0, 3) == pytest.approx(variance.mean(), abs=error)


def test_sets_for_an_odds_ratio_follow_the_information() -> None:
    z = 1.959963984540054 + 0.8416212335729143
    expected = (z / math.log(1.5)) ** 2 / odds_ratio_information(1.5, 2)
    assert sets_for_odds_ratio(1.5, 2) == math.ceil(expected)
    assert sets_for_odds_ratio(1 / 1.5, 2) == sets_for_odds_ratio(1.5, 2)
    assert sets_for_odds_ratio(1.5, 4) < sets_for_odds_ratio(1.5, 1)
    assert sets_for_odds_ratio(1.5, 1, power=0.9) > sets_for_odds_ratio(1.5, 1)


def test_power_to_tell_case_types_apart_is_the_level_without_a_difference() -> None:
    same = power_to_tell_case_types_apart(1.4, 1.4, 1, n_sets_a=300, n_sets_b=100)
    assert same == pytest.approx(0.05, abs=EXACT)
    few = power_to_tell_case_types_apart(1.25, 1.48, 1, n_sets_a=500, n_sets_b=100)
    many = power_to_tell_case_types_apart(1.25, 1.48, 1, n_sets_a=5000, n_sets_b=1000)
    assert 0.05 < few < many < 1
    mirrored = power_to_tell_case_types_apart(1.48, 1.25, 1, n_sets_a=100, n_sets_b=500)
    assert mirrored == pytest.approx(few, abs=EXACT)


def test_sets_for_a_difference_of_concordances_by_hand() -> None:
    v = [set_concordance_variance(c, 2) for c in (0.70, 0.65)]
    z = 1.959963984540054 + 0.8416212335729143
    expected = (sum(v) - math.sqrt(v[0] * v[1])) * (z / 0.05) ** 2
    assert sets_for_concordance_difference(0.70, 0.65, 2, correlation=0.5) == math.ceil(expected)
    assert sets_for_concordance_difference(0.65, 0.70, 2, correlation=0.8) < math.ceil(expected)


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0.05, 0.95), half_width=st.floats(0.01, 0.2))
def test_cancers_for_a_capture_are_the_fewest_that_do(share: float, half_width: float) -> None:
    n = cancers_for_capture(share, half_width=half_width)
    for cancers, enough in ((n, True), (n - 1, False)):
        if cancers:
            limits = wilson_interval(share * cancers, cancers)
            assert (limits.upper - limits.lower <= 2 * half_width) is enough


@settings(max_examples=20, deadline=None)
@given(area=st.floats(0.55, 0.9), half_width=st.floats(0.01, 0.1), ratio=st.integers(1, 20))
def test_cancers_for_an_auc_are_the_fewest_that_do(area: float, half_width: float, ratio: int) -> None:
    n = cancers_for_auc(area, half_width=half_width, controls_per_case=ratio)
    for cancers, enough in ((n, True), (n - 1, False)):
        if cancers:
            se = hanley_mcneil_standard_error(area, n_cases=cancers, n_controls=cancers * ratio)
            assert (1.959963984540054 * se <= half_width) is enough


def test_cancers_for_observed_over_expected_give_the_width() -> None:
    n = cancers_for_observed_over_expected(0.2)
    margin = 1.959963984540054 / math.sqrt(n)
    assert math.exp(margin) - math.exp(-margin) == pytest.approx(0.2, abs=EXACT)
    assert n == pytest.approx((2 * 1.959963984540054 / 0.2) ** 2, rel=0.01)  # sinh x near x


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(InputError, match=r"Cox-Snell R² between 0 and 0\.6"):
        women_to_develop(0.7, n_parameters=10, prevalence=0.174)
    with pytest.raises(InputError, match="a count of at least 1"):
        women_to_develop(0.1, n_parameters=0, prevalence=0.174)
    with pytest.raises(InputError, match="prevalence"):
        women_to_develop(0.1, n_parameters=3, prevalence=1.0)
    with pytest.raises(InputError, match="horizon"):
        women_to_develop_survival(0.1, n_parameters=3, rate=0.1, mean_follow_up=2, horizon=0)
    with pytest.raises(InputError, match=r"concordance: expected a number in \(0\.5, 1\)"):
        cox_snell_r2(0.5, 0.1)
    with pytest.raises(InputError, match="other than 1"):
        sets_for_odds_ratio(1.0, 2)
    with pytest.raises(InputError, match="other than 1"):
        sets_for_odds_ratio(-2.0, 2)
    with pytest.raises(InputError, match="two different concordances"):
        sets_for_concordance_difference(0.7, 0.7, 2, correlation=0.0)
    with pytest.raises(InputError, match="half_width"):
        cancers_for_capture(0.3, half_width=0.5)
    with pytest.raises(InputError, match="n_cases"):
        hanley_mcneil_standard_error(0.7, n_cases=0, n_controls=10)
    with pytest.raises(InputError, match="a sample below"):
        cancers_for_capture(0.3, half_width=1e-7)
