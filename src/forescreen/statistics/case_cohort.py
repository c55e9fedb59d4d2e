"""Proportional hazards from a case-cohort sample: every case, and a subcohort that stands for the cohort.

In: covariates, time and event of the sampled rows, who is in the subcohort, the size of the cohort. Out:
`CoxFit` with the covariance of both phases of sampling. The baseline hazard is that of the whole cohort, so
that `risk` gives absolute risks. [Prentice1986, Self1988, Lin1993]
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from ..errors import InputError, TooFewEventsError
from .hazards import CoxFit, baselines, centre_and_scale, covariates_checked, fit_of_maximum
from .partial_likelihood import (
    CoxData,
    CoxMaximum,
    EventSteps,
    hazard_increments,
    maximise_partial_likelihood,
    score_shares,
)
from .rows import same_rows

CaseCohortMethod = Literal["Prentice", "Self-Prentice", "Lin-Ying"]


def case_cohort(
    X: Float[np.ndarray, "row covariate"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    names: tuple[str, ...],
    subcohort: Bool[np.ndarray, "row"],
    cohort_size: int,
    method: CaseCohortMethod = "Prentice",
) -> CoxFit:
    """Log hazard ratios from a random subcohort and all cases of a cohort of `cohort_size` women.

    Risk sets are the subcohort women still watched; with "Prentice" also the case itself where it is outside
    the subcohort [Prentice1986], with "Self-Prentice" not [Self1988]; with "Lin-Ying" all sampled rows, those
    without event weighted by the inverse of their sampled share [Lin1993]. Efron's ties, but for
    "Self-Prentice", whose risk sets do not hold the cases.

    Covariance: inverse information, and the variance of drawing the subcohort, (1 − share) Σ D D' over its
    rows, D = information⁻¹ · share of the row in the score by being at risk [Therneau1999]; for "Lin-Ying"
    over the rows without event, about their mean. For "Prentice" it is evaluated at the "Self-Prentice"
    estimate, to which it is asymptotically equal. Intervals use it (`robust_covariance`); `covariance` is the
    first part alone.

    event: code 1 the event; other rows must be in the subcohort, competing events too.
    Raises TooFewEventsError with fewer events than covariates or fewer than 2 rows without event in the
    subcohort; InputError for a row outside the subcohort without event, more rows than `cohort_size`, and as
    `cox_regression`.
    """
    values, times, codes = covariates_checked(X, time, event, names)
    same_rows(times.size, subcohort, "subcohort")
    case = codes == 1
    _refuse_strangers(case, subcohort, cohort_size)
    centre, scale = centre_and_scale(values, np.ones(times.size))
    design = (values - centre) / scale
    n_cases, n_subcohort = int(np.count_nonzero(case)), int(np.count_nonzero(subcohort))
    n_non_cases = int(np.count_nonzero(~case))
    if method == "Lin-Ying":
        represented = np.where(case, 1.0, (cohort_size - n_cases) / n_non_cases)
        data, maximum = _fit(design, times, case, entry=None, risk_weights=represented, names=names)
        scaled = 1.0
        drawn, at_drawn, own = data, maximum, ~case
        share = n_non_cases / (cohort_size - n_cases)
    elif method in ("Prentice", "Self-Prentice"):
        drawn, at_drawn = _fit(
            design, times, case, entry=None, risk_weights=subcohort.astype(np.float64), names=names
        )
        share = scaled = n_subcohort / cohort_size
        own = subcohort
        data, maximum = drawn, at_drawn
        if method == "Prentice":
            # A case from outside is at risk at the time of its event only.
            entry = np.where(subcohort, -np.inf, np.nextafter(times, -np.inf))
            data, maximum = _fit(
                design, times, case, entry=entry, risk_weights=np.ones(times.size), names=names
            )
    else:
        raise InputError(
            expected='"Prentice", "Self-Prentice" or "Lin-Ying"', found=str(method), where="method"
        )
    bread = np.linalg.inv(at_drawn.derivatives.information)
    effect = score_shares(drawn, at_drawn.derivatives)[1][own] @ bread
    if method == "Lin-Ying":
        effect = effect - effect.mean(axis=0)
    return fit_of_maximum(
        maximum,
        covariance=np.linalg.inv(maximum.derivatives.information),
        robust_covariance=bread + (1 - share) * (effect.T @ effect),
        names=names,
        centre=centre,
        scale=scale,
        baseline=baselines(data.steps, scaled * hazard_increments(data, maximum.derivatives), 1),
        labels=("",),
        longest=float(times.max()),
        n=times.size,
        n_units=times.size,
        n_events=n_cases,
        method=f"case-cohort, {method}",
        robust=True,
        pseudo=True,
    )


def _fit(
    design: Float[np.ndarray, "row covariate"],
    time: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    entry: Float[np.ndarray, "row"] | None,
    risk_weights: Float[np.ndarray, "row"],
    names: tuple[str, ...],
) -> tuple[CoxData, CoxMaximum]:
    steps = EventSteps.of(time, case, entry=entry, strata=np.zeros(time.size, dtype=np.int64))
    n_at_risk = steps.over_risk_sets((risk_weights > 0).astype(np.float64))
    n_empty = int(np.count_nonzero(n_at_risk < 0.5))
    if n_empty:
        raise InputError(
            expected="somebody of the subcohort at risk at every event",
            found=f"{n_empty} event times without",
            where="subcohort",
            remedy='End the follow-up before, or use method="Lin-Ying"',
        )
    # Cases outside the subcohort have no place in its risk sets: nothing to correct for ties.
    whole = bool(np.all(risk_weights[case] > 0))
    data = CoxData.of(
        design,
        steps,
        ties="efron" if whole else "breslow",
        risk_weights=risk_weights,
        event_weights=np.ones(time.size),
    )
    return data, maximise_partial_likelihood(data, names)


def _refuse_strangers(
    case: Bool[np.ndarray, "row"], subcohort: Bool[np.ndarray, "row"], cohort_size: int
) -> None:
    n_strangers = int(np.count_nonzero(~case & ~subcohort))
    if n_strangers:
        raise InputError(
            expected="rows of the subcohort, and cases",
            found=f"{n_strangers} of {case.size} rows neither in the subcohort nor with the event",
            where="subcohort",
        )
    if cohort_size < case.size:
        raise InputError(
            expected=f"a cohort of at least the {case.size} sampled rows",
            found=str(cohort_size),
            where="cohort_size",
        )
    n_non_cases = int(np.count_nonzero(~case))
    if n_non_cases < 2:
        raise TooFewEventsError(
            "a case-cohort analysis", found=n_non_cases, needed=2, where="subcohort rows without event"
        )
