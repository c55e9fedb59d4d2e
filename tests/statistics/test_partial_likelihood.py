from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError
from forescreen.statistics.partial_likelihood import (
    CoxData,
    EventSteps,
    Ties,
    cox_derivatives,
    hazard_increments,
    maximise_partial_likelihood,
    score_shares,
)

from .builders import EXACT, OTHER_ALGORITHM, SAME_ALGORITHM, gradient

seeds = st.integers(0, 10_000)
ties = st.sampled_from(["efron", "breslow"])


def build_cohort(seed: int = 0, n: int = 40) -> dict[str, np.ndarray]:
    """Follow-up with ties, delayed entry, three strata and weights."""
    rng = np.random.default_rng(seed)
    time = np.round(rng.uniform(0.3, 4, size=n), 1)
    return {
        "X": rng.normal(size=(n, 2)),
        "time": time,
        "dead": rng.uniform(size=n) < 0.6,
        "entry": np.round(time * rng.uniform(-0.5, 0.9, size=n), 1) - 0.05,
        "strata": rng.integers(0, 3, size=n),
        "weights": rng.uniform(0.5, 2, size=n),
    }


def build_data(rows: dict[str, np.ndarray], rule: Ties) -> CoxData:
    steps = EventSteps.of(rows["time"], rows["dead"], entry=rows["entry"], strata=rows["strata"])
    return CoxData.of(
        rows["X"], steps, ties=rule, risk_weights=rows["weights"], event_weights=rows["weights"]
    )


def written_out(rows: dict[str, np.ndarray], beta: np.ndarray, rule: Ties, weights: np.ndarray) -> float:
    """Log-likelihood event time by event time."""
    predictor = rows["X"] @ beta
    total = 0.0
    for stratum in np.unique(rows["strata"]):
        own = rows["strata"] == stratum
        for t in np.unique(rows["time"][own & rows["dead"]]):
            here = np.flatnonzero(own & rows["dead"] & (rows["time"] == t))
            at_risk = own & (rows["entry"] < t) & (rows["time"] >= t)
            everybody = float(np.sum((weights * np.exp(predictor))[at_risk]))
            tied = float(np.sum((weights * np.exp(predictor))[here]))
            total += float(weights[here] @ predictor[here])
            for m in range(here.size):
                share = m / here.size if rule == "efron" else 0.0
                total -= weights[here].mean() * math.log(everybody - share * tied)
    return total


@settings(max_examples=25, deadline=None)
@given(seed=seeds, rule=ties)
def test_likelihood_score_and_information_are_those_of_the_definition(seed: int, rule: Ties) -> None:
    rows = build_cohort(seed)
    if not rows["dead"].any():
        return
    data, beta = build_data(rows, rule), np.array([0.4, -0.7])
    ours = cox_derivatives(data, beta)
    w = rows["weights"]
    assert ours.log_likelihood == pytest.approx(written_out(rows, beta, rule, w), abs=SAME_ALGORITHM)
    slopes = gradient(lambda b: written_out(rows, b, rule, w), beta)
    assert ours.score == pytest.approx(slopes, abs=OTHER_ALGORITHM)
    curvature = -gradient(lambda b: cox_derivatives(data, b).score, beta)
    assert ours.information == pytest.approx(curvature, abs=OTHER_ALGORITHM)


@settings(max_examples=10, deadline=None)
@given(seed=seeds, rule=ties)
def test_the_share_of_a_row_in_the_score_is_the_derivative_by_its_weight(seed: int, rule: Ties) -> None:
    rows = build_cohort(seed, n=15)
    if not rows["dead"].any():
        return
    data, beta = build_data(rows, rule), np.array([0.4, -0.7])
    by_event, by_risk = score_shares(data, cox_derivatives(data, beta))

    def score(weights: np.ndarray) -> np.ndarray:
        return cox_derivatives(build_data(rows | {"weights": weights}, rule), beta).score

    slopes = gradient(score, rows["weights"]) * rows["weights"][:, None]
    assert by_event + by_risk == pytest.approx(slopes, abs=OTHER_ALGORITHM)
    # The score is homogeneous of degree one in the weights.
    assert (by_event + by_risk).sum(axis=0) == pytest.approx(score(rows["weights"]), abs=SAME_ALGORITHM)
    assert not by_event[~rows["dead"]].any()


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_sums_over_risk_sets_and_over_time_at_risk_are_transposes(seed: int) -> None:
    rows = build_cohort(seed)
    if not rows["dead"].any():
        return
    steps = build_data(rows, "efron").steps
    rng = np.random.default_rng(seed)
    by_row, by_step = rng.normal(size=40), rng.normal(size=steps.n)
    at_risk = (
        (rows["strata"][:, None] == steps.stratum)
        & (rows["entry"][:, None] < steps.times)
        & (rows["time"][:, None] >= steps.times)
    )
    assert steps.over_risk_sets(by_row) == pytest.approx(by_row @ at_risk, abs=EXACT)
    assert steps.over_time_at_risk(by_step) == pytest.approx(at_risk @ by_step, abs=EXACT)
    both = np.column_stack([by_row, by_row**2])
    assert steps.over_risk_sets(both)[:, 1] == pytest.approx(by_row**2 @ at_risk, abs=EXACT)


def test_without_effects_the_baseline_hazard_is_that_of_nelson_and_aalen() -> None:
    rows = build_cohort(3) | {"strata": np.zeros(40, dtype=np.int64), "entry": np.full(40, -1.0)}
    data = build_data(rows | {"weights": np.ones(40)}, "breslow")
    increments = hazard_increments(data, cox_derivatives(data, np.zeros(2)))
    times = data.steps.times
    events = np.array([np.count_nonzero(rows["dead"] & (rows["time"] == t)) for t in times])
    at_risk = np.array([np.count_nonzero(rows["time"] >= t) for t in times])
    assert increments == pytest.approx(events / at_risk, abs=EXACT)


def test_a_risk_set_that_underflows_is_not_a_likelihood_without_bound() -> None:
    # exp(−1000) is 0 in double precision: log 0 of the last risk sets must not look like a better fit.
    rows = build_cohort(1)
    assert cox_derivatives(build_data(rows, "efron"), np.array([900.0, 0.0])).log_likelihood == -math.inf
    far = rows | {"X": np.column_stack([rows["X"][:, 0], np.where(np.arange(40) == 3, 1e6, 0.0)])}
    fit = maximise_partial_likelihood(build_data(rows, "efron"), ("x", "y"))
    assert math.isfinite(fit.derivatives.log_likelihood)
    with pytest.raises(InputError, match="a likelihood with a maximum"):
        maximise_partial_likelihood(
            build_data(far | {"dead": rows["dead"] & (np.arange(40) != 3)}, "efron"), ("x", "y")
        )


def test_a_level_without_events_has_no_finite_hazard_ratio() -> None:
    rows = build_cohort(2)
    rows["X"] = np.column_stack([rows["X"][:, 0], (~rows["dead"]).astype(float)])
    with pytest.raises(InputError, match=r"a hazard ratio of never without bound"):
        maximise_partial_likelihood(build_data(rows, "efron"), ("x", "never"))


def test_covariates_that_say_nothing_new_are_refused() -> None:
    rows = build_cohort(2)
    x = rows["X"][:, 0]
    by_stratum = rows["strata"].astype(float)
    with pytest.raises(InputError, match="stratum constant at every event"):
        maximise_partial_likelihood(
            build_data(rows | {"X": np.column_stack([x, by_stratum])}, "efron"), ("x", "stratum")
        )
    with pytest.raises(InputError, match="a combination of x, twice that does not vary"):
        maximise_partial_likelihood(
            build_data(rows | {"X": np.column_stack([x, 2 * x])}, "efron"), ("x", "twice")
        )
