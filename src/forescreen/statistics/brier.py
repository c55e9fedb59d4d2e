"""Brier scores: how far absolute risks are from what happened, and how much better than one risk for all.

In: risk, and either time, event code and horizon, or a case mark where everybody's state is known; woman and
sampling weight where they matter. Out: `BrierScore` (model, null model, scaled) or an `Estimate` of a
difference. A score is not a risk: it has no Brier score. [Brier1950, Graf1999, Gerds2006]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

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
from .risks import RiskRows, absolute_risks
from .rows import label_codes, positive_weights, same_rows


@dataclass(frozen=True, kw_only=True)
class BrierScore:
    """Mean squared distance of the model's risks from the outcomes; smaller is better.

    `null` is that of the same risk for everybody, the estimated chance of the event; `scaled` is 1 −
    model/null, the index of prediction accuracy [Kattan2018]: 1 is perfect, 0 no better than the null model,
    below 0 worse.
    """

    model: Estimate
    null: Estimate
    scaled: Estimate


def brier_score(
    risk: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> BrierScore:
    """Mean squared distance of the risk by the horizon from the event by the horizon, under censoring
    [Gerds2006].

        BS(h) = Σ v (1{T <= h, event 1} − risk)² / Σ w

    with v the weights of `inverse_probability_weights`: w/G(T−) for an event of any cause by h, w/G(h)
    beyond, 0 for the censored. A competing event by h is a woman without event 1. The null model's risk is Σ
    v 1{T <= h, event 1}/Σ w: one minus Kaplan–Meier, with competing events Aalen–Johansen.

    risk: absolute probability in [0, 1] of event 1 by `horizon`, in the unit of `time` (>= 0). event: 0
    censored, 1, 2, 3 …. weights: inverse sampling fractions. cluster: the woman of each row. Assumes
    censoring independent of event and covariates.

    Standard error: influence of every row, through the estimated G too, n/(n−1) Σ over units of its squared
    sum. The share through G is that of `censoring_influence`: to order 1/n where times are distinct, rougher
    where follow-up is in whole years and events are frequent, above all for the null score near a chance of
    ½. Wald interval, cut at 0 (the scaled score at 1). That of the null and the scaled score counts the
    estimation of the null risk, which changes nothing to first order. No p value but for the scaled score
    (against 0).

    Raises InputError for values outside [0, 1] (a score is not a risk), missing times or codes, a horizon
    beyond the follow-up; TooFewEventsError with fewer than 2 events 1 by the horizon.
    """
    frame = _FollowUp.of(time, event, horizon, cluster, weights).with_events()
    return _against_null(frame.loss(risk, "risk"), frame.loss_of_null(), frame, level)


def brier_difference(
    risk_a: Float[np.ndarray, "row"],
    risk_b: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Brier score of risk a minus that of risk b on the same rows, with the paired test; below 0 favours a.

    Arguments and errors as for `brier_score`.
    """
    frame = _FollowUp.of(time, event, horizon, cluster, weights).with_events()
    return _paired_difference(frame.loss(risk_a, "risk a"), frame.loss(risk_b, "risk b"), frame, level)


def binary_brier_score(
    risk: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> BrierScore:
    """Mean squared distance of the risk from the outcome where everybody's outcome is known [Brier1950].

    BS = Σ w (case − risk)²/Σ w; the null risk is the (weighted) share of cases. A sample of cases and
    controls needs `weights` (inverse sampling fractions) that bring it back to the population; weights of 0
    leave a row out. Standard error: n/(n−1) Σ over units (`cluster`, or rows) of the squared sum of
    influences.

    Raises InputError for values outside [0, 1] (a score is not a risk); TooFewEventsError with fewer than 2
    cases.
    """
    frame = _Known.of(risk, case, cluster, weights)
    return _against_null(frame.loss(frame.rows.risk), frame.loss_of_null(), frame, level)


def binary_brier_difference(
    risk_a: Float[np.ndarray, "row"],
    risk_b: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Brier score of risk a minus that of risk b where everybody's outcome is known, with the paired test.

    Arguments and errors as for `binary_brier_score`.
    """
    frame = _Known.of(risk_a, case, cluster, weights)
    other = absolute_risks(risk_b, case.size, "risk b")[frame.rows.kept]
    return _paired_difference(frame.loss(frame.rows.risk), frame.loss(other), frame, level)


def integrated_brier_score(
    risks: Float[np.ndarray, "horizon row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizons: tuple[float | int, ...],
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> BrierScore:
    """Brier score over a range of horizons h_1 < … < h_k: (1/h_k) Σ_{j<k} BS(h_j) (h_{j+1} − h_j) [Graf1999].

    The left-step sum, as riskRegression's, with its conventions: before h_1 the score is taken as 0, and the
    last horizon only ends the range. Give a fine grid; on a coarse one the trapezoid sum would be larger.

    risks: one row of absolute probabilities per horizon, not falling along the horizons. Otherwise as
    `brier_score`. Raises InputError also for fewer than two horizons, not in ascending order, or risks that
    fall.
    """
    if len(horizons) < 2 or not np.all(np.diff(horizons) > 0):
        raise InputError(
            expected="two horizons at least, ascending",
            found=", ".join(f"{h:g}" for h in horizons),
            where="horizons",
        )
    if risks.shape[0] != len(horizons):
        raise InputError(
            expected=f"one row of risks per horizon, {len(horizons)}",
            found=f"shape {risks.shape}",
            where="risks",
        )
    checked = np.array([absolute_risks(row, row.size, "risks") for row in risks])
    n_falling = int(np.count_nonzero(np.any(np.diff(checked, axis=0) < 0, axis=0)))
    if n_falling:
        raise InputError(
            expected="risks that do not fall from one horizon to the next",
            found=f"{n_falling} of {risks.shape[1]} rows otherwise",
            where="risks",
        )
    steps = np.diff(horizons) / horizons[-1]
    last = _FollowUp.of(time, event, horizons[-1], cluster, weights).with_events()
    model, null = _Loss.nothing(last.units.size), _Loss.nothing(last.units.size)
    for h, step, row in zip(horizons[:-1], steps.tolist(), checked[:-1], strict=True):
        frame = _FollowUp.of(time, event, h, cluster, weights)
        model = model.plus(frame.loss(row, "risks"), step)
        null = null.plus(frame.loss_of_null(), step)
    name = f"integrated Brier score from {horizons[0]:g} to {horizons[-1]:g}"
    return _against_null(model, null, replace(last, name=name), level)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Loss:
    """A mean loss, and the share of every row in its linearisation; the shares sum to 0."""

    value: float
    influence: Float[np.ndarray, "row"]

    @staticmethod
    def nothing(n_rows: int) -> _Loss:
        return _Loss(value=0.0, influence=np.zeros(n_rows))

    def plus(self, other: _Loss, factor: float) -> _Loss:
        return _Loss(
            value=self.value + factor * other.value, influence=self.influence + factor * other.influence
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Frame:
    """What both designs share: units, names and counts."""

    units: Int[np.ndarray, "row"]
    n_units: int
    n_events: int
    name: str
    words: str
    notes: tuple[str, ...]

    def standard_error(self, influence: Float[np.ndarray, "row"]) -> float:
        """Square root of n/(n−1) Σ over units of the squared sum of influences."""
        by_unit = np.bincount(self.units, weights=influence, minlength=self.n_units)
        return math.sqrt(self.n_units / max(self.n_units - 1, 1) * float(np.sum(by_unit**2)))


@dataclass(frozen=True, kw_only=True, eq=False)
class _FollowUp(_Frame):
    """Outcome at a horizon under censoring."""

    time: Float[np.ndarray, "row"]
    event: Int[np.ndarray, "row"]
    horizon: float
    outcome: Float[np.ndarray, "row"]  # 1 where event 1 by the horizon
    sampling: Float[np.ndarray, "row"]
    v: Float[np.ndarray, "row"]

    @staticmethod
    def of(
        time: Float[np.ndarray, "row"],
        event: Int[np.ndarray, "row"],
        horizon: float | int,
        cluster: Shaped[np.ndarray, "row"] | None,
        weights: Float[np.ndarray, "row"] | None,
    ) -> _FollowUp:
        times, codes = follow_up_checked(time, event)
        limit = horizon_checked_beyond(horizon, times)
        outcome = (times <= limit) & (codes == 1)
        units = np.arange(times.size)
        if cluster is not None:
            same_rows(times.size, cluster, "cluster")
            units = label_codes(cluster, "cluster")
        n_censored = int(np.count_nonzero((times <= limit) & (codes == 0)))
        return _FollowUp(
            units=units,
            n_units=int(units.max()) + 1,
            n_events=int(np.count_nonzero(outcome)),
            name=f"Brier score at {limit:g}",
            words="IPCW influence function" + _sample_words(cluster, weights),
            notes=(f"{n_censored} of {times.size} rows censored by the horizon",) if n_censored else (),
            time=times,
            event=codes,
            horizon=limit,
            outcome=outcome.astype(np.float64),
            sampling=positive_weights(weights, times.size),
            v=inverse_probability_weights(times, codes, horizon=limit, weights=weights),
        )

    def with_events(self) -> _FollowUp:
        """Itself; an error with fewer than 2 events by the horizon."""
        if self.n_events < 2:
            raise TooFewEventsError(
                "a Brier score", found=self.n_events, needed=2, where=f"events by {self.horizon:g}"
            )
        return self

    def loss(self, risk: Float[np.ndarray, "row"], what: str) -> _Loss:
        """Weighted squared distance of checked risks."""
        return self._loss(absolute_risks(risk, self.time.size, what))

    def loss_of_null(self) -> _Loss:
        """The same of the estimated chance of the event, for everybody."""
        share = min(1.0, float(self.v @ self.outcome / self.sampling.sum()))
        return self._loss(np.full(self.time.size, share))

    def _loss(self, risk: Float[np.ndarray, "row"]) -> _Loss:
        total = float(self.sampling.sum())
        weighted = self.v * (self.outcome - risk) ** 2 / total
        value = float(weighted.sum())
        through_censoring = censoring_influence(
            weighted, self.time, self.event, horizon=self.horizon, weights=self.sampling
        )
        return _Loss(value=value, influence=weighted - self.sampling * value / total + through_censoring)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Known(_Frame):
    """Outcome known for all rows."""

    rows: RiskRows

    @staticmethod
    def of(
        risk: Float[np.ndarray, "row"],
        case: Bool[np.ndarray, "row"],
        cluster: Shaped[np.ndarray, "row"] | None,
        weights: Float[np.ndarray, "row"] | None,
    ) -> _Known:
        rows = RiskRows.of(risk, case, weights=weights, cluster=cluster)
        rows.need("a Brier score", cases=2)
        return _Known(
            units=rows.units,
            n_units=rows.n_units,
            n_events=rows.n_events,
            name="Brier score",
            words="influence function" + _sample_words(cluster, weights),
            notes=(),
            rows=rows,
        )

    def loss(self, risk: Float[np.ndarray, "row"]) -> _Loss:
        """Weighted squared distance of checked risks."""
        w = self.rows.weights / self.rows.weights.sum()
        squared = (self.rows.case - risk) ** 2
        value = float(w @ squared)
        return _Loss(value=value, influence=w * (squared - value))

    def loss_of_null(self) -> _Loss:
        """The same of the share of cases, for everybody."""
        share = float(np.average(self.rows.case, weights=self.rows.weights))
        return self.loss(np.full(self.rows.case.size, share))


def _against_null(model: _Loss, null: _Loss, frame: _Frame, level: float) -> BrierScore:
    if not null.value > 0:
        raise InputError(
            expected="rows with and without the event",
            found="an estimated chance of the event of 1",
            where=frame.name,
        )
    ratio = model.value / null.value
    return BrierScore(
        model=_estimate(model.value, model.influence, frame, frame.name, level),
        null=_estimate(null.value, null.influence, frame, f"{frame.name} of the null model", level),
        scaled=_against_nothing(
            1 - ratio,
            -(model.influence - ratio * null.influence) / null.value,
            frame,
            f"scaled {frame.name}",
            level,
        ),
    )


def _paired_difference(a: _Loss, b: _Loss, frame: _Frame, level: float) -> Estimate:
    return _against_nothing(
        a.value - b.value, a.influence - b.influence, frame, f"paired difference of {frame.name}", level
    )


def _estimate(
    value: float, influence: Float[np.ndarray, "row"], frame: _Frame, name: str, level: float
) -> Estimate:
    """Estimate of a quantity that is at least 0."""
    se = frame.standard_error(influence)
    interval = wald_interval(value, se, level)
    return Estimate(
        value=value,
        lower=max(0.0, interval.lower),
        upper=interval.upper,
        n=frame.n_units,
        n_events=frame.n_events,
        method=f"{name}, {frame.words}, Wald",
        standard_error=se,
        level=level,
        notes=frame.notes,
    )


def _against_nothing(
    value: float, influence: Float[np.ndarray, "row"], frame: _Frame, name: str, level: float
) -> Estimate:
    """Estimate of a quantity that is at most 1, and 0 where two models are alike, with the test of that."""
    se = frame.standard_error(influence)
    interval = wald_interval(value, se, level)
    return Estimate(
        value=value,
        lower=interval.lower,
        upper=min(1.0, interval.upper),
        n=frame.n_units,
        n_events=frame.n_events,
        method=f"{name}, {frame.words}, Wald",
        standard_error=se,
        p_value=null_p(value, se),
        level=level,
        notes=frame.notes,
    )


def _sample_words(cluster: Shaped[np.ndarray, "row"] | None, weights: Float[np.ndarray, "row"] | None) -> str:
    return (" by cluster" if cluster is not None else "") + (", weighted" if weights is not None else "")
