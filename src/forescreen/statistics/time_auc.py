"""Area under the ROC curve at a horizon, when follow-up ends early for some: who has the event by then.

In: score, time, event code, horizon; woman and sampling weight where they matter. Out: `Estimate`, and
`TimeAuc` with the influence of each row. Cumulative cases (event by the horizon) against dynamic controls
(free of it beyond), with inverse probability of censoring weights [Uno2007, Blanche2013].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from ..errors import InputError, TooFewEventsError
from ..records import Estimate
from .censoring import (
    censoring_influence,
    follow_up_checked,
    horizon_checked_beyond,
    inverse_probability_weights,
)
from .inference import null_p, wald_interval
from .proportions import exact_binomial_interval
from .rows import finite_scores, label_codes, same_rows

#: Whom the cases are compared with: women free of every event beyond the horizon, or also those who had a
#: competing event by then.
Controls = Literal["event-free", "event-free or competing"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeAuc:
    """The area at a horizon and its linearisation, from which intervals and differences follow.

    `influence` is the share of each row, weight · ∂AUC/∂weight; it sums to 0 over all rows, the censored
    ones too, and its sum of squares over independent units is the variance. Areas of several scores or
    kinds of event on the same rows: the covariance is the sum of products, so that many models are compared
    without computing any area twice.
    """

    value: float
    influence: Float[np.ndarray, "row"]
    case: Bool[np.ndarray, "row"]
    control: Bool[np.ndarray, "row"]
    n_censored: int  # rows censored by the horizon
    horizon: float
    controls: Controls
    weighted: bool

    def estimate(self, *, cluster: Shaped[np.ndarray, "row"] | None = None, level: float = 0.95) -> Estimate:
        """The area with its interval and its p value against 0.5, as `cumulative_dynamic_auc` gives it."""
        units = _Units.of(self, cluster, "time-dependent AUC")
        se = math.sqrt(units.variance(self.influence))
        interval = wald_interval(self.value, se, level)
        lower, upper = max(0.0, interval.lower), min(1.0, interval.upper)
        notes = _notes(self)
        if self.value in (0.0, 1.0):
            exact = exact_binomial_interval(
                units.n_disjoint_pairs if self.value else 0, units.n_disjoint_pairs, level
            )
            lower, upper = exact.lower, exact.upper
            notes = (*notes, "complete separation: exact binomial limit of disjoint pairs")
        return Estimate(
            value=self.value,
            lower=lower,
            upper=upper,
            n=units.n_units,
            n_events=int(np.count_nonzero(self.case)),
            method=f"cumulative/dynamic AUC at {self.horizon:g}, {self._method(cluster)}",
            standard_error=se,
            p_value=null_p(self.value - 0.5, se),
            level=level,
            notes=notes,
        )

    def minus(
        self, other: TimeAuc, *, cluster: Shaped[np.ndarray, "row"] | None = None, level: float = 0.95
    ) -> Estimate:
        """This area less another one on the same rows, by the same horizon: the paired test.

        Of two scores, or of two kinds of event. Raises InputError where rows or horizons differ.
        """
        if other.influence.size != self.influence.size or other.horizon != self.horizon:
            raise InputError(
                expected=f"two areas on the same {self.influence.size} rows by {self.horizon:g}",
                found=f"{other.influence.size} rows by {other.horizon:g}",
                where="time-dependent AUC difference",
            )
        units = _Units.of(self, cluster, "time-dependent AUC difference", other)
        value = self.value - other.value
        se = math.sqrt(units.variance(self.influence - other.influence))
        interval = wald_interval(value, se, level)
        return Estimate(
            value=value,
            lower=max(-1.0, interval.lower),
            upper=min(1.0, interval.upper),
            n=units.n_units,
            n_events=int(np.count_nonzero(self.case | other.case)),
            method=f"paired cumulative/dynamic AUC difference at {self.horizon:g}, {self._method(cluster)}",
            standard_error=se,
            p_value=null_p(value, se),
            level=level,
            notes=_notes(self),
        )

    def _method(self, cluster: Shaped[np.ndarray, "row"] | None) -> str:
        words = [f"controls {self.controls}", "IPCW influence function"]
        words += ["by cluster"] if cluster is not None else []
        words += ["weighted"] if self.weighted else []
        return ", ".join([*words, "Wald"])


def cumulative_dynamic_auc(
    score: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int,
    controls: Controls = "event-free",
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Chance that a woman with the event by the horizon scores higher than one without; a tie counts half.

        AUC(h) = Σ_i v_i Σ_j v_j [1{s_i > s_j} + ½ 1{s_i = s_j}] / (Σ_i v_i · Σ_j v_j)

    over cases i (T <= h, event 1) and controls j, with v the weights of `inverse_probability_weights`:
    1/G(T−) for events, 1/G(h) beyond the horizon, G the distribution of censoring. Controls are the women
    with T > h; "event-free or competing" adds those with a competing event (code 2, 3 …) by the horizon.
    These are AUC_1 and AUC_2 of timeROC [Blanche2013]; without competing events they are equal. In screening
    report the first.

    `score`: any finite number, higher = more at risk. `time` >= 0 in any unit; `event` 0 censored, 1 the
    event, 2, 3 … competing; `horizon` in the unit of `time`. A woman censored exactly at the horizon is not a
    control. `weights`: inverse sampling fractions, taken as known; `cluster`: the woman of each row.

    Standard error: influence of every row, through the estimated G too, summed by woman;
    n/(n−1) Σ influence². Wald interval, cut at 0 and 1; at exactly 0 or 1 the exact binomial limit of
    disjoint pairs. p value against 0.5. Censoring must not depend on the score given the event.

    Raises InputError for missing scores, times or codes and for a horizon beyond the follow-up;
    TooFewEventsError with fewer than 2 cases by the horizon or 2 controls (or 2 women with either).
    """
    area = time_auc(score, time, event, horizon=horizon, controls=controls, weights=weights)
    return area.estimate(cluster=cluster, level=level)


def cumulative_dynamic_auc_difference(
    score_a: Float[np.ndarray, "row"],
    score_b: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int,
    controls: Controls = "event-free",
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Time-dependent AUC of score a minus that of score b on the same rows, with the paired test.

    Variance of the difference of the influences [Blanche2013]. Arguments and errors as for
    `cumulative_dynamic_auc`.
    """
    area_a, area_b = (
        _time_auc(
            finite_scores(score, time.size, name),
            time,
            event,
            horizon,
            controls,
            weights,
            "time-dependent AUC difference",
        )
        for name, score in (("score a", score_a), ("score b", score_b))
    )
    return area_a.minus(area_b, cluster=cluster, level=level)


def case_type_time_auc_difference(
    score_a: Float[np.ndarray, "row"],
    score_b: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    *,
    event_a: Int[np.ndarray, "row"],
    event_b: Int[np.ndarray, "row"],
    horizon: float | int,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """AUC of score a for one kind of event minus AUC of score b for another kind, on the same women.

    `event_a` and `event_b` code the same follow-up: what is 1 in one is a competing event (2, 3 …) in the
    other, and censorings are 0 in both. Both areas share the event-free women as controls; the covariance
    through them, and through the distribution of censoring, enters the variance as that of the difference of
    the influences. Give the same score twice to ask whether one score finds the two kinds equally well.

    Raises InputError where the two columns disagree about who is censored or call a row 1 twice; otherwise
    as `cumulative_dynamic_auc`.
    """
    same_rows(time.size, event_a, "event_a")
    same_rows(time.size, event_b, "event_b")
    n_wrong = int(np.count_nonzero(((event_a > 0) != (event_b > 0)) | ((event_a == 1) & (event_b == 1))))
    if n_wrong:
        raise InputError(
            expected="two codings of the same follow-up, with event 1 of one kind each",
            found=f"{n_wrong} rows otherwise",
            where="event_b",
        )
    quantity = "time-dependent AUC difference of case types"
    area_a, area_b = (
        _time_auc(finite_scores(score, time.size), time, event, horizon, "event-free", weights, quantity)
        for score, event in ((score_a, event_a), (score_b, event_b))
    )
    return area_a.minus(area_b, cluster=cluster, level=level)


def time_auc(
    score: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int,
    controls: Controls = "event-free",
    weights: Float[np.ndarray, "row"] | None = None,
) -> TimeAuc:
    """The area of `cumulative_dynamic_auc` with the influence of each row, for sums over other units.

    Three terms: of a case, v (placement among the controls − AUC)/Σ v; of a control, v (placement among
    the cases − AUC)/Σ v; of every row, through the distribution of censoring, `censoring_influence` of the
    first two. O(n log n). Arguments and errors as for `cumulative_dynamic_auc`.
    """
    values = finite_scores(score, time.size)
    return _time_auc(values, time, event, horizon, controls, weights, "time-dependent AUC")


def _time_auc(
    score: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    horizon: float | int,
    controls: Controls,
    weights: Float[np.ndarray, "row"] | None,
    quantity: str,
) -> TimeAuc:
    times, codes = follow_up_checked(time, event)
    limit = horizon_checked_beyond(horizon, times)
    by_horizon = times <= limit
    case = by_horizon & (codes == 1)
    control = ~by_horizon
    if controls == "event-free or competing":
        control |= by_horizon & (codes > 1)
    for mark, where in ((case, f"events by {limit:g}"), (control, f"controls at {limit:g}")):
        found = int(np.count_nonzero(mark))
        if found < 2:
            raise TooFewEventsError(quantity, found=found, needed=2, where=where)
    v = inverse_probability_weights(times, codes, horizon=limit, weights=weights)
    below = _share_below(score[case], score[control], v[control])
    above = 1 - _share_below(score[control], score[case], v[case])
    # Placements of cases and of controls have the same mean, the area.
    area = float(np.average(below, weights=v[case]))
    if np.all(below == below[0]) and below[0] in (0.0, 1.0):
        area = float(below[0])
    direct = np.zeros(times.size)
    for group, placement in ((case, below), (control, above)):
        direct[group] = v[group] * (placement - area) / v[group].sum()
    through_censoring = censoring_influence(direct, times, codes, horizon=limit, weights=weights)
    return TimeAuc(
        value=area,
        influence=direct + through_censoring,
        case=case,
        control=control,
        n_censored=int(np.count_nonzero(by_horizon & (codes == 0))),
        horizon=limit,
        controls=controls,
        weighted=weights is not None,
    )


def _share_below(
    score: Float[np.ndarray, "own"], others: Float[np.ndarray, "other"], weights: Float[np.ndarray, "other"]
) -> Float[np.ndarray, "own"]:
    """Weighted share of the others that score below each, ties one half."""
    order = np.argsort(others, kind="stable")
    ladder = others[order]
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    low = below[np.searchsorted(ladder, score, side="left")]
    high = below[np.searchsorted(ladder, score, side="right")]
    share: Float[np.ndarray, "own"] = 0.5 * (low + high) / below[-1]
    return share


@dataclass(frozen=True, kw_only=True, eq=False)
class _Units:
    """The independent units: rows, or women with all their rows."""

    codes: Int[np.ndarray, "row"] | None
    n_units: int
    n_disjoint_pairs: int

    @staticmethod
    def of(
        area: TimeAuc,
        cluster: Shaped[np.ndarray, "row"] | None,
        quantity: str,
        other: TimeAuc | None = None,
    ) -> _Units:
        codes, n_units = None, area.case.size
        groups = [area.case, area.control, *(() if other is None else (other.case, other.control))]
        n_with = [int(np.count_nonzero(mark)) for mark in groups]
        if cluster is not None:
            same_rows(area.case.size, cluster, "cluster")
            codes = label_codes(cluster, "cluster")
            n_units = int(codes.max()) + 1
            n_with = [int(np.count_nonzero(np.bincount(codes[mark], minlength=n_units))) for mark in groups]
            for found, whom in zip(n_with, ("women with an event", "women as controls") * 2, strict=False):
                if found < 2:
                    raise TooFewEventsError(f"{quantity} by cluster", found=found, needed=2, where=whom)
        return _Units(codes=codes, n_units=n_units, n_disjoint_pairs=min(*n_with, max(1, n_units // 2)))

    def variance(self, influence: Float[np.ndarray, "row"]) -> float:
        """n/(n−1) Σ over units of the squared sum of influences."""
        sums = influence if self.codes is None else np.bincount(self.codes, weights=influence)
        return self.n_units / (self.n_units - 1) * float(np.sum(sums**2))


def _notes(area: TimeAuc) -> tuple[str, ...]:
    if not area.n_censored:
        return ()
    return (f"{area.n_censored} of {area.case.size} rows censored by the horizon",)
