from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.calibration_line import calibration_line, shift_intercept

from .builders import SAME_ALGORITHM, read_columns, read_reference
from .test_calibration import build_risks

REFERENCE = read_reference(Path(__file__).parents[1] / "reference" / "calibration.json")["values"]
seeds = st.integers(0, 10_000)


def test_against_r_glm(shared: Path) -> None:
    # R glm(y ~ qlogis(p)), glm(y ~ 1, offset = qlogis(p)), epsilon 1e-15, on calibration_sim.csv
    table = read_columns(shared / "data" / "statistics" / "metrics" / "calibration_sim.csv")
    line = calibration_line(table["p"].astype(float), table["y"] == "1")
    for name in ("in_the_large", "intercept", "slope"):
        ours = getattr(line, name)
        assert (ours.value, ours.standard_error) == pytest.approx(REFERENCE[name], abs=SAME_ALGORITHM)
    assert line.joint_test.statistic == pytest.approx(REFERENCE["joint_chi_square"], abs=SAME_ALGORITHM)
    # as printed with the default epsilon, whose last step R does not take
    assert line.in_the_large.value == pytest.approx(0.7539119587, abs=1e-8)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_the_score_equations_hold(seed: int) -> None:
    risk, case = build_risks(seed)
    line = calibration_line(risk, case)
    logit = special.logit(risk)
    shifted = special.expit(logit + line.in_the_large.value)
    assert shifted.sum() == pytest.approx(case.sum(), abs=SAME_ALGORITHM)
    fitted = special.expit(line.intercept.value + line.slope.value * logit)
    assert np.sum((case - fitted) * logit) == pytest.approx(0, abs=1e-8)
    information = np.sum(shifted * (1 - shifted))
    assert line.in_the_large.standard_error == pytest.approx(information**-0.5, abs=SAME_ALGORITHM)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_weight_two_is_the_row_twice_of_one_woman(seed: int) -> None:
    risk, case = build_risks(seed)
    weights = np.random.default_rng(seed).integers(1, 4, size=risk.size)
    weighted = calibration_line(risk, case, weights=weights.astype(float))
    woman = np.repeat(np.arange(risk.size), weights)
    again = calibration_line(np.repeat(risk, weights), np.repeat(case, weights), cluster=woman)
    for name in ("in_the_large", "intercept", "slope"):
        ours, theirs = getattr(weighted, name), getattr(again, name)
        assert (ours.value, ours.standard_error) == pytest.approx(
            (theirs.value, theirs.standard_error), abs=SAME_ALGORITHM
        )
    assert weighted.joint_test.statistic == pytest.approx(again.joint_test.statistic, rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, shift=st.floats(-1, 1), scale=st.floats(0.5, 2))
def test_a_moved_logit_moves_the_line(seed: int, shift: float, scale: float) -> None:
    risk, case = build_risks(seed)
    line = calibration_line(risk, case)
    moved = calibration_line(special.expit(shift + scale * special.logit(risk)), case)
    assert moved.slope.value * scale == pytest.approx(line.slope.value, abs=1e-7)
    assert moved.intercept.value + moved.slope.value * shift == pytest.approx(line.intercept.value, abs=1e-7)


def test_good_risks_have_p_values_that_do_not_alarm_and_poor_ones_do() -> None:
    risk, case = build_risks(1, n=4000)
    good = calibration_line(risk, case)
    assert min(good.slope.p_value, good.in_the_large.p_value, good.joint_test.p_value) > 0.01
    assert good.slope.lower < 1 < good.slope.upper
    extreme = calibration_line(special.expit(2 * special.logit(risk)), case)
    assert extreme.slope.value == pytest.approx(good.slope.value / 2, abs=1e-8)
    assert max(extreme.slope.p_value, extreme.joint_test.p_value) < 1e-6


def test_risks_of_zero_equal_risks_and_separated_ones_are_refused() -> None:
    risk, case = build_risks(0)
    certain = risk.copy()
    certain[:3] = 0.0, 1.0, 0.0
    with pytest.raises(InputError, match="3 of 200 rows exactly 0 or 1"):
        calibration_line(certain, case)
    with pytest.raises(InputError, match="risks that differ"):
        calibration_line(np.full(200, 0.1), case)
    with pytest.raises(InputError, match="a slope that grows without limit"):
        calibration_line(risk, risk > np.median(risk))
    with pytest.raises(TooFewEventsError, match="at least 2 events for a calibration line, found 1"):
        calibration_line(risk, np.arange(200) == 7)


def test_a_case_control_sample_moves_the_intercept_by_the_log_of_the_fractions() -> None:
    # 100 % of the cases, 2 % of the controls: odds of 1 among the sampled are 0.02 in the population
    ours = shift_intercept(np.array([0.5, 0.0, 1.0]), case_fraction=1.0, control_fraction=0.02)
    assert ours == pytest.approx([0.02 / 1.02, 0.0, 1.0], abs=1e-15)
    population = special.expit(np.linspace(-6, -2, 5))
    sampled = special.expit(special.logit(population) + math.log(0.8 / 0.05))
    back = shift_intercept(sampled, case_fraction=0.8, control_fraction=0.05)
    assert back == pytest.approx(population, abs=1e-15)
    with pytest.raises(InputError, match="sampling fractions"):
        shift_intercept(sampled, case_fraction=0.0, control_fraction=1.0)


def test_the_sandwich_is_summed_by_woman() -> None:
    # I⁻¹ (Σ_women U U') I⁻¹ · n/(n − 1), U the summed scores of her rows, written out woman by woman
    risk, case = build_risks(9)
    woman = np.arange(200) // 3
    ours = calibration_line(risk, case, cluster=woman)
    design = np.column_stack([np.ones(200), special.logit(risk)])
    p = special.expit(design @ np.array([ours.intercept.value, ours.slope.value]))
    bread = np.linalg.inv(design.T @ np.diag(p * (1 - p)) @ design)
    meat = np.zeros((2, 2))
    for w in range(67):
        score = design[woman == w].T @ (case - p)[woman == w]
        meat += np.outer(score, score)
    covariance = 67 / 66 * bread @ meat @ bread
    assert ours.slope.standard_error**2 == pytest.approx(covariance[1, 1], abs=SAME_ALGORITHM)
    assert ours.intercept.standard_error**2 == pytest.approx(covariance[0, 0], abs=SAME_ALGORITHM)
    away = np.array([ours.intercept.value, ours.slope.value - 1])
    wald = away @ np.linalg.solve(covariance, away)
    assert ours.joint_test.statistic == pytest.approx(wald, abs=SAME_ALGORITHM)
    assert (ours.slope.n, "by cluster" in ours.slope.method) == (67, True)
