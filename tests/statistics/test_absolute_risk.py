from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from forescreen.errors import InputError
from forescreen.statistics.absolute_risk import absolute_risk
from forescreen.statistics.hazards import CoxFit, cox_regression

from .builders import EXACT, read_columns, read_reference
from .test_hazards import NAMES, REFERENCE, build_cohort


def both_causes(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, CoxFit, CoxFit]:
    X, time, event, _ = build_cohort(seed)
    other = np.where(event == 2, 1, 0)
    fits = [cox_regression(X, time, codes, names=NAMES) for codes in (event, other)]
    return X, time, event, fits[0], fits[1]


def test_against_r_cause_specific_cox(shared: Path) -> None:
    wanted = read_reference(REFERENCE)["values"]["mgus2_csc_risk_120"]
    table = read_columns(shared / "data" / "statistics" / "survival" / "mgus2.csv")
    progression = table["pstat"].astype(float) == 1
    time = np.where(progression, table["ptime"].astype(float), table["futime"].astype(float))
    event = np.where(progression, 1, 2 * table["death"].astype(int))
    X = np.column_stack([table["age"].astype(float), (table["sex"] == "M").astype(float)])
    fits = [cox_regression(X, time, (event == code).astype(int), names=("age", "male")) for code in (1, 2)]
    new = np.array([[60.0, 0], [70, 1], [80, 1]])
    assert absolute_risk(fits[0], (fits[1],), new, horizon=120) == pytest.approx(wanted, abs=EXACT)


def test_the_sum_of_the_definition() -> None:
    X, _, _, fit, other = both_causes()
    ours = absolute_risk(fit, (other,), X[:4], horizon=2.0)
    own, rival = fit.baseline_of(None), other.baseline_of(None)
    for row in range(4):
        r_own = math.exp(float(fit.linear_predictor(X[row : row + 1])[0]))
        r_rival = math.exp(float(other.linear_predictor(X[row : row + 1])[0]))
        total = 0.0
        for t in own.times[own.times <= 2.0]:
            jump = float(own.at(t) - own.before(t))
            total += math.exp(-float(own.before(t)) * r_own - float(rival.before(t)) * r_rival) * jump * r_own
        assert ours[row] == pytest.approx(total, abs=EXACT)


def test_competing_causes_lower_the_risk_and_it_grows_with_the_horizon() -> None:
    X, _, _, fit, other = both_causes(3)
    alone = absolute_risk(fit, (), X, horizon=2.0)
    competing = absolute_risk(fit, (other,), X, horizon=2.0)
    assert np.all(competing < alone)
    assert np.all(absolute_risk(fit, (other,), X, horizon=1.0) <= competing)
    assert np.all((competing >= 0) & (competing <= 1))


def test_other_covariates_strata_and_long_horizons_are_refused() -> None:
    X, time, event, fit, other = both_causes()
    renamed = cox_regression(X, time, event, names=("a", "b"))
    with pytest.raises(InputError, match="covariates x1, x2 in every fit, found a, b"):
        absolute_risk(fit, (renamed,), X, horizon=1.0)
    stratified = cox_regression(X, time, event, names=NAMES, strata=np.arange(80) % 2)
    with pytest.raises(InputError, match="one of the strata 0, 1"):
        absolute_risk(stratified, (other,), X, horizon=1.0)
    with pytest.raises(InputError, match="the follow-up of the fit"):
        absolute_risk(fit, (other,), X, horizon=1e6)
