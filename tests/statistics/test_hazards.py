from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.association import conditional_logistic
from forescreen.statistics.hazards import CoxFit, cox_regression

from .builders import EXACT, SAME_ALGORITHM, build_matched, read_columns, read_reference

REFERENCE = Path(__file__).parents[1] / "reference" / "hazards.json"
NAMES = ("x1", "x2")
seeds = st.integers(0, 10_000)


def build_cohort(
    seed: int = 0, n: int = 80, decimals: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.random.Generator]:
    """Covariates, times with ties, codes 0, 1, 2, and the generator for more columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) * [1, 10] + [0, 50]
    time = np.round(rng.exponential(np.exp(-0.5 * X[:, 0]) * 3) + 0.1, decimals)
    return X, time, rng.choice([0, 1, 1, 2], size=n), rng


def agree(one: CoxFit, two: CoxFit, tolerance: float = SAME_ALGORITHM) -> None:
    assert one.coefficients == pytest.approx(two.coefficients, abs=tolerance)
    assert one.covariance == pytest.approx(two.covariance, abs=tolerance)
    assert one.robust_covariance == pytest.approx(two.robust_covariance, abs=tolerance)


def veteran(shared: Path) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    table = read_columns(shared / "data" / "statistics" / "survival" / "veteran.csv")
    X = np.column_stack([table[name].astype(float) for name in ("trt", "karno", "age")])
    return table, X, table["time"].astype(float), table["status"].astype(int)


def equal_to_r(ours: CoxFit, expected: dict[str, Any]) -> None:
    assert ours.coefficients == pytest.approx(expected["coefficients"], abs=EXACT)
    assert (ours.log_likelihood_null, ours.log_likelihood) == pytest.approx(expected["loglik"], abs=1e-11)
    if "covariance" in expected:
        assert ours.covariance == pytest.approx(np.array(expected["covariance"]), abs=EXACT)
        assert ours.score_statistic == pytest.approx(expected["score"], abs=1e-11)
    if "robust" in expected:
        assert ours.covariance == pytest.approx(np.array(expected["naive"]), abs=EXACT)
        assert ours.robust_covariance == pytest.approx(np.array(expected["robust"]), abs=EXACT)


def test_against_r_coxph(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]
    table, X, time, event = veteran(shared)
    names = ("trt", "karno", "age")
    row = table["rownames"].astype(int)
    weights = 1 + table["prior"].astype(float) / 10 + table["diagtime"].astype(float) / 20
    entry = np.minimum(time - 1, table["diagtime"].astype(float))
    for key, options in (
        ("veteran_efron", {}),
        ("veteran_breslow", {"ties": "breslow"}),
        ("veteran_strata", {"strata": table["celltype"]}),
        ("veteran_weighted_robust", {"weights": weights}),
        ("veteran_entry", {"entry": entry}),
    ):
        equal_to_r(cox_regression(X, time, event, names=names, **options), expected[key])
    ours = cox_regression(X, time, event, names=names, cluster=row // 4)
    assert ours.robust_covariance == pytest.approx(
        np.array(expected["veteran_clusters_of_4"]["robust"]), abs=EXACT
    )


def test_against_r_predicted_risk(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]
    _, X, time, event = veteran(shared)
    new = np.array([[1.0, 60, 50], [2, 30, 60], [1, 90, 70]])
    for ties in ("efron", "breslow"):
        fit = cox_regression(X, time, event, names=("trt", "karno", "age"), ties=ties)
        wanted = expected[f"veteran_risk_180_{ties}"]
        assert fit.risk(new, horizon=180) == pytest.approx(wanted, abs=EXACT)


def test_against_r_cause_specific_hazards(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]["mgus2_cause_specific"]
    table = read_columns(shared / "data" / "statistics" / "survival" / "mgus2.csv")
    progression = table["pstat"].astype(float) == 1
    time = np.where(progression, table["ptime"].astype(float), table["futime"].astype(float))
    event = np.where(progression, 1, 2 * table["death"].astype(int))
    X = np.column_stack([table["age"].astype(float), (table["sex"] == "M").astype(float)])
    equal_to_r(cox_regression(X, time, event, names=("age", "male")), expected)


def test_two_rows_at_risk_in_closed_form() -> None:
    # Event pairs: x = 1 fails first of two in 3 pairs (strata), x = 0 in 1: β = log 3, information 4 · 3/4 ·
    # 1/4
    time = np.tile([1.0, 2.0], 4)
    event = np.tile([1, 0], 4)
    x = np.array([1.0, 0, 1, 0, 1, 0, 0, 1])[:, None]
    fit = cox_regression(x, time, event, names=("x",), strata=np.repeat(np.arange(4), 2))
    assert fit.coefficients[0] == pytest.approx(np.log(3), abs=EXACT)
    assert fit.covariance[0, 0] == pytest.approx(4 / 3, abs=EXACT)
    assert fit.log_likelihood_null == pytest.approx(-4 * np.log(2), abs=EXACT)
    # Score test of pairs is McNemar's: (3 − 1)²/(3 + 1)
    assert fit.score_test.statistic == pytest.approx(1.0, abs=EXACT)
    ratio = fit.hazard_ratio("x")
    assert ratio.value == pytest.approx(3, abs=EXACT)
    assert (ratio.n, ratio.n_events) == (8, 4)
    assert fit.hazard_ratio("x", per=-2).value == pytest.approx(1 / 9, abs=EXACT)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_matched_sets_with_one_case_are_strata(ties: Any) -> None:
    data = build_matched(n_sets=40, controls=(1, 2, 4))
    ours = cox_regression(
        data.X, np.ones(data.case.size), data.case.astype(int), names=NAMES, strata=data.sets, ties=ties
    )
    exact = conditional_logistic(data.X, data.case, sets=data.sets, names=NAMES)
    assert ours.coefficients == pytest.approx(exact.coefficients, abs=EXACT)
    assert ours.covariance == pytest.approx(exact.covariance, abs=EXACT)
    assert ours.log_likelihood == pytest.approx(exact.log_likelihood, abs=SAME_ALGORITHM)
    assert ours.score_test.statistic == pytest.approx(exact.score_test.statistic, abs=SAME_ALGORITHM)
    by_set = cox_regression(
        data.X,
        np.ones(data.case.size),
        data.case.astype(int),
        names=NAMES,
        strata=data.sets,
        cluster=data.sets,
    )
    assert by_set.robust_covariance == pytest.approx(exact.robust_covariance, abs=EXACT)


def test_the_score_test_of_two_groups_is_the_log_rank_test() -> None:
    # Without ties: (O − E)²/V of the hypergeometric at each event
    rng = np.random.default_rng(4)
    time, group, event = rng.permutation(40) + 1.0, rng.integers(0, 2, size=40), rng.integers(0, 2, size=40)
    observed = expected = variance = 0.0
    for t in time[event == 1]:
        share = group[time >= t].mean()
        observed += float(group[time == t][0])
        expected += share
        variance += share * (1 - share)
    fit = cox_regression(group[:, None].astype(float), time, event, names=("group",))
    assert fit.score_test.statistic == pytest.approx((observed - expected) ** 2 / variance, abs=EXACT)


@settings(max_examples=15, deadline=None)
@given(seed=seeds, ties=st.sampled_from(["efron", "breslow"]))
def test_row_order_units_and_labels_change_nothing(seed: int, ties: Any) -> None:
    X, time, event, rng = build_cohort(seed)
    strata = rng.choice(["a", "b"], size=80)
    ours = cox_regression(X, time, event, names=NAMES, strata=strata, ties=ties)
    order = rng.permutation(80)
    moved = cox_regression(
        X[order],
        365.25 * time[order],
        event[order],
        names=NAMES,
        strata=(strata == "b")[order].astype(int),
        ties=ties,
    )
    agree(ours, moved)
    scaled = cox_regression(X * [1000, 0.01] - 7, time, event, names=NAMES, strata=strata, ties=ties)
    assert scaled.coefficients * [1000, 0.01] == pytest.approx(ours.coefficients, abs=SAME_ALGORITHM)
    assert scaled.log_likelihood == pytest.approx(ours.log_likelihood, abs=SAME_ALGORITHM)


@settings(max_examples=10, deadline=None)
@given(seed=seeds, spread=st.sampled_from([1.0, 30.0]))
def test_levels_that_differ_between_strata_cost_no_digits(seed: int, spread: float) -> None:
    # Strata by birth year with age as a covariate: hazards far apart, and only differences within count.
    rng = np.random.default_rng(seed)
    strata = np.repeat(np.arange(20), 6)
    X, time = rng.normal(size=(120, 2)), np.round(rng.exponential(size=120) + 0.1, 1)
    event = rng.choice([0, 1, 1], size=120)
    ours = cox_regression(X, time, event, names=NAMES, strata=strata)
    apart = X + [[spread, 0]] * (strata[:, None] - 10)
    fit = cox_regression(apart, time, event, names=NAMES, strata=strata)
    agree(ours, fit)
    assert fit.log_likelihood == pytest.approx(ours.log_likelihood, abs=SAME_ALGORITHM)
    # Risks are those of the same women.
    for label, code in (("3", 3), ("12", 12)):
        risks = [f.risk(x[strata == code], horizon=1.0, stratum=label) for f, x in ((ours, X), (fit, apart))]
        assert risks[0] == pytest.approx(risks[1], abs=SAME_ALGORITHM)


def test_a_baseline_that_is_no_number_gives_no_risk() -> None:
    X, time, event, _ = build_cohort(1, n=120)
    strata = np.repeat(np.arange(20), 6)
    apart = X + [[2e4, 0]] * (strata[:, None] - 10)
    fit = cox_regression(apart, time, event, names=NAMES, strata=strata)
    agree(fit, cox_regression(X, time, event, names=NAMES, strata=strata), 1e-8)
    with pytest.raises(InputError, match="hazards that are numbers, found 6 of 6 rows"):
        fit.risk(apart[strata == 1], horizon=2.0, stratum="1")


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_weight_two_is_the_row_twice_for_breslow(seed: int) -> None:
    X, time, event, rng = build_cohort(seed)
    weights = rng.integers(1, 4, size=80)
    ours = cox_regression(X, time, event, names=NAMES, weights=weights.astype(float), ties="breslow")
    again = [np.repeat(column, weights, axis=0) for column in (X, time, event, np.arange(80))]
    repeated = cox_regression(again[0], again[1], again[2], names=NAMES, cluster=again[3], ties="breslow")
    agree(ours, repeated)
    assert (ours.robust, repeated.robust, ours.n_units, repeated.n_units) == (True, True, 80, 80)
    new = X[:5]
    assert ours.risk(new, horizon=2.0) == pytest.approx(repeated.risk(new, horizon=2.0), abs=SAME_ALGORITHM)


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_follow_up_cut_into_pieces_is_the_same_follow_up(seed: int) -> None:
    X, time, event, rng = build_cohort(seed)
    ours = cox_regression(X, time, event, names=NAMES, cluster=np.arange(80))
    cut = np.round(time * rng.uniform(0.2, 0.8, size=80), 2)
    pieces = cox_regression(
        np.vstack([X, X]),
        np.concatenate([cut, time]),
        np.concatenate([np.zeros(80, dtype=np.int64), event]),
        names=NAMES,
        entry=np.concatenate([np.full(80, -1.0), cut]),
        cluster=np.tile(np.arange(80), 2),
    )
    agree(ours, pieces)


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_what_happens_after_the_last_event_changes_nothing(seed: int) -> None:
    X, time, event, _ = build_cohort(seed)
    last = time[event == 1].max()
    ours = cox_regression(X, time, event, names=NAMES)
    longer = cox_regression(X, np.where(time > last, 99.0, time), event, names=NAMES)
    agree(ours, longer, EXACT)


def test_competing_events_count_as_censored() -> None:
    X, time, event, _ = build_cohort(1)
    agree(
        cox_regression(X, time, event, names=NAMES),
        cox_regression(X, time, np.where(event == 1, 1, 0), names=NAMES),
        EXACT,
    )


def test_risk_follows_the_baseline_of_its_stratum() -> None:
    X, time, event, rng = build_cohort(2)
    strata = rng.choice(["north", "south"], size=80)
    fit = cox_regression(X, time, event, names=NAMES, strata=strata, ties="breslow")
    assert fit.strata == ("north", "south")
    for label in fit.strata:
        # Events by then against the risks by the cumulative hazards at the own end of follow-up: the
        # martingale residuals of a stratum sum to 0.
        own = strata == label
        hazard = fit.baseline_of(label).at(time[own]) * np.exp(fit.linear_predictor(X[own]))
        assert float(hazard.sum()) == pytest.approx(np.count_nonzero(event[own] == 1), abs=SAME_ALGORITHM)
        risk = fit.risk(X[own], horizon=1.5, stratum=label)
        expected = 1 - np.exp(-fit.baseline_of(label).at(1.5) * np.exp(fit.linear_predictor(X[own])))
        assert risk == pytest.approx(expected, abs=EXACT)
    with pytest.raises(InputError, match="one of the strata north, south"):
        fit.risk(X, horizon=1.0)
    with pytest.raises(InputError, match="found west"):
        fit.risk(X, horizon=1.0, stratum="west")


def test_risks_beyond_the_follow_up_are_refused() -> None:
    X, time, event, _ = build_cohort()
    fit = cox_regression(X, time, event, names=NAMES)
    for horizon in (time.max() + 1, 0.0, float("nan")):
        with pytest.raises(InputError, match="the follow-up of the fit"):
            fit.risk(X, horizon=horizon)
    assert np.all(fit.risk(X, horizon=0.05) == 0)


def test_intervals_use_the_sandwich_where_rows_are_weighted_or_clustered() -> None:
    X, time, event, _ = build_cohort()
    plain = cox_regression(X, time, event, names=NAMES)
    clustered = cox_regression(X, time, event, names=NAMES, cluster=np.arange(80) // 2)
    weighted = cox_regression(X, time, event, names=NAMES, weights=np.full(80, 3.0))
    assert plain.hazard_ratio("x1").standard_error == plain.standard_errors[0]
    assert clustered.hazard_ratio("x1").standard_error == clustered.robust_standard_errors[0]
    assert clustered.hazard_ratio("x1").n == 40
    assert "robust" in clustered.hazard_ratio("x1").method
    # Equal weights change the information, not the sandwich.
    assert weighted.robust_covariance == pytest.approx(plain.robust_covariance, abs=EXACT)
    assert plain.wald_test.statistic == pytest.approx(
        float(plain.coefficients @ np.linalg.solve(plain.covariance, plain.coefficients)), abs=EXACT
    )
    assert plain.lr_test.statistic == pytest.approx(
        2 * (plain.log_likelihood - plain.log_likelihood_null), abs=EXACT
    )
    for test in ("lr_test", "score_test"):
        with pytest.raises(InputError, match=r"a pseudo-likelihood .*weighted"):
            getattr(weighted, test)


def test_an_unknown_name_or_another_number_of_columns_is_an_error() -> None:
    X, time, event, _ = build_cohort()
    fit = cox_regression(X, time, event, names=NAMES)
    with pytest.raises(InputError, match="one of x1, x2, found x3"):
        fit.hazard_ratio("x3")
    with pytest.raises(InputError, match="2 columns"):
        fit.linear_predictor(X[:, :1])
    with pytest.raises(InputError, match="one name per column, found X of shape"):
        cox_regression(X, time, event, names=("x1",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.array([[np.nan], [1.0], [2], [3]])}, "finite covariates in every row, found 1 of 4"),
        ({"X": np.ones((4, 1))}, "x constant at every event"),
        ({"time": np.array([1.0, np.inf, 3, 4])}, "1 of 4 rows missing, infinite"),
        ({"event": np.array([1, 1, -1, 0])}, "event codes 0"),
        ({"entry": np.array([0.0, 2, 0, 0])}, "entry before the end of follow-up in every row, found 1 of 4"),
        ({"entry": np.array([0.0, np.nan, 0, 0])}, "a finite entry"),
        ({"weights": np.array([1.0, -1, 1, 1])}, "finite positive sampling weights"),
    ],
)
def test_bad_input_is_a_clear_error(change: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {
        "X": np.array([[0.5], [2.0], [1.0], [1.5]]),
        "time": np.array([1.0, 2, 3, 4]),
        "event": np.array([1, 1, 1, 0]),
        "names": ("x",),
    } | change
    with pytest.raises(InputError, match=message):
        cox_regression(options.pop("X"), options.pop("time"), options.pop("event"), **options)


def test_too_few_events_say_how_many_are_needed() -> None:
    X, time, _, _ = build_cohort(n=20)
    event = (np.arange(20) < 1).astype(int)
    with pytest.raises(TooFewEventsError, match="at least 2 events for a proportional hazards") as caught:
        cox_regression(X, time, event, names=NAMES)
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)
    wide = np.random.default_rng(0).normal(size=(20, 5))
    with pytest.raises(TooFewEventsError) as caught:
        cox_regression(wide, time, (np.arange(20) < 4).astype(int), names=tuple("abcde"))
    assert (caught.value.n_found, caught.value.n_needed) == (4, 5)
