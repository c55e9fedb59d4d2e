from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.calibration import calibration_groups
from forescreen.statistics.calibration_curve import calibration_curve
from forescreen.statistics.calibration_line import calibration_line
from forescreen.statistics.proportions import exact_binomial_interval
from forescreen.statistics.survival import aalen_johansen
from forescreen.statistics.survival_calibration import (
    outcome_by_horizon,
    survival_calibration_curve,
    survival_calibration_groups,
    survival_calibration_line,
    survival_observed_expected,
)

from .builders import EXACT

seeds = st.integers(0, 10_000)
HORIZON = 5.0


def build_follow_up(
    seed: int = 0, n: int = 400, *, censored: bool = True, competing: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Risks of event 1 by 5 years that are right, times and event codes; exponential times of two causes."""
    rng = np.random.default_rng(seed)
    rate, other = 0.08 * np.exp(rng.normal(0, 0.8, size=n)), 0.03 if competing else 0.0
    whole = rate + other
    time = rng.exponential(1 / whole)
    event = np.where(rng.random(n) < rate / whole, 1, 2)
    risk = rate / whole * -np.expm1(-whole * HORIZON)
    if censored:
        end = rng.uniform(1, 12, size=n)
        time, event = np.minimum(time, end), np.where(time <= end, event, 0)
    else:
        time, event = np.minimum(time, 20.0), np.where(time <= 20.0, event, 0)
    return risk, time, event


@settings(max_examples=6, deadline=None)
@given(seed=seeds)
def test_without_censoring_by_the_horizon_it_is_the_calibration_of_case_marks(seed: int) -> None:
    risk, time, event = build_follow_up(seed, censored=False)
    case = (event == 1) & (time <= HORIZON)
    known = outcome_by_horizon(time, event, horizon=HORIZON)
    assert np.array_equal(known.case, case)
    assert known.weights == pytest.approx(np.ones(400), abs=EXACT)
    ours = survival_observed_expected(risk, time, event, horizon=HORIZON)
    assert ours.value == pytest.approx(case.sum() / risk.sum(), abs=EXACT)
    share = case.mean()
    assert ours.standard_error == pytest.approx(math.sqrt(share * (1 - share) / 400) / risk.mean(), abs=EXACT)
    groups = survival_calibration_groups(risk, time, event, horizon=HORIZON, n_groups=4)
    plain = calibration_groups(risk, case, n_groups=4)
    assert [g.observed.value for g in groups] == pytest.approx([g.observed.value for g in plain], abs=EXACT)
    assert [g.expected for g in groups] == pytest.approx([g.expected for g in plain], abs=EXACT)
    curve = survival_calibration_curve(risk, time, event, horizon=HORIZON)
    assert curve.ici.value == pytest.approx(calibration_curve(risk, case).ici.value, abs=EXACT)
    line = survival_calibration_line(risk, time, event, horizon=HORIZON)
    assert line.slope.value == pytest.approx(calibration_line(risk, case).slope.value, abs=1e-9)


@settings(max_examples=8, deadline=None)
@given(seed=seeds)
def test_what_happens_after_the_horizon_changes_nothing(seed: int) -> None:
    risk, time, event = build_follow_up(seed)
    later = np.where(time > HORIZON, HORIZON + 0.5, time)
    unseen = np.where(time > HORIZON, 0, event)
    ours = survival_observed_expected(risk, time, event, horizon=HORIZON)
    again = survival_observed_expected(risk, later, unseen, horizon=HORIZON)
    assert (ours.value, ours.lower) == pytest.approx((again.value, again.lower), abs=EXACT)
    one, other = (
        survival_calibration_curve(risk, t, e, horizon=HORIZON) for t, e in ((time, event), (later, unseen))
    )
    assert one.ici.value == pytest.approx(other.ici.value, abs=EXACT)


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_weight_two_is_the_row_twice_and_order_does_not_matter(seed: int) -> None:
    risk, time, event = build_follow_up(seed, n=200)
    weights = np.random.default_rng(seed).integers(1, 4, size=200)
    weighted = survival_observed_expected(risk, time, event, horizon=HORIZON, weights=weights.astype(float))
    order = np.random.default_rng(seed).permutation(int(weights.sum()))
    copies = [np.repeat(x, weights)[order] for x in (risk, time, event, np.arange(200))]
    again = survival_observed_expected(*copies[:3], horizon=HORIZON, cluster=copies[3])
    assert (weighted.value, weighted.lower) == pytest.approx((again.value, again.lower), abs=1e-9)
    assert weighted.n == again.n == 200


def test_observed_is_the_cumulative_incidence_not_its_kaplan_meier() -> None:
    risk, time, event = build_follow_up(3)
    ours = survival_observed_expected(risk, time, event, horizon=HORIZON)
    incidence = aalen_johansen(time, event).at(1, HORIZON)
    assert ours.value == pytest.approx(incidence.value / risk.mean(), abs=EXACT)
    wrong = aalen_johansen(time, np.where(event == 2, 0, event)).at(1, HORIZON)
    assert wrong.value / risk.mean() > 1.03 * ours.value
    assert ours.n_events == int(np.count_nonzero((event == 1) & (time <= HORIZON)))


def test_right_risks_are_found_right_under_censoring_and_competing_events() -> None:
    # 100 samples: nominal 95 %, binomial standard error 2.2 %; ignoring the censoring O/E is 12 % low
    covered, ratios, naive = 0, [], []
    for seed in range(100):
        risk, time, event = build_follow_up(seed)
        ours = survival_observed_expected(risk, time, event, horizon=HORIZON)
        covered += ours.lower < 1 < ours.upper
        ratios.append(ours.value)
        naive.append(np.count_nonzero((event == 1) & (time <= HORIZON)) / risk.sum())
    assert 0.88 <= covered / 100 <= 0.99
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)
    assert np.mean(naive) < 0.92


def test_slope_and_curve_of_right_risks_stay_near_the_diagonal() -> None:
    risk, time, event = build_follow_up(1, n=6000)
    line = survival_calibration_line(risk, time, event, horizon=HORIZON, cluster=np.arange(6000))
    assert line.slope.lower < 1 < line.slope.upper
    assert line.in_the_large.lower < 0 < line.in_the_large.upper
    curve = survival_calibration_curve(risk, time, event, horizon=HORIZON)
    assert curve.ici.value < 0.02
    half = survival_calibration_curve(risk / 2, time, event, horizon=HORIZON)
    assert half.ici.value == pytest.approx(risk.mean() / 2, rel=0.1)


def test_a_group_without_the_event_has_the_limit_of_those_followed() -> None:
    risk, time, event = build_follow_up(2, n=200)
    low = np.argsort(risk)[:50]
    event[low] = np.where(event[low] == 1, 2, event[low])
    group = survival_calibration_groups(risk, time, event, horizon=HORIZON, n_groups=4)[0]
    followed = int(np.count_nonzero(time[low] >= HORIZON))
    assert (group.observed.value, group.observed_expected) == (0.0, None)
    assert group.observed.upper == pytest.approx(exact_binomial_interval(0, followed).upper, abs=EXACT)


def test_scores_horizons_and_few_events_are_refused() -> None:
    risk, time, event = build_follow_up()
    with pytest.raises(InputError, match="A score is not a risk"):
        survival_observed_expected(risk * 20, time, event, horizon=HORIZON)
    for function in (survival_observed_expected, survival_calibration_groups, survival_calibration_curve):
        with pytest.raises(InputError, match="a horizon within the follow-up"):
            function(risk, time, event, horizon=100.0)
    with pytest.raises(InputError, match="a finite time >= 0"):
        survival_observed_expected(risk, -time, event, horizon=HORIZON)
    with pytest.raises(InputError, match="some risk above 0"):
        survival_observed_expected(np.zeros(400), time, event, horizon=HORIZON)
    rare = np.where(np.arange(400) == np.argmin(np.where(event == 1, time, 99.0)), event, 0)
    with pytest.raises(TooFewEventsError, match="by a horizon, found 1"):
        survival_observed_expected(risk, time, rare, horizon=HORIZON)
