from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.case_cohort import case_cohort
from forescreen.statistics.hazards import cox_regression

from .builders import EXACT, SAME_ALGORITHM, read_columns, read_reference
from .test_hazards import NAMES, REFERENCE

METHODS = ("Prentice", "Self-Prentice", "Lin-Ying")
#: cch stops its iterations at a relative change of 1e-9 of the log-likelihood.
ITERATED = 2e-9


def build_sample(seed: int = 0, n: int = 2000, share: float = 0.2) -> dict[str, np.ndarray]:
    """A cohort with rare events, its subcohort, and who is sampled."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    cancer = rng.exponential(1 / (0.03 * np.exp(0.6 * X[:, 0] - 0.3 * X[:, 1])))
    end = rng.uniform(1, 5, size=n)
    event = (cancer <= end).astype(np.int64)
    subcohort = rng.permutation(n) < share * n
    return {
        "X": X,
        "time": np.minimum(cancer, end),
        "event": event,
        "subcohort": subcohort,
        "sampled": subcohort | (event == 1),
    }


def test_against_r_cch(shared: Path) -> None:
    expected = read_reference(REFERENCE)["values"]
    table = read_columns(shared / "data" / "statistics" / "survival" / "nwtco.csv")
    stage = table["stage"].astype(int)
    X = np.column_stack(
        [
            *(np.where(stage == k, 1.0, 0.0) for k in (2, 3, 4)),
            table["histol"].astype(float),
            table["age"].astype(float) / 12,
        ]
    )
    time, event = table["edrel"].astype(float), table["rel"].astype(int)
    subcohort = table["in.subcohort"] == "TRUE"
    names = ("stage2", "stage3", "stage4", "histology", "age")
    full = cox_regression(X, time, event, names=names)
    assert full.coefficients == pytest.approx(expected["nwtco_full"]["coefficients"], abs=EXACT)
    assert full.covariance == pytest.approx(np.array(expected["nwtco_full"]["covariance"]), abs=EXACT)
    assert full.risk(X[:3], horizon=2000) == pytest.approx(expected["nwtco_full"]["risk_2000"], abs=EXACT)
    sampled = subcohort | (event == 1)
    for method, key in zip(METHODS, ("Prentice", "SelfPrentice", "LinYing"), strict=True):
        ours = case_cohort(
            X[sampled],
            time[sampled],
            event[sampled],
            names=names,
            subcohort=subcohort[sampled],
            cohort_size=4028,
            method=method,  # type: ignore[arg-type]
        )
        wanted = expected[f"nwtco_{key}"]
        assert ours.coefficients == pytest.approx(wanted["coefficients"], abs=ITERATED), method
        assert ours.robust_covariance == pytest.approx(np.array(wanted["covariance"]), abs=1e-11), method
        assert (ours.n, ours.n_events) == (1154, 571)


@pytest.mark.parametrize("method", METHODS)
def test_a_subcohort_of_everybody_is_the_cohort(method: Any) -> None:
    rows = build_sample(n=300)
    ours = case_cohort(
        rows["X"],
        rows["time"],
        rows["event"],
        names=NAMES,
        subcohort=np.ones(300, dtype=bool),
        cohort_size=300,
        method=method,
    )
    full = cox_regression(rows["X"], rows["time"], rows["event"], names=NAMES)
    assert ours.coefficients == pytest.approx(full.coefficients, abs=SAME_ALGORITHM)
    # Nothing is drawn: the covariance is the inverse information.
    assert ours.robust_covariance == pytest.approx(full.covariance, abs=SAME_ALGORITHM)
    new = rows["X"][:5]
    assert ours.risk(new, horizon=3.0) == pytest.approx(full.risk(new, horizon=3.0), abs=SAME_ALGORITHM)


@pytest.mark.parametrize("method", METHODS)
def test_estimates_risks_and_standard_errors_are_right_on_average(method: Any) -> None:
    # 60 subcohorts of one cohort: their mean is the estimate of the cohort, their spread the second phase.
    rows = build_sample()
    full = cox_regression(rows["X"], rows["time"], rows["event"], names=NAMES)
    rng = np.random.default_rng(7)
    found, second_phase, risks = [], [], []
    for _ in range(60):
        subcohort = rng.permutation(2000) < 400
        sampled = subcohort | (rows["event"] == 1)
        ours = case_cohort(
            rows["X"][sampled],
            rows["time"][sampled],
            rows["event"][sampled],
            names=NAMES,
            subcohort=subcohort[sampled],
            cohort_size=2000,
            method=method,
        )
        found.append(ours.coefficients)
        second_phase.append(np.diag(ours.robust_covariance) - np.diag(full.covariance))
        risks.append(ours.risk(rows["X"][:20], horizon=3.0))
    error = np.std(found, axis=0, ddof=1)
    assert np.all(np.abs(np.mean(found, axis=0) - full.coefficients) < 4 * error / np.sqrt(60) + 0.01)
    # A standard deviation of 60 is known to 9 %.
    assert np.sqrt(np.mean(second_phase, axis=0)) == pytest.approx(error, rel=0.35)
    assert np.mean(risks, axis=0) == pytest.approx(full.risk(rows["X"][:20], horizon=3.0), rel=0.05)


def test_row_order_changes_nothing() -> None:
    rows = build_sample(1)
    kept = np.flatnonzero(rows["sampled"])
    moved = np.random.default_rng(0).permutation(kept)
    for method in METHODS:
        one, two = (
            case_cohort(
                rows["X"][k],
                rows["time"][k],
                rows["event"][k],
                names=NAMES,
                subcohort=rows["subcohort"][k],
                cohort_size=2000,
                method=method,  # type: ignore[arg-type]
            )
            for k in (kept, moved)
        )
        assert one.coefficients == pytest.approx(two.coefficients, abs=SAME_ALGORITHM)
        assert one.robust_covariance == pytest.approx(two.robust_covariance, abs=SAME_ALGORITHM)


def test_intervals_use_both_phases() -> None:
    rows = build_sample(2)
    k = rows["sampled"]
    fit = case_cohort(
        rows["X"][k],
        rows["time"][k],
        rows["event"][k],
        names=NAMES,
        subcohort=rows["subcohort"][k],
        cohort_size=2000,
    )
    assert fit.hazard_ratio("x1").standard_error == fit.robust_standard_errors[0] > fit.standard_errors[0]
    assert fit.method == "case-cohort, Prentice"
    with pytest.raises(InputError, match="a pseudo-likelihood"):
        _ = fit.lr_test


def test_samples_that_are_no_case_cohort_are_refused() -> None:
    rows = build_sample(3, n=200)
    X, time, event, subcohort = (rows[key] for key in ("X", "time", "event", "subcohort"))
    options: dict[str, Any] = {"names": NAMES, "cohort_size": 200}
    with pytest.raises(InputError, match="neither in the subcohort nor with the event"):
        case_cohort(X, time, event, subcohort=subcohort, **options)
    k = rows["sampled"]
    with pytest.raises(InputError, match="a cohort of at least the"):
        case_cohort(X[k], time[k], event[k], subcohort=subcohort[k], names=NAMES, cohort_size=10)


def test_a_subcohort_that_has_left_before_the_last_event_is_refused() -> None:
    time = np.array([1.0, 2, 3, 4, 5, 6])
    event, subcohort = np.array([1, 0, 1, 0, 1, 1]), np.array([True, True, False, True, False, False])
    X = np.array([[0.1], [0.5], [0.3], [0.9], [0.4], [0.2]])
    with pytest.raises(InputError, match="found 2 event times without"):
        case_cohort(X, time, event, names=("x",), subcohort=subcohort, cohort_size=60, method="Self-Prentice")


def test_too_few_rows_without_event_say_how_many_are_needed() -> None:
    X, time = np.array([[0.1], [0.5], [0.3]]), np.array([1.0, 2, 3])
    with pytest.raises(TooFewEventsError, match="subcohort rows without event") as caught:
        case_cohort(
            X, time, np.array([1, 1, 0]), names=("x",), subcohort=np.ones(3, dtype=bool), cohort_size=30
        )
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)
