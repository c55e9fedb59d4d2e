from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError
from forescreen.statistics.censoring import (
    StepFunction,
    censoring_influence,
    censoring_survival,
    follow_up_checked,
    horizon_checked,
    horizon_checked_beyond,
    inverse_probability_weights,
)

from .builders import EXACT, read_columns, read_reference

REFERENCE = Path(__file__).parents[1] / "reference" / "survival.json"
HORIZON = 3.0

seeds = st.integers(0, 10_000)


def build_follow_up(seed: int = 0, n: int = 40, decimals: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Times up to about 8, in whole years unless `decimals`, codes 0 to 2; one row is followed beyond 3."""
    rng = np.random.default_rng(seed)
    time = np.round(rng.uniform(0.5, 8, size=n), decimals)
    event = rng.choice([0, 0, 1, 2], size=n)
    time[0], event[0] = 8.0, 0
    return time, event


def uncensored_by_definition(time: np.ndarray, event: np.ndarray, u: float) -> float:
    """Product over the distinct times up to u, counting rows one by one."""
    value = 1.0
    for v in np.unique(time[time <= u]):
        at_risk = sum(1 for t, e in zip(time, event, strict=True) if t > v or (t == v and e == 0))
        censored = sum(1 for t, e in zip(time, event, strict=True) if t == v and e == 0)
        value *= 1 - censored / at_risk if at_risk else 1
    return value


def test_a_hand_computed_distribution_has_events_before_censorings() -> None:
    # 1: event and censoring together. The event leaves first: 1 of 3 is censored, not 1 of 4.
    time, event = np.array([1.0, 1, 2, 3]), np.array([1, 0, 2, 0])
    survival = censoring_survival(time, event)
    assert survival.at(1.0) == pytest.approx(2 / 3, abs=EXACT)
    assert survival.before(1.0) == 1.0
    assert survival.at(2.9) == pytest.approx(2 / 3, abs=EXACT)
    assert survival.at(np.array([0.0, 3.0])).tolist() == [1.0, 0.0]
    # Those whose state at 2.5 is known: both events, and the one beyond, who stands for the censored too
    weights = inverse_probability_weights(time, event, horizon=2.5)
    assert weights == pytest.approx([1.0, 0.0, 1.5, 1.5], abs=EXACT)


def test_a_step_function_is_right_continuous_and_takes_arrays_of_any_shape() -> None:
    steps = StepFunction(times=np.array([1.0, 2.0]), values=np.array([0.5, 0.25]))
    grid = np.array([[0.5, 1.0], [1.5, 2.0]])
    assert steps.at(grid).tolist() == [[1.0, 0.5], [0.5, 0.25]]
    assert steps.before(grid).tolist() == [[1.0, 1.0], [0.5, 0.5]]
    assert float(steps.at(7)) == 0.25
    assert float(StepFunction(times=np.zeros(0), values=np.zeros(0), initial=0.0).at(7.0)) == 0.0


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_the_distribution_is_its_definition(seed: int) -> None:
    time, event = build_follow_up(seed)
    survival = censoring_survival(time, event)
    for u in (0.0, 1.0, 2.0, 4.5, 8.0):
        assert float(survival.at(u)) == pytest.approx(uncensored_by_definition(time, event, u), abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_weights_stand_for_everybody_and_follow_the_rows(seed: int) -> None:
    time, event = build_follow_up(seed)
    weights = inverse_probability_weights(time, event, horizon=HORIZON)
    assert weights.sum() == pytest.approx(time.size, abs=1e-10)
    assert not weights[(time <= HORIZON) & (event == 0)].any()
    order = np.random.default_rng(seed).permutation(time.size)
    moved = inverse_probability_weights(time[order], event[order], horizon=HORIZON)
    assert moved == pytest.approx(weights[order], abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_what_happens_after_the_horizon_does_not_matter(seed: int) -> None:
    time, event = build_follow_up(seed)
    later = np.where(time > HORIZON, time + 5, time)
    codes = np.where(time > HORIZON, 0, event)
    ours = inverse_probability_weights(time, event, horizon=HORIZON)
    assert inverse_probability_weights(later, codes, horizon=HORIZON) == pytest.approx(ours, abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_sampling_weight_two_is_the_row_twice(seed: int) -> None:
    time, event = build_follow_up(seed)
    copies = np.random.default_rng(seed).integers(1, 4, size=time.size)
    ours = inverse_probability_weights(time, event, horizon=HORIZON, weights=copies.astype(float))
    repeated = inverse_probability_weights(np.repeat(time, copies), np.repeat(event, copies), horizon=HORIZON)
    assert ours == pytest.approx(copies * repeated[np.cumsum(copies) - 1], abs=1e-10)
    effect = np.random.default_rng(seed).normal(size=time.size)
    share = censoring_influence(copies * effect, time, event, horizon=HORIZON, weights=copies.astype(float))
    apart = censoring_influence(
        np.repeat(effect, copies), np.repeat(time, copies), np.repeat(event, copies), horizon=HORIZON
    )
    assert share == pytest.approx(copies * apart[np.cumsum(copies) - 1], abs=1e-10)


def test_the_influence_through_the_censoring_is_a_derivative() -> None:
    # Mean of a fixed column with the weights, by raising one sampling weight at a time. Nearly continuous
    # times: what is left are terms of order 1/n of the martingale form.
    n = 400
    time, event = build_follow_up(n=n, decimals=6)
    column = np.random.default_rng(1).normal(size=n)

    def estimated(sampling: np.ndarray) -> float:
        v = inverse_probability_weights(time, event, horizon=HORIZON, weights=sampling) / sampling
        return float(np.sum(v * column)) / n  # the rows' own weights stay out: only G moves

    effect = column * inverse_probability_weights(time, event, horizon=HORIZON) / n
    ours = censoring_influence(effect, time, event, horizon=HORIZON)
    assert ours.sum() == pytest.approx(0, abs=EXACT)
    step = 1e-5
    for row in range(0, n, 23):
        up, down = np.ones(n), np.ones(n)
        up[row] += step
        down[row] -= step
        slope = (estimated(up) - estimated(down)) / (2 * step)
        # At least 100 rows are at risk up to the horizon: terms of order 1/100
        assert ours[row] == pytest.approx(slope, rel=0.01, abs=1e-7)


def test_without_censoring_by_the_horizon_weights_are_one() -> None:
    time, event = np.array([1.0, 2, 5, 6]), np.array([1, 2, 0, 0])
    assert inverse_probability_weights(time, event, horizon=4).tolist() == [1, 1, 1, 1]
    assert not censoring_influence(np.ones(4), time, event, horizon=4).any()


def test_against_r_prodlim_reverse(shared: Path) -> None:
    table = read_columns(shared / "data" / "statistics" / "metrics" / "pbc312.csv")
    expected = read_reference(REFERENCE)["values"]["pbc312"]
    survival = censoring_survival(table["time"].astype(float), table["status"].astype(int))
    assert survival.at(np.array(expected["times"])) == pytest.approx(expected["uncensored"], abs=EXACT)


def test_times_and_codes_that_mean_nothing_are_refused_with_their_number() -> None:
    time, event = build_follow_up()
    for bad in (math.nan, math.inf, -1.0):
        broken = time.copy()
        broken[[2, 5]] = bad
        with pytest.raises(InputError, match="2 of 40 rows missing, infinite or negative"):
            censoring_survival(broken, event)
    with pytest.raises(InputError, match=r"expected event codes 0 \(censored\).* found -1"):
        censoring_survival(time, event - 1)
    with pytest.raises(InputError, match="values of type float64"):
        follow_up_checked(time, event.astype(float))
    with pytest.raises(InputError, match="expected 40 rows"):
        follow_up_checked(time, event[1:])
    with pytest.raises(InputError, match="at least one row of follow-up"):
        follow_up_checked(time[:0], event[:0])
    with pytest.raises(InputError, match=r"weight: .* found 1 of 40 rows"):
        censoring_survival(time, event, weights=np.where(np.arange(40) == 3, 0.0, 1.0))


def test_time_zero_is_follow_up() -> None:
    times, codes = follow_up_checked(np.array([0.0, 2.0]), np.array([True, False]))
    assert (times.tolist(), codes.tolist()) == ([0.0, 2.0], [1, 0])


def test_a_horizon_must_be_positive_and_within_the_follow_up() -> None:
    time, event = np.array([1.0, 2, 5]), np.array([1, 0, 0])
    with pytest.raises(InputError, match=r"a horizon within the follow-up \(longest 5\), found 6"):
        horizon_checked(6.0, time)
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="a horizon > 0"):
            inverse_probability_weights(time, event, horizon=bad)
    assert horizon_checked(5, time) == 5.0
    # Nobody is followed beyond 5: those censored then cannot stand for the event-free
    with pytest.raises(InputError, match="women followed beyond the horizon"):
        horizon_checked_beyond(5, time)
    with pytest.raises(InputError, match="longest 5") as caught:
        inverse_probability_weights(time, event, horizon=5.0)
    assert caught.value.where == "horizon"
