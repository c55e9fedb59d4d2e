"""From a value and its standard error to an interval and a test.

In: value, standard error, level. Out: `Interval`, two-sided p values, `ChiSquareTest`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from forescreen.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Confidence limits and the name of the way they were made."""

    lower: float
    upper: float
    method: str


@dataclass(frozen=True, kw_only=True)
class ChiSquareTest:
    """A test statistic that is chi-square under the null hypothesis, with its p value."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


def normal_quantile(level: float) -> float:
    """The two-sided standard normal quantile of a confidence level: 1.959964 for 0.95."""
    if not 0 < level < 1:
        raise InputError(expected="a confidence level in (0, 1)", found=str(level), where="level")
    return float(special.ndtri(0.5 + level / 2))


def wald_interval(value: float, standard_error: float, level: float) -> Interval:
    """value ± z · standard error."""
    margin = normal_quantile(level) * standard_error
    return Interval(lower=value - margin, upper=value + margin, method="Wald")


def logit_interval(
    value: float, standard_error: float, level: float, *, degrees_of_freedom: int | None = None
) -> Interval:
    """Wald limits of logit(value), brought back: never outside (0, 1). The value must be inside (0, 1).

    With `degrees_of_freedom` (at least 1) the quantile is that of the t distribution, for variances estimated
    from few units.
    """
    quantile = normal_quantile(level)
    if degrees_of_freedom is not None:
        quantile = float(special.stdtrit(degrees_of_freedom, 0.5 + level / 2))
    margin = quantile * standard_error / (value * (1 - value))
    centre = special.logit(value)
    return Interval(
        lower=float(special.expit(centre - margin)),
        upper=float(special.expit(centre + margin)),
        method="logit-Wald" if degrees_of_freedom is None else "logit-t",
    )


def two_sided_p(z: float) -> float:
    """Two-sided p value of a standard normal statistic, accurate in the far tail."""
    return float(2 * special.ndtr(-abs(z)))


def null_p(difference: float, standard_error: float) -> float:
    """Two-sided p value of a difference from its null value; 1 where nothing differs, nan where undefined."""
    if standard_error > 0:
        return two_sided_p(difference / standard_error)
    return 1.0 if difference == 0 else math.nan


def chi_square_test(statistic: float, degrees_of_freedom: int) -> ChiSquareTest:
    """Upper-tail test of a chi-square statistic."""
    return ChiSquareTest(
        statistic=float(statistic),
        degrees_of_freedom=degrees_of_freedom,
        p_value=float(special.chdtrc(degrees_of_freedom, max(float(statistic), 0.0))),
    )


def holm_adjusted(p_values: Float[np.ndarray, "test"]) -> Float[np.ndarray, "test"]:
    """p values adjusted for the number of tests by Holm's step-down rule [Holm1979]."""
    order = np.argsort(p_values, kind="stable")
    factors = p_values.size - np.arange(p_values.size)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return adjusted
