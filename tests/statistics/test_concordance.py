from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.records import Estimate
from forescreen.statistics.censoring import censoring_survival
from forescreen.statistics.concordance import (
    concordance_counts,
    harrell_c,
    harrell_c_difference,
    uno_c,
    uno_c_difference,
)

from .builders import EXACT, SAME_ALGORITHM, gradient, read_columns, read_reference

REFERENCE = Path(__file__).parents[1] / "reference" / "concordance.json"
INDICES = (harrell_c, uno_c)
seeds = st.integers(0, 10_000)
index = st.sampled_from(INDICES)
Index = Callable[..., Estimate]


def build_follow_up(
    seed: int = 0, n: int = 50, decimals: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two scores, times and codes 0, 1, 2, with ties in all of them."""
    rng = np.random.default_rng(seed)
    time = np.round(rng.uniform(0.1, 5, size=n), decimals)
    event = rng.choice([0, 1, 1, 2], size=n)
    scores = np.round(rng.normal(size=(2, n)) - 0.4 * time, decimals)
    return scores[0], scores[1], time, event


def all_pairs(
    score: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    *,
    horizon: float = math.inf,
    power: int = 0,
    weights: np.ndarray | None = None,
    uncensored: np.ndarray | None = None,
) -> float:
    """The definition, pair by pair; weights 1/G(T−)^power at the event."""
    w = np.ones(time.size) if weights is None else weights
    if uncensored is None:
        uncensored = censoring_survival(time, event, weights=weights).before(time)
    won = total = 0.0
    for i in np.flatnonzero((event == 1) & (time <= horizon)):
        for j in range(time.size):
            if time[j] > time[i] or (time[j] == time[i] and event[j] != 1):
                pair = w[i] * w[j] / uncensored[i] ** power
                won += pair * (float(score[i] > score[j]) + 0.5 * float(score[i] == score[j]))
                total += pair
    return won / total


def r_tables(shared: Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Score, time and event of the three data sets of the reference."""
    folder = shared / "data" / "statistics"
    pbc = read_columns(folder / "metrics" / "pbc312.csv")
    veteran = read_columns(folder / "survival" / "veteran.csv")
    whas = np.genfromtxt(folder / "survival" / "whas500_predictions.csv", delimiter=",")
    return {
        "pbc": (pbc["bili"].astype(float), pbc["time"].astype(float), pbc["st"].astype(int)),
        "veteran": (
            -veteran["karno"].astype(float),
            veteran["time"].astype(float),
            veteran["status"].astype(int),
        ),
        "whas500": (whas[:, 2], whas[:, 1], whas[:, 0].astype(int)),
    }


@pytest.mark.parametrize("name", ["pbc", "veteran", "whas500"])
def test_against_r_indices_and_standard_errors(shared: Path, name: str) -> None:
    expected = read_reference(REFERENCE)["values"][name]
    score, time, event = r_tables(shared)[name]
    row = np.arange(time.size)
    horizon, cluster, weights = expected["horizon"], row // 3, 1 + (row % 4) / 2
    for key, ours in (
        ("harrell", harrell_c(score, time, event)),
        ("harrell_h", harrell_c(score, time, event, horizon=horizon)),
        ("harrell_cl", harrell_c(score, time, event, cluster=cluster)),
        ("harrell_w", harrell_c(score, time, event, weights=weights)),
        ("uno", uno_c(score, time, event)),
        ("uno_h", uno_c(score, time, event, horizon=horizon)),
        ("uno_h_cl", uno_c(score, time, event, horizon=horizon, cluster=cluster)),
        ("uno_w", uno_c(score, time, event, weights=weights)),
    ):
        wanted = (expected[key]["value"], expected[key]["se"])
        assert (ours.value, ours.standard_error) == pytest.approx(wanted, abs=EXACT), key


@pytest.mark.parametrize("name", ["pbc", "veteran", "whas500"])
def test_against_r_counts_of_pairs(shared: Path, name: str) -> None:
    expected = read_reference(REFERENCE)["values"][name]
    score, time, event = r_tables(shared)[name]
    weights = 1 + (np.arange(time.size) % 4) / 2
    for key, options in (
        ("harrell", {}),
        ("harrell_h", {"horizon": expected["horizon"]}),
        ("harrell_w", {"weights": weights}),
    ):
        ours = concordance_counts(score, time, event, **options)
        counts = (ours.concordant, ours.discordant, ours.tied_score, ours.tied_time, ours.tied_both)
        assert counts == pytest.approx(expected[key]["count"], rel=EXACT), key


def test_against_r_paired_difference(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]
    bilirubin, time, event = r_tables(shared)["pbc"]
    folder = shared / "data" / "statistics" / "metrics"
    other = -read_columns(folder / "pbc312.csv")["albumin"].astype(float)
    for key, difference in (("harrell", harrell_c_difference), ("uno", uno_c_difference)):
        ours, wanted = difference(bilirubin, other, time, event), expected[f"pbc_difference_{key}"]
        assert ours.value == pytest.approx(wanted["value"], abs=EXACT)
        assert ours.standard_error == pytest.approx(wanted["se"], abs=EXACT)


def test_against_r_truncated_at_five_years(shared: Path) -> None:
    # metrics_R_reference.json, concordance_pbc; 5 years of 365.25 days
    folder = shared / "data" / "statistics" / "metrics"
    wanted = read_reference(folder / "metrics_R_reference.json")["concordance_pbc"]
    score, time, event = r_tables(shared)["pbc"]
    uno = uno_c(score, time, event, horizon=1826.25)
    assert uno.value == pytest.approx(wanted["uno_tau5"], abs=EXACT)
    assert uno.standard_error == pytest.approx(wanted["uno_tau5_se"], abs=EXACT)
    harrell = harrell_c(score, time, event, horizon=1826.25)
    assert harrell.value == pytest.approx(wanted["harrell_tau5"], abs=EXACT)


def test_a_hand_computed_table() -> None:
    # Events at 1 (score 3) and 3 (score 2); censored at 2 (score 3) and 4 (score 1).
    # Pairs: (1,2) tied, (1,3) won, (1,4) won, (3,4) won: 3.5/4. G drops from 1 to 2/3 at 2: the last pair
    # weighs 9/4, so that Uno's index is (0.5 + 2 + 9/4)/(3 + 9/4) = 19/21.
    time, event = np.array([1.0, 2, 3, 4]), np.array([1, 0, 1, 0])
    score = np.array([3.0, 3, 2, 1])
    assert harrell_c(score, time, event).value == pytest.approx(3.5 / 4, abs=EXACT)
    assert uno_c(score, time, event).value == pytest.approx(19 / 21, abs=EXACT)
    counts = concordance_counts(score, time, event)
    assert (counts.concordant, counts.discordant, counts.tied_score) == (3, 0, 1)
    assert (counts.tied_time, counts.tied_both) == (0, 0)


def test_counts_of_events_at_the_same_time() -> None:
    time, event = np.array([1.0, 1, 1, 2]), np.array([1, 1, 1, 0])
    counts = concordance_counts(np.array([2.0, 2, 5, 3]), time, event)
    assert (counts.tied_time, counts.tied_both) == (2, 1)
    assert (counts.concordant, counts.discordant) == (1, 2)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, horizon=st.sampled_from([None, 2.5]))
def test_indices_equal_the_comparison_of_all_pairs(seed: int, horizon: float | None) -> None:
    score, _, time, event = build_follow_up(seed)
    weights = np.random.default_rng(seed).uniform(0.5, 3, size=time.size)
    limit = math.inf if horizon is None else horizon
    for measure, power in ((harrell_c, 0), (uno_c, 2)):
        for w in (None, weights):
            ours = measure(score, time, event, horizon=horizon, weights=w).value
            slow = all_pairs(score, time, event, horizon=limit, power=power, weights=w)
            assert ours == pytest.approx(slow, abs=EXACT)


@pytest.mark.parametrize(("measure", "power"), [(harrell_c, 0), (uno_c, 2)])
def test_standard_error_is_the_infinitesimal_jackknife_with_the_censoring_known(
    measure: Index, power: int
) -> None:
    score, _, time, event = build_follow_up(3, n=25)
    uncensored = censoring_survival(time, event).before(time)

    def value(weights: np.ndarray) -> float:
        return all_pairs(score, time, event, power=power, weights=weights, uncensored=uncensored)

    slopes = gradient(value, np.ones(time.size))
    ours = measure(score, time, event)
    assert ours.standard_error == pytest.approx(float(np.sqrt(np.sum(slopes**2))), abs=SAME_ALGORITHM)
    woman = np.arange(time.size) // 2
    by_woman = np.bincount(woman, weights=slopes)
    clustered = measure(score, time, event, cluster=woman)
    assert clustered.standard_error == pytest.approx(float(np.sqrt(np.sum(by_woman**2))), abs=SAME_ALGORITHM)
    assert clustered.n == 13


@settings(max_examples=20, deadline=None)
@given(seed=seeds, measure=index)
def test_row_order_monotone_transforms_and_the_reversed_score(seed: int, measure: Index) -> None:
    score, _, time, event = build_follow_up(seed)
    ours = measure(score, time, event, horizon=3.0)
    order = np.random.default_rng(seed).permutation(time.size)
    moved = measure(np.exp(score[order]), time[order], event[order], horizon=3.0)
    assert (moved.value, moved.standard_error) == pytest.approx((ours.value, ours.standard_error), abs=EXACT)
    turned = measure(-score, time, event, horizon=3.0)
    assert turned.value == pytest.approx(1 - ours.value, abs=EXACT)
    assert turned.standard_error == pytest.approx(ours.standard_error, abs=EXACT)
    other_unit = measure(score, time * 365.25, event, horizon=3.0 * 365.25)
    assert other_unit.value == pytest.approx(ours.value, abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, measure=index)
def test_weight_two_is_the_row_twice(seed: int, measure: Index) -> None:
    # Copies of an event share its time and are not compared; copies of another row say nothing of each other.
    score, _, time, event = build_follow_up(seed)
    weights = np.random.default_rng(seed).integers(1, 4, size=time.size)
    ours = measure(score, time, event, weights=weights.astype(float))
    again = [np.repeat(column, weights) for column in (score, time, event, np.arange(time.size))]
    repeated = measure(again[0], again[1], again[2], cluster=again[3])
    assert ours.value == pytest.approx(repeated.value, abs=EXACT)
    assert ours.standard_error == pytest.approx(repeated.standard_error, abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, measure=index)
def test_what_happens_after_the_horizon_changes_nothing(seed: int, measure: Index) -> None:
    score, _, time, event = build_follow_up(seed)
    later = time > 3
    ours = measure(score, time, event, horizon=3.0)
    cut = measure(score, np.where(later, 9.0, time), np.where(later, 0, event), horizon=3.0)
    assert (cut.value, cut.standard_error) == pytest.approx((ours.value, ours.standard_error), abs=EXACT)


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_without_censoring_the_two_indices_are_one(seed: int) -> None:
    score, _, time, _ = build_follow_up(seed)
    event = np.ones(time.size, dtype=np.int64)
    assert uno_c(score, time, event).value == pytest.approx(harrell_c(score, time, event).value, abs=EXACT)


@pytest.mark.parametrize(
    ("measure", "difference"), [(harrell_c, harrell_c_difference), (uno_c, uno_c_difference)]
)
def test_a_paired_difference_is_the_difference_and_knows_that_the_rows_are_shared(
    measure: Index, difference: Index
) -> None:
    a, b, time, event = build_follow_up(5)
    ours = difference(a, b, time, event, horizon=4.0)
    one, other = measure(a, time, event, horizon=4.0), measure(b, time, event, horizon=4.0)
    assert ours.value == pytest.approx(one.value - other.value, abs=EXACT)
    same = difference(a, np.exp(a), time, event)
    assert (same.value, same.standard_error, same.p_value) == (0.0, 0.0, 1.0)
    # Var(A − B) of a score and its reverse is that of 2 A.
    turned = difference(a, -a, time, event, horizon=4.0)
    assert turned.standard_error == pytest.approx(2 * one.standard_error, abs=EXACT)


def test_competing_events_end_the_watch_but_are_no_censorings() -> None:
    score, _, time, event = build_follow_up(1, n=80)
    as_censored = np.where(event == 1, 1, 0)
    assert harrell_c(score, time, event).value == harrell_c(score, time, as_censored).value
    # For Uno's G they count as events: taking them as censorings gives larger weights to late pairs.
    assert uno_c(score, time, event).value != pytest.approx(uno_c(score, time, as_censored).value, abs=1e-4)


def test_taking_events_for_censorings_makes_short_follow_up_look_like_discrimination() -> None:
    # A score that sees only the cancers of the next two years, hazard 0.02 a year, 20 000 women; 30 % watched
    # for five years or more, the others for 1 to 3.5. Published programs fit the censoring distribution of
    # Uno's index to the events. The truth in closed form: with d the shift of the score and λ the hazard, the
    # first of two women to have cancer within five years has it within two years, and the other later, in the
    # share below.
    shift, hazard = 1.62, 0.02
    seen = 2 * math.exp(-2 * hazard) * (1 - math.exp(-2 * hazard)) / (1 - math.exp(-10 * hazard))
    truth = 0.5 + seen * (0.5 * (1 + math.erf(shift / 2)) - 0.5)
    assert truth == pytest.approx(0.656, abs=0.001)

    def the_peers_estimator(score: np.ndarray, time: np.ndarray, event: np.ndarray) -> float:
        events_for_censorings = censoring_survival(time, 1 - event).before(time)
        won = total = 0.0
        for i in np.flatnonzero((event == 1) & (time <= 5)):
            later = score[time > time[i]]
            won += np.count_nonzero(later < score[i]) / events_for_censorings[i] ** 2
            total += later.size / events_for_censorings[i] ** 2
        return won / total

    found: list[tuple[float, float, float]] = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        cancer = rng.exponential(1 / hazard, size=20_000)
        score = rng.normal(size=20_000) + shift * (cancer < 2)
        end = np.where(rng.uniform(size=20_000) < 0.3, rng.uniform(5, 6, 20_000), rng.uniform(1, 3.5, 20_000))
        time, event = np.minimum(cancer, end), (cancer <= end).astype(np.int64)
        found.append(
            (
                the_peers_estimator(score, time, event),
                harrell_c(score, time, event, horizon=5.0).value,
                uno_c(score, time, event, horizon=5.0).value,
            )
        )
    peers, harrell, ours = np.mean(found, axis=0)
    # Standard errors of these means are near 0.003.
    assert peers == pytest.approx(0.775, abs=0.012)
    assert harrell == pytest.approx(0.78, abs=0.012)
    assert ours == pytest.approx(truth, abs=0.012)


def test_a_perfect_score_has_an_exact_limit() -> None:
    time = np.arange(1.0, 21)
    event = np.where(time <= 15, 1, 0)
    ours = harrell_c(-time, time, event)
    # 20 rows make 10 pairs that share none: (α/2)^(1/10)
    assert (ours.value, ours.standard_error, ours.upper) == (1.0, 0.0, 1.0)
    assert ours.lower == pytest.approx(0.025 ** (1 / 10), abs=EXACT)
    assert "exact binomial" in ours.notes[0]
    assert uno_c(time, time, event).upper == pytest.approx(1 - 0.025 ** (1 / 10), abs=EXACT)


def test_the_estimate_says_what_it_is_made_of() -> None:
    score, _, time, event = build_follow_up(2)
    ours = uno_c(
        score, time, event, horizon=3.0, cluster=np.arange(50) // 2, weights=np.full(50, 2.0), level=0.9
    )
    assert ours.method == "Uno's C to 3, infinitesimal jackknife, by cluster, weighted, Wald"
    assert (ours.n, ours.level) == (25, 0.9)
    assert ours.n_events == np.count_nonzero((event == 1) & (time <= 3))


@pytest.mark.parametrize("measure", INDICES)
def test_too_few_events_say_how_many_are_needed(measure: Index) -> None:
    score, time = np.array([1.0, 2, 3]), np.array([1.0, 2, 3])
    for event, horizon, n_found in (([0, 0, 0], None, 0), ([1, 1, 0], 1.5, 1), ([1, 0, 1], None, 1)):
        with pytest.raises(TooFewEventsError, match="at least 2 events") as caught:
            measure(score, time, np.array(event), horizon=horizon)
        assert (caught.value.n_found, caught.value.n_needed) == (n_found, 2)


@pytest.mark.parametrize("measure", INDICES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": np.array([np.nan, 1.0, 2, 3])}, "a finite score in every row, found 1 of 4"),
        ({"score": np.array([np.inf, 1.0, 2, 3])}, "a finite score"),
        ({"time": np.array([1.0, -2, 3, 4])}, "1 of 4 rows missing, infinite or negative"),
        ({"event": np.array([1, 1, -1, 0])}, "event codes 0"),
        ({"horizon": 7.0}, r"a horizon within the follow-up \(longest 4\), found 7"),
        ({"horizon": 0.0}, "a horizon > 0"),
        ({"weights": np.array([1.0, 0, 1, 1])}, "finite positive sampling weights"),
        ({"level": 95.0}, "a confidence level in"),
    ],
)
def test_bad_input_is_a_clear_error(measure: Index, change: dict[str, Any], message: str) -> None:
    given_rows: dict[str, Any] = {
        "score": np.array([4.0, 3, 1, 2]),
        "time": np.array([1.0, 2, 3, 4]),
        "event": np.array([1, 1, 1, 0]),
    }
    options = given_rows | change
    score, time, event = (options.pop(key) for key in ("score", "time", "event"))
    with pytest.raises(InputError, match=message):
        measure(score, time, event, **options)
