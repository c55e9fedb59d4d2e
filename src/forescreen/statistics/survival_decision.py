"""Decision curves at a horizon when follow-up may end before it, with competing events.

In: risk by the horizon, time, event code (0 censored, 1 the event, 2, 3 … competing), thresholds, horizon,
woman and sampling weight where they matter. Out: `DecisionCurve`. Cancers among the selected are their share
times their Aalen–Johansen cumulative incidence (1 − Kaplan–Meier without competing events). [Vickers2008]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from ..errors import TooFewEventsError
from ..progress import silent
from .bootstrap import in_blocks, independent_units, resample_seeds, unit_multiplicities
from .censoring import follow_up_checked, horizon_checked
from .decision import DecisionCurve, thresholds_checked
from .risks import absolute_risks
from .rows import label_codes, positive_weights, same_rows

#: The event of interest among the codes.
_EVENT = 1

#: Share of resamples in which a net benefit must be defined to have limits.
_DEFINED_SHARE = 0.95


def survival_net_benefit(
    risk: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    thresholds: Float[np.ndarray, "threshold"],
    *,
    horizon: float | int,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    harm: float = 0.0,
    n_resamples: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> DecisionCurve:
    """Net benefit F·q − (1 − F)·q·t/(1−t) of selecting risk >= t: q the share selected, F their incidence.

    F is the cumulative incidence of event 1 at the horizon among the selected. It is nan, and the net
    benefit with it, where none of the selected is followed to the horizon; where nobody is selected the net
    benefit is 0 − harm. risk: absolute probability of event 1 by the horizon, in [0, 1]; scores are refused.
    thresholds: in [0, 1). `time` >= 0 and `horizon` > 0 in one unit. weights: > 0 (inverse sampling
    fractions). cluster: the woman of each row. harm: of the test itself, subtracted.

    Limits only with `n_resamples`: percentile bootstrap of women; nan where a net benefit is undefined in
    more than 5 % of the resamples. Time grows with resamples × thresholds × rows; for large data
    `decision.net_benefit` with the weights of `survival_calibration.outcome_by_horizon` is nearly the same,
    and quick.

    Raises InputError for risks or thresholds out of range, bad follow-up, or a horizon beyond the longest;
    TooFewEventsError with fewer than 2 events by the horizon.
    """
    times, codes = follow_up_checked(time, event)
    t = thresholds_checked(thresholds)
    values, limit = absolute_risks(risk, times.size), horizon_checked(horizon, times)
    n_events = int(np.count_nonzero((codes == _EVENT) & (times <= limit)))
    if n_events < 2:
        raise TooFewEventsError("net benefit by a horizon", found=n_events, needed=2)
    w = positive_weights(weights, times.size)
    units = np.arange(times.size)
    if cluster is not None:
        same_rows(times.size, cluster, "cluster")
        units = label_codes(cluster, "cluster")
    rows = _Rows.of(values, times, codes, limit)
    starts = np.searchsorted(-rows.risk, -t, side="right")  # of each threshold: rows selected
    odds = t / (1 - t)
    share, incidence, everybody = rows.selected(w[rows.order], starts)
    true, false = share * incidence, share * (1 - incidence)
    lower = upper = None
    interval = "no interval"
    if n_resamples:
        lower, upper = _percentiles(rows, w, units, starts, odds, n_resamples, seed, level)
        lower, upper = lower - harm, upper - harm
        interval = f"percentile bootstrap, {n_resamples} resamples, seed {seed}"
    return DecisionCurve(
        thresholds=t,
        net_benefit=true - false * odds - harm,
        lower=lower,
        upper=upper,
        treat_all=everybody - (1 - everybody) * odds,
        selected=share,
        true_positives=true,
        false_positives=false,
        prevalence=everybody,
        harm=harm,
        n=int(units.max()) + 1,
        n_events=n_events,
        method=f"net benefit by {limit:g}, Aalen–Johansen, {interval}",
        level=level,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """Rows from the highest risk down, and how far each reaches along the times of events."""

    order: Int[np.ndarray, "row"]
    risk: Float[np.ndarray, "row"]
    reach: Int[np.ndarray, "row"]  # number of event times up to the row's own time: it is at risk at these
    own: Float[np.ndarray, "row"]  # 1: the event of interest, by the horizon
    any_event: Float[np.ndarray, "row"]  # 1: an event of any kind, by the horizon
    followed: Float[np.ndarray, "row"]  # 1: to the horizon
    n_steps: int

    @staticmethod
    def of(
        risk: Float[np.ndarray, "row"],
        time: Float[np.ndarray, "row"],
        event: Int[np.ndarray, "row"],
        horizon: float,
    ) -> _Rows:
        order = np.argsort(-risk, kind="stable")
        time, event = time[order], event[order]
        happens = (event > 0) & (time <= horizon)
        event_times = np.unique(time[happens])
        return _Rows(
            order=order,
            risk=risk[order],
            reach=np.searchsorted(event_times, time, side="right"),
            own=(happens & (event == _EVENT)).astype(np.float64),
            any_event=happens.astype(np.float64),
            followed=(time >= horizon).astype(np.float64),
            n_steps=event_times.size,
        )

    def selected(
        self, weights: Float[np.ndarray, "row"], starts: Int[np.ndarray, "threshold"]
    ) -> tuple[Float[np.ndarray, "threshold"], Float[np.ndarray, "threshold"], float]:
        """Share and cumulative incidence of the first rows up to each start, and the incidence of all."""
        total = weights.sum()
        shares = np.concatenate([[0.0], np.cumsum(weights)])[starts] / total
        distinct, place = np.unique(starts, return_inverse=True)
        found = np.array([self._incidence(weights, int(end)) for end in distinct])
        return shares, found[place], self._incidence(weights, weights.size)

    def _incidence(self, weights: Float[np.ndarray, "row"], end: int) -> float:
        """Aalen–Johansen estimate at the horizon from the first rows, by weights that may be 0."""
        w = weights[:end]
        if not np.any(w > 0):
            return 0.0
        if not np.any(w * self.followed[:end] > 0):
            return math.nan
        reach, n = self.reach[:end], self.n_steps + 1
        at_risk = np.cumsum(np.bincount(reach, weights=w, minlength=n)[::-1])[::-1][1:]
        own, events = (
            np.bincount(reach, weights=w * mark[:end], minlength=n)[1:] for mark in (self.own, self.any_event)
        )
        safe = np.where(at_risk > 0, at_risk, 1.0)
        event_free = np.cumprod(1 - events / safe)
        before = np.concatenate([[1.0], event_free[:-1]])
        return float(np.sum(before * own / safe))


def _percentiles(
    rows: _Rows,
    weights: Float[np.ndarray, "row"],
    units: Int[np.ndarray, "row"],
    starts: Int[np.ndarray, "threshold"],
    odds: Float[np.ndarray, "threshold"],
    n_resamples: int,
    seed: int,
    level: float,
) -> tuple[Float[np.ndarray, "threshold"], Float[np.ndarray, "threshold"]]:
    who = independent_units(units)

    def evaluate(seeds: Sequence[np.random.SeedSequence]) -> Float[np.ndarray, "resample threshold"]:
        found = []
        for counts in unit_multiplicities(who, seeds):
            drawn = (weights * counts[who.of_row])[rows.order]
            share, incidence, _ = rows.selected(drawn, starts)
            found.append(share * (incidence - (1 - incidence) * odds))
        return np.array(found)

    seeds = resample_seeds(seed, n_resamples)
    replicates = np.concatenate(in_blocks(evaluate, seeds, block=1, threads=1, track=silent))
    limits = np.full((2, odds.size), math.nan)
    defined = np.mean(np.isfinite(replicates), axis=0) >= _DEFINED_SHARE
    if np.any(defined):
        tails = [(1 - level) / 2, (1 + level) / 2]
        limits[:, defined] = np.nanquantile(replicates[:, defined], tails, axis=0)
    return limits[0], limits[1]
