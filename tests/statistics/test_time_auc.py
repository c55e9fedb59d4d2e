from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.censoring import inverse_probability_weights
from forescreen.statistics.discrimination import auc
from forescreen.statistics.time_auc import (
    Controls,
    case_type_time_auc_difference,
    cumulative_dynamic_auc,
    cumulative_dynamic_auc_difference,
    time_auc,
)

from .builders import EXACT, OTHER_ALGORITHM, read_columns, read_reference

REFERENCE = Path(__file__).parents[1] / "reference" / "time_auc.json"
HORIZON = 4.0
BOTH: tuple[Controls, ...] = ("event-free", "event-free or competing")
#: timeROC's censoring term differs where times are tied, and for AUC_2: at most 6e-7 and 8e-6 here, of
#: standard errors of 0.02 to 0.05. riskRegression's is ours to the last digit.
TIMEROC_SE_1, TIMEROC_SE_2 = 1e-6, 1e-5

seeds = st.integers(0, 10_000)


def build_followed(
    seed: int = 0, n: int = 80, decimals: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two correlated scores with ties, times in whole years unless `decimals`, codes 0 to 2."""
    rng = np.random.default_rng(seed)
    shared_part = rng.normal(size=n)
    a, b = (np.round(shared_part + rng.normal(size=n), 1) for _ in range(2))
    first, second = rng.exponential(10 * np.exp(-0.6 * shared_part)), rng.exponential(30, size=n)
    censored = rng.uniform(1, 9, size=n)
    time = np.ceil(np.minimum(np.minimum(first, second), censored) * 10**decimals) / 10**decimals
    event = np.where(first < np.minimum(second, censored), 1, np.where(second < censored, 2, 0))
    time[:5], event[:5] = (1.0, 2.0, 3.0, 7.0, 8.0), (1, 1, 2, 0, 0)
    return a, b, time, event


def area_by_definition(
    score: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    horizon: float,
    *,
    controls: Controls = "event-free",
    weights: np.ndarray | None = None,
) -> float:
    """Every case beside every control."""
    v = inverse_probability_weights(time, event, horizon=horizon, weights=weights)
    case = (time <= horizon) & (event == 1)
    control = (time > horizon) | ((time <= horizon) & (event > 1) & (controls != "event-free"))
    difference = score[case][:, None] - score[control][None, :]
    psi = (difference > 0) + 0.5 * (difference == 0)
    return float(v[case] @ psi @ v[control] / (v[case].sum() * v[control].sum()))


def test_against_r_riskregression_score(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]["riskRegression"]
    table = read_columns(shared / "data" / "statistics" / "metrics" / "pbc312_cox_risks.csv")
    time, event = table["time"].astype(float), table["st"].astype(int)
    competing = np.where(event == 1, 1, 2 * table["status"].astype(int))
    bilirubin, albumin = table["bili"].astype(float), -table["albumin"].astype(float)
    for k, horizon in enumerate(expected["times"]):
        m1, m2 = (table[f"{name}.V{k + 1}"].astype(float) for name in ("risk", "risk2"))
        for name, score in (("m1", m1), ("m2", m2), ("bili", bilirubin), ("minus_albumin", albumin)):
            ours, wanted = cumulative_dynamic_auc(score, time, event, horizon=horizon), expected[name]
            assert ours.value == pytest.approx(wanted["value"][k], abs=EXACT)
            assert ours.standard_error == pytest.approx(wanted["se"][k], abs=EXACT)
            if "lower" in wanted:
                assert ours.lower == pytest.approx(wanted["lower"][k], abs=EXACT)
                assert ours.upper == pytest.approx(wanted["upper"][k], abs=EXACT)
        for name, score in (("bili", bilirubin), ("minus_albumin", albumin)):
            ours, wanted = (
                cumulative_dynamic_auc(score, time, competing, horizon=horizon, controls=BOTH[1]),
                expected[f"{name}_competing"],
            )
            assert ours.value == pytest.approx(wanted["value"][k], abs=EXACT)
            assert ours.standard_error == pytest.approx(wanted["se"][k], abs=EXACT)
        for name, a, b in (("m2_minus_m1", m2, m1), ("minus_albumin_minus_bili", albumin, bilirubin)):
            ours, wanted = (
                cumulative_dynamic_auc_difference(a, b, time, event, horizon=horizon),
                expected[name],
            )
            assert ours.value == pytest.approx(wanted["value"][k], abs=EXACT)
            assert ours.standard_error == pytest.approx(wanted["se"][k], abs=EXACT)
            assert ours.p_value == pytest.approx(wanted["p"][k], abs=EXACT)


def test_against_r_timeroc_pbc(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]["timeROC"]["pbc312"]
    table = read_columns(shared / "data" / "statistics" / "metrics" / "pbc312.csv")
    time, event = table["time"].astype(float), table["st"].astype(int)
    competing = np.where(event == 1, 1, 2 * table["status"].astype(int))
    bilirubin, albumin = table["bili"].astype(float), -table["albumin"].astype(float)
    for k, horizon in enumerate(expected["times"]):
        for name, score in (("bili", bilirubin), ("alb", albumin)):
            ours = cumulative_dynamic_auc(score, time, event, horizon=horizon)
            assert ours.value == pytest.approx(expected[f"{name}_auc"][k], abs=EXACT)
            assert ours.standard_error == pytest.approx(expected[f"{name}_se"][k], abs=TIMEROC_SE_1)
        paired = cumulative_dynamic_auc_difference(bilirubin, albumin, time, event, horizon=horizon)
        assert paired.p_value == pytest.approx(expected["p"][k], abs=1e-5)
        for controls, number, tolerance in ((BOTH[0], 1, TIMEROC_SE_1), (BOTH[1], 2, TIMEROC_SE_2)):
            ours = cumulative_dynamic_auc(bilirubin, time, competing, horizon=horizon, controls=controls)
            assert ours.value == pytest.approx(expected[f"auc{number}"][k], abs=EXACT)
            if expected[f"se{number}"][k] is not None:
                assert ours.standard_error == pytest.approx(expected[f"se{number}"][k], abs=tolerance)


def test_against_r_timeroc_other_tables(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]["timeROC"]
    folder = shared / "data" / "statistics"
    paquid, melano, mayo = (read_columns(folder / "roc" / f"{n}.csv") for n in ("Paquid", "Melano", "mayo"))
    status = [table["status"].astype(float).astype(int) for table in (paquid, melano)]
    for name, score, time, event, wanted in (
        ("Paquid", -paquid["DSST"].astype(float), paquid["time"], status[0], expected["Paquid"]["DSST"]),
        ("Paquid", -paquid["MMSE"].astype(float), paquid["time"], status[0], expected["Paquid"]["MMSE"]),
        ("Melano", melano["thick"].astype(float), melano["time"], status[1], expected["Melano"]),
    ):
        for k, horizon in enumerate(expected[name]["times"]):
            for controls, number, tolerance in ((BOTH[0], 1, TIMEROC_SE_1), (BOTH[1], 2, TIMEROC_SE_2)):
                ours = cumulative_dynamic_auc(
                    score, time.astype(float), event, horizon=horizon, controls=controls
                )
                assert ours.value == pytest.approx(wanted[f"AUC_{number}"][k], abs=EXACT)
                assert ours.standard_error == pytest.approx(wanted[f"se_{number}"][k], abs=tolerance)
    died = mayo["censor"].astype(int)  # the column is the event, whatever its name
    for name in ("mayoscore4", "mayoscore5"):
        for k, horizon in enumerate(expected["mayo"]["times"]):
            ours = cumulative_dynamic_auc(
                mayo[name].astype(float), mayo["time"].astype(float), died, horizon=horizon
            )
            assert ours.value == pytest.approx(expected["mayo"][name]["AUC"][k], abs=EXACT)
            assert ours.standard_error == pytest.approx(expected["mayo"][name]["se"][k], abs=TIMEROC_SE_1)


def test_against_r_timeroc_an_event_at_the_very_horizon_is_a_case(shared: Path) -> None:
    # timeROC counts T < t as cases and T > t as controls: the deaths on days 200 and 1200 are neither. Called
    # a competing event they are neither here too, and all values agree.
    expected = read_reference(REFERENCE)["values"]["timeROC"]["whas500"]
    path = shared / "data" / "statistics" / "survival" / "whas500_predictions.csv"
    event, time, score = np.loadtxt(path, delimiter=",").T
    for k, horizon in enumerate(expected["times"]):
        at_horizon = (time == horizon) & (event == 1)
        codes = np.where(at_horizon, 2, event.astype(int))
        theirs = cumulative_dynamic_auc(score, time, codes, horizon=horizon)
        assert theirs.value == pytest.approx(expected["AUC"][k], abs=EXACT)
        assert theirs.standard_error == pytest.approx(expected["se"][k], abs=TIMEROC_SE_1)
        ours = cumulative_dynamic_auc(score, time, event.astype(int), horizon=horizon)
        assert ours.n_events == theirs.n_events + int(at_horizon.sum())
        assert (ours.value == theirs.value) == (horizon not in (200, 1200))


def test_a_hand_computed_area() -> None:
    # Censored at 1, one of 5: all others have the weight 5/4. Cases 3, 1, controls 2, 0: placements 1, ½.
    score = np.array([9.0, 3, 1, 2, 0])
    time, event = np.array([1.0, 2, 3, 6, 7]), np.array([0, 1, 1, 0, 0])
    ours = cumulative_dynamic_auc(score, time, event, horizon=5)
    assert ours.value == pytest.approx(0.75, abs=EXACT)
    assert (ours.n, ours.n_events) == (5, 2)
    assert ours.notes == ("1 of 5 rows censored by the horizon",)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_the_area_is_that_of_all_pairs(seed: int) -> None:
    a, _, time, event = build_followed(seed)
    weights = np.random.default_rng(seed).uniform(0.5, 3, size=time.size)
    for controls in BOTH:
        for w in (None, weights):
            ours = cumulative_dynamic_auc(a, time, event, horizon=HORIZON, controls=controls, weights=w)
            expected = area_by_definition(a, time, event, HORIZON, controls=controls, weights=w)
            assert ours.value == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize("controls", BOTH)
@pytest.mark.parametrize("decimals", [0, 6])
def test_the_influence_is_the_derivative_by_the_weight(controls: Controls, decimals: int) -> None:
    # The martingale form leaves out terms of order 1/n; whole years are its hardest case.
    a, _, time, event = build_followed(n=500, decimals=decimals)
    ours = time_auc(a, time, event, horizon=HORIZON, controls=controls)
    assert ours.influence.sum() == pytest.approx(0, abs=EXACT)
    step, rows = 1e-4, np.arange(0, 500, 7)
    slopes = []
    for row in rows:
        moved = []
        for sign in (1, -1):
            weights = np.ones(500)
            weights[row] += sign * step
            moved.append(area_by_definition(a, time, event, HORIZON, controls=controls, weights=weights))
        slopes.append((moved[0] - moved[1]) / (2 * step))
    assert np.max(np.abs(ours.influence[rows] - slopes)) < OTHER_ALGORITHM * (0.1 if decimals else 1)
    assert np.linalg.norm(ours.influence[rows]) == pytest.approx(float(np.linalg.norm(slopes)), rel=2e-3)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_row_order_monotone_transforms_and_time_after_the_horizon_change_nothing(seed: int) -> None:
    a, _, time, event = build_followed(seed)
    ours = cumulative_dynamic_auc(a, time, event, horizon=HORIZON)
    order = np.random.default_rng(seed).permutation(time.size)
    later, codes = np.where(time > HORIZON, time + 9, time), np.where(time > HORIZON, 0, event)
    moved = cumulative_dynamic_auc(np.exp(a[order] / 4), later[order], codes[order], horizon=HORIZON)
    assert (moved.value, moved.standard_error) == pytest.approx((ours.value, ours.standard_error), abs=EXACT)
    days = cumulative_dynamic_auc(a, time * 365.25, event, horizon=HORIZON * 365.25)
    assert (days.value, days.standard_error) == pytest.approx((ours.value, ours.standard_error), abs=EXACT)
    reverse = cumulative_dynamic_auc(-a, time, event, horizon=HORIZON)
    assert reverse.value == pytest.approx(1 - ours.value, abs=EXACT)
    assert reverse.standard_error == pytest.approx(ours.standard_error, abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_weight_two_is_the_row_twice(seed: int) -> None:
    a, _, time, event = build_followed(seed)
    copies = np.random.default_rng(seed).integers(1, 4, size=time.size)
    for controls in BOTH:
        ours = cumulative_dynamic_auc(
            a, time, event, horizon=HORIZON, controls=controls, weights=copies.astype(float)
        )
        repeated = cumulative_dynamic_auc(
            np.repeat(a, copies),
            np.repeat(time, copies),
            np.repeat(event, copies),
            horizon=HORIZON,
            controls=controls,
            cluster=np.repeat(np.arange(time.size), copies),
        )
        assert (repeated.value, repeated.standard_error) == pytest.approx(
            (ours.value, ours.standard_error), abs=EXACT
        )
        assert (repeated.n, ours.n) == (time.size, time.size)


def test_single_rows_as_clusters_change_nothing_and_doubled_women_are_no_news() -> None:
    a, _, time, event = build_followed()
    plain = cumulative_dynamic_auc(a, time, event, horizon=HORIZON)
    single = cumulative_dynamic_auc(a, time, event, horizon=HORIZON, cluster=np.arange(80))
    assert single.standard_error == pytest.approx(plain.standard_error, abs=EXACT)
    assert "by cluster" in single.method
    twice = np.tile(np.arange(80), 2)
    double = cumulative_dynamic_auc(a[twice], time[twice], event[twice], horizon=HORIZON, cluster=twice)
    assert double.standard_error == pytest.approx(plain.standard_error, abs=EXACT)


def test_without_censoring_it_is_the_plain_area() -> None:
    a, _, time, event = build_followed(n=300)
    event = np.where((time <= HORIZON) & (event == 0), 2, event)
    case = (time <= HORIZON) & (event == 1)
    ours = cumulative_dynamic_auc(a, time, event, horizon=HORIZON, controls="event-free or competing")
    plain = auc(a, case)
    assert ours.value == pytest.approx(plain.value, abs=EXACT)
    # DeLong's n/(n−1) is that of cases and of controls, ours that of all rows
    assert ours.standard_error == pytest.approx(plain.standard_error, rel=0.02)
    assert ours.notes == ()
    kept = case | (time > HORIZON)
    first = cumulative_dynamic_auc(a, time, event, horizon=HORIZON)
    assert first.value == pytest.approx(auc(a[kept], case[kept]).value, abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_a_paired_difference_is_that_of_areas_and_influences(seed: int) -> None:
    a, b, time, event = build_followed(seed)
    one, other = (time_auc(score, time, event, horizon=HORIZON) for score in (a, b))
    ours = cumulative_dynamic_auc_difference(a, b, time, event, horizon=HORIZON)
    assert ours.value == pytest.approx(one.value - other.value, abs=EXACT)
    n = time.size
    variance = n / (n - 1) * np.sum((one.influence - other.influence) ** 2)
    assert ours.standard_error**2 == pytest.approx(variance, abs=EXACT)
    same = cumulative_dynamic_auc_difference(a, 2 * a + 1, time, event, horizon=HORIZON)
    assert (same.value, same.p_value) == (0.0, 1.0)


def test_two_kinds_of_event_share_their_controls() -> None:
    a, b, time, event = build_followed(n=300)
    first = time_auc(a, time, event, horizon=HORIZON)
    swapped = np.where(event == 1, 2, np.where(event == 2, 1, 0))
    second = time_auc(b, time, swapped, horizon=HORIZON)
    ours = case_type_time_auc_difference(a, b, time, event_a=event, event_b=swapped, horizon=HORIZON)
    assert ours.value == pytest.approx(first.value - second.value, abs=EXACT)
    variance = 300 / 299 * np.sum((first.influence - second.influence) ** 2)
    assert ours.standard_error**2 == pytest.approx(variance, abs=EXACT)
    assert ours.n_events == int(np.sum((event > 0) & (time <= HORIZON)))
    with pytest.raises(InputError, match=r"event_b: .* rows otherwise"):
        case_type_time_auc_difference(a, b, time, event_a=event, event_b=event, horizon=HORIZON)


def test_complete_separation_has_the_exact_limit_of_disjoint_pairs() -> None:
    time = np.concatenate([np.full(5, 1.0), np.full(10, 6.0)])
    event = np.concatenate([np.ones(5, dtype=int), np.zeros(10, dtype=int)])
    ours = cumulative_dynamic_auc(-time, time, event, horizon=5.0)
    assert (ours.value, ours.upper, ours.standard_error) == (1.0, 1.0, 0.0)
    assert ours.lower == pytest.approx(0.025 ** (1 / 5), abs=EXACT)  # 5 cases
    assert "complete separation" in ours.notes[0]


def test_too_few_cases_controls_or_women_are_told_with_their_number() -> None:
    a, _, time, event = build_followed()
    with pytest.raises(TooFewEventsError, match="events by 4") as caught:
        cumulative_dynamic_auc(a, time, np.where(np.arange(80) == 0, 1, 0), horizon=HORIZON)
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)
    with pytest.raises(TooFewEventsError, match=r"controls at 7\.5") as caught:
        cumulative_dynamic_auc(a[:5], time[:5], event[:5], horizon=7.5)
    assert caught.value.n_found == 1
    woman = np.where((time <= HORIZON) & (event == 1), 0, np.arange(80))
    with pytest.raises(TooFewEventsError, match="women with an event"):
        cumulative_dynamic_auc(a, time, event, horizon=HORIZON, cluster=woman)


def test_a_horizon_beyond_the_follow_up_and_missing_scores_are_refused() -> None:
    a, b, time, event = build_followed()
    longest = time.max()
    for horizon in (longest, longest + 1):
        with pytest.raises(InputError, match="a horizon within the follow-up") as caught:
            cumulative_dynamic_auc(a, time, event, horizon=horizon)
        assert caught.value.where == "horizon"
    broken = a.copy()
    broken[[3, 4]] = math.nan
    with pytest.raises(InputError, match="2 of 80 rows missing or infinite"):
        cumulative_dynamic_auc(broken, time, event, horizon=HORIZON)
    with pytest.raises(InputError, match="score b"):
        cumulative_dynamic_auc_difference(b, broken, time, event, horizon=HORIZON)
    with pytest.raises(InputError, match="weight"):
        cumulative_dynamic_auc(a, time, event, horizon=HORIZON, weights=-np.ones(80))
