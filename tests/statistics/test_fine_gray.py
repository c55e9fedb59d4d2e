from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError
from forescreen.statistics.censoring import censoring_survival
from forescreen.statistics.fine_gray import fine_gray
from forescreen.statistics.hazards import cox_regression

from .builders import EXACT, SAME_ALGORITHM, read_columns, read_reference
from .test_hazards import NAMES, REFERENCE, build_cohort

#: crr of cmprsk has other conventions for ties and the censoring distribution.
OTHER_CONVENTION = 5e-4


def pbc(shared: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = read_columns(shared / "data" / "statistics" / "metrics" / "pbc312.csv")
    X = np.column_stack([np.log(table["bili"].astype(float)), table["age"].astype(float)])
    return X, table["time"].astype(float), np.array([0, 2, 1])[table["status"].astype(int)]


def test_against_r_finegray(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]
    X, time, event = pbc(shared)
    ours = fine_gray(X, time, event, names=("log_bilirubin", "age"))
    wanted = expected["pbc_fine_gray"]
    new = np.array([[0.0, 40], [1, 50], [2, 60]])
    assert ours.risk(new, horizon=1826) == pytest.approx(wanted["risk_1826"], abs=EXACT)
    table = read_columns(shared / "data" / "statistics" / "survival" / "mgus2.csv")
    progression = table["pstat"].astype(float) == 1
    time = np.where(progression, table["ptime"].astype(float), table["futime"].astype(float))
    event = np.where(progression, 1, 2 * table["death"].astype(int))
    X = np.column_stack([table["age"].astype(float), (table["sex"] == "M").astype(float)])
    other = fine_gray(X, time, event, names=("age", "male"))
    for fit, rows in ((ours, wanted), (other, expected["mgus2_fine_gray"])):
        assert fit.coefficients == pytest.approx(rows["coefficients"], abs=EXACT)
        assert fit.covariance == pytest.approx(np.array(rows["naive"]), abs=EXACT)
        assert fit.robust_covariance == pytest.approx(np.array(rows["robust"]), abs=EXACT)


def test_against_r_crr_up_to_its_conventions(shared: Path) -> None:
    wanted = read_reference(REFERENCE)["values"]["pbc_crr"]
    X, time, event = pbc(shared)
    ours = fine_gray(X, time, event, names=("log_bilirubin", "age"))
    assert ours.coefficients == pytest.approx(wanted["coefficients"], abs=OTHER_CONVENTION)
    # crr counts the estimation of the censoring distribution: here 5e-4 of the standard error
    assert ours.robust_standard_errors == pytest.approx(wanted["se"], rel=1e-3)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), ties=st.sampled_from(["efron", "breslow"]))
def test_it_is_the_weighted_regression_of_the_extended_rows(seed: int, ties: str) -> None:
    # Each competing event is followed by one row per later event time, of weight G(t−)/G(T−).
    X, time, event, _ = build_cohort(seed, n=40)
    uncensored = censoring_survival(time, event)
    own = np.unique(time[event == 1])
    rows, start, stop, weight = list(range(40)), [-1.0] * 40, time.tolist(), [1.0] * 40
    for j in np.flatnonzero(event == 2):
        before = time[j]
        for t in own[own > time[j]]:
            share = float(uncensored.before(t) / uncensored.before(time[j]))
            if share > 0:
                rows.append(int(j))
                start.append(before)
                stop.append(float(t))
                weight.append(share)
            before = float(t)
    status = np.concatenate([event == 1, np.zeros(len(rows) - 40, dtype=bool)]).astype(np.int64)
    extended = cox_regression(
        X[rows],
        np.array(stop),
        status,
        names=NAMES,
        entry=np.array(start),
        weights=np.array(weight),
        cluster=np.array(rows),
        ties=ties,  # type: ignore[arg-type]
    )
    ours = fine_gray(X, time, event, names=NAMES, ties=ties)  # type: ignore[arg-type]
    assert ours.coefficients == pytest.approx(extended.coefficients, abs=SAME_ALGORITHM)
    assert ours.covariance == pytest.approx(extended.covariance, abs=SAME_ALGORITHM)
    assert ours.robust_covariance == pytest.approx(extended.robust_covariance, abs=SAME_ALGORITHM)


def test_without_censoring_competing_women_stay_at_risk_for_ever() -> None:
    X, time, event, _ = build_cohort(2)
    event = np.where(event == 0, 1, event)
    ours = fine_gray(X, time, event, names=NAMES)
    stay = cox_regression(X, np.where(event == 2, 1e6, time), event, names=NAMES)
    assert ours.coefficients == pytest.approx(stay.coefficients, abs=SAME_ALGORITHM)
    assert ours.covariance == pytest.approx(stay.covariance, abs=SAME_ALGORITHM)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_row_order_and_repeated_rows(seed: int) -> None:
    X, time, event, rng = build_cohort(seed)
    weights = rng.integers(1, 4, size=80)
    ours = fine_gray(X, time, event, names=NAMES, weights=weights.astype(float), ties="breslow")
    again = np.repeat(rng.permutation(80), 1)
    again = np.repeat(again, weights[again])
    repeated = fine_gray(X[again], time[again], event[again], names=NAMES, cluster=again, ties="breslow")
    assert ours.coefficients == pytest.approx(repeated.coefficients, abs=SAME_ALGORITHM)
    assert ours.robust_covariance == pytest.approx(repeated.robust_covariance, abs=SAME_ALGORITHM)


def test_intervals_use_the_sandwich_and_there_is_no_likelihood_ratio() -> None:
    X, time, event, _ = build_cohort()
    fit = fine_gray(X, time, event, names=NAMES)
    assert fit.hazard_ratio("x1").standard_error == fit.robust_standard_errors[0]
    with pytest.raises(InputError, match=r"a pseudo-likelihood \(subdistribution hazards"):
        _ = fit.lr_test


def test_it_needs_competing_events() -> None:
    X, time, event, _ = build_cohort()
    with pytest.raises(InputError, match="competing events, code 2 or above, found none"):
        fine_gray(X, time, np.where(event == 2, 0, event), names=NAMES)
