"""Estimates from several imputations of the missing values, made into one: Rubin's rules.

In: one estimate per imputed table, each with its standard error. Out: one `Estimate` whose interval holds
the uncertainty of the imputations too, or `Pooled` with all its parts. How the values are imputed is not
asked; the imputations must have used the outcome, the type of case and, for matched sets, the matching
variables. Concordances, AUCs and other shares are pooled on the logit scale. [Rubin1987, Barnard1999]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from ..errors import InputError
from ..records import Estimate


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """One quantity from m imputations, on the scale it was given in."""

    value: float  # mean over imputations
    within_variance: float  # mean of the variances
    between_variance: float  # variance of the values, divisor m − 1
    total_variance: float  # within + (1 + 1/m) between
    relative_increase: float  # (1 + 1/m) between / within
    fraction_missing: float  # share of the information about the quantity that is missing
    degrees_of_freedom: float  # of the t distribution [Barnard1999]; infinite where nothing is missing
    n_imputations: int

    @property
    def standard_error(self) -> float:
        """√ total variance."""
        return math.sqrt(self.total_variance)

    def limits(self, level: float = 0.95) -> tuple[float, float]:
        """value ± t · standard error."""
        if not 0 < level < 1:
            raise InputError(expected="a confidence level in (0, 1)", found=str(level), where="level")
        margin = -_t_quantile((1 - level) / 2, self.degrees_of_freedom) * self.standard_error
        return self.value - margin, self.value + margin

    def p_value(self, null: float = 0.0) -> float:
        """Two-sided p value of the t statistic; 1 where the value is the null and has no variance."""
        apart = abs(self.value - null)
        if self.total_variance == 0:
            return 1.0 if apart == 0 else 0.0
        return 2 * _t_tail(apart / self.standard_error, self.degrees_of_freedom)


@dataclass(frozen=True, kw_only=True)
class PooledTest:
    """F test of several pooled coefficients at once."""

    statistic: float
    numerator_degrees_of_freedom: int
    denominator_degrees_of_freedom: float
    p_value: float


def pool(
    values: Float[np.ndarray, "imputation"],
    variances: Float[np.ndarray, "imputation"],
    *,
    n: int | None = None,
    n_parameters: int = 1,
) -> Pooled:
    """One quantity estimated in each of m imputed tables, by Rubin's rules [Rubin1987].

    values, variances: of the quantity, on a scale where it is nearly normal (logit, log); variances are
    squares of standard errors and not negative.
    n: independent units of the complete table (women, sets), from which, less `n_parameters`, come the
    degrees of freedom of the complete data in the t distribution of [Barnard1999]. None where they are many:
    then the degrees of freedom are Rubin's, (m − 1)/λ² with λ the share of the variance between imputations.

    Raises InputError with fewer than 2 imputations, for missing numbers, or when n <= n_parameters.
    """
    m = values.size
    if m < 2:
        raise InputError(expected="at least 2 imputations", found=str(m), where="imputations")
    if variances.shape != values.shape:
        raise InputError(
            expected=f"{m} variances", found=f"shape {variances.shape}", where="variances of the imputations"
        )
    bad = ~(np.isfinite(values) & np.isfinite(variances) & (variances >= 0))
    if bad.any():
        raise InputError(
            expected="a finite value and variance from every imputation",
            found=f"{int(bad.sum())} of {m} otherwise",
            where="imputations",
        )
    if n is not None and n <= n_parameters:
        raise InputError(
            expected=f"more units than the {n_parameters} parameters", found=str(n), where="imputations"
        )
    within, between = float(np.mean(variances)), float(np.var(values, ddof=1))
    extra = (1 + 1 / m) * between
    total = within + extra
    share = extra / total if total > 0 else 0.0
    df = _barnard_rubin(share, m, math.inf if n is None else float(n - n_parameters))
    increase = extra / within if within > 0 else (math.inf if extra > 0 else 0.0)
    return Pooled(
        value=float(np.mean(values)),
        within_variance=within,
        between_variance=between,
        total_variance=total,
        relative_increase=increase,
        # (r + 2/(df + 3))/(r + 1), finite where r is not
        fraction_missing=share + (1 - share) * 2 / (df + 3) if between > 0 else 0.0,
        degrees_of_freedom=df,
        n_imputations=m,
    )


def pooled_estimate(
    estimates: Sequence[Estimate], *, n_parameters: int = 1, null: float = 0.0, level: float = 0.95
) -> Estimate:
    """Differences, coefficients and other quantities that are normal on their own scale, pooled.

    One estimate of each imputed table, with standard errors on the scale of the values; `n` of the first is
    the number of units. The p value is against `null`.
    """
    values, errors = _columns(estimates)
    pooled = pool(values, errors**2, n=estimates[0].n, n_parameters=n_parameters)
    lower, upper = pooled.limits(level)
    return _estimate(
        estimates, pooled, (pooled.value, lower, upper, pooled.standard_error), "", null=null, level=level
    )


def pooled_share(
    estimates: Sequence[Estimate], *, n_parameters: int = 1, null: float = 0.5, level: float = 0.95
) -> Estimate:
    """Concordances, AUCs and proportions, pooled on the logit scale: limits inside (0, 1).

    Standard errors of the estimates are on the scale of the values, so is that of the result. The p value is
    against `null`. Raises InputError where an imputation has a value of exactly 0 or 1.
    """
    values, errors = _columns(estimates)
    n_outside = int(np.count_nonzero((values <= 0) | (values >= 1)))
    if n_outside or not 0 < null < 1:
        raise InputError(
            expected="values strictly between 0 and 1",
            found=f"{n_outside} imputations otherwise, null {null}",
            where="pooling on the logit scale",
        )
    pooled = pool(
        special.logit(values),
        (errors / (values * (1 - values))) ** 2,
        n=estimates[0].n,
        n_parameters=n_parameters,
    )
    centre = float(special.expit(pooled.value))
    lower, upper = (float(special.expit(x)) for x in pooled.limits(level))
    numbers = (centre, lower, upper, pooled.standard_error * centre * (1 - centre))
    return _estimate(
        estimates, pooled, numbers, " on the logit scale", null=float(special.logit(null)), level=level
    )


def pooled_ratio(estimates: Sequence[Estimate], *, n_parameters: int = 1, level: float = 0.95) -> Estimate:
    """Odds ratios (and other ratios with standard errors of their logarithms), pooled on the log scale.

    The standard error of the result is that of the log ratio too; the p value is against a ratio of 1.
    """
    values, errors = _columns(estimates)
    n_outside = int(np.count_nonzero(values <= 0))
    if n_outside:
        raise InputError(
            expected="positive ratios",
            found=f"{n_outside} imputations otherwise",
            where="pooling on the log scale",
        )
    pooled = pool(np.log(values), errors**2, n=estimates[0].n, n_parameters=n_parameters)
    lower, upper = (math.exp(x) for x in pooled.limits(level))
    numbers = (math.exp(pooled.value), lower, upper, pooled.standard_error)
    return _estimate(estimates, pooled, numbers, " on the log scale", null=0.0, level=level)


def pooled_wald_test(
    coefficients: Float[np.ndarray, "imputation coefficient"],
    covariances: Float[np.ndarray, "imputation coefficient coefficient"],
) -> PooledTest:
    """Are several coefficients all 0? The F test D1 of [Li1991] from their values in each imputation.

    Q̄' Ū⁻¹ Q̄/(k (1 + r)) with r = (1 + 1/m) tr(B Ū⁻¹)/k, the mean relative increase of the variance, for
    large samples. Raises InputError with fewer than 2 imputations.
    """
    m, k = coefficients.shape
    if m < 2:
        raise InputError(expected="at least 2 imputations", found=str(m), where="imputations")
    mean, within = coefficients.mean(axis=0), covariances.mean(axis=0)
    between = np.atleast_2d(np.cov(coefficients, rowvar=False, ddof=1))
    r = (1 + 1 / m) * float(np.trace(np.linalg.solve(within, between))) / k
    statistic = float(mean @ np.linalg.solve(within, mean)) / (k * (1 + r))
    t = k * (m - 1)
    if r == 0:
        df = math.inf
    elif t > 4:
        df = 4 + (t - 4) * (1 + (1 - 2 / t) / r) ** 2
    else:
        df = t * (1 + 1 / k) * (1 + 1 / r) ** 2 / 2
    p = special.chdtrc(k, k * statistic) if math.isinf(df) else special.fdtrc(k, df, statistic)
    return PooledTest(
        statistic=statistic,
        numerator_degrees_of_freedom=k,
        denominator_degrees_of_freedom=df,
        p_value=float(p),
    )


def _barnard_rubin(share: float, m: int, complete: float) -> float:
    """1/(1/old + 1/observed): what the number of imputations and the sample leave [Barnard1999]."""
    old = (m - 1) / share**2 if share**2 > 0 else math.inf
    if math.isinf(complete):
        return old
    observed = (complete + 1) / (complete + 3) * complete * (1 - share)
    if observed == 0:
        return 0.0
    return 1 / (1 / old + 1 / observed)


def _columns(
    estimates: Sequence[Estimate],
) -> tuple[Float[np.ndarray, "imputation"], Float[np.ndarray, "imputation"]]:
    if len(estimates) < 2:
        raise InputError(expected="at least 2 imputations", found=str(len(estimates)), where="imputations")
    # The quantity stands before the first comma, the kind of interval after it.
    methods = {e.method.split(",")[0] for e in estimates}
    if len(methods) > 1:
        raise InputError(
            expected="the same quantity from every imputation",
            found=f"{len(methods)} quantities: {'; '.join(sorted(methods))}",
            where="imputations",
        )
    return np.array([e.value for e in estimates]), np.array([e.standard_error for e in estimates])


def _estimate(
    estimates: Sequence[Estimate],
    pooled: Pooled,
    numbers: tuple[float, float, float, float],
    scale: str,
    *,
    null: float,
    level: float,
) -> Estimate:
    value, lower, upper, standard_error = numbers
    m = pooled.n_imputations
    return Estimate(
        value=value,
        lower=lower,
        upper=upper,
        n=estimates[0].n,
        n_events=estimates[0].n_events,
        method=f"{estimates[0].method}; {m} imputations pooled{scale}, Barnard-Rubin t",
        standard_error=standard_error,
        p_value=pooled.p_value(null),
        level=level,
        notes=(
            f"fraction of missing information {pooled.fraction_missing:.3g}",
            f"{pooled.degrees_of_freedom:.4g} degrees of freedom",
            *estimates[0].notes,
        ),
    )


def _t_quantile(tail: float, df: float) -> float:
    return float(special.ndtri(tail) if math.isinf(df) else special.stdtrit(df, tail))


def _t_tail(t: float, df: float) -> float:
    return float(special.ndtr(-t) if math.isinf(df) else special.stdtr(df, -t))
