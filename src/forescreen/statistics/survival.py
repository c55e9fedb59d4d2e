"""Chance of being event-free, and of each kind of event, by a time: Kaplan–Meier and Aalen–Johansen.

In: time, event code (0 censored, 1, 2, 3 … kinds of event), woman and sampling weight where they matter. Out:
`SurvivalCurve`, `CumulativeIncidence`, and from them an `Estimate` at a time. With competing events (death,
prophylactic mastectomy) 1 − Kaplan–Meier of one kind is not the chance of that kind: it is too high.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from ..errors import InputError
from ..records import Estimate
from .censoring import RiskTable, follow_up_checked, horizon_checked
from .inference import normal_quantile
from .proportions import exact_binomial_interval
from .rows import label_codes, positive_weights, same_rows


@dataclass(frozen=True, kw_only=True, eq=False)
class SurvivalCurve:
    """Chance of no event beyond each distinct time of follow-up; between two times that of the earlier."""

    times: Float[np.ndarray, "step"]
    survival: Float[np.ndarray, "step"]
    standard_error: Float[np.ndarray, "step"]
    n_at_risk: Float[np.ndarray, "step"]  # Σ w just before the time
    n_events: Float[np.ndarray, "step"]  # Σ w of the events at the time
    n_units: int  # rows, or women where they are the clusters
    method: str
    level: float
    rows_at_risk: Int[np.ndarray, "step"]
    rows_with_event: Int[np.ndarray, "step"]  # by each time, unweighted

    def at(self, time: float | int) -> Estimate:
        """Chance of no event by `time`, with the limits S · exp(±z se/S), at most 1.

        Where no event has happened yet the standard error is 0, and the lower limit is the exact binomial
        one of the rows still at risk. Raises InputError for a time <= 0 or beyond the follow-up.
        """
        place = _place(time, self.times)
        value, se = (1.0, 0.0) if place < 0 else (self.survival[place], self.standard_error[place])
        n_events = 0 if place < 0 else int(self.rows_with_event[place])
        still = int(self.rows_at_risk[max(place, 0)])
        return _estimate(float(value), float(se), n_events, still, self.n_units, self.method, self.level)


@dataclass(frozen=True, kw_only=True, eq=False)
class CumulativeIncidence:
    """Chance of each kind of event by each distinct time of follow-up, the other kinds competing."""

    times: Float[np.ndarray, "step"]
    causes: tuple[int, ...]  # event codes, ascending
    incidence: Float[np.ndarray, "cause step"]
    standard_error: Float[np.ndarray, "cause step"]
    event_free: Float[np.ndarray, "step"]  # 1 − Σ incidence
    n_at_risk: Float[np.ndarray, "step"]
    n_events: Float[np.ndarray, "cause step"]
    n_units: int
    method: str
    level: float
    rows_at_risk: Int[np.ndarray, "step"]
    rows_with_event: Int[np.ndarray, "cause step"]  # by each time, unweighted

    def at(self, cause: int, time: float | int) -> Estimate:
        """Chance of an event of `cause` by `time`, with the limits F · exp(±z se/F), at most 1.

        Where no such event has happened yet the standard error is 0, and the upper limit is the exact
        binomial one of the rows still at risk. Raises InputError for a cause that no row has, a time
        <= 0 or beyond the follow-up.
        """
        if cause not in self.causes:
            raise InputError(
                expected=f"a cause among {', '.join(map(str, self.causes))}", found=str(cause), where="cause"
            )
        which, place = self.causes.index(cause), _place(time, self.times)
        value, se = (
            (0.0, 0.0) if place < 0 else (self.incidence[which, place], self.standard_error[which, place])
        )
        n_events = 0 if place < 0 else int(self.rows_with_event[which, place])
        still = int(self.rows_at_risk[max(place, 0)])
        return _estimate(float(value), float(se), n_events, still, self.n_units, self.method, self.level)


def kaplan_meier(
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> SurvivalCurve:
    """Chance of no event of any kind by a time [Kaplan1958]: S(t) = Π_{u <= t} (1 − d_u/Y_u).

    `time` >= 0 in any unit; `event` 0 for censored, any other code for an event. Variance Greenwood's,
    S² Σ d/(Y(Y−d)) [Greenwood1926]; with `cluster` (the woman of each row) or `weights` (inverse sampling
    fractions) that of the infinitesimal jackknife, Σ over women of (Σ rows weight · ∂S/∂weight)²
    [Therneau2000], which without either is Greenwood's.
    Assumes censoring independent of the event; women who die or leave are not "censored" when the
    chance of cancer is wanted: see `aalen_johansen`.

    Raises InputError for missing or negative times, other codes, weights that are not positive.
    """
    times, codes = follow_up_checked(time, event)
    frame = _Frame.of(times, codes, cluster, weights)
    table = frame.table
    any_kind = codes > 0
    survival = _event_free(table)
    if frame.simple:
        left = table.at_risk - table.events
        steps = np.divide(table.events, table.at_risk * left, out=np.zeros_like(left), where=left > 0)
        standard_error = survival * np.sqrt(np.cumsum(steps))
        method = "Kaplan–Meier, Greenwood, log interval"
    else:
        incidence = _incidence(table, table.events)
        standard_error = np.sqrt(_jackknife_variance(frame, any_kind, table.events, incidence))
        method = f"Kaplan–Meier, infinitesimal jackknife{frame.description}, log interval"
    return SurvivalCurve(
        times=table.times,
        survival=survival,
        standard_error=standard_error,
        n_at_risk=table.at_risk,
        n_events=table.events,
        n_units=frame.n_units,
        method=method,
        level=level,
        rows_at_risk=frame.rows_at_risk,
        rows_with_event=frame.rows_by_step(any_kind),
    )


def aalen_johansen(
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> CumulativeIncidence:
    """Chance of each kind of event by a time [Aalen1978]: F_k(t) = Σ_{u <= t} S(u−) d_ku/Y_u.

    `time` >= 0 in any unit; `event` 0 for censored, 1, 2, 3 … for the kinds of event. S is the Kaplan–Meier
    estimate of all kinds together. Variance of the infinitesimal jackknife, Σ over women (`cluster`, or
    rows) of (Σ rows weight · ∂F/∂weight)² [Therneau2000], at all times in O(n log n); `weights` are
    inverse sampling fractions.

    Raises InputError as `kaplan_meier`, and when every row is censored.
    """
    times, codes = follow_up_checked(time, event)
    frame = _Frame.of(times, codes, cluster, weights)
    table = frame.table
    causes = tuple(int(code) for code in np.unique(codes[codes > 0]))
    if not causes:
        raise InputError(expected="events of at least one kind", found="every row censored", where="event")
    n_events, incidence, standard_error, by_rows = [], [], [], []
    for cause in causes:
        own = codes == cause
        d = np.bincount(table.step, weights=np.where(own, frame.weights, 0.0), minlength=table.times.size)
        n_events.append(d)
        incidence.append(_incidence(table, d))
        standard_error.append(np.sqrt(_jackknife_variance(frame, own, d, incidence[-1])))
        by_rows.append(frame.rows_by_step(own))
    return CumulativeIncidence(
        times=table.times,
        causes=causes,
        incidence=np.array(incidence),
        standard_error=np.array(standard_error),
        event_free=_event_free(table),
        n_at_risk=table.at_risk,
        n_events=np.array(n_events),
        n_units=frame.n_units,
        method=f"Aalen–Johansen, infinitesimal jackknife{frame.description}, log interval",
        level=level,
        rows_at_risk=frame.rows_at_risk,
        rows_with_event=np.array(by_rows),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Frame:
    """Follow-up, weights, and who the independent units are."""

    table: RiskTable
    has_event: Float[np.ndarray, "row"]
    weights: Float[np.ndarray, "row"]
    units: Int[np.ndarray, "row"]
    n_units: int
    simple: bool  # neither clusters nor weights
    description: str

    @staticmethod
    def of(
        time: Float[np.ndarray, "row"],
        event: Int[np.ndarray, "row"],
        cluster: Shaped[np.ndarray, "row"] | None,
        weights: Float[np.ndarray, "row"] | None,
    ) -> _Frame:
        sampling = positive_weights(weights, time.size)
        units = np.arange(time.size)
        if cluster is not None:
            same_rows(time.size, cluster, "cluster")
            units = label_codes(cluster, "cluster")
        return _Frame(
            table=RiskTable.of(time, event, sampling),
            has_event=(event > 0).astype(np.float64),
            weights=sampling,
            units=units,
            n_units=int(units.max()) + 1,
            simple=cluster is None and weights is None,
            description=(" by cluster" if cluster is not None else "")
            + (", weighted" if weights is not None else ""),
        )

    @property
    def rows_at_risk(self) -> Int[np.ndarray, "step"]:
        """Rows, not weights, just before each time."""
        leaving = np.bincount(self.table.step, minlength=self.table.times.size)
        return np.cumsum(leaving[::-1])[::-1]

    def rows_by_step(self, mark: Shaped[np.ndarray, "row"]) -> Int[np.ndarray, "step"]:
        """Marked rows by each time."""
        return np.cumsum(np.bincount(self.table.step[mark], minlength=self.table.times.size))


def _event_free(table: RiskTable) -> Float[np.ndarray, "step"]:
    # 1 − d/Y as (#{T > u} + c)/Y: exactly 0 where all have had the event.
    survival: Float[np.ndarray, "step"] = np.cumprod((table.beyond + table.censored) / table.at_risk)
    return survival


def _incidence(table: RiskTable, n_events: Float[np.ndarray, "step"]) -> Float[np.ndarray, "step"]:
    before = np.concatenate([[1.0], _event_free(table)[:-1]])
    incidence: Float[np.ndarray, "step"] = np.cumsum(before * n_events / table.at_risk)
    return incidence


def _jackknife_variance(
    frame: _Frame,
    own: Shaped[np.ndarray, "row"],
    n_own: Float[np.ndarray, "step"],
    incidence: Float[np.ndarray, "step"],
) -> Float[np.ndarray, "step"]:
    """Σ over units of (Σ rows weight · ∂F(t)/∂weight)² at all times t.

    The derivative by the weight of row l, from F = Σ S(u−) d_k/Y and S = Π (1 − d/Y), is

        Σ_{u <= t} S(u−) (1{l has k at u} − d_k/Y 1{T_l >= u})/Y
                   − (F(t) − F(u)) (1{l has any at u} − d/Y 1{T_l >= u})/(Y − d)

    that is b − F(t) a, where a and b stop changing when the row leaves, and are the same for all rows that
    have not left. So a unit has Σ b − F(t) Σ a of its rows that have left, plus its live weight times the
    common value, and the sum of its squares needs six sums over units, each of which changes only
    when a row leaves.
    """
    table, step, w = frame.table, frame.table.step, frame.weights
    n_steps = table.times.size
    before = np.concatenate([[1.0], _event_free(table)[:-1]])
    left = table.beyond + table.censored
    # Where all have had the event nothing is left, and F(t) − F(u) = 0.
    per_event = np.divide(1.0, left, out=np.zeros(n_steps), where=left > 0)
    drift = table.events / table.at_risk * per_event
    common_a = -np.cumsum(drift)
    common_b = -np.cumsum(incidence * drift + before * n_own / table.at_risk**2)
    jump = frame.has_event * per_event[step]
    row_a = w * (jump + common_a[step])
    row_b = w * (incidence[step] * jump + own * before[step] / table.at_risk[step] + common_b[step])

    order = np.lexsort((step, frame.units))
    first = np.flatnonzero(np.diff(frame.units[order], prepend=-1))
    a, a_was = _running(row_a[order], first)
    b, b_was = _running(row_b[order], first)
    gone, gone_was = _running(w[order], first)
    whole = np.bincount(frame.units, weights=w)[frame.units[order]]
    live, live_was = whole - gone, whole - gone_was

    def summed(
        now: Float[np.ndarray, "row"], was: Float[np.ndarray, "row"], start: float = 0.0
    ) -> Float[np.ndarray, "step"]:
        changes = np.bincount(step[order], weights=now - was, minlength=n_steps)
        total: Float[np.ndarray, "step"] = start + np.cumsum(changes)
        return total

    f = incidence
    live_value = common_b - f * common_a
    all_live = float(np.sum(np.bincount(frame.units, weights=w) ** 2))
    variance = (
        summed(b * b, b_was * b_was)
        - 2 * f * summed(a * b, a_was * b_was)
        + f * f * summed(a * a, a_was * a_was)
        + 2 * live_value * (summed(b * live, b_was * live_was) - f * summed(a * live, a_was * live_was))
        + live_value**2 * summed(live * live, live_was * live_was, all_live)
    )
    positive: Float[np.ndarray, "step"] = np.maximum(variance, 0.0)
    return positive


def _running(
    values: Float[np.ndarray, "row"], first: Int[np.ndarray, "unit"]
) -> tuple[Float[np.ndarray, "row"], Float[np.ndarray, "row"]]:
    """Sums within units (rows sorted by unit, `first` row of each) with and without the row itself."""
    if first.size == values.size:
        return values, np.zeros_like(values)
    total = np.cumsum(values)
    sizes = np.diff(np.append(first, values.size))
    within = total - np.repeat(total[first] - values[first], sizes)
    was = within - values
    was[first] = 0.0
    return within, was


def _place(time: float | int, times: Float[np.ndarray, "step"]) -> int:
    """Index of the last distinct time <= `time`; -1 before the first."""
    return int(np.searchsorted(times, horizon_checked(time, times), side="right")) - 1


def _estimate(
    value: float, se: float, n_events: int, still: int, n_units: int, method: str, level: float
) -> Estimate:
    notes: tuple[str, ...] = ()
    if n_events == 0:
        exact = exact_binomial_interval(0 if value == 0 else still, still, level)
        lower, upper = exact.lower, exact.upper
        notes = ("no event yet: exact binomial limit of the rows still at risk",)
    elif value <= 0:
        lower, upper = 0.0, math.nan
        notes = ("nobody left without an event: no upper limit",)
    else:
        spread = math.exp(normal_quantile(level) * se / value)
        lower, upper = value / spread, min(1.0, value * spread)
    return Estimate(
        value=value,
        lower=lower,
        upper=upper,
        n=n_units,
        n_events=n_events,
        method=method,
        standard_error=se,
        level=level,
        notes=notes,
    )
