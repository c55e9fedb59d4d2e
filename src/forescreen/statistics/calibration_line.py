"""Calibration in the large and slope: the line of the logit of what happens on the logit of the risk.

In: risk strictly inside (0, 1), case mark, and woman and weight where they matter. Out: `CalibrationLine`;
and population risks from those of a case-control sample. [Cox1958]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import special

from ..errors import InputError
from ..records import Estimate
from .inference import ChiSquareTest, chi_square_test, null_p, wald_interval
from .risks import RiskRows, absolute_risks

_NEWTON_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class CalibrationLine:
    """Logistic recalibration: logit P(case) = intercept + slope · logit(risk)."""

    in_the_large: Estimate  # intercept with the slope held at 1; 0 is perfect
    intercept: Estimate  # fitted together with the slope; 0 is perfect
    slope: Estimate  # 1 is perfect, below 1: risks too extreme
    joint_test: ChiSquareTest  # of intercept 0 and slope 1 together


def calibration_line(
    risk: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> CalibrationLine:
    """Calibration in the large, intercept and slope: logistic regression of case on logit(risk) [Cox1958].

    `in_the_large` has the logit of the risk as offset, slope 1. Slope below 1: the risks spread too much, as
    after overfitting. Standard errors from the information; with `weights` or `cluster` the sandwich by
    woman, with n/(n−1). p values against 0, 0 and 1; the joint test is the likelihood-ratio test with 2
    degrees of freedom, a robust Wald test with weights or clusters.

    risk: strictly inside (0, 1). Risks of exactly 0 or 1 are refused: their logit is infinite, and any
    number put in its place would decide the slope. Raises InputError also where all risks are equal or where
    they separate cases from controls, TooFewEventsError with fewer than 2 of either.
    """
    rows = RiskRows.of(risk, case, weights=weights, cluster=cluster)
    quantity = "a calibration line"
    rows.need(quantity, 2, 2)
    n_certain = int(np.count_nonzero((rows.risk == 0) | (rows.risk == 1)))
    if n_certain:
        raise InputError(
            expected="risks strictly between 0 and 1",
            found=f"{n_certain} of {rows.risk.size} rows exactly 0 or 1",
            where=quantity,
            remedy="Groups, curve and O/E accept them; for the slope let the model give risks inside (0, 1)",
        )
    if np.ptp(rows.risk) == 0:
        raise InputError(
            expected="risks that differ", found=f"{rows.risk[0]:.4g} in every row", where=quantity
        )
    logit = special.logit(rows.risk)
    ones = np.ones((logit.size, 1))
    shift = _fit(ones, logit, rows)
    line = _fit(np.column_stack([ones, logit]), np.zeros_like(logit), rows)
    method = "information" if rows.plain else rows.robust
    estimates = [
        _coefficient(fit.beta[i] - null, fit.covariance[i, i], null, rows, f"{name}, {method}, Wald", level)
        for fit, i, null, name in (
            (shift, 0, 0.0, "calibration in the large"),
            (line, 0, 0.0, "calibration intercept"),
            (line, 1, 1.0, "calibration slope"),
        )
    ]
    if rows.plain:
        statistic = 2 * (line.log_likelihood - _log_likelihood(logit, rows))
    else:
        away = line.beta - np.array([0.0, 1.0])
        statistic = float(away @ np.linalg.solve(line.covariance, away))
    return CalibrationLine(
        in_the_large=estimates[0],
        intercept=estimates[1],
        slope=estimates[2],
        joint_test=chi_square_test(statistic, 2),
    )


def shift_intercept(
    risk: Float[np.ndarray, "row"], *, case_fraction: float, control_fraction: float
) -> Float[np.ndarray, "row"]:
    """Population risks from those of a model fitted to an unmatched case-control sample.

    logit(population risk) = logit(risk) − log(case_fraction/control_fraction), the shares of the
    population's cases and controls that were sampled, each in (0, 1]; the slope needs no correction
    [Prentice1979]. After matching the intercept differs by stratum: recalibrate to registry incidence
    instead.
    """
    values = absolute_risks(risk, risk.size)
    if not (0 < case_fraction <= 1 and 0 < control_fraction <= 1):
        raise InputError(
            expected="sampling fractions in (0, 1]",
            found=f"cases {case_fraction}, controls {control_fraction}",
            where="shift_intercept",
        )
    with np.errstate(divide="ignore"):  # risks of 0 and 1 stay what they are
        return np.asarray(special.expit(special.logit(values) - math.log(case_fraction / control_fraction)))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    beta: Float[np.ndarray, "parameter"]
    covariance: Float[np.ndarray, "parameter parameter"]
    log_likelihood: float


def _fit(
    design: Float[np.ndarray, "row parameter"], offset: Float[np.ndarray, "row"], rows: RiskRows
) -> _Fit:
    """Weighted logistic regression with an offset by Newton's method with step halving."""
    beta = np.zeros(design.shape[1])
    value = _log_likelihood(offset, rows)
    for _ in range(_NEWTON_STEPS):
        p = special.expit(offset + design @ beta)
        gradient = design.T @ (rows.weights * (rows.case - p))
        information = (design * (rows.weights * p * (1 - p))[:, None]).T @ design
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            break
        new = _log_likelihood(offset + design @ (beta + step), rows)
        while not new >= value - 1e-12 * abs(value):
            step = step / 2
            new = _log_likelihood(offset + design @ (beta + step), rows)
        beta, value = beta + step, new
        if np.abs(step).max() <= 1e-11 * max(1.0, float(np.abs(beta).max())):
            return _Fit(beta=beta, covariance=_covariance(design, offset, beta, rows), log_likelihood=value)
    raise InputError(
        expected="cases and controls whose risks overlap",
        found="a slope that grows without limit",
        where="a calibration line",
        remedy="With so few or so well separated rows report O/E and groups",
    )


def _covariance(
    design: Float[np.ndarray, "row parameter"],
    offset: Float[np.ndarray, "row"],
    beta: Float[np.ndarray, "parameter"],
    rows: RiskRows,
) -> Float[np.ndarray, "parameter parameter"]:
    p = special.expit(offset + design @ beta)
    inverse = np.linalg.inv((design * (rows.weights * p * (1 - p))[:, None]).T @ design)
    if rows.plain:
        return inverse
    scores = design * (rows.weights * (rows.case - p))[:, None]
    by_unit = np.column_stack(
        [np.bincount(rows.units, weights=column, minlength=rows.n_units) for column in scores.T]
    )
    return np.asarray(rows.n_units / (rows.n_units - 1) * inverse @ by_unit.T @ by_unit @ inverse)


def _log_likelihood(eta: Float[np.ndarray, "row"], rows: RiskRows) -> float:
    return float(np.sum(rows.weights * (np.where(rows.case, eta, 0.0) - np.logaddexp(0.0, eta))))


def _coefficient(
    from_null: float, variance: float, null: float, rows: RiskRows, method: str, level: float
) -> Estimate:
    se = math.sqrt(variance)
    interval = wald_interval(float(null + from_null), se, level)
    return Estimate(
        value=float(null + from_null),
        lower=interval.lower,
        upper=interval.upper,
        n=rows.n_units,
        n_events=rows.n_events,
        method=method,
        standard_error=se,
        p_value=null_p(float(from_null), se),
        level=level,
    )
