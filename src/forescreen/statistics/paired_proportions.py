"""Two answers about the same women: is the second reader, rule or threshold as sensitive as the first?

In: two yes/no answers per woman, or the four counts they make. Out: `PairedTable`, the difference of the two
shares with Tango's score interval, McNemar's tests, and the test that one share is not inferior by more than
a margin. Two answers about the same women are correlated: comparing their shares as if of different women
throws that away. [Tango1998, McNemar1947]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import special

from ..errors import InputError, TooFewEventsError
from ..records import Estimate
from .inference import ChiSquareTest, Interval, chi_square_test, normal_quantile
from .proportions import exact_binomial_interval
from .rows import same_rows


@dataclass(frozen=True, kw_only=True)
class PairedTable:
    """Numbers of women by the answers a and b: yes to both, to one only, to neither."""

    both: int
    only_a: int
    only_b: int
    neither: int

    def __post_init__(self) -> None:
        counts = (self.both, self.only_a, self.only_b, self.neither)
        if min(counts) < 0 or sum(counts) < 1:
            raise InputError(
                expected="four counts >= 0, one of them positive", found=str(counts), where="PairedTable"
            )

    @property
    def n(self) -> int:
        """Number of women."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def n_discordant(self) -> int:
        """Women of whom the two answers differ: all that is known about the difference."""
        return self.only_a + self.only_b

    @property
    def difference(self) -> float:
        """Share of yes by a minus share of yes by b."""
        return (self.only_a - self.only_b) / self.n


@dataclass(frozen=True, kw_only=True)
class NonInferiority:
    """Test of H0: share a − share b <= −margin against the one-sided alternative that it is larger.

    `non_inferior` is the decision at the one-sided level (1 − level)/2, which is that of the lower limit of
    `difference`: it lies above −margin.
    """

    difference: Estimate
    margin: float
    z: float
    p_value: float
    non_inferior: bool


def paired_table(a: Bool[np.ndarray, "row"], b: Bool[np.ndarray, "row"]) -> PairedTable:
    """The four counts of two yes/no answers about the same women, one row each.

    For the sensitivity of two rules give the rows of the cancers, for their specificity those without. A
    woman with several rows is counted several times: give one row per woman.
    """
    same_rows(a.size, b, "b")
    return PairedTable(
        both=int(np.count_nonzero(a & b)),
        only_a=int(np.count_nonzero(a & ~b)),
        only_b=int(np.count_nonzero(b & ~a)),
        neither=int(np.count_nonzero(~a & ~b)),
    )


def paired_difference(table: PairedTable, *, level: float = 0.95) -> Estimate:
    """Share a minus share b of the same women, with the score interval of [Tango1998].

    The limits are the differences δ at which |T(δ)| is the normal quantile,
    T(δ) = (b − c − nδ)/√(n (2q + δ(1−δ))), b and c the discordant counts and q the maximum-likelihood
    probability of "only b" when the difference is δ. Defined without discordant women too, where a Wald
    interval would have no width. The p value is McNemar's (T(0) = (b − c)/√(b + c)); the standard error is
    the Wald one, for comparison.
    """
    limits = tango_interval(table, level)
    n, discordant, apart = table.n, table.n_discordant, table.only_a - table.only_b
    return Estimate(
        value=table.difference,
        lower=limits.lower,
        upper=limits.upper,
        n=n,
        n_events=discordant,
        method=f"difference of paired proportions, {limits.method}",
        standard_error=math.sqrt(max(0.0, discordant - apart * apart / n)) / n,
        p_value=mcnemar_test(table).p_value if discordant else 1.0,
        level=level,
    )


def tango_interval(table: PairedTable, level: float = 0.95) -> Interval:
    """Score interval of the difference of two paired proportions [Tango1998]; never outside [−1, 1]."""
    z = normal_quantile(level)
    lower, upper = (_limit(table, sign * z) for sign in (1, -1))
    return Interval(lower=lower, upper=upper, method="Tango score")


def non_inferiority_test(table: PairedTable, *, margin: float, level: float = 0.95) -> NonInferiority:
    """Is share a not lower than share b by `margin` or more? Score test of [Tango1998].

    margin: the largest loss that is acceptable, in (0, 1), chosen before looking: 0.05 for five percentage
    points of sensitivity. z = T(−margin), with T as in `paired_difference`; p = 1 − Φ(z). Valid without
    discordant women. Raises InputError for a margin outside (0, 1).
    """
    if not 0 < margin < 1:
        raise InputError(expected="a margin in (0, 1)", found=str(margin), where="margin")
    z = _statistic(table, -margin)
    p_value = float(special.ndtr(-z))
    return NonInferiority(
        difference=paired_difference(table, level=level),
        margin=margin,
        z=z,
        p_value=p_value,
        non_inferior=p_value < (1 - level) / 2,
    )


def mcnemar_test(table: PairedTable) -> ChiSquareTest:
    """McNemar's chi-square test of equal shares [McNemar1947], (b − c)²/(b + c), without correction.

    Raises TooFewEventsError without discordant women. With fewer than 25 of them prefer `exact_mcnemar_p`.
    """
    _need_discordant(table)
    return chi_square_test((table.only_a - table.only_b) ** 2 / table.n_discordant, 1)


def corrected_mcnemar_test(table: PairedTable) -> ChiSquareTest:
    """McNemar's test with Edwards's continuity correction, (|b − c| − 1)²/(b + c): conservative.

    As R's `mcnemar.test` by default: |b − c| = 0 is left at 0.
    """
    _need_discordant(table)
    apart = max(abs(table.only_a - table.only_b) - 1, 0)
    return chi_square_test(apart**2 / table.n_discordant, 1)


def exact_mcnemar_p(table: PairedTable) -> float:
    """Two-sided exact p value of equal shares: the discordant women as a fair coin; 1 without any."""
    few, many = sorted((table.only_a, table.only_b))
    if few == many:
        return 1.0
    return min(1.0, 2 * float(special.bdtr(few, few + many, 0.5)))


def discordant_odds_ratio(table: PairedTable, *, level: float = 0.95) -> Estimate:
    """Conditional odds ratio of yes by a against yes by b, only_a/only_b, with its exact interval.

    The limits are those of the binomial share of only_a among the discordant women [Clopper1934], as odds;
    infinite or 0 where one count is 0. The p value is exact. Raises TooFewEventsError without discordant
    women.
    """
    _need_discordant(table)
    share = exact_binomial_interval(table.only_a, table.n_discordant, level)
    log_se = math.sqrt(1 / table.only_a + 1 / table.only_b) if min(table.only_a, table.only_b) else math.inf
    return Estimate(
        value=table.only_a / table.only_b if table.only_b else math.inf,
        lower=_odds(share.lower),
        upper=_odds(share.upper),
        n=table.n,
        n_events=table.n_discordant,
        method="odds ratio of discordant pairs, exact binomial; standard error on the log scale",
        standard_error=log_se,
        p_value=exact_mcnemar_p(table),
        level=level,
    )


def _limit(table: PairedTable, z: float) -> float:
    """The difference at which the score statistic is z; it falls from +∞ at −1 to −∞ at 1."""
    from scipy import optimize  # slow to load, and modules that need counts only come here

    centre, edge = table.difference, -math.copysign(1.0, z)
    if centre == edge:
        return edge
    # 0 at the centre, infinite at the edge; the arc tangent keeps the search finite.
    return float(
        optimize.brentq(
            lambda delta: math.atan(_statistic(table, delta)) - math.atan(z),
            centre,
            edge,
            xtol=1e-15,
            rtol=1e-14,
            maxiter=300,
        )
    )


def _statistic(table: PairedTable, delta: float) -> float:
    """T(δ) of [Tango1998]: the score statistic of the difference δ, ±∞ where δ is impossible."""
    n, b, c = table.n, table.only_a, table.only_b
    apart = b - c - n * delta
    if apart == 0:
        return 0.0
    # 2n q² + B q − c δ(1−δ) = 0, written for the difference that does not cancel.
    linear = -(b + c) + (2 * n - b + c) * delta
    constant = c * delta * (1 - delta)
    root = math.sqrt(max(0.0, linear * linear + 8 * n * constant))
    q = (root - linear) / (4 * n) if linear <= 0 else 2 * constant / (root + linear)
    variance = n * (2 * q + delta * (1 - delta))
    return apart / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, apart)


def _need_discordant(table: PairedTable) -> None:
    if table.n_discordant < 1:
        raise TooFewEventsError(
            "a comparison of paired answers", found=0, needed=1, where="women whose two answers differ"
        )


def _odds(share: float) -> float:
    return share / (1 - share) if share < 1 else math.inf
