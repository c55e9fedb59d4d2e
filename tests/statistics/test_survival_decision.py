from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.decision import net_benefit
from forescreen.statistics.survival import aalen_johansen
from forescreen.statistics.survival_calibration import outcome_by_horizon
from forescreen.statistics.survival_decision import survival_net_benefit

from .builders import EXACT, SAME_ALGORITHM, read_columns
from .test_decision import REFERENCE, above_zero, assert_same_curve, numbers
from .test_survival_calibration import HORIZON, build_follow_up

THRESHOLDS = np.array([0.1, 0.3, 0.0, 0.5])
seeds = st.integers(0, 10_000)


def test_against_r_dcurves_survival(shared: Path) -> None:
    folder = shared / "data" / "statistics"
    table = read_columns(folder / "metrics" / "dcurves_df_surv.csv")
    time, event = table["ttcancer"].astype(float), (table["cancer"] == "TRUE").astype(int)
    marker = table["cancerpredmarker"].astype(float)
    wanted = REFERENCE["surv_time1"]["cancerpredmarker"]
    ours = survival_net_benefit(marker, time, event, numbers(wanted["threshold"]), horizon=1)
    assert_same_curve(ours, wanted | {"treat_all": REFERENCE["surv_time1"]["all"]["net_benefit"]})
    cox = read_columns(folder / "dca" / "expected_R" / "coxph_age_famhistory_marker_risk_at_1.5.csv")
    for name, risk, horizon, n_unknown in (
        ("long_survival_cancerpredmarker", marker, 1.0, 26),
        ("long_survival_famhistory", table["famhistory"].astype(float), 1.5, 0),
        ("long_survival_cox", cox["pr_failure18"].astype(float), 1.5, 0),
    ):
        wanted = REFERENCE[name]
        ours = survival_net_benefit(risk, time, event, above_zero(wanted["threshold"]), horizon=horizon)
        assert_same_curve(ours, wanted)
        # where none of the selected is followed to the horizon dcurves has no value, and we have none
        assert np.count_nonzero(np.isnan(ours.net_benefit)) == n_unknown


def test_true_positives_are_the_selected_share_times_their_cumulative_incidence() -> None:
    risk, time, event = build_follow_up(1)
    ours = survival_net_benefit(risk, time, event, THRESHOLDS, horizon=HORIZON)
    for i, t in enumerate(THRESHOLDS):
        chosen = risk >= t
        incidence = aalen_johansen(time[chosen], event[chosen]).at(1, HORIZON).value
        assert ours.selected[i] == pytest.approx(chosen.mean(), abs=EXACT)
        assert ours.true_positives[i] == pytest.approx(chosen.mean() * incidence, abs=EXACT)
    assert ours.prevalence == pytest.approx(aalen_johansen(time, event).at(1, HORIZON).value, abs=EXACT)
    assert ours.net_benefit[2] == pytest.approx(ours.prevalence, abs=EXACT)
    assert ours.lower is None


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_without_censoring_it_is_the_net_benefit_of_case_marks(seed: int) -> None:
    risk, time, event = build_follow_up(seed, censored=False)
    ours = survival_net_benefit(risk, time, event, THRESHOLDS, horizon=HORIZON, harm=0.02)
    plain = net_benefit(risk, (event == 1) & (time <= HORIZON), THRESHOLDS, harm=0.02)
    assert ours.net_benefit == pytest.approx(plain.net_benefit, abs=EXACT)
    assert ours.treat_all == pytest.approx(plain.treat_all, abs=EXACT)


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_weights_order_and_times_after_the_horizon(seed: int) -> None:
    risk, time, event = build_follow_up(seed, n=200)
    risk, time = np.round(risk, 1), np.ceil(time * 2) / 2  # ties of risks and of times
    weights = np.random.default_rng(seed).integers(1, 4, size=200)
    ours = survival_net_benefit(risk, time, event, THRESHOLDS, horizon=HORIZON, weights=weights.astype(float))
    order = np.random.default_rng(seed).permutation(int(weights.sum()))
    later = np.where(time > HORIZON, 30.0, time)
    copies = [np.repeat(x, weights)[order] for x in (risk, later, event)]
    again = survival_net_benefit(*copies, THRESHOLDS, horizon=HORIZON)
    assert ours.net_benefit == pytest.approx(again.net_benefit, abs=SAME_ALGORITHM, nan_ok=True)


def test_inverse_probability_weights_are_nearly_the_same() -> None:
    risk, time, event = build_follow_up(4, n=5000)
    ours = survival_net_benefit(risk, time, event, THRESHOLDS, horizon=HORIZON)
    known = outcome_by_horizon(time, event, horizon=HORIZON)
    weighted = net_benefit(risk, known.case, THRESHOLDS, weights=known.weights)
    assert ours.net_benefit == pytest.approx(weighted.net_benefit, abs=2e-3)


def test_resampled_limits_hold_the_value_and_women_are_drawn_whole() -> None:
    risk, time, event = build_follow_up(5, n=300)
    kept = THRESHOLDS[:3]
    ours = survival_net_benefit(risk, time, event, kept, horizon=HORIZON, n_resamples=200, seed=2)
    assert ours.lower is not None
    assert ours.upper is not None
    assert np.all((ours.lower < ours.net_benefit) & (ours.net_benefit < ours.upper))
    copied = survival_net_benefit(
        *(np.repeat(x, 5) for x in (risk, time, event)),
        kept,
        horizon=HORIZON,
        cluster=np.repeat(np.arange(300), 5),
        n_resamples=200,
        seed=2,
    )
    assert copied.upper == pytest.approx(ours.upper, abs=EXACT)
    assert copied.n == 300


def test_nobody_selected_gains_nothing_and_unfollowed_ones_are_unknown() -> None:
    risk, time, event = build_follow_up(6, n=100)
    top = int(np.argmax(risk))
    time[top], event[top] = 0.5, 0
    second = float(np.sort(risk)[-2])
    ours = survival_net_benefit(
        risk, time, event, np.array([0.99, (second + risk[top]) / 2]), horizon=HORIZON, n_resamples=40
    )
    assert ours.net_benefit[0] == 0.0
    assert math.isnan(ours.net_benefit[1])
    assert ours.lower is not None
    assert math.isnan(ours.lower[1])


def test_scores_thresholds_horizons_and_few_events_are_refused() -> None:
    risk, time, event = build_follow_up()
    with pytest.raises(InputError, match="A score is not a risk"):
        survival_net_benefit(risk * 20, time, event, THRESHOLDS, horizon=HORIZON)
    with pytest.raises(InputError, match=r"thresholds in \[0, 1\)"):
        survival_net_benefit(risk, time, event, np.array([1.5]), horizon=HORIZON)
    with pytest.raises(InputError, match="a horizon within the follow-up"):
        survival_net_benefit(risk, time, event, THRESHOLDS, horizon=50.0)
    with pytest.raises(TooFewEventsError, match="net benefit by a horizon, found 0"):
        survival_net_benefit(risk, time, np.where(event == 1, 2, event), THRESHOLDS, horizon=HORIZON)
