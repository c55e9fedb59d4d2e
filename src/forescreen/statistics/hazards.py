"""Proportional hazards: log hazard ratios, the baseline hazard, and risks at a horizon.

In: covariates, time, event code, delayed entry, strata, weights, woman. Out: `CoxFit` with coefficients,
covariances, tests, hazard ratios and predicted risks. Event code 1 is the event; every other code ends the
time at risk, so that with competing events the hazard is the cause-specific one. One minus its survival is
not the chance of the event: the other causes take women away. `forescreen.statistics.absolute_risk` puts the
causes together. [Cox1972, Therneau2000]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int, Shaped

from ..errors import InputError, TooFewEventsError
from ..records import Estimate
from .censoring import StepFunction, follow_up_checked
from .inference import ChiSquareTest, chi_square_test, normal_quantile, null_p
from .partial_likelihood import (
    CoxData,
    CoxMaximum,
    EventSteps,
    Ties,
    hazard_increments,
    maximise_partial_likelihood,
    score_shares,
)
from .rows import finite_scores, label_codes, positive_weights, same_rows


@dataclass(frozen=True, kw_only=True, eq=False)
class CoxFit:
    """Log hazard ratios per unit of each covariate, with the baseline hazard that turns them into risks.

    `covariance` is the inverse information; `robust_covariance` the sandwich by row, or by cluster, and
    `robust` says whether it is the one that intervals and the Wald test use (clusters, weights, case-cohort
    samples). A `pseudo` likelihood (weights, case-cohort samples) has no likelihood-ratio and no score test.
    """

    names: tuple[str, ...]
    coefficients: Float[np.ndarray, "covariate"]
    covariance: Float[np.ndarray, "covariate covariate"]
    robust_covariance: Float[np.ndarray, "covariate covariate"]
    log_likelihood: float
    log_likelihood_null: float
    score_statistic: float
    centre: Float[np.ndarray, "covariate"]  # covariates of the baseline
    baseline: tuple[StepFunction, ...]  # cumulative hazard at `centre`, one per stratum
    strata: tuple[str, ...]  # labels of the strata, in the order of `baseline`
    longest: float  # largest time: no risk beyond it
    n: int  # rows
    n_units: int  # women where they are the clusters, else rows
    n_events: int
    method: str
    robust: bool
    pseudo: bool
    n_iterations: int

    @property
    def standard_errors(self) -> Float[np.ndarray, "covariate"]:
        """Standard errors of the coefficients from the information."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def robust_standard_errors(self) -> Float[np.ndarray, "covariate"]:
        """Standard errors of the coefficients from the sandwich."""
        return np.sqrt(np.diag(self.robust_covariance))

    @property
    def lr_test(self) -> ChiSquareTest:
        """Likelihood-ratio test that all coefficients are 0. Raises InputError for a pseudo-likelihood."""
        self._refuse_pseudo("likelihood-ratio test")
        return chi_square_test(2 * (self.log_likelihood - self.log_likelihood_null), len(self.names))

    @property
    def score_test(self) -> ChiSquareTest:
        """Score test that all coefficients are 0; for groups without ties the log-rank test. Raises alike."""
        self._refuse_pseudo("score test")
        return chi_square_test(self.score_statistic, len(self.names))

    @property
    def wald_test(self) -> ChiSquareTest:
        """Wald test that all coefficients are 0, with the covariance that intervals use."""
        b = self.coefficients
        covariance = self.robust_covariance if self.robust else self.covariance
        return chi_square_test(float(b @ np.linalg.solve(covariance, b)), len(self.names))

    def hazard_ratio(self, name: str, per: float | int = 1.0, *, level: float = 0.95) -> Estimate:
        """Hazard ratio per `per` units of a covariate, Wald limits on the log scale.

        `standard_error` is that of the log hazard ratio. Raises InputError for an unknown name.
        """
        if name not in self.names:
            raise InputError(expected=f"one of {', '.join(self.names)}", found=name, where="hazard_ratio")
        at = self.names.index(name)
        errors = self.robust_standard_errors if self.robust else self.standard_errors
        log_ratio, standard_error = float(self.coefficients[at]) * per, float(errors[at]) * abs(per)
        margin = normal_quantile(level) * standard_error
        return Estimate(
            value=_exp(log_ratio),
            lower=_exp(log_ratio - margin),
            upper=_exp(log_ratio + margin),
            n=self.n_units,
            n_events=self.n_events,
            method=f"{self.method}{', robust' if self.robust else ''}, Wald on the log scale",
            standard_error=standard_error,
            p_value=null_p(log_ratio, standard_error),
            level=level,
        )

    def linear_predictor(self, X: Float[np.ndarray, "row covariate"]) -> Float[np.ndarray, "row"]:
        """Log hazard relative to a row at `centre`: a score, not a risk."""
        if X.ndim != 2 or X.shape[1] != len(self.names):
            raise InputError(
                expected=f"{len(self.names)} columns ({', '.join(self.names)})",
                found=f"shape {X.shape}",
                where="X",
            )
        return np.asarray((np.asarray(X, dtype=np.float64) - self.centre) @ self.coefficients)

    def risk(
        self, X: Float[np.ndarray, "row covariate"], *, horizon: float | int, stratum: str | None = None
    ) -> Float[np.ndarray, "row"]:
        """Chance of the event by the horizon: 1 − exp(−Λ0(horizon) exp(linear predictor)).

        It is the chance where nothing else can happen; with competing events use
        `absolute_risk.absolute_risk`, or a subdistribution fit (`fine_gray`), for which this is the
        cumulative incidence. `stratum`: its label, needed where the fit has several. Raises InputError for a
        horizon beyond the follow-up, and where the baseline at `centre` is too far from a row to be a number.
        """
        hazard = self.baseline_of(stratum).at(self.horizon_within(horizon))
        with np.errstate(over="ignore", invalid="ignore"):
            answer = -np.expm1(-hazard * np.exp(self.linear_predictor(X)))
        n_lost = int(np.count_nonzero(np.isnan(answer)))
        if n_lost:
            raise InputError(
                expected="hazards that are numbers",
                found=f"{n_lost} of {answer.size} rows with 0 times infinity",
                where="CoxFit.risk",
                remedy="Measure the covariates of each stratum from their mean there",
            )
        return np.asarray(answer)

    def baseline_of(self, stratum: str | None) -> StepFunction:
        """Cumulative baseline hazard of a stratum, by its label; of the only one without."""
        if stratum is None and len(self.strata) == 1:
            return self.baseline[0]
        if stratum not in self.strata:
            raise InputError(
                expected=f"one of the strata {', '.join(self.strata[:10])}",
                found=str(stratum),
                where="stratum",
            )
        return self.baseline[self.strata.index(stratum)]

    def horizon_within(self, horizon: float | int) -> float:
        """The horizon as a float; an error unless it is positive and within the follow-up."""
        if not 0 < horizon <= self.longest:
            raise InputError(
                expected=f"a horizon in (0, {self.longest:g}], the follow-up of the fit",
                found=f"{horizon:g}",
                where="horizon",
                remedy="Choose a shorter horizon: the baseline hazard is not known beyond",
            )
        return float(horizon)

    def _refuse_pseudo(self, what: str) -> None:
        if self.pseudo:
            raise InputError(
                expected=f"a full likelihood for a {what}",
                found=f"a pseudo-likelihood ({self.method})",
                where="CoxFit",
                remedy="Use wald_test",
            )


def cox_regression(
    X: Float[np.ndarray, "row covariate"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    names: tuple[str, ...],
    entry: Float[np.ndarray, "row"] | None = None,
    ties: Ties = "efron",
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    strata: Shaped[np.ndarray, "row"] | None = None,
) -> CoxFit:
    """Log hazard ratios by partial likelihood [Cox1972]: hazard(t | x) = hazard_0(t) exp(xβ).

    X: finite covariates, one column per name. time >= 0 in any unit; event 1 is the event, 0 censored, other
    codes (competing events) count as censored: the hazard is cause-specific. entry: time from which the row
    is watched (delayed entry), below `time`; at risk where entry < t <= time. ties: Efron's approximation
    [Efron1977] or Breslow's [Breslow1974]. weights: inverse sampling fractions. cluster: the woman of each
    row. strata: label of each row; each stratum has its own baseline hazard. With `weights` or `cluster`
    intervals use the sandwich [Lin1989]. Times equal as numbers are ties; times that should be equal must be
    made so by the caller.

    Raises TooFewEventsError with fewer events than covariates, or fewer than 2; InputError for values that
    are missing or infinite, entry not below time, covariates that do not vary or are collinear, or a hazard
    ratio that has no bound (a level without events).
    """
    values, times, codes = covariates_checked(X, time, event, names)
    if entry is not None:
        entry = finite_scores(entry, times.size, "entry")
        n_bad = int(np.count_nonzero(entry >= times))
        if n_bad:
            raise InputError(
                expected="entry before the end of follow-up in every row",
                found=f"{n_bad} of {times.size} rows otherwise",
                where="entry",
            )
    sampling = positive_weights(weights, times.size)
    stratum_codes, labels = np.zeros(times.size, dtype=np.int64), [""]
    if strata is not None:
        same_rows(times.size, strata, "strata")
        stratum_codes = label_codes(strata, "stratum")
        # In the order of the codes.
        labels = [
            str(label) for label in np.unique(strata.astype(str) if strata.dtype.kind in "OT" else strata)
        ]
    words = f"proportional hazards, {ties.capitalize()} ties" + (", stratified" if strata is not None else "")
    return fit_steps(
        values,
        EventSteps.of(times, codes == 1, entry=entry, strata=stratum_codes),
        names=names,
        ties=ties,
        weights=sampling,
        weighted=weights is not None,
        cluster=cluster,
        labels=tuple(labels),
        longest=float(times.max()),
        method=words + (", weighted" if weights is not None else ""),
    )


def covariates_checked(
    X: Float[np.ndarray, "row covariate"],
    time: Shaped[np.ndarray, "row"],
    event: Shaped[np.ndarray, "row"],
    names: tuple[str, ...],
) -> tuple[Float[np.ndarray, "row covariate"], Float[np.ndarray, "row"], Int[np.ndarray, "row"]]:
    """Covariates, times and codes in plain types; too few events, or missing covariates, are an error."""
    times, codes = follow_up_checked(time, event)
    if X.ndim != 2 or X.shape != (times.size, len(names)) or not names:
        raise InputError(
            expected=f"{times.size} rows and one name per column",
            found=f"X of shape {X.shape}, {len(names)} names",
            where="X",
        )
    values = np.asarray(X, dtype=np.float64)
    n_bad = int(np.count_nonzero(~np.isfinite(values).all(axis=1)))
    if n_bad:
        raise InputError(
            expected="finite covariates in every row",
            found=f"{n_bad} of {times.size} rows missing or infinite",
            where="X",
            remedy="Drop or impute them first",
        )
    n_events, needed = int(np.count_nonzero(codes == 1)), max(2, len(names))
    if n_events < needed:
        raise TooFewEventsError("a proportional hazards regression", found=n_events, needed=needed)
    return values, times, codes


def fit_steps(
    X: Float[np.ndarray, "row covariate"],
    steps: EventSteps,
    *,
    names: tuple[str, ...],
    ties: Ties,
    weights: Float[np.ndarray, "row"],
    weighted: bool,
    cluster: Shaped[np.ndarray, "row"] | None,
    labels: tuple[str, ...],
    longest: float,
    method: str,
) -> CoxFit:
    """Fit to steps that were prepared: an ordinary cohort, or one with declining weights."""
    n_units = X.shape[0]
    units = None
    if cluster is not None:
        same_rows(X.shape[0], cluster, "cluster")
        units = label_codes(cluster, "cluster")
        n_units = int(units.max()) + 1
    centre, scale = centre_and_scale(X, weights)
    data = CoxData.of((X - centre) / scale, steps, ties=ties, risk_weights=weights, event_weights=weights)
    maximum = maximise_partial_likelihood(data, names)
    by_event, by_risk = score_shares(data, maximum.derivatives)
    shares = by_event + by_risk
    if units is not None:
        shares = np.column_stack([np.bincount(units, weights=column) for column in shares.T])
    bread = np.linalg.inv(maximum.derivatives.information)
    return fit_of_maximum(
        maximum,
        covariance=bread,
        robust_covariance=bread @ (shares.T @ shares) @ bread,
        names=names,
        centre=centre,
        scale=scale,
        baseline=baselines(steps, hazard_increments(data, maximum.derivatives), len(labels)),
        labels=labels,
        longest=longest,
        n=X.shape[0],
        n_units=n_units,
        n_events=int(np.count_nonzero(steps.dead)),
        method=method + (" by cluster" if cluster is not None else ""),
        robust=weighted or cluster is not None,
        pseudo=weighted,
    )


def centre_and_scale(
    X: Float[np.ndarray, "row covariate"], weights: Float[np.ndarray, "row"]
) -> tuple[Float[np.ndarray, "covariate"], Float[np.ndarray, "covariate"]]:
    """Weighted mean and standard deviation: the units of the iteration. 1 where a covariate is constant."""
    centre = np.average(X, axis=0, weights=weights)
    scale = np.sqrt(np.average((X - centre) ** 2, axis=0, weights=weights))
    # A constant misses its own mean by rounding.
    return centre, np.where(scale > 1e-12 * np.abs(X).max(axis=0), scale, 1.0)


def baselines(
    steps: EventSteps, increments: Float[np.ndarray, "step"], n_strata: int
) -> tuple[StepFunction, ...]:
    """Cumulative hazard of each stratum; without events it stays 0."""
    bounds = np.searchsorted(steps.stratum, np.arange(n_strata + 1))
    return tuple(
        StepFunction(times=steps.times[a:b], values=np.cumsum(increments[a:b]), initial=0.0)
        for a, b in pairwise(bounds)
    )


def fit_of_maximum(
    maximum: CoxMaximum,
    *,
    covariance: Float[np.ndarray, "covariate covariate"],
    robust_covariance: Float[np.ndarray, "covariate covariate"],
    names: tuple[str, ...],
    centre: Float[np.ndarray, "covariate"],
    scale: Float[np.ndarray, "covariate"],
    baseline: tuple[StepFunction, ...],
    labels: tuple[str, ...],
    longest: float,
    n: int,
    n_units: int,
    n_events: int,
    method: str,
    robust: bool,
    pseudo: bool,
) -> CoxFit:
    """The maximum in the units of the covariates as given."""
    null = maximum.null
    return CoxFit(
        names=names,
        coefficients=maximum.coefficients / scale,
        covariance=covariance / np.outer(scale, scale),
        robust_covariance=robust_covariance / np.outer(scale, scale),
        log_likelihood=maximum.derivatives.log_likelihood,
        log_likelihood_null=null.log_likelihood,
        score_statistic=float(null.score @ np.linalg.solve(null.information, null.score)),
        centre=centre,
        baseline=baseline,
        strata=labels,
        longest=longest,
        n=n,
        n_units=n_units,
        n_events=n_events,
        method=method,
        robust=robust,
        pseudo=pseudo,
        n_iterations=maximum.n_iterations,
    )


def _exp(x: float) -> float:
    return math.exp(x) if x < 709 else math.inf
