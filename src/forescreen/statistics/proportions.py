"""Proportions and counts: intervals that stay true when events are few.

In: counts (shares of tied rows may make them fractional). Out: `Interval` or `Estimate`.
"""

from __future__ import annotations

import math

from scipy import special

from forescreen.errors import InputError
from forescreen.records import Estimate

from .inference import Interval, normal_quantile


def wilson_interval(successes: float | int, n: float | int, level: float = 0.95) -> Interval:
    """Score interval of a binomial proportion [Wilson1927]; never outside [0, 1], defined at 0 and n.

    Fractional counts are allowed, because tied scores share the places that are left.
    """
    _check_counts(successes, n)
    z = normal_quantile(level)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    margin = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the limit is the end itself; rounding must not leave 1e-17 there.
    lower = 0.0 if successes == 0 else max(0.0, centre - margin)
    upper = 1.0 if successes == n else min(1.0, centre + margin)
    return Interval(lower=lower, upper=upper, method="Wilson")


def exact_binomial_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """Exact interval of a binomial proportion [Clopper1934]: coverage never below the level."""
    _check_counts(successes, n)
    tail = (1 - level) / 2
    lower = 0.0 if successes == 0 else float(special.betaincinv(successes, n - successes + 1, tail))
    upper = 1.0 if successes == n else float(special.betaincinv(successes + 1, n - successes, 1 - tail))
    return Interval(lower=lower, upper=upper, method="exact binomial")


def exact_poisson_interval(count: int, level: float = 0.95) -> Interval:
    """Exact interval of a Poisson mean [Garwood1936]: half the chi-square quantiles, 2k and 2k + 2 df."""
    if count < 0:
        raise InputError(expected="a count >= 0", found=str(count), where="exact_poisson_interval")
    tail = (1 - level) / 2
    # chi²(2k, p)/2 is the gamma quantile of shape k.
    lower = 0.0 if count == 0 else float(special.gammaincinv(count, tail))
    return Interval(lower=lower, upper=float(special.gammainccinv(count + 1, tail)), method="exact Poisson")


def proportion(successes: float | int, n: float | int, *, level: float = 0.95) -> Estimate:
    """Share of successes among n, with Wilson's interval [Wilson1927]."""
    interval = wilson_interval(successes, n, level)
    share = successes / n
    return Estimate(
        value=share,
        lower=interval.lower,
        upper=interval.upper,
        n=round(n),
        n_events=round(successes),
        method="proportion, Wilson",
        standard_error=math.sqrt(share * (1 - share) / n),
        level=level,
    )


def observed_over_expected(observed: int, expected: float | int, *, level: float = 0.95) -> Estimate:
    """Ratio of an observed count to an expected number, with the exact Poisson interval of the count.

    The expected number is taken as known. Raises InputError when it is not positive.
    """
    if not (expected > 0 and math.isfinite(expected)):
        raise InputError(
            expected="a positive expected number", found=str(expected), where="observed_over_expected"
        )
    interval = exact_poisson_interval(observed, level)
    return Estimate(
        value=observed / expected,
        lower=interval.lower / expected,
        upper=interval.upper / expected,
        n=observed,
        n_events=observed,
        method="observed/expected, exact Poisson",
        standard_error=math.sqrt(observed) / expected,
        level=level,
    )


def _check_counts(successes: float | int, n: float | int) -> None:
    if not (n > 0 and 0 <= successes <= n):
        raise InputError(
            expected="0 <= successes <= n and n > 0", found=f"{successes} of {n}", where="proportion"
        )
