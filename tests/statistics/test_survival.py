from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError
from forescreen.records import Estimate
from forescreen.statistics.survival import aalen_johansen, kaplan_meier

from .builders import EXACT, SAME_ALGORITHM, gradient, read_columns, read_reference

REFERENCE = Path(__file__).parents[1] / "reference" / "survival.json"

seeds = st.integers(0, 10_000)


def build_follow_up(seed: int = 0, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Whole years up to 8, codes 0 to 2; the last is censored."""
    rng = np.random.default_rng(seed)
    time, event = np.ceil(rng.uniform(0, 7, size=n)), rng.choice([0, 0, 1, 2], size=n)
    time[:3], event[:3] = (8.0, 1.0, 2.0), (0, 1, 2)
    return time, event


def incidence_by_definition(
    time: np.ndarray, event: np.ndarray, weights: np.ndarray, cause: int, t: float
) -> float:
    """Sum over the event times of chance to be event-free × share of those at risk."""
    free, total = 1.0, 0.0
    for u in np.unique(time[time <= t]):
        at_risk = weights[time >= u].sum()
        total += free * weights[(time == u) & (event == cause)].sum() / at_risk
        free *= 1 - weights[(time == u) & (event > 0)].sum() / at_risk
    return float(total)


def agree(ours: list[Estimate], expected: dict[str, list[float]], value: str = "value") -> None:
    """Value, standard error and limits as in R."""
    columns = {value: "value", "se": "standard_error", "lower": "lower", "upper": "upper"}
    for theirs, name in columns.items():
        for one, wanted in zip(ours, expected.get(theirs, []), strict=False):
            if wanted is not None:
                assert getattr(one, name) == pytest.approx(wanted, abs=EXACT), (theirs, name)


def pbc(shared: Path) -> tuple[np.ndarray, np.ndarray]:
    table = read_columns(shared / "data" / "statistics" / "metrics" / "pbc312.csv")
    return table["time"].astype(float), table["status"].astype(int)


def test_against_r_survfit_kaplan_meier(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]
    table = read_columns(shared / "data" / "statistics" / "survival" / "veteran.csv")
    ours = kaplan_meier(table["time"].astype(float), table["status"].astype(int)).at(180)
    assert ours.value == pytest.approx(expected["veteran_180"]["value"], abs=EXACT)
    assert ours.standard_error == pytest.approx(expected["veteran_180"]["se"], abs=EXACT)
    time, event = pbc(shared)
    curve = kaplan_meier(time, event)
    agree([curve.at(t) for t in expected["pbc312"]["times"]], expected["pbc312"]["event_free"], "surv")


def test_against_r_survfit_with_weights_and_clusters(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]["pbc312"]
    time, event = pbc(shared)
    rows = np.arange(time.size)
    weights, woman = 1 + 0.75 * (rows % 3), rows // 2
    for name, curve in (
        ("event_free_weights", kaplan_meier(time, event, weights=weights)),
        ("event_free_cluster", kaplan_meier(time, event, cluster=woman)),
        ("event_free_weights_cluster", kaplan_meier(time, event, cluster=woman, weights=weights)),
    ):
        agree([curve.at(t) for t in expected["times"]], expected[name], "surv")
    weighted = aalen_johansen(time, event, weights=weights)
    for cause, name in ((1, "transplant_weights"), (2, "death_weights")):
        agree([weighted.at(cause, t) for t in expected["times"]], expected[name])


def test_against_r_survfit_aalen_johansen(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]
    time, event = pbc(shared)
    curves = aalen_johansen(time, event)
    for cause, name in ((1, "transplant"), (2, "death")):
        agree([curves.at(cause, t) for t in expected["pbc312"]["times"]], expected["pbc312"][name])
    table = read_columns(shared / "data" / "statistics" / "survival" / "mgus2.csv")
    progressed = table["pstat"].astype(int) == 1
    time = np.where(progressed, table["ptime"].astype(float), table["futime"].astype(float))
    event = np.where(progressed, 1, 2 * table["death"].astype(int))
    curves, free = aalen_johansen(time, event), kaplan_meier(time, event)
    times = expected["mgus2"]["times"]
    agree([curves.at(1, t) for t in times], expected["mgus2"]["progression"])
    agree([curves.at(2, t) for t in times], expected["mgus2"]["death"])
    agree([free.at(t) for t in times], expected["mgus2"]["event_free"])


def test_a_hand_computed_curve() -> None:
    # 4 at risk at 1 (one event), 2 at risk at 3 (one event): ¾ and ¾·½
    time, event = np.array([1.0, 2, 3, 4]), np.array([1, 0, 2, 0])
    curve = kaplan_meier(time, event)
    assert curve.survival.tolist() == [0.75, 0.75, 0.375, 0.375]
    assert (curve.n_at_risk.tolist(), curve.n_events.tolist()) == ([4, 3, 2, 1], [1, 0, 1, 0])
    # Greenwood at 3: S² (1/(4·3) + 1/(2·1))
    ours = curve.at(3.5)
    assert ours.standard_error**2 == pytest.approx(0.375**2 * (1 / 12 + 1 / 2), abs=EXACT)
    spread = math.exp(1.959963984540054 * ours.standard_error / 0.375)
    assert (ours.lower, ours.upper) == (pytest.approx(0.375 / spread, abs=EXACT), 1.0)
    assert (ours.n, ours.n_events) == (4, 2)
    curves = aalen_johansen(time, event)
    assert curves.causes == (1, 2)
    assert curves.incidence.tolist() == [[0.25, 0.25, 0.25, 0.25], [0, 0, 0.375, 0.375]]


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_incidence_is_its_definition_and_all_chances_sum_to_one(seed: int) -> None:
    time, event = build_follow_up(seed)
    weights = np.random.default_rng(seed).uniform(0.5, 3, size=time.size)
    curves = aalen_johansen(time, event, weights=weights)
    for cause in (1, 2):
        for t in (1.0, 3.5, 8.0):
            expected = incidence_by_definition(time, event, weights, cause, t)
            assert curves.at(cause, t).value == pytest.approx(expected, abs=EXACT)
    assert curves.event_free + curves.incidence.sum(axis=0) == pytest.approx(1.0, abs=EXACT)
    assert curves.event_free == pytest.approx(kaplan_meier(time, event, weights=weights).survival, abs=EXACT)


@settings(max_examples=5, deadline=None)
@given(seed=seeds, clustered=st.booleans())
def test_the_variance_is_the_sum_of_squared_derivatives_by_woman(seed: int, clustered: bool) -> None:
    time, event = build_follow_up(seed, n=14)
    rng = np.random.default_rng(seed)
    weights, woman = rng.uniform(0.5, 3, size=14), rng.integers(0, 6, size=14)
    units = woman if clustered else np.arange(14)
    curves = aalen_johansen(time, event, cluster=woman if clustered else None, weights=weights)
    for cause in (1, 2):
        for t in (1.0, 4.0, 8.0):
            slope = gradient(lambda w, c=cause, t=t: incidence_by_definition(time, event, w, c, t), weights)
            sums = np.bincount(units, weights=weights * slope)
            assert curves.at(cause, t).standard_error == pytest.approx(np.sqrt(np.sum(sums**2)), abs=1e-8)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_the_jackknife_is_greenwood_where_rows_are_independent(seed: int) -> None:
    time, event = build_follow_up(seed)
    plain = kaplan_meier(time, event)
    for other in (
        kaplan_meier(time, event, cluster=np.arange(time.size)),
        kaplan_meier(time, event, weights=np.full(time.size, 7.0)),
    ):
        assert other.survival == pytest.approx(plain.survival, abs=EXACT)
        assert other.standard_error == pytest.approx(plain.standard_error, abs=SAME_ALGORITHM)
    # With one kind of event the incidence is what the curve lacks
    one = aalen_johansen(time, np.minimum(event, 1))
    assert one.incidence[0] == pytest.approx(1 - plain.survival, abs=EXACT)
    assert one.standard_error[0] == pytest.approx(plain.standard_error, abs=SAME_ALGORITHM)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_weight_two_is_the_row_twice_and_the_order_does_not_matter(seed: int) -> None:
    time, event = build_follow_up(seed)
    rng = np.random.default_rng(seed)
    copies = rng.integers(1, 4, size=time.size)
    ours = aalen_johansen(time, event, weights=copies.astype(float))
    order = rng.permutation(int(copies.sum()))
    repeated = aalen_johansen(
        np.repeat(time, copies)[order],
        np.repeat(event, copies)[order],
        cluster=np.repeat(np.arange(time.size), copies)[order],
    )
    assert repeated.incidence == pytest.approx(ours.incidence, abs=EXACT)
    assert repeated.standard_error == pytest.approx(ours.standard_error, abs=SAME_ALGORITHM)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_what_happens_after_a_time_does_not_matter_for_it(seed: int) -> None:
    time, event = build_follow_up(seed)
    later, codes = np.where(time > 3, time + 5, time), np.where(time > 3, 0, event)
    ours = aalen_johansen(time, event).at(1, 3)
    moved = aalen_johansen(later, codes).at(1, 3)
    assert (moved.value, moved.standard_error, moved.n_events) == pytest.approx(
        (ours.value, ours.standard_error, ours.n_events), abs=SAME_ALGORITHM
    )


def test_ignoring_competing_events_overestimates() -> None:
    time, event = build_follow_up(n=400)
    proper = aalen_johansen(time, event).at(1, 5).value
    assert 1 - kaplan_meier(time, np.where(event == 1, 1, 0)).at(5).value > proper + 0.01


def test_no_event_yet_has_the_exact_binomial_limit() -> None:
    time, event = np.array([2.0, 3, 4, 5]), np.array([0, 1, 2, 0])
    free = kaplan_meier(time, event).at(2.5)
    # 4 rows at risk at 2, none with an event: 0.025 to the power ¼
    assert (free.value, free.upper, free.standard_error, free.n_events) == (1.0, 1.0, 0.0, 0)
    assert free.lower == pytest.approx(0.025 ** (1 / 4), abs=EXACT)
    assert "no event yet" in free.notes[0]
    other = aalen_johansen(time, event).at(2, 1.0)
    assert (other.value, other.lower) == (0.0, 0.0)
    assert other.upper == pytest.approx(1 - 0.025 ** (1 / 4), abs=EXACT)


def test_nobody_left_without_an_event_has_no_upper_limit() -> None:
    ours = kaplan_meier(np.array([1.0, 2.0, 3.0]), np.array([1, 1, 1])).at(3)
    assert (ours.value, ours.lower, ours.standard_error) == (0.0, 0.0, 0.0)
    assert math.isnan(ours.upper)
    assert "nobody left" in ours.notes[0]
    assert aalen_johansen(np.array([1.0, 2.0, 3.0]), np.array([1, 1, 1])).at(1, 3).value == 1.0


def test_women_are_counted_not_rows() -> None:
    time, event = build_follow_up()
    ours = kaplan_meier(time, event, cluster=np.arange(40) // 4).at(3)
    assert ours.n == 10
    assert "by cluster" in ours.method
    assert ours.n_events == int(np.sum((event > 0) & (time <= 3)))


def test_times_beyond_the_follow_up_and_unknown_causes_are_refused() -> None:
    time, event = build_follow_up()
    with pytest.raises(InputError, match=r"within the follow-up \(longest 8\), found 9"):
        kaplan_meier(time, event).at(9)
    with pytest.raises(InputError, match="a horizon > 0"):
        aalen_johansen(time, event).at(1, 0.0)
    with pytest.raises(InputError, match="a cause among 1, 2, found 3"):
        aalen_johansen(time, event).at(3, 2.0)
    with pytest.raises(InputError, match="every row censored"):
        aalen_johansen(time, np.zeros(40, dtype=int))
