"""Validation of absolute risks with iCARE's conventions, to stand beside its published tables.

In: risk and score, case mark, sampling fractions of a nested case-control study. Out: `IcareValidation`: AUC,
E/O, tests of absolute and relative risks in groups of the score. For analyses of one's own take
`discrimination.auc`, `calibration.expected_observed` and `calibration.hosmer_lemeshow`; what differs here is
told with each function. [Choudhury2020]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..errors import InputError, TooFewEventsError
from ..records import Estimate
from .calibration import quantile_groups
from .inference import ChiSquareTest, chi_square_test, normal_quantile, null_p
from .risks import RiskRows
from .rows import finite_scores

_METHOD = "as in iCARE"
#: iCARE takes this for the 95 % quantile of the normal distribution.
_Z_95 = 1.96


@dataclass(frozen=True, kw_only=True, eq=False)
class IcareValidation:
    """What iCARE's model validation tells; groups are of the score, lowest first."""

    auc: Estimate
    expected_observed: Estimate
    absolute_risk: ChiSquareTest  # degrees of freedom: groups
    relative_risk: ChiSquareTest  # degrees of freedom: groups − 1
    expected: Float[np.ndarray, "group"]  # mean risk
    observed: Float[np.ndarray, "group"]  # share of cases
    n: Int[np.ndarray, "group"]


def icare_validation(
    risk: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    score: Float[np.ndarray, "row"] | None = None,
    sampling_fraction: Float[np.ndarray, "row"] | None = None,
    n_groups: int = 10,
    level: float = 0.95,
) -> IcareValidation:
    """AUC, E/O and tests of calibration as iCARE computes them.

    risk: over each woman's own follow-up. score: what she is ranked and grouped by, as iCARE does with the
    linear predictor (the risk by default). sampling_fraction: chance in (0, 1] to be in a nested case-control
    sample, 1 each by default; rows weigh its inverse, N = Σ 1/π.

    AUC: a tie counts one half (in R's iCARE 0); variance of the two placements with the divisor n, and for
    sampling (1 − π)/π² of each row's deviation. E/O: variance of its log (1 − o)/(N o), o the share of cases,
    plus the same term; that of `expected_observed` is Poisson's. Absolute risks: Σ (o_g − e_g)²/v_g, v_g =
    o_g (1 − o_g)/N_g plus sampling, from the observed share and not the expected as Hosmer and Lemeshow have
    it; degrees of freedom are the groups. Relative risks: o_g over the plain mean of all o_g against the same
    of e_g, on the log scale, with the covariance of the former by the delta method; one degree less. Groups
    end at weighted quantiles of the score.

    Raises InputError for risks outside [0, 1] and fractions outside (0, 1]; TooFewEventsError with fewer than
    2 cases or controls; InputError for groups without cases or only cases. References: [Choudhury2020].
    """
    rows = RiskRows.of(risk, case)
    rows.need("validation", 2, 2)
    values = rows.risk if score is None else finite_scores(score, case.size)
    fraction = np.ones(case.size) if sampling_fraction is None else np.asarray(sampling_fraction, dtype=float)
    if fraction.shape != case.shape or not ((fraction > 0) & (fraction <= 1)).all():
        raise InputError(
            expected="a sampling fraction above 0 and up to 1 for every row",
            found=f"shape {fraction.shape}" if fraction.shape != case.shape else "others",
            where="sampling_fraction",
        )
    if sampling_fraction is None:
        group = quantile_groups(values, n_groups)
    else:
        group = _weighted_groups(values, 1 / fraction, n_groups)
    expected, observed, variance = _by_group(rows.risk, case, fraction, group)
    difference = (observed - expected) ** 2 / variance
    return IcareValidation(
        auc=_auc(values, case, fraction, level),
        expected_observed=_expected_observed(rows.risk, case, fraction, level),
        absolute_risk=chi_square_test(float(difference.sum()), expected.size),
        relative_risk=_relative_test(expected, observed, variance),
        expected=expected,
        observed=observed,
        n=np.bincount(group),
    )


def _weighted_groups(
    score: Float[np.ndarray, "row"], weight: Float[np.ndarray, "row"], n_groups: int
) -> Int[np.ndarray, "row"]:
    """Groups between quantiles of the weighted distribution function, its steps joined by lines."""
    if n_groups < 2:
        raise InputError(expected="at least 2 groups", found=str(n_groups), where="n_groups")
    steps, place = np.unique(score, return_inverse=True)
    passed = np.cumsum(np.bincount(place, weights=weight))
    height = np.concatenate(([0.0], passed / passed[-1]))
    cuts = np.interp(np.arange(1, n_groups) / n_groups, height, np.concatenate((steps[:1], steps)))
    between = np.searchsorted(cuts, score, side="left")
    return np.asarray(np.unique(between, return_inverse=True)[1], dtype=np.int64)


def _auc(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    fraction: Float[np.ndarray, "row"],
    level: float,
) -> Estimate:
    area, variance = 0.0, 0.0
    for mine, others in ((case, ~case), (~case, case)):
        below = _share_below(score[mine], score[others], 1 / fraction[others])
        placement = below if mine is case else 1 - below
        weight, kept = 1 / fraction[mine], fraction[mine]
        area = float(np.average(placement, weights=weight))
        deviation = (placement - area) ** 2
        variance += float(np.average(deviation * (1 + (1 - kept) / kept), weights=weight) / weight.sum())
    se = math.sqrt(variance)
    margin = _quantile(level) * se
    return Estimate(
        value=area,
        lower=area - margin,
        upper=area + margin,
        n=case.size,
        n_events=int(np.count_nonzero(case)),
        method=f"AUC {_METHOD}, Wald",
        standard_error=se,
        p_value=null_p(area - 0.5, se),
        level=level,
    )


def _quantile(level: float) -> float:
    return _Z_95 if level == 0.95 else normal_quantile(level)


def _share_below(
    score: Float[np.ndarray, "row"], others: Float[np.ndarray, "other"], weight: Float[np.ndarray, "other"]
) -> Float[np.ndarray, "row"]:
    """Weighted share of the others with a lower score, ties one half."""
    order = np.argsort(others, kind="stable")
    passed = np.concatenate(([0.0], np.cumsum(weight[order])))
    low, high = (np.searchsorted(others[order], score, side=side) for side in ("left", "right"))
    return np.asarray((passed[low] + passed[high]) / 2 / passed[-1])


def _expected_observed(
    risk: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    fraction: Float[np.ndarray, "row"],
    level: float,
) -> Estimate:
    weight = 1 / fraction
    total = float(weight.sum())
    expected, observed = (float(np.average(column, weights=weight)) for column in (risk, case))
    sampling = float(np.sum((case - observed) ** 2 * (1 - fraction) / fraction**2)) / total
    se = math.sqrt((observed * (1 - observed) + sampling) / total) / observed
    ratio, margin = expected / observed, math.exp(_quantile(level) * se)
    if ratio <= 0:
        raise InputError(expected="some risk above 0", found="0 in every row", where="expected/observed")
    return Estimate(
        value=ratio,
        lower=ratio / margin,
        upper=ratio * margin,
        n=case.size,
        n_events=int(np.count_nonzero(case)),
        method=f"expected/observed {_METHOD}, log",
        standard_error=ratio * se,
        p_value=null_p(math.log(ratio), se),
        level=level,
    )


def _by_group(
    risk: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    fraction: Float[np.ndarray, "row"],
    group: Int[np.ndarray, "row"],
) -> tuple[Float[np.ndarray, "group"], Float[np.ndarray, "group"], Float[np.ndarray, "group"]]:
    """Expected, observed, and the variance of the observed share."""
    weight = 1 / fraction
    total = np.bincount(group, weights=weight)
    expected, observed = (np.bincount(group, weights=weight * column) / total for column in (risk, case))
    if observed.size < 2 or observed.min() <= 0 or observed.max() >= 1 or expected.min() <= 0:
        n_cases = int(np.bincount(group, weights=case).min())
        if n_cases == 0:
            raise TooFewEventsError("calibration by groups", found=0, needed=1, where="the group with fewest")
        raise InputError(
            expected="two groups or more, each with cases, controls and a risk above 0",
            found=f"{observed.size} groups",
            where="calibration by groups",
        )
    # The sampling term is about the expected share, as in py-icare.
    sampling = (case - expected[group]) ** 2 * (1 - fraction) / fraction**2
    sampled = np.bincount(group, weights=sampling) / total
    return expected, observed, (observed * (1 - observed) + sampled) / total


def _relative_test(
    expected: Float[np.ndarray, "group"],
    observed: Float[np.ndarray, "group"],
    variance: Float[np.ndarray, "group"],
) -> ChiSquareTest:
    n = observed.size
    difference = np.log(observed / observed.mean()) - np.log(expected / expected.mean())
    slope = np.diag(1 / observed) - 1 / (n * observed.mean())
    # The last relative risk follows from the others.
    slope, difference = slope[:-1], difference[:-1]
    covariance = slope * variance @ slope.T
    return chi_square_test(float(difference @ np.linalg.solve(covariance, difference)), n - 1)
