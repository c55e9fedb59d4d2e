"""The partial likelihood of proportional hazards, its derivatives, and its maximum.

In: covariates, follow-up, strata, weights. Out: `EventSteps` (who is at risk when an event happens),
log-likelihood, score, information, the share of every row in the score, increments of the baseline hazard.

At each event time (a *step*, numbered stratum by stratum) with risk-set sums S = Σ v r, S' = Σ v r x, r =
exp(xβ), and over the rows with an event D = Σ v r, D' = Σ v r x,

    log L = Σ_events w xβ − Σ_terms c log q,        q = S − f D,    Z = (S' − f D')/q

Breslow: one term per step, f = 0, c the sum of the event weights w [Breslow1974]. Efron: a step with d events
has d terms, f = 0, 1/d … (d−1)/d, c the mean event weight [Efron1977]. v, the weight in the risk set, and w,
the weight of the event, are the same sampling weight in a cohort; they differ in case-cohort samples. Rows
with a competing event may stay at risk with a weight that declines, G(t−)/G(T−), for the subdistribution
hazard [Fine1999]. Sums over risk sets and their transpose are differences of running sums: O(rows ·
covariates) per iteration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from ..errors import InputError

Ties = Literal["efron", "breslow"]

#: Newton decrement U' I⁻¹ U at which the last step is taken; convergence is quadratic.
_DECREMENT = 1e-14
_MAX_ITERATIONS = 100
#: Smallest eigenvalue of the null information, scaled to a unit diagonal, that is not called collinear.
_COLLINEAR = 1e-9
#: Information at the maximum over that at 0, below which the maximum is taken to lie at infinity.
_VANISHED = 1e-8
#: Risk-set sum, relative to the largest risk of the stratum, below which 1/q may overflow.
_UNDERFLOW = 1e-250


@dataclass(frozen=True, kw_only=True, eq=False)
class EventSteps:
    """Distinct event times within strata, and at which of them each row is at risk: first <= step <= last."""

    times: Float[np.ndarray, "step"]
    stratum: Int[np.ndarray, "step"]
    row_stratum: Int[np.ndarray, "row"]
    first: Int[np.ndarray, "row"]
    last: Int[np.ndarray, "row"]  # for a row with an event, the step of that event
    dead: Bool[np.ndarray, "row"]
    tail_row: Float[np.ndarray, "row"] | None = (
        None  # 1/G(T−) where the row stays at risk after `last`, else 0
    )
    tail_step: Float[np.ndarray, "step"] | None = None  # G(t−)

    @staticmethod
    def of(
        time: Float[np.ndarray, "row"],
        dead: Bool[np.ndarray, "row"],
        *,
        entry: Float[np.ndarray, "row"] | None,
        strata: Int[np.ndarray, "row"],
    ) -> EventSteps:
        """Steps of columns that were checked; a row is at risk at t where entry < t <= time."""
        distinct = np.unique(time[dead])
        width = distinct.size + 1
        reached = strata * width + np.searchsorted(distinct, time, side="right")
        steps = np.unique(reached[dead])
        started = strata * width
        if entry is not None:
            started = started + np.searchsorted(distinct, entry, side="right")
        return EventSteps(
            times=distinct[steps % width - 1],
            stratum=steps // width,
            row_stratum=strata,
            first=np.searchsorted(steps, started, side="right"),
            last=np.searchsorted(steps, reached, side="right") - 1,
            dead=dead,
        )

    @property
    def n(self) -> int:
        """Number of steps."""
        return self.times.size

    def over_risk_sets(self, values: Float[np.ndarray, "row *k"]) -> Float[np.ndarray, "step *k"]:
        """Sum of `values` over the rows at risk at each step."""
        # A row counts from the step before its first backwards not at all: one running sum, no large
        # differences.
        leaving = self._by_step(values, self.last + 1) - self._by_step(values, self.first)
        sums = np.cumsum(leaving[::-1], axis=0)[::-1][1:]
        if self.tail_row is not None and self.tail_step is not None:
            tail = np.cumsum(self._by_step(_times(values, self.tail_row), self.last + 1), axis=0)[:-1]
            sums = sums + _times(tail, self.tail_step)
        return np.asarray(sums)

    def over_time_at_risk(self, values: Float[np.ndarray, "step *k"]) -> Float[np.ndarray, "row *k"]:
        """Sum of `values` over the steps at which each row is at risk."""
        until = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
        sums = until[self.last + 1] - until[self.first]
        if self.tail_row is not None and self.tail_step is not None:
            later = np.cumsum(_times(values, self.tail_step)[::-1], axis=0)[::-1]
            later = np.concatenate([later, np.zeros((1, *values.shape[1:]))])
            sums = sums + _times(later[self.last + 1], self.tail_row)
        return np.asarray(sums)

    def over_events(self, values: Float[np.ndarray, "row *k"]) -> Float[np.ndarray, "step *k"]:
        """Sum of `values` over the rows with an event at each step."""
        return self._by_step(values[self.dead], self.last[self.dead])[: self.n]

    def _by_step(
        self, values: Float[np.ndarray, "some *k"], step: Int[np.ndarray, "some"]
    ) -> Float[np.ndarray, "slot *k"]:
        if values.ndim == 1:
            return np.bincount(step, weights=values, minlength=self.n + 1)
        columns = [np.bincount(step, weights=column, minlength=self.n + 1) for column in values.T]
        return np.column_stack(columns)


@dataclass(frozen=True, kw_only=True, eq=False)
class CoxData:
    """Covariates with the steps, weights and terms of the likelihood; the same at every β."""

    X: Float[np.ndarray, "row covariate"]  # less the mean of the stratum
    stratum_means: Float[np.ndarray, "stratum covariate"]
    steps: EventSteps
    risk_weights: Float[np.ndarray, "row"]  # v; 0 keeps a row out of all risk sets
    event_weights: Float[np.ndarray, "row"]  # w; used where the row has an event
    term_step: Int[np.ndarray, "term"]
    term_fraction: Float[np.ndarray, "term"]  # f
    term_weight: Float[np.ndarray, "term"]  # c

    @staticmethod
    def of(
        X: Float[np.ndarray, "row covariate"],
        steps: EventSteps,
        *,
        ties: Ties,
        risk_weights: Float[np.ndarray, "row"],
        event_weights: Float[np.ndarray, "row"],
    ) -> CoxData:
        """Terms of each step by the rule for ties."""
        if ties not in ("efron", "breslow"):
            raise InputError(expected='"efron" or "breslow"', found=str(ties), where="ties")
        total = steps.over_events(event_weights)
        n_terms = np.ones(steps.n, dtype=np.int64)
        if ties == "efron":
            n_terms = steps.over_events(np.ones(steps.dead.size)).astype(np.int64)
        term_step = np.repeat(np.arange(steps.n), n_terms)
        before = np.cumsum(n_terms) - n_terms
        # Only differences within strata count. Without the means of the strata, levels that differ from
        # stratum to stratum cost no digits.
        rows = np.bincount(steps.row_stratum)
        means = np.column_stack([np.bincount(steps.row_stratum, weights=x) / rows for x in X.T])
        return CoxData(
            X=X - means[steps.row_stratum],
            stratum_means=means,
            steps=steps,
            risk_weights=risk_weights,
            event_weights=event_weights,
            term_step=term_step,
            term_fraction=(np.arange(term_step.size) - before[term_step]) / n_terms[term_step],
            term_weight=(total / n_terms)[term_step],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class CoxDerivatives:
    """Log-likelihood at one β, its score and information, and what they were made of."""

    log_likelihood: float
    score: Float[np.ndarray, "covariate"]
    information: Float[np.ndarray, "covariate covariate"]
    relative_risk: Float[np.ndarray, "row"]  # v r, up to the factor exp(−shift) of the stratum
    shift: Float[np.ndarray, "step"]
    inverse: Float[np.ndarray, "term"]  # c/q, in the same units
    mean: Float[np.ndarray, "term covariate"]  # Z


@dataclass(frozen=True, kw_only=True, eq=False)
class CoxMaximum:
    """Where the likelihood is highest, with the derivatives there and at 0."""

    coefficients: Float[np.ndarray, "covariate"]
    derivatives: CoxDerivatives
    null: CoxDerivatives
    n_iterations: int


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def cox_derivatives(data: CoxData, beta: Float[np.ndarray, "covariate"]) -> CoxDerivatives:
    """Log-likelihood, score and information at β; −inf where β is so large that a risk set underflows."""
    steps, X, at = data.steps, data.X, data.term_step
    predictor = X @ beta
    highest = np.full(data.stratum_means.shape[0], -np.inf)
    np.maximum.at(highest, steps.row_stratum, predictor)
    r = data.risk_weights * np.exp(predictor - highest[steps.row_stratum])
    rx = _times(X, r)
    f = data.term_fraction
    q = steps.over_risk_sets(r)[at]
    mean = steps.over_risk_sets(rx)[at]
    tied = bool(np.any(f > 0))
    if tied:
        q = q - f * steps.over_events(r)[at]
        mean = mean - f[:, None] * steps.over_events(rx)[at]
    mean = mean / q[:, None]
    inverse = data.term_weight / q
    hazard = _share_at_risk(data, inverse)
    w = data.event_weights[steps.dead]
    log_likelihood = float(
        w @ predictor[steps.dead] - data.term_weight @ (np.log(q) + highest[steps.stratum][at])
    )
    # A risk set that underflows to 0 would look like an infinite likelihood; it is a β far too large.
    return CoxDerivatives(
        log_likelihood=log_likelihood if np.all(q > _UNDERFLOW) else -math.inf,
        score=w @ X[steps.dead] - data.term_weight @ mean,
        information=rx.T @ _times(X, hazard) - mean.T @ _times(mean, data.term_weight),
        relative_risk=r,
        shift=(highest + data.stratum_means @ beta)[steps.stratum],
        inverse=inverse,
        mean=mean,
    )


def score_shares(
    data: CoxData, at: CoxDerivatives
) -> tuple[Float[np.ndarray, "row covariate"], Float[np.ndarray, "row covariate"]]:
    """Share of each row in the score, weight · ∂score/∂weight: by its event, and by being at risk.

    Their sum is the weighted score residual of [Lin1989]; over all rows it is 0 at the maximum.
    """
    steps, k = data.steps, data.term_step
    n_terms = np.bincount(k, minlength=steps.n)
    mean_at_event = np.column_stack([np.bincount(k, weights=z, minlength=steps.n) for z in at.mean.T])
    by_event = np.zeros(data.X.shape)
    own = steps.last[steps.dead]
    by_event[steps.dead] = _times(
        data.X[steps.dead] - mean_at_event[own] / n_terms[own, None], data.event_weights[steps.dead]
    )
    hazard = _share_at_risk(data, at.inverse)
    weighted_mean = _share_at_risk(data, _times(at.mean, at.inverse))
    return by_event, -_times(_times(data.X, hazard) - weighted_mean, at.relative_risk)


@np.errstate(over="ignore")
def hazard_increments(data: CoxData, at: CoxDerivatives) -> Float[np.ndarray, "step"]:
    """Steps of the cumulative baseline hazard, of a row whose covariates are 0; ties as in the likelihood.

    Infinite in a stratum so far from 0 that it does not fit.
    """
    increments = np.bincount(data.term_step, weights=at.inverse, minlength=data.steps.n)
    return np.asarray(increments * np.exp(-at.shift))


def maximise_partial_likelihood(data: CoxData, names: tuple[str, ...]) -> CoxMaximum:
    """Newton's method with step halving, from 0. Covariates should be near 0 ± 1.

    Raises InputError when a covariate does not vary among the rows at risk, when covariates are collinear,
    and when the maximum lies at infinity.
    """
    beta = np.zeros(data.X.shape[1])
    now = null = cox_derivatives(data, beta)
    _refuse_degenerate(null, float(data.term_weight.sum()), names)
    for n_iterations in range(1, _MAX_ITERATIONS + 1):
        try:
            step = np.linalg.solve(now.information, now.score)
        except np.linalg.LinAlgError:
            raise _at_infinity(names, beta) from None
        decrement = float(step @ now.score)
        following = cox_derivatives(data, beta + step)
        # A step so long that risk sets underflow gives −inf, and is halved like any other that goes too far.
        while not following.log_likelihood >= now.log_likelihood - 1e-12 * (1 + abs(now.log_likelihood)):
            step = step / 2
            following = cox_derivatives(data, beta + step)
        beta, now = beta + step, following
        if decrement < _DECREMENT:
            return _finite(
                CoxMaximum(coefficients=beta, derivatives=now, null=null, n_iterations=n_iterations), names
            )
    raise _at_infinity(names, beta)


def _finite(maximum: CoxMaximum, names: tuple[str, ...]) -> CoxMaximum:
    scale = np.sqrt(np.diag(maximum.null.information))
    left = np.linalg.eigvalsh(maximum.derivatives.information / np.outer(scale, scale))
    if left[0] < _VANISHED:
        raise _at_infinity(names, maximum.coefficients)
    return maximum


def _share_at_risk(data: CoxData, values: Float[np.ndarray, "term *k"]) -> Float[np.ndarray, "row *k"]:
    """Σ over the terms at which a row is at risk; (1 − f) of a term at which it has an event."""
    steps, at, f = data.steps, data.term_step, data.term_fraction

    def by_step(terms: Float[np.ndarray, "term *k"]) -> Float[np.ndarray, "step *k"]:
        if terms.ndim == 1:
            return np.bincount(at, weights=terms, minlength=steps.n)
        return np.column_stack([np.bincount(at, weights=z, minlength=steps.n) for z in terms.T])

    sums = steps.over_time_at_risk(by_step(values))
    if np.any(f > 0):
        sums[steps.dead] -= by_step(_times(values, f))[steps.last[steps.dead]]
    return sums


def _times(
    values: Float[np.ndarray, "some *k"], factor: Float[np.ndarray, "some"]
) -> Float[np.ndarray, "some *k"]:
    return np.asarray(values * factor if values.ndim == 1 else values * factor[:, None])


def _refuse_degenerate(null: CoxDerivatives, n_events: float, names: tuple[str, ...]) -> None:
    spread = np.diag(null.information)
    constant = [name for name, s in zip(names, spread, strict=True) if not s > 1e-12 * n_events]
    if constant:
        raise InputError(
            expected="covariates that vary among the rows at risk",
            found=f"{', '.join(constant)} constant at every event",
            where="X",
            remedy="Leave them out; what is constant within strata cannot be estimated",
        )
    scale = np.sqrt(spread)
    values, vectors = np.linalg.eigh(null.information / np.outer(scale, scale))
    if values[0] < _COLLINEAR:
        involved = [name for name, v in zip(names, vectors[:, 0], strict=True) if abs(v) > 1e-3]
        raise InputError(
            expected="covariates that are not collinear",
            found=f"a combination of {', '.join(involved)} that does not vary",
            where="X",
            remedy="Leave one of them out",
        )


def _at_infinity(names: tuple[str, ...], beta: Float[np.ndarray, "covariate"]) -> InputError:
    far = np.abs(beta) > 0.1 * np.abs(beta).max()
    return InputError(
        expected="a likelihood with a maximum",
        found=f"a hazard ratio of {', '.join(n for n, f in zip(names, far, strict=True) if f)} without bound",
        where="proportional hazards",
        remedy="Leave that covariate out, or merge its levels: some have no event",
    )
