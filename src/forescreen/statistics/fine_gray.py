"""Regression of the chance of an event while others compete: subdistribution hazards.

In: covariates, time, event code (0 censored, 1 the event, 2, 3 … competing). Out: `CoxFit`, whose `risk` is
the cumulative incidence by a horizon. For aetiology use cause-specific hazards instead
(`hazards.cox_regression`): a covariate that only raises a competing risk lowers the subdistribution hazard
too. [Fine1999]
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int, Shaped

from ..errors import InputError
from .censoring import censoring_survival
from .hazards import CoxFit, covariates_checked, fit_steps
from .partial_likelihood import EventSteps, Ties
from .rows import positive_weights


def fine_gray(
    X: Float[np.ndarray, "row covariate"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    names: tuple[str, ...],
    ties: Ties = "efron",
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
) -> CoxFit:
    """Log subdistribution hazard ratios [Fine1999]: 1 − F_1(t | x) = (1 − F_10(t))^exp(xβ).

    A woman with a competing event at T stays at risk, with weight G(t−)/G(T−) for t > T, G the Kaplan–Meier
    estimate of the censorings, events first at ties (`censoring_survival`). This is the partial likelihood of
    R's `finegray` data, without writing them out: O(n log n). `risk(X, horizon=h)` is the cumulative
    incidence. Intervals use the sandwich by row, or by woman (`cluster`), taking G as known [Geskus2011].
    Assumes that censoring depends neither on covariates nor on the event.

    Arguments and errors as `cox_regression`; InputError also without a competing event.
    """
    values, times, codes = covariates_checked(X, time, event, names)
    competing = codes > 1
    if not competing.any():
        raise InputError(
            expected="competing events, code 2 or above",
            found="none",
            where="event",
            remedy="Without them use cox_regression",
        )
    sampling = positive_weights(weights, times.size)
    uncensored = censoring_survival(times, codes, weights=weights)
    steps = EventSteps.of(times, codes == 1, entry=None, strata=np.zeros(times.size, dtype=np.int64))
    tail = np.zeros(times.size)
    tail[competing] = 1 / uncensored.before(times[competing])
    fit = fit_steps(
        values,
        replace(steps, tail_row=tail, tail_step=uncensored.before(steps.times)),
        names=names,
        ties=ties,
        weights=sampling,
        weighted=weights is not None,
        cluster=cluster,
        labels=("",),
        longest=float(times.max()),
        method=f"subdistribution hazards, {ties.capitalize()} ties"
        + (", weighted" if weights is not None else ""),
    )
    return replace(fit, robust=True, pseudo=True)
