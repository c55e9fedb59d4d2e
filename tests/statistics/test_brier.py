from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.brier import (
    binary_brier_difference,
    binary_brier_score,
    brier_difference,
    brier_score,
    integrated_brier_score,
)
from forescreen.statistics.censoring import inverse_probability_weights
from forescreen.statistics.survival import aalen_johansen, kaplan_meier

from .builders import EXACT, SAME_ALGORITHM, gradient, read_columns, read_reference

REFERENCE = Path(__file__).parents[1] / "reference" / "brier.json"
seeds = st.integers(0, 10_000)


def build_risks(
    seed: int = 0, n: int = 60, *, competing: bool = True, censored: bool = True, decimals: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two risks, times (with ties where there are few decimals), and codes."""
    rng = np.random.default_rng(seed)
    codes = ([0] if censored else []) + [1, 1] + ([2] if competing else [])
    time = np.round(rng.uniform(0.1, 5, size=n), decimals)
    risks = np.round(rng.uniform(size=(2, n)), 2)
    return risks[0], risks[1], time, rng.choice(codes, size=n)


def r_rows(rows: list[dict[str, Any]], horizon: float, **wanted: str) -> dict[str, Any]:
    """The row of R's table at a horizon."""
    (row,) = (r for r in rows if r["times"] == horizon and all(r[k] == v for k, v in wanted.items()))
    return row


@pytest.mark.parametrize(("key", "column"), [("pbc", "st"), ("pbc_competing", "status")])
def test_against_r_brier_scores_and_standard_errors(shared: Path, key: str, column: str) -> None:
    expected = read_reference(REFERENCE)["values"][key]
    table = read_columns(shared / "data" / "statistics" / "metrics" / "pbc312_cox_risks.csv")
    time, code = table["time"].astype(float), table[column].astype(int)
    # status: 1 transplant, 2 death; death is the event
    event = code if column == "st" else np.array([0, 2, 1])[code]
    for place, horizon in enumerate(expected["times"], start=1):
        risks = {m: table[f"{c}.V{place}"].astype(float) for m, c in (("m1", "risk"), ("m2", "risk2"))}
        null = r_rows(expected["score"], horizon, model="Null model")
        for model, risk in risks.items():
            wanted = r_rows(expected["score"], horizon, model=model)
            ours = brier_score(risk, time, event, horizon=horizon)
            assert ours.model.value == pytest.approx(wanted["Brier"], abs=EXACT)
            assert ours.model.standard_error == pytest.approx(wanted["se"], abs=EXACT)
            assert ours.null.value == pytest.approx(null["Brier"], abs=EXACT)
            assert ours.null.standard_error == pytest.approx(null["se"], abs=EXACT)
            assert ours.scaled.value == pytest.approx(wanted["IPA"], abs=EXACT)
        wanted = r_rows(expected["contrasts"], horizon, model="m2", reference="m1")
        difference = brier_difference(risks["m2"], risks["m1"], time, event, horizon=horizon)
        assert difference.value == pytest.approx(wanted["delta.Brier"], abs=EXACT)
        assert (difference.lower, difference.upper) == pytest.approx(
            (wanted["lower"], wanted["upper"]), abs=EXACT
        )
        assert difference.p_value == pytest.approx(wanted["p"], abs=EXACT)


def test_against_r_integrated_brier_score(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]["pbc"]
    table = read_columns(shared / "data" / "statistics" / "metrics" / "pbc312_cox_risks.csv")
    risks = np.array([table[f"risk.V{place}"].astype(float) for place in (1, 2, 3, 4)])
    horizons = tuple(expected["times"])
    ours = integrated_brier_score(
        risks, table["time"].astype(float), table["st"].astype(int), horizons=horizons
    )
    for estimate, model in ((ours.model, "m1"), (ours.null, "Null model")):
        wanted = r_rows(expected["score"], horizons[-1], model=model)["IBS"]
        assert estimate.value == pytest.approx(wanted, abs=EXACT)


def test_against_r_without_censoring(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]["binary"]
    table = read_columns(shared / "data" / "statistics" / "metrics" / "calibration_sim.csv")
    case = table["y"].astype(float) == 1
    p, p2 = table["p"].astype(float), table["p2"].astype(float)
    (wanted,) = (row for row in expected["score"] if row["model"] == "m1")
    ours = binary_brier_score(p, case)
    assert ours.model.value == pytest.approx(wanted["Brier"], abs=EXACT)
    assert ours.model.standard_error == pytest.approx(wanted["se"], abs=EXACT)
    assert ours.scaled.value == pytest.approx(wanted["IPA"], abs=EXACT)
    (wanted,) = (r for r in expected["contrasts"] if (r["model"], r["reference"]) == ("m2", "m1"))
    difference = binary_brier_difference(p2, p, case)
    assert difference.value == pytest.approx(wanted["delta.Brier"], abs=EXACT)
    assert difference.standard_error == pytest.approx(wanted["se"], abs=EXACT)
    assert difference.p_value == pytest.approx(wanted["p"], abs=EXACT)


def test_a_hand_computed_table() -> None:
    # Censored at 2, where 3 of 4 are at risk: G = 2/3 from then on. The event at 1 weighs 1, the rows after
    # 3/2.
    time, event = np.array([1.0, 2, 3, 5]), np.array([1, 0, 1, 0])
    risk = np.array([0.8, 0.9, 0.4, 0.2])
    ours = brier_score(risk, time, event, horizon=4.0)
    assert ours.model.value == pytest.approx((0.04 + 1.5 * 0.36 + 1.5 * 0.04) / 4, abs=EXACT)
    # Null risk: (1 + 3/2)/4 = 1 − Kaplan–Meier = 1 − 3/4 · 1/2
    assert ours.null.value == pytest.approx(0.625 * 0.375, abs=EXACT)
    assert (ours.model.n, ours.model.n_events) == (4, 2)
    assert ours.model.notes == ("1 of 4 rows censored by the horizon",)


def test_binary_score_in_closed_form() -> None:
    rng = np.random.default_rng(1)
    risk, case = rng.uniform(size=40), rng.uniform(size=40) < 0.4
    ours = binary_brier_score(risk, case)
    squared = (case - risk) ** 2
    assert ours.model.value == pytest.approx(squared.mean(), abs=EXACT)
    assert ours.model.standard_error == pytest.approx(squared.std(ddof=1) / np.sqrt(40), abs=EXACT)
    share = case.mean()
    assert ours.null.value == pytest.approx(share * (1 - share), abs=EXACT)
    # Delta method of a ratio of two means
    null = (case - share) ** 2
    ratio = squared.mean() / null.mean()
    spread = (squared - ratio * null).std(ddof=1) / null.mean() / np.sqrt(40)
    assert ours.scaled.value == pytest.approx(1 - ratio, abs=EXACT)
    assert ours.scaled.standard_error == pytest.approx(spread, abs=EXACT)


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_without_censoring_it_is_the_binary_score(seed: int) -> None:
    risk, other, time, event = build_risks(seed, censored=False)
    woman = np.arange(60) // 2
    weights = np.random.default_rng(seed).uniform(0.5, 3, size=60)
    case = (time <= 3) & (event == 1)
    for options in ({}, {"cluster": woman}, {"weights": weights}):
        ours = brier_score(risk, time, event, horizon=3.0, **options)
        plain = binary_brier_score(risk, case, **options)
        for one, two in ((ours.model, plain.model), (ours.null, plain.null), (ours.scaled, plain.scaled)):
            assert (one.value, one.standard_error) == pytest.approx(
                (two.value, two.standard_error), abs=EXACT
            )
        difference = brier_difference(risk, other, time, event, horizon=3.0, **options)
        known = binary_brier_difference(risk, other, case, **options)
        assert (difference.value, difference.standard_error) == pytest.approx(
            (known.value, known.standard_error), abs=EXACT
        )


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_the_null_risk_is_that_of_kaplan_meier_or_aalen_johansen(seed: int) -> None:
    for competing in (False, True):
        risk, _, time, event = build_risks(seed, competing=competing)
        weights = np.random.default_rng(seed).uniform(0.5, 3, size=60)
        for w in (None, weights):
            if competing:
                share = aalen_johansen(time, event, weights=w).at(1, 3.0).value
            else:
                share = 1 - kaplan_meier(time, event, weights=w).at(3.0).value
            ours = brier_score(risk, time, event, horizon=3.0, weights=w)
            assert ours.null.value == pytest.approx(share * (1 - share), abs=EXACT)
            same = brier_score(np.full(60, share), time, event, horizon=3.0, weights=w)
            assert same.scaled.value == pytest.approx(0, abs=EXACT)
            assert same.model.value == pytest.approx(ours.null.value, abs=EXACT)


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_row_order_and_what_happens_after_the_horizon_change_nothing(seed: int) -> None:
    risk, _, time, event = build_risks(seed)
    ours = brier_score(risk, time, event, horizon=3.0)
    order = np.random.default_rng(seed).permutation(60)
    later = time > 3
    cut_time, cut_event = np.where(later, 9.0, time), np.where(later, 0, event)
    for again in (
        brier_score(risk[order], time[order], event[order], horizon=3.0),
        brier_score(risk, cut_time, cut_event, horizon=3.0),
    ):
        for one, two in ((ours.model, again.model), (ours.scaled, again.scaled)):
            assert (one.value, one.standard_error) == pytest.approx(
                (two.value, two.standard_error), abs=EXACT
            )


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_weight_two_is_the_row_twice(seed: int) -> None:
    risk, _, time, event = build_risks(seed)
    weights = np.random.default_rng(seed).integers(1, 4, size=60)
    ours = brier_score(risk, time, event, horizon=3.0, weights=weights.astype(float))
    again = [np.repeat(column, weights) for column in (risk, time, event, np.arange(60))]
    repeated = brier_score(again[0], again[1], again[2], horizon=3.0, cluster=again[3])
    for one, two in (
        (ours.model, repeated.model),
        (ours.null, repeated.null),
        (ours.scaled, repeated.scaled),
    ):
        assert (one.value, one.standard_error) == pytest.approx((two.value, two.standard_error), abs=EXACT)


def test_without_ties_the_standard_error_is_that_of_the_derivative_up_to_one_over_n() -> None:
    # By differences, censoring distribution and all. With tied times the share through the censoring
    # distribution is no exact derivative, and does not become one with more rows.
    risk, _, time, event = build_risks(2, n=400, decimals=8)
    ours = brier_score(risk, time, event, horizon=4.0)

    def values(weights: np.ndarray) -> np.ndarray:
        v = inverse_probability_weights(time, event, horizon=4.0, weights=weights)
        outcome = (time <= 4) & (event == 1)
        loss = float(v @ (outcome - risk) ** 2 / weights.sum())
        share = float(v @ outcome / weights.sum())
        return np.array([loss, share * (1 - share), 1 - loss / (share * (1 - share))])

    slopes = gradient(values, np.ones(400))
    expected = np.sqrt(400 / 399 * np.sum(slopes**2, axis=0))
    found = [e.standard_error for e in (ours.model, ours.null, ours.scaled)]
    assert found == pytest.approx(expected.tolist(), rel=1 / 400)


def test_a_paired_difference_knows_that_the_rows_are_shared() -> None:
    a, b, time, event = build_risks(4)
    ours = brier_difference(a, b, time, event, horizon=3.0)
    one, other = (brier_score(r, time, event, horizon=3.0).model for r in (a, b))
    assert ours.value == pytest.approx(one.value - other.value, abs=EXACT)
    same = brier_difference(a, a, time, event, horizon=3.0)
    assert (same.value, same.standard_error, same.p_value) == (0.0, 0.0, 1.0)


def test_the_integrated_score_is_the_left_step_sum() -> None:
    risk, _, time, event = build_risks(6)
    horizons = (1.0, 2.0, 4.0)
    risks = np.array([risk * 0.3, risk * 0.6, risk])
    ours = integrated_brier_score(risks, time, event, horizons=horizons)
    one, two = (brier_score(risks[i], time, event, horizon=horizons[i]) for i in (0, 1))
    assert ours.model.value == pytest.approx((one.model.value + 2 * two.model.value) / 4, abs=EXACT)
    assert ours.null.value == pytest.approx((one.null.value + 2 * two.null.value) / 4, abs=EXACT)
    assert ours.scaled.value == pytest.approx(1 - ours.model.value / ours.null.value, abs=EXACT)
    # Two scores of the same rows: the error of a sum is at most the sum of the errors.
    most = (one.model.standard_error + 2 * two.model.standard_error) / 4
    assert 0 < ours.model.standard_error <= most
    only = integrated_brier_score(risks[:2], time, event, horizons=(1.0, 2.0)).model
    assert only.standard_error == pytest.approx(one.model.standard_error / 2, abs=SAME_ALGORITHM)
    assert "integrated Brier score from 1 to 4" in ours.model.method


def test_weights_of_zero_leave_rows_out_where_outcomes_are_known() -> None:
    rng = np.random.default_rng(3)
    risk, case = rng.uniform(size=30), rng.uniform(size=30) < 0.5
    kept = rng.uniform(size=30) < 0.7
    ours = binary_brier_score(risk, case, weights=kept.astype(float))
    plain = binary_brier_score(risk[kept], case[kept])
    assert ours.model.value == pytest.approx(plain.model.value, abs=EXACT)
    assert ours.model.n == np.count_nonzero(kept)
    assert binary_brier_difference(risk, risk / 2, case, weights=kept.astype(float)).value == pytest.approx(
        plain.model.value - binary_brier_score(risk[kept] / 2, case[kept]).model.value, abs=EXACT
    )


def test_limits_stay_where_the_score_can_be() -> None:
    time, event = np.arange(1.0, 9), np.array([1, 1, 0, 0, 0, 0, 0, 0])
    risk = np.where(event == 1, 0.9, 0.05)
    risk[5] = 0.9
    ours = brier_score(risk, time, event, horizon=2.0)
    assert ours.model.lower == 0.0
    assert ours.scaled.upper <= 1.0
    perfect = brier_score(event.astype(float), time, event, horizon=2.0)
    assert (perfect.model.value, perfect.scaled.value) == (0.0, 1.0)


def test_a_score_is_not_a_risk() -> None:
    risk, _, time, event = build_risks()
    case = event == 1
    for score in (risk - 0.5, risk * 3):
        with pytest.raises(InputError, match="A score is not a risk") as caught:
            brier_score(score, time, event, horizon=3.0)
        n_outside = np.count_nonzero((score < 0) | (score > 1))
        assert caught.value.found.startswith(f"{n_outside} of 60 rows from {score.min():.4g}")
        with pytest.raises(InputError, match="A score is not a risk"):
            brier_difference(risk, score, time, event, horizon=3.0)
        with pytest.raises(InputError, match="A score is not a risk"):
            binary_brier_score(score, case)
        with pytest.raises(InputError, match="A score is not a risk"):
            binary_brier_difference(risk, score, case)
        with pytest.raises(InputError, match="A score is not a risk"):
            integrated_brier_score(np.array([risk, score]), time, event, horizons=(1.0, 2.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"risk": np.array([np.nan, 0.1, 0.2, 0.3])}, "a finite risk in every row, found 1 of 4"),
        ({"risk": np.array([np.inf, 0.1, 0.2, 0.3])}, "a finite risk"),
        ({"time": np.array([1.0, np.nan, 3, 4])}, "1 of 4 rows missing"),
        ({"event": np.array([1, 1, -3, 0])}, "event codes 0"),
        ({"horizon": 4.0}, r"a horizon within the follow-up \(longest 4\), found 4"),
        ({"horizon": -1.0}, "a horizon > 0"),
        ({"weights": np.array([1.0, np.nan, 1, 1])}, "finite positive sampling weights"),
    ],
)
def test_bad_input_is_a_clear_error(change: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {
        "risk": np.array([0.4, 0.3, 0.1, 0.2]),
        "time": np.array([1.0, 2, 3, 4]),
        "event": np.array([1, 1, 1, 0]),
        "horizon": 3.0,
    } | change
    with pytest.raises(InputError, match=message):
        brier_score(options.pop("risk"), options.pop("time"), options.pop("event"), **options)


def test_too_few_events_say_how_many_are_needed() -> None:
    risk, time = np.full(4, 0.2), np.array([1.0, 2, 3, 4])
    with pytest.raises(TooFewEventsError, match=r"events by 1\.5") as caught:
        brier_score(risk, time, np.array([1, 1, 0, 0]), horizon=1.5)
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)
    with pytest.raises(TooFewEventsError, match="at least 2 events for a Brier score") as caught:
        binary_brier_score(risk, np.array([True, False, False, False]))
    assert caught.value.n_found == 1
    with pytest.raises(InputError, match="rows with and without the event"):
        binary_brier_score(risk, np.ones(4, dtype=bool))


def test_horizons_of_an_integrated_score_ascend_and_risks_do_not_fall() -> None:
    risk, _, time, event = build_risks()
    pair = np.array([risk / 2, risk])
    for horizons in ((2.0, 1.0), (2.0, 2.0)):
        with pytest.raises(InputError, match="two horizons at least, ascending"):
            integrated_brier_score(pair, time, event, horizons=horizons)
    with pytest.raises(InputError, match="one row of risks per horizon, 3"):
        integrated_brier_score(pair, time, event, horizons=(1.0, 2.0, 3.0))
    with pytest.raises(InputError, match="risks that do not fall"):
        integrated_brier_score(pair[::-1], time, event, horizons=(1.0, 2.0))
