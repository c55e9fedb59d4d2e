"""Proportions of rows that are not independent: several exams of a woman, sampling weights.

In: a yes/no (or a share) per row, which rows count, weights, the woman of each row. Out: `Estimate`. The
variance is that of a ratio of sums over women; the interval is Wilson's at the number of independent rows
that would have this variance [Rao1992], so that it stays inside [0, 1] and has width at 0 and 1. Independent
rows of equal weight give plain Wilson.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from ..errors import InputError, TooFewEventsError
from ..records import Estimate
from .inference import null_p, wald_interval
from .paired_proportions import paired_difference, paired_table
from .proportions import proportion, wilson_interval
from .rows import label_codes, positive_weights, same_rows


def clustered_proportion(
    success: Bool[np.ndarray, "row"] | Float[np.ndarray, "row"],
    *,
    among: Bool[np.ndarray, "row"],
    quantity: str,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Weighted share of successes among the rows marked by `among`.

    success: yes or no, or the part of the row in [0, 1] that is one (ties shared). quantity: its name, for
    the method and the errors. weights: sampling weights. cluster: the woman of each row.
    n counts independent rows or women, n_events the successes (unweighted, ties rounded).

    Raises TooFewEventsError without rows, or with fewer than 2 women where women have several rows or
    weights; InputError for shares outside [0, 1].
    """
    same_rows(success.size, among, "among")
    part = np.asarray(success, dtype=np.float64)
    if not np.all((part >= 0) & (part <= 1)):
        raise InputError(expected="shares in [0, 1]", found="others", where=quantity)
    chosen = part[among]
    if chosen.size < 1:
        raise TooFewEventsError(quantity, found=0, needed=1, where="rows")
    rows = _Rows.of(among, weights, cluster, quantity)
    if rows.plain:
        plain = proportion(float(chosen.sum()), chosen.size, level=level)
        return replace(plain, method=f"{quantity}, Wilson")
    share = float(np.average(chosen, weights=rows.weights))
    variance = rows.variance(chosen - share)
    by_woman = np.bincount(rows.units, weights=rows.weights)
    kish = float(by_woman.sum() ** 2 / np.sum(by_woman**2))
    # A share of 0 or 1 has no variance to tell the number of rows: the women count, by their weight.
    effective = share * (1 - share) / variance if variance > 0 else kish
    interval = wilson_interval(share * effective, effective, level)
    return Estimate(
        value=share,
        lower=interval.lower,
        upper=interval.upper,
        n=rows.n_units,
        n_events=round(float(chosen.sum())),
        method=f"{quantity}, Wilson at {effective:.4g} effective rows, by woman",
        standard_error=math.sqrt(variance),
        level=level,
    )


def clustered_difference(
    a: Bool[np.ndarray, "row"],
    b: Bool[np.ndarray, "row"],
    *,
    among: Bool[np.ndarray, "row"],
    quantity: str,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Share of yes by a minus share of yes by b among the same rows.

    Independent rows of equal weight: Tango's score interval and McNemar's p value [Tango1998]. Otherwise the
    Wald interval of the mean difference, by woman; where a and b agree in every row, whose variance is 0,
    Tango's interval of the rows. Arguments and errors as for `clustered_proportion`.
    """
    same_rows(a.size, b, "b")
    same_rows(a.size, among, "among")
    if not among.any():
        raise TooFewEventsError(quantity, found=0, needed=1, where="rows")
    rows = _Rows.of(among, weights, cluster, quantity)
    apart = a[among].astype(np.float64) - b[among]
    if rows.plain or not apart.any():
        paired = paired_difference(paired_table(a[among], b[among]), level=level)
        return replace(paired, method=f"{quantity}, {paired.method}", n=rows.n_units)
    value = float(np.average(apart, weights=rows.weights))
    standard_error = math.sqrt(rows.variance(apart - value))
    interval = wald_interval(value, standard_error, level)
    return Estimate(
        value=value,
        lower=max(-1.0, interval.lower),
        upper=min(1.0, interval.upper),
        n=rows.n_units,
        n_events=int(np.count_nonzero(apart)),
        method=f"{quantity}, difference of paired proportions, Wald by woman",
        standard_error=standard_error,
        p_value=null_p(value, standard_error),
        level=level,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """Weights and independent units of the rows that count."""

    weights: Float[np.ndarray, "row"]
    units: Int[np.ndarray, "row"]
    n_units: int
    plain: bool  # independent rows of equal weight

    @staticmethod
    def of(
        among: Bool[np.ndarray, "every"],
        weights: Float[np.ndarray, "every"] | None,
        cluster: Shaped[np.ndarray, "every"] | None,
        quantity: str,
    ) -> _Rows:
        w = positive_weights(weights, among.size)[among]
        units = np.arange(w.size)
        if cluster is not None:
            same_rows(among.size, cluster, "cluster")
            units = label_codes(cluster[among], "cluster")
        n_units = int(units.max()) + 1
        plain = n_units == w.size and not np.ptp(w) > 0
        if n_units < 2 and not plain:
            raise TooFewEventsError(quantity, found=n_units, needed=2, where="women")
        return _Rows(weights=w, units=units, n_units=n_units, plain=plain)

    def variance(self, residual: Float[np.ndarray, "row"]) -> float:
        """m/(m − 1) Σ_women (Σ_rows w · residual)²/(Σ w)²."""
        influence = np.bincount(self.units, weights=self.weights * residual, minlength=self.n_units)
        spread = self.n_units / (self.n_units - 1) * float(np.sum(influence**2))
        return spread / float(self.weights.sum()) ** 2
