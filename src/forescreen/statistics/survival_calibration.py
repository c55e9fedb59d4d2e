"""Calibration of absolute risks by a horizon when follow-up may end before it, with competing events.

In: risk by the horizon, time, event code (0 censored, 1 the event, 2, 3 … competing), horizon, woman and
sampling weight where they matter. Out: `Estimate`, `CalibrationGroup`, `CalibrationCurve`, and
`OutcomeByHorizon`, by which any weighted statistic of case marks becomes one of censored data. Observed is
the Aalen–Johansen cumulative incidence, never 1 − Kaplan–Meier of one cause.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from ..errors import InputError, TooFewEventsError
from ..records import Estimate
from .calibration import CalibrationGroup, quantile_groups
from .calibration_curve import CalibrationCurve, calibration_curve
from .calibration_line import CalibrationLine, calibration_line
from .censoring import follow_up_checked, horizon_checked, inverse_probability_weights
from .inference import normal_quantile, null_p
from .proportions import exact_binomial_interval
from .risks import absolute_risks
from .rows import positive_weights, same_rows
from .survival import aalen_johansen

#: The event of interest among the codes.
_EVENT = 1

#: A cumulative incidence from fewer events has no useful standard error on the log scale.
_NEEDED = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class OutcomeByHorizon:
    """Who had the event by the horizon, and weights by which the known outcomes stand for all."""

    case: Bool[np.ndarray, "row"]
    weights: Float[np.ndarray, "row"]  # 0: censored by the horizon, outcome unknown


def outcome_by_horizon(
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int,
    weights: Float[np.ndarray, "row"] | None = None,
) -> OutcomeByHorizon:
    """Case marks and inverse-probability-of-censoring weights: `auc(score, case, weights=…)` and the like.

    Case: event 1 with time <= horizon; competing events by the horizon are known not to be cases. Weights as
    `inverse_probability_weights`, times the sampling weight; rows of weight 0 must be left out where a
    function wants positive weights. `time` >= 0 and `horizon` > 0 in one unit.

    Raises InputError for missing or negative times, other codes, a horizon nobody is followed beyond.
    """
    times, codes = follow_up_checked(time, event)
    return OutcomeByHorizon(
        case=(codes == _EVENT) & (times <= float(horizon)),
        weights=inverse_probability_weights(times, codes, horizon=horizon, weights=weights),
    )


def survival_observed_expected(
    risk: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Observed over expected number of events by the horizon, O/E.

    O = Σ weights · cumulative incidence at the horizon (Aalen–Johansen; 1 − Kaplan–Meier without competing
    events), E = Σ weights · risk, taken as known. Limits exp(log O/E ± z·se(F)/F), se of the infinitesimal
    jackknife, by woman with `cluster`. risk: absolute probability of event 1 by the horizon, in [0, 1];
    scores are refused. `time` >= 0 and `horizon` > 0 in one unit; weights > 0 (inverse sampling fractions).

    Raises InputError for risks outside [0, 1], nothing expected, bad follow-up, or a horizon beyond the
    longest; TooFewEventsError with fewer than 2 events by the horizon.
    """
    rows = _Rows.of(risk, time, event, horizon, weights, cluster)
    return _observed_expected(rows, level)


def survival_calibration_line(
    risk: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> CalibrationLine:
    """Calibration in the large and slope at the horizon: `calibration_line` on `outcome_by_horizon`.

    The weights are taken as known in the standard errors. Arguments and errors as for the two.
    """
    known = outcome_by_horizon(time, event, horizon=horizon, weights=weights)
    return calibration_line(risk, known.case, weights=known.weights, cluster=cluster, level=level)


def survival_calibration_curve(
    risk: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    span: float = 0.75,
    n_places: int = 101,
    n_resamples: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> CalibrationCurve:
    """Flexible calibration curve at the horizon: `calibration_curve` on `outcome_by_horizon`.

    Loess of the case mark with inverse-probability-of-censoring weights, which needs no model of the hazard;
    [Austin2020] smooth with a Cox model instead. The weights are taken as known in limits and resamples.
    Arguments and errors as for the two.
    """
    known = outcome_by_horizon(time, event, horizon=horizon, weights=weights)
    return calibration_curve(
        risk,
        known.case,
        weights=known.weights,
        cluster=cluster,
        span=span,
        n_places=n_places,
        n_resamples=n_resamples,
        seed=seed,
        level=level,
    )


def survival_calibration_groups(
    risk: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int,
    n_groups: int = 10,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> tuple[CalibrationGroup, ...]:
    """Cumulative incidence and mean risk in groups of equal weight along the risk, lowest first.

    Groups as in `calibration_groups`; all rows belong to them, censored ones too. A group without the event
    has the exact binomial upper limit of its rows followed to the horizon. A group whose follow-up ends
    before the horizon is an error: ask for fewer groups or a shorter horizon. Arguments and errors as for
    `survival_observed_expected`.
    """
    rows = _Rows.of(risk, time, event, horizon, weights, cluster)
    codes = quantile_groups(rows.risk, n_groups, mass=rows.weights)
    groups = []
    for code in range(int(codes.max()) + 1):
        part = rows.part(codes == code)
        incidence = _incidence(part, level)
        few = incidence.n_events < _NEEDED or part.expected == 0
        groups.append(
            CalibrationGroup(
                lowest_risk=float(part.risk.min()),
                highest_risk=float(part.risk.max()),
                expected=part.expected / part.total,
                observed=incidence,
                observed_expected=None if few else _observed_expected(part, level),
                n=incidence.n,
                n_events=incidence.n_events,
            )
        )
    return tuple(groups)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """Columns that were checked."""

    risk: Float[np.ndarray, "row"]
    time: Float[np.ndarray, "row"]
    event: Int[np.ndarray, "row"]
    weights: Float[np.ndarray, "row"] | None
    cluster: Shaped[np.ndarray, "row"] | None
    horizon: float

    @staticmethod
    def of(
        risk: Float[np.ndarray, "row"],
        time: Float[np.ndarray, "row"],
        event: Int[np.ndarray, "row"],
        horizon: float | int,
        weights: Float[np.ndarray, "row"] | None,
        cluster: Shaped[np.ndarray, "row"] | None,
    ) -> _Rows:
        times, codes = follow_up_checked(time, event)
        if cluster is not None:
            same_rows(times.size, cluster, "cluster")
        return _Rows(
            risk=absolute_risks(risk, times.size),
            time=times,
            event=codes,
            weights=None if weights is None else positive_weights(weights, times.size),
            cluster=cluster,
            horizon=horizon_checked(horizon, times),
        )

    @property
    def total(self) -> float:
        """Σ weights."""
        return float(self.risk.size if self.weights is None else self.weights.sum())

    @property
    def expected(self) -> float:
        """Σ weights · risk."""
        return float(np.sum(self.risk if self.weights is None else self.weights * self.risk))

    def part(self, chosen: Bool[np.ndarray, "row"]) -> _Rows:
        return _Rows(
            risk=self.risk[chosen],
            time=self.time[chosen],
            event=self.event[chosen],
            weights=None if self.weights is None else self.weights[chosen],
            cluster=None if self.cluster is None else self.cluster[chosen],
            horizon=self.horizon,
        )


def _observed_expected(rows: _Rows, level: float) -> Estimate:
    if rows.expected <= 0:
        raise InputError(expected="some risk above 0", found="0 in every row", where="observed/expected")
    n_events = int(np.count_nonzero((rows.event == _EVENT) & (rows.time <= rows.horizon)))
    if n_events < _NEEDED:
        raise TooFewEventsError("observed/expected by a horizon", found=n_events, needed=_NEEDED)
    incidence = _incidence(rows, level)
    ratio = incidence.value * rows.total / rows.expected
    relative = incidence.standard_error / incidence.value
    margin = math.exp(normal_quantile(level) * relative)
    return Estimate(
        value=ratio,
        lower=ratio / margin,
        upper=ratio * margin,
        n=incidence.n,
        n_events=incidence.n_events,
        method=f"observed/expected by {rows.horizon:g}, {incidence.method}",
        standard_error=ratio * relative,
        p_value=null_p(math.log(ratio), relative),
        level=level,
    )


def _incidence(rows: _Rows, level: float) -> Estimate:
    if np.any(rows.event == _EVENT):
        curves = aalen_johansen(
            rows.time, rows.event, cluster=rows.cluster, weights=rows.weights, level=level
        )
        return curves.at(_EVENT, rows.horizon)
    horizon_checked(rows.horizon, rows.time)
    followed = int(np.count_nonzero(rows.time >= rows.horizon))
    limits = exact_binomial_interval(0, followed, level)
    return Estimate(
        value=0.0,
        lower=0.0,
        upper=limits.upper,
        n=rows.risk.size if rows.cluster is None else np.unique(rows.cluster).size,
        n_events=0,
        method="cumulative incidence, exact binomial",
        standard_error=0.0,
        level=level,
        notes=("no event: exact binomial limit of the rows followed to the horizon",),
    )
