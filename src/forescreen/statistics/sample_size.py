"""How many women, cancers or matched sets a figure of the study needs, before anybody is counted.

In: what is expected (odds ratio, concordance, prevalence) and how precise or powerful the answer must be.
Out: numbers of sets, cancers or women, or a named record of the criteria they come from. Integrals are
evaluated, not simulated: the same question has the same answer. The matched concordance itself is planned
with `binormal.sets_needed`. [Hanley1982, Riley2019, Riley2020, Riley2021]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import integrate, special

from ..errors import InputError
from .binormal import set_concordance_variance
from .inference import normal_quantile
from .proportions import wilson_interval

#: Development criteria of [Riley2020]: shrinkage, optimism of Nagelkerke's R², error of the mean risk.
_SHRINKAGE, _OPTIMISM, _MEAN_RISK_ERROR = 0.9, 0.05, 0.05

#: Standard normal expectations by the trapezoidal rule, which on the whole line is exact to rounding here.
_NODES = np.linspace(-12, 12, 1201)
_NODE_WEIGHTS = np.exp(-_NODES * _NODES / 2) * (_NODES[1] - _NODES[0]) / math.sqrt(2 * math.pi)

#: A search for a sample size beyond this answers with an error: there are not so many women.
_MOST = 10**10


@dataclass(frozen=True, kw_only=True)
class DevelopmentSize:
    """Women needed to develop a model, by criterion of [Riley2020]; `n` is the largest."""

    n_shrinkage: int  # mean shrinkage of the coefficients no more than a tenth
    n_optimism: int  # optimism of Nagelkerke's R² no more than 0.05
    n_mean_risk: int  # the mean risk (by the horizon) within 0.05
    n: int
    n_events: float
    events_per_parameter: float


@dataclass(frozen=True, kw_only=True)
class ValidationSize:
    """Women needed to validate a model of absolute risk, by criterion of [Riley2021]; `n` is the largest."""

    n_observed_over_expected: int
    n_calibration_slope: int
    n_concordance: int
    n: int
    n_events: float


def cox_snell_r2(concordance: float, prevalence: float) -> float:
    """Cox-Snell R² that a model of this concordance has at this prevalence, normal scores of equal variance.

    1 − exp(−2 I), where I is the mean gain in log-likelihood per woman over the mean risk; [Riley2021a]
    simulate it.
    concordance in (0.5, 1), prevalence in (0, 1).
    """
    _check_between(concordance, 0.5, 1, "concordance")
    _check_between(prevalence, 0, 1, "prevalence")
    shift = math.sqrt(2) * float(special.ndtri(concordance))
    at_zero = float(special.logit(prevalence)) - shift * shift / 2
    cases = float(_NODE_WEIGHTS @ special.log_expit(at_zero + shift * (_NODES + shift)))
    controls = float(_NODE_WEIGHTS @ special.log_expit(-(at_zero + shift * _NODES)))
    fitted = prevalence * cases + (1 - prevalence) * controls
    return float(-np.expm1(-2 * (fitted - _null_log_likelihood(prevalence))))


def women_to_develop(r2: float, *, n_parameters: int, prevalence: float) -> DevelopmentSize:
    """Women needed to develop a logistic model with this many parameters [Riley2020].

    r2: the Cox-Snell R² expected of it (`cox_snell_r2` translates a concordance); prevalence of the outcome
    in (0, 1). Raises InputError when r2 is not below its largest possible value at this prevalence.
    """
    _check_between(prevalence, 0, 1, "prevalence")
    highest = -math.expm1(2 * _null_log_likelihood(prevalence))
    z = 1.96  # as published
    mean_risk = math.ceil((z / _MEAN_RISK_ERROR) ** 2 * prevalence * (1 - prevalence))
    return _development(r2, highest, n_parameters, mean_risk, events_per_woman=prevalence)


def women_to_develop_survival(
    r2: float, *, n_parameters: int, rate: float | int, mean_follow_up: float | int, horizon: float | int
) -> DevelopmentSize:
    """Women needed to develop a survival model with this many parameters [Riley2020].

    r2: the Cox-Snell R² expected of it; rate: events per woman-year; mean_follow_up and horizon in years.
    The largest R² is that of a constant rate, and the criterion of the mean risk asks that the upper 95 %
    limit of 1 − exp(−rate · horizon) lies within 0.05 of it.
    """
    for value, name in ((rate, "rate"), (mean_follow_up, "mean_follow_up"), (horizon, "horizon")):
        _check_between(value, 0, math.inf, name)
    per_woman = rate * mean_follow_up
    highest = -math.expm1(2 * (per_woman * math.log(per_woman) - per_woman))

    def upper_error(n: int) -> float:
        margin = 1.96 * math.sqrt(rate / (mean_follow_up * n))
        return math.exp(-rate * horizon) - math.exp(-(rate + margin) * horizon)

    mean_risk = _smallest(lambda n: upper_error(n) <= _MEAN_RISK_ERROR)
    return _development(r2, highest, n_parameters, mean_risk, events_per_woman=per_woman)


def women_to_validate(
    *,
    prevalence: float,
    concordance: float,
    linear_predictor_mean: float | int,
    linear_predictor_sd: float | int,
    ratio_width: float | int = 0.2,
    slope_width: float | int = 0.2,
    concordance_width: float | int = 0.1,
) -> ValidationSize:
    """Women needed to validate absolute risks by a horizon that all have been followed for [Riley2021].

    Widths are those of 95 % intervals, from limit to limit: of observed/expected (`ratio_width`, at a ratio
    of 1), of the calibration slope (at 1) and of the concordance. The linear predictor, the logit of the
    risks, is taken as normal.
    """
    _check_between(prevalence, 0, 1, "prevalence")
    _check_between(linear_predictor_sd, 0, math.inf, "linear_predictor_sd")
    _check_between(slope_width, 0, math.inf, "slope_width")
    _check_between(concordance_width, 0, 1, "concordance_width")
    by_ratio = math.ceil(cancers_for_observed_over_expected(ratio_width) * (1 - prevalence) / prevalence)
    spread = _slope_variance(linear_predictor_mean, linear_predictor_sd)
    by_slope = math.ceil(spread / (slope_width / (2 * 1.96)) ** 2)
    target = concordance_width / (2 * 1.96)
    by_concordance = _smallest(
        lambda n: concordance_standard_error(concordance, n, prevalence=prevalence) <= target
    )
    n = max(by_ratio, by_slope, by_concordance)
    return ValidationSize(
        n_observed_over_expected=by_ratio,
        n_calibration_slope=by_slope,
        n_concordance=by_concordance,
        n=n,
        n_events=n * prevalence,
    )


def cancers_for_observed_over_expected(ratio_width: float | int, *, level: float = 0.95) -> float:
    """Cancers after which the interval of observed/expected, at a ratio of 1, is `ratio_width` wide.

    The log ratio has variance 1/O for a rare outcome: exp(z/√O) − exp(−z/√O) = width, so
    O = (z/asinh(width/2))². Not rounded: multiply by (1 − prevalence)/prevalence for women.
    """
    _check_between(ratio_width, 0, math.inf, "ratio_width")
    return (normal_quantile(level) / math.asinh(ratio_width / 2)) ** 2


def concordance_standard_error(concordance: float, n: int | float, *, prevalence: float) -> float:
    """Standard error expected of the concordance of n women, without a model of the score [Newcombe2006].

    √(C(1−C) [1 + (n/2 − 1)(1−C)/(2−C) + (n/2 − 1) C/(1+C)] / (n² φ(1−φ))), φ the prevalence.
    """
    _check_between(concordance, 0, 1, "concordance")
    c, half = concordance, n / 2 - 1
    total = 1 + half * (1 - c) / (2 - c) + half * c / (1 + c)
    return math.sqrt(c * (1 - c) * total / (n * n * prevalence * (1 - prevalence)))


def hanley_mcneil_standard_error(area: float, *, n_cases: int, n_controls: int) -> float:
    """Standard error expected of an AUC from its value and the counts alone [Hanley1982]; for planning only.

    √((A(1−A) + (n1−1)(A/(2−A) − A²) + (n0−1)(2A²/(1+A) − A²))/(n1 n0)).
    """
    _check_between(area, 0, 1, "area")
    _check_count(n_cases, "n_cases")
    _check_count(n_controls, "n_controls")
    two_cases, two_controls = area / (2 - area), 2 * area * area / (1 + area)
    squared = area * area
    total = (
        area * (1 - area)
        + (n_cases - 1) * (two_cases - squared)
        + (n_controls - 1) * (two_controls - squared)
    )
    return math.sqrt(total / (n_cases * n_controls))


def cancers_for_auc(
    area: float, *, half_width: float, controls_per_case: float | int, level: float = 0.95
) -> int:
    """Cancers for an interval of the AUC no wider than ± half_width, by the variance of [Hanley1982]."""
    _check_between(half_width, 0, 0.5, "half_width")
    _check_between(controls_per_case, 0, math.inf, "controls_per_case")
    z = normal_quantile(level)

    def narrow(n: int) -> bool:
        controls = max(1, round(n * controls_per_case))
        se = hanley_mcneil_standard_error(area, n_cases=n, n_controls=controls)
        return z * se <= half_width

    return _smallest(narrow)


def cancers_for_capture(share: float, *, half_width: float, level: float = 0.95) -> int:
    """Cancers for a Wilson interval of a capture (or sensitivity) no wider than ± half_width [Wilson1927]."""
    _check_between(share, 0, 1, "share")
    _check_between(half_width, 0, 0.5, "half_width")

    def narrow(n: int) -> bool:
        interval = wilson_interval(share * n, n, level)
        return interval.upper - interval.lower <= 2 * half_width

    return _smallest(narrow)


def sets_for_concordance_difference(
    concordance_a: float,
    concordance_b: float,
    controls_per_case: int,
    *,
    correlation: float,
    power: float = 0.8,
    level: float = 0.95,
) -> int:
    """Matched sets to tell two scores apart on the same sets with this power, by the paired z.

    correlation: that of the two within-set concordances, in (−1, 1); 0 is cautious, scores that share
    information have more. Variances by `binormal.set_concordance_variance`.
    """
    _check_between(correlation, -1, 1, "correlation")
    apart = concordance_a - concordance_b
    if apart == 0:
        raise InputError(expected="two different concordances", found=str(concordance_a), where="concordance")
    v_a, v_b = (set_concordance_variance(c, controls_per_case) for c in (concordance_a, concordance_b))
    variance = v_a + v_b - 2 * correlation * math.sqrt(v_a * v_b)
    return math.ceil(variance * (_power_quantile(power, level) / apart) ** 2)


def odds_ratio_information(odds_ratio_per_sd: float, controls_per_case: int) -> float:
    """Expected information of one 1:m set about the log odds ratio per SD of a normal score.

    m/(m+1) at an odds ratio of 1, less beyond. With w = exp(βx) for m+1 standard normal scores it is
    1 + β² − E[(Σ w x)²/Σ w]/((m+1) exp(β²/2)); the expectation is that of ∫ (Σ w x)² exp(−t Σ w) dt, whose
    integrand is a product over the members.
    """
    _check_between(odds_ratio_per_sd, 0, math.inf, "odds ratio")
    _check_count(controls_per_case, "controls_per_case")
    beta, n = math.log(odds_ratio_per_sd), controls_per_case + 1
    w = np.exp(beta * _NODES)

    def integrand(log_t: float) -> float:
        t = math.exp(log_t)
        damped = _NODE_WEIGHTS * np.exp(-t * w)
        g0, g1, g2 = damped.sum(), (damped * w * _NODES).sum(), (damped * (w * _NODES) ** 2).sum()
        return float(t * (n * g2 * g0 ** (n - 1) + n * (n - 1) * g1 * g1 * g0 ** (n - 2)))

    lost, _ = integrate.quad(integrand, -30, 12 + 3 * abs(beta), epsabs=1e-12, epsrel=1e-12, limit=400)
    return float(1 + beta * beta - lost / (n * math.exp(beta * beta / 2)))


def sets_for_odds_ratio(
    odds_ratio_per_sd: float, controls_per_case: int, *, power: float = 0.8, level: float = 0.95
) -> int:
    """Matched sets to find an odds ratio per SD with this power, by the two-sided Wald test."""
    beta = math.log(odds_ratio_per_sd) if odds_ratio_per_sd > 0 else 0.0
    if beta == 0:
        raise InputError(
            expected="a positive odds ratio other than 1", found=str(odds_ratio_per_sd), where="odds ratio"
        )
    information = odds_ratio_information(odds_ratio_per_sd, controls_per_case)
    return math.ceil((_power_quantile(power, level) / beta) ** 2 / information)


def power_to_tell_case_types_apart(
    odds_ratio_a: float,
    odds_ratio_b: float,
    controls_per_case: int,
    *,
    n_sets_a: int,
    n_sets_b: int,
    level: float = 0.95,
) -> float:
    """Power of the test that two types of case, each in sets of its own, have one odds ratio per SD.

    z = (β_a − β_b)/√(1/(n_a I_a) + 1/(n_b I_b)); the chance that |z| exceeds its two-sided limit.
    """
    _check_count(n_sets_a, "n_sets_a")
    _check_count(n_sets_b, "n_sets_b")
    parts = ((odds_ratio_a, n_sets_a), (odds_ratio_b, n_sets_b))
    variance = sum(1 / (n * odds_ratio_information(ratio, controls_per_case)) for ratio, n in parts)
    shift = (math.log(odds_ratio_a) - math.log(odds_ratio_b)) / math.sqrt(variance)
    z = normal_quantile(level)
    return float(special.ndtr(shift - z) + special.ndtr(-shift - z))


def _development(
    r2: float, highest: float, n_parameters: int, mean_risk: int, *, events_per_woman: float
) -> DevelopmentSize:
    _check_count(n_parameters, "n_parameters")
    if not 0 < r2 < min(highest, _SHRINKAGE):
        raise InputError(
            expected=f"a Cox-Snell R² between 0 and {min(highest, _SHRINKAGE):.4g}", found=str(r2), where="r2"
        )
    shrinkages = (_SHRINKAGE, r2 / (r2 + _OPTIMISM * highest))
    by_shrinkage, by_optimism = (
        math.ceil(n_parameters / ((s - 1) * math.log1p(-r2 / s))) for s in shrinkages
    )
    n = max(by_shrinkage, by_optimism, mean_risk)
    return DevelopmentSize(
        n_shrinkage=by_shrinkage,
        n_optimism=by_optimism,
        n_mean_risk=mean_risk,
        n=n,
        n_events=n * events_per_woman,
        events_per_parameter=n * events_per_woman / n_parameters,
    )


def _slope_variance(mean: float | int, sd: float | int) -> float:
    """n times the variance of a calibration slope of 1: I_aa/(I_aa I_bb − I_ab²) for a normal predictor."""
    predictor = mean + sd * _NODES
    share = _NODE_WEIGHTS * special.expit(predictor) * special.expit(-predictor)
    # Moments of the standardised predictor: its mean cancels in the determinant.
    aa, ab, bb = (float(share @ _NODES**k) for k in (0, 1, 2))
    return aa / ((aa * bb - ab * ab) * sd * sd)


def _null_log_likelihood(prevalence: float) -> float:
    return prevalence * math.log(prevalence) + (1 - prevalence) * math.log1p(-prevalence)


def _power_quantile(power: float, level: float) -> float:
    _check_between(power, 0, 1, "power")
    return normal_quantile(level) + float(special.ndtri(power))


def _smallest(enough: Callable[[int], bool]) -> int:
    """Smallest n from 1 that is enough, where every larger one is enough too."""
    high = 1
    while not enough(high):
        high *= 2
        if high > _MOST:
            raise InputError(expected=f"a sample below {_MOST}", found="more", where="sample size")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _check_between(value: float | int, low: float | int, high: float | int, what: str) -> None:
    if not low < value < high:
        raise InputError(expected=f"a number in ({low}, {high})", found=str(value), where=what)


def _check_count(count: int, what: str) -> None:
    if count < 1:
        raise InputError(expected="a count of at least 1", found=str(count), where=what)
