"""Absolute risks and whose they are: what calibration and net benefit ask of their rows.

In: risk, case mark, weights and woman of each row. Out: `RiskRows`, checked, without the rows of weight 0;
or an `InputError`. A score is not a risk: it has no calibration and no net benefit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from ..errors import InputError, TooFewEventsError
from .rows import finite_scores, label_codes, same_rows


def absolute_risks(
    risk: Shaped[np.ndarray, "..."], n_rows: int, what: str = "risk"
) -> Float[np.ndarray, "row"]:
    """Risks in double precision; an error unless every one is a finite number in [0, 1]."""
    values = finite_scores(risk, n_rows, what)
    n_outside = int(np.count_nonzero((values < 0) | (values > 1)))
    if n_outside:
        raise InputError(
            expected=f"absolute probabilities in [0, 1] as {what}",
            found=f"{n_outside} of {n_rows} rows from {values.min():.4g} to {values.max():.4g}",
            where=what,
            remedy="A score is not a risk: recalibrate it first, or leave calibration and net benefit out",
        )
    return values


@dataclass(frozen=True, kw_only=True, eq=False)
class RiskRows:
    """Risk, case mark, weight and independent unit (the woman) of each row of positive weight."""

    risk: Float[np.ndarray, "row"]
    case: Bool[np.ndarray, "row"]
    weights: Float[np.ndarray, "row"]
    units: Int[np.ndarray, "row"]
    kept: Bool[np.ndarray, "given"]  # of the rows as given: those of positive weight
    n_units: int
    weighted: bool
    clustered: bool

    @staticmethod
    def of(
        risk: Float[np.ndarray, "row"],
        case: Bool[np.ndarray, "row"],
        *,
        weights: Float[np.ndarray, "row"] | None = None,
        cluster: Shaped[np.ndarray, "row"] | None = None,
    ) -> RiskRows:
        """Check the columns; rows of weight 0 (censored before the horizon) are left out."""
        values = absolute_risks(risk, case.size)
        row_weights = weights_or_ones(weights, case.size)
        kept = row_weights > 0
        units = np.arange(case.size)
        if cluster is not None:
            same_rows(case.size, cluster, "cluster")
            units = label_codes(cluster, "cluster")
        units = np.unique(units[kept], return_inverse=True)[1]
        return RiskRows(
            risk=values[kept],
            case=case[kept],
            weights=row_weights[kept],
            units=units,
            kept=kept,
            n_units=int(units.max()) + 1,
            weighted=weights is not None,
            clustered=cluster is not None,
        )

    @property
    def plain(self) -> bool:
        """Independent rows of weight 1: counts are counts."""
        return not self.weighted and not self.clustered

    @property
    def robust(self) -> str:
        """Name of the linearised variance."""
        words = [word for word, used in (("weighted", self.weighted), ("by cluster", self.clustered)) if used]
        return f"robust {' '.join(words)}"

    @property
    def n_events(self) -> int:
        """Number of rows that are cases."""
        return int(np.count_nonzero(self.case))

    def need(self, quantity: str, cases: int, controls: int = 0) -> None:
        """An error with fewer cases or controls than the quantity needs."""
        for found, needed, where in (
            (self.n_events, cases, "cases"),
            (self.case.size - self.n_events, controls, "controls"),
        ):
            if found < needed:
                raise TooFewEventsError(quantity, found=found, needed=needed, where=where)

    def part(self, chosen: Bool[np.ndarray, "row"]) -> RiskRows:
        """The chosen rows only, at least one."""
        units = np.unique(self.units[chosen], return_inverse=True)[1]
        return RiskRows(
            risk=self.risk[chosen],
            case=self.case[chosen],
            weights=self.weights[chosen],
            units=units,
            kept=np.ones(units.size, dtype=bool),
            n_units=int(units.max()) + 1,
            weighted=self.weighted,
            clustered=self.clustered,
        )

    def variance(self, influence: Float[np.ndarray, "row"]) -> float:
        """Linearised variance: n/(n − 1) Σ over units of their summed influence, squared."""
        by_unit = np.bincount(self.units, weights=influence, minlength=self.n_units)
        return self.n_units / max(self.n_units - 1, 1) * float(np.sum(by_unit**2))


def weights_or_ones(weights: Float[np.ndarray, "row"] | None, n_rows: int) -> Float[np.ndarray, "row"]:
    """Weights in double precision, 1 where none are given; finite, not negative, at least one positive.

    0 is allowed: inverse probability weights are 0 for rows censored before the horizon.
    """
    if n_rows == 0:
        raise InputError(expected="at least one row", found="none", where="risk")
    if weights is None:
        return np.ones(n_rows)
    values = np.asarray(weights, dtype=np.float64)
    same_rows(n_rows, values, "weight")
    n_bad = int(np.count_nonzero(~(np.isfinite(values) & (values >= 0))))
    if n_bad or not np.any(values > 0):
        raise InputError(
            expected="finite weights >= 0, not all of them 0",
            found=f"{n_bad} of {n_rows} rows otherwise" if n_bad else "only zeros",
            where="weight",
        )
    return values
