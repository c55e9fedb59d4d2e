from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.decision import DecisionCurve, net_benefit
from forescreen.statistics.logistic import logistic_regression

from .builders import EXACT, read_columns, read_reference
from .test_calibration import build_risks

REFERENCE = read_reference(Path(__file__).parents[1] / "reference" / "decision.json")["values"]
THRESHOLDS = np.array([0.0, 0.05, 0.1, 0.2, 0.4])
seeds = st.integers(0, 10_000)


def numbers(values: list[Any]) -> np.ndarray:
    return np.array([math.nan if x is None else x for x in values], dtype=float)


def above_zero(threshold: list[float]) -> np.ndarray:
    """dcurves does not select a risk of exactly 0 at a threshold of 0; we do (risk >= threshold)."""
    return np.maximum(numbers(threshold), np.finfo(float).tiny)


def assert_same_curve(ours: DecisionCurve, wanted: dict[str, Any]) -> None:
    for name, values in (
        ("net_benefit", ours.net_benefit),
        ("tp_rate", ours.true_positives),
        ("fp_rate", ours.false_positives),
        ("treat_all", ours.treat_all),
        ("avoided", ours.interventions_avoided),
    ):
        if name in wanted:
            expected = numbers(wanted[name])
            if name == "avoided":  # 0/0 at a threshold of 0
                expected, values = expected[1:], values[1:]
            assert values == pytest.approx(expected, abs=EXACT, nan_ok=True), name


def test_against_r_dcurves_binary_and_case_control(shared: Path) -> None:
    folder = shared / "data" / "statistics" / "metrics"
    table = read_columns(folder / "dcurves_df_binary.csv")
    for name in ("cancerpredmarker", "famhistory"):
        wanted = REFERENCE["binary"][name]
        ours = net_benefit(table[name].astype(float), table["cancer"] == "TRUE", numbers(wanted["threshold"]))
        assert_same_curve(ours, wanted | {"treat_all": REFERENCE["binary"]["all"]["net_benefit"]})
    table = read_columns(folder / "dcurves_df_case_control.csv")
    wanted = REFERENCE["case_control_prev20"]["cancerpredmarker"]
    ours = net_benefit(
        table["cancerpredmarker"].astype(float),
        table["casecontrol"] == "1",
        numbers(wanted["threshold"]),
        prevalence=0.2,
    )
    assert_same_curve(ours, wanted | {"treat_all": REFERENCE["case_control_prev20"]["all"]["net_benefit"]})


def test_against_r_dcurves_long_tables_with_harm_and_fitted_risks(shared: Path) -> None:
    folder = shared / "data" / "statistics" / "dca"
    table = read_columns(folder / "df_binary.csv")
    case, age = table["cancer"] == "TRUE", table["age"].astype(float)
    marker = read_columns(folder / "expected_R" / "marker_logistic_risk.csv")["marker_risk"].astype(float)
    fit = logistic_regression(age[:, None], case, names=("age",))
    by_age = special.expit(fit.linear_predictor(age[:, None]))
    for name, risk, harm in (
        ("long_binary_famhistory", table["famhistory"].astype(float), 0.0),
        ("long_binary_marker_harm", marker, 0.0333),
        ("long_binary_age", by_age, 0.0),
    ):
        wanted = REFERENCE[name]
        assert_same_curve(net_benefit(risk, case, above_zero(wanted["threshold"]), harm=harm), wanted)


def test_a_hand_computed_curve() -> None:
    # At 0.2: 3 of 5 selected, 2 cases: 2/5 − 1/5 · 0.25 = 0.35; all: 0.4 − 0.6 · 0.25 = 0.25
    risk, case = np.array([0.9, 0.3, 0.2, 0.1, 0.05]), np.array([True, False, True, False, False])
    ours = net_benefit(risk, case, np.array([0.5, 0.2, 0.0]), harm=0.01)
    assert ours.net_benefit == pytest.approx([0.2 - 0.01, 0.35 - 0.01, 0.4 - 0.01], abs=EXACT)
    assert ours.treat_all == pytest.approx([-0.2, 0.25, 0.4], abs=EXACT)
    assert ours.selected == pytest.approx([0.2, 0.6, 1.0], abs=EXACT)
    assert ours.interventions_avoided[:2] == pytest.approx([0.39, 0.09 * 4], abs=EXACT)
    assert math.isnan(ours.interventions_avoided[2])
    assert ours.standardised == pytest.approx(ours.net_benefit / 0.4, abs=EXACT)
    assert (ours.prevalence, ours.n, ours.n_events) == (0.4, 5, 2)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_weight_two_is_the_row_twice_and_order_does_not_matter(seed: int) -> None:
    risk, case = build_risks(seed)
    risk = np.round(risk, 2)  # ties, and risks at the thresholds
    weights = np.random.default_rng(seed).integers(0, 4, size=risk.size)
    order = np.random.default_rng(seed).permutation(int(weights.sum()))
    copies, cases, woman = (np.repeat(x, weights)[order] for x in (risk, case, np.arange(risk.size)))
    for prevalence in (None, 0.03):
        ours = net_benefit(risk, case, THRESHOLDS, weights=weights.astype(float), prevalence=prevalence)
        again = net_benefit(copies, cases, THRESHOLDS, cluster=woman, prevalence=prevalence)
        assert ours.net_benefit == pytest.approx(again.net_benefit, abs=EXACT)
        assert ours.lower == pytest.approx(again.lower, abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_the_sample_prevalence_given_changes_only_the_limits(seed: int) -> None:
    risk, case = build_risks(seed)
    plain = net_benefit(risk, case, THRESHOLDS)
    given_ = net_benefit(risk, case, THRESHOLDS, prevalence=float(case.mean()))
    assert given_.net_benefit == pytest.approx(plain.net_benefit, abs=EXACT)
    assert given_.treat_all == pytest.approx(plain.treat_all, abs=EXACT)
    assert plain.net_benefit[0] == pytest.approx(case.mean(), abs=EXACT)
    # at a threshold of 0 all are selected: nothing but the prevalence varies
    assert given_.upper is not None
    assert given_.upper[0] == pytest.approx(given_.net_benefit[0], abs=EXACT)


def test_wald_limits_are_those_of_a_mean_and_near_the_bootstrap() -> None:
    risk, case = build_risks(2, n=500)
    ours = net_benefit(risk, case, THRESHOLDS)
    for i, t in enumerate(THRESHOLDS):
        gain = (risk >= t) * np.where(case, 1.0, -t / (1 - t))
        margin = 1.959963984540054 * np.std(gain, ddof=1) / math.sqrt(500)
        assert ours.upper is not None
        assert ours.upper[i] - ours.net_benefit[i] == pytest.approx(margin, abs=EXACT)
    resampled = net_benefit(risk, case, THRESHOLDS, n_resamples=2000, seed=1)
    assert ours.lower is not None
    assert resampled.lower is not None
    assert resampled.upper is not None
    width = ours.upper - ours.lower
    assert np.abs(resampled.lower - ours.lower).max() < 0.1 * width.max()
    assert np.abs(resampled.upper - ours.upper).max() < 0.1 * width.max()
    again = net_benefit(risk, case, THRESHOLDS, n_resamples=2000, seed=1)
    assert np.array_equal(resampled.lower, again.lower)  # type: ignore[arg-type]
    assert "2000 resamples, seed 1" in resampled.method


def test_resamples_of_a_case_control_sample_keep_the_numbers_of_both() -> None:
    risk, case = build_risks(2, n=300)
    ours = net_benefit(risk, case, np.array([0.0]), prevalence=0.02, n_resamples=50, harm=0.001)
    assert ours.lower is not None
    assert ours.upper is not None
    assert (ours.lower[0], ours.upper[0]) == pytest.approx((0.019, 0.019), abs=EXACT)


def test_clusters_widen_the_limits_of_copied_rows_back() -> None:
    risk, case = build_risks(5)
    plain = net_benefit(risk, case, THRESHOLDS)
    woman = np.repeat(np.arange(200), 4)
    copied = net_benefit(np.repeat(risk, 4), np.repeat(case, 4), THRESHOLDS, cluster=woman)
    assert copied.lower == pytest.approx(plain.lower, abs=EXACT)
    assert copied.n == 200


def test_scores_thresholds_prevalences_and_few_cases_are_refused() -> None:
    risk, case = build_risks()
    with pytest.raises(InputError, match="A score is not a risk"):
        net_benefit(risk + 1, case, THRESHOLDS)
    for bad in (1.0, -0.1, math.nan):
        with pytest.raises(InputError, match=r"thresholds in \[0, 1\), found 1 of 2 otherwise"):
            net_benefit(risk, case, np.array([0.1, bad]))
    with pytest.raises(InputError, match=r"thresholds in \[0, 1\), found none"):
        net_benefit(risk, case, np.array([]))
    with pytest.raises(InputError, match=r"a prevalence in \(0, 1\), found 20"):
        net_benefit(risk, case, THRESHOLDS, prevalence=20.0)
    with pytest.raises(TooFewEventsError, match="net benefit, found 1"):
        net_benefit(risk, np.arange(200) == 3, THRESHOLDS)
