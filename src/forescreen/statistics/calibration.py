"""Calibration of absolute risks: as many cancers as expected, in all, along the risk and in every subgroup.

In: risk (probability of the event by a horizon), case mark, and woman and weight where they matter. Out:
`Estimate`, `CalibrationGroup`, `SubgroupCalibration`. Weights make a sample a population (1/sampling
fraction) or undo censoring (`survival_calibration`). Slope and intercept are in `calibration_line`, flexible
curves in `calibration_curve`. [VanCalster2016]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from ..errors import InputError
from ..records import Estimate
from .inference import ChiSquareTest, chi_square_test, normal_quantile, null_p
from .proportions import observed_over_expected, proportion, wilson_interval
from .risks import RiskRows
from .rows import label_codes, same_rows
from .smoothing import weighted_quantile

#: A count with fewer events has no useful standard error on the log scale.
_EVENTS_FOR_LOG_INTERVAL = 2


@dataclass(frozen=True, kw_only=True)
class CalibrationGroup:
    """Rows of neighbouring risks: what was expected of them and what was seen."""

    lowest_risk: float
    highest_risk: float
    expected: float  # mean risk
    observed: Estimate  # share of cases
    observed_expected: Estimate | None  # None: nothing expected, or too few events for weights
    n: int
    n_events: int


@dataclass(frozen=True, kw_only=True)
class SubgroupCalibration:
    """Observed and expected cases of one subgroup."""

    label: str
    n: int
    n_events: int
    expected: float  # sum of the (weighted) risks
    observed_expected: Estimate | None
    reason: str  # why there is no estimate; empty where there is one


def observed_expected(
    risk: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Observed over expected number of cases, O/E: below 1 the risks are too high, above 1 too low.

    O = Σ w·case, E = Σ w·risk. risk: absolute probabilities in [0, 1], finite; scores are refused. Without
    weights and clusters the limits are those of the Poisson count O, exact, E taken as known [Garwood1936].
    With `weights` (>= 0, taken as known; 0 leaves a row out) or `cluster` (the woman of each row) they are
    exp(log O/E ± z·se), se from the linearised ratio summed by woman: n/(n−1) Σ (Σ w (case − O/E·risk)/O)²;
    this needs 2 cases.

    Raises InputError for risks outside [0, 1] or nothing expected, TooFewEventsError.
    """
    return _observed_expected(RiskRows.of(risk, case, weights=weights, cluster=cluster), level)


def expected_observed(
    risk: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Expected over observed number of cases, E/O, with the interval on the log scale usual in this field.

    E/O · exp(± z·se): se = 1/√O without weights and clusters, otherwise as for `observed_expected`, whose
    arguments and errors hold. Needs 2 cases.
    """
    rows = RiskRows.of(risk, case, weights=weights, cluster=cluster)
    rows.need("expected/observed", _EVENTS_FOR_LOG_INTERVAL)
    observed, expected = _totals(rows)
    ratio = expected / observed
    relative = math.sqrt(1 / observed) if rows.plain else _relative_error(rows)
    margin = math.exp(normal_quantile(level) * relative)
    return Estimate(
        value=ratio,
        lower=ratio / margin,
        upper=ratio * margin,
        n=rows.n_units,
        n_events=rows.n_events,
        method=f"expected/observed, {'Poisson' if rows.plain else rows.robust}, log",
        standard_error=ratio * relative,
        p_value=null_p(math.log(ratio), relative),
        level=level,
    )


def calibration_groups(
    risk: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    n_groups: int = 10,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> tuple[CalibrationGroup, ...]:
    """Observed share and mean risk in groups of equal weight along the risk, lowest first.

    Groups end at the (weighted) quantiles of the risk, and a row at a quantile belongs to the group below;
    rows of equal risk stay together, so that there may be fewer groups. Limits of the share: Wilson; with
    weights or clusters Wilson for the size at which independent rows would have its linearised variance. O/E
    as in `observed_expected`.

    Arguments and errors as for `observed_expected`; n_groups >= 2.
    """
    rows = RiskRows.of(risk, case, weights=weights, cluster=cluster)
    codes = quantile_groups(rows.risk, n_groups, mass=rows.weights if rows.weighted else None)
    return tuple(_group(rows.part(codes == code), level) for code in range(int(codes.max()) + 1))


def calibration_by_subgroup(
    risk: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    subgroup: Shaped[np.ndarray, "row"],
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> tuple[SubgroupCalibration, ...]:
    """O/E in every subgroup (age band, density, vendor …), in the order of the labels.

    A subgroup that cannot be estimated has the reason in place of the estimate. Arguments and errors as for
    `observed_expected`; every row needs a label.
    """
    same_rows(case.size, subgroup, "subgroup")
    all_codes = label_codes(subgroup, "subgroup")
    rows = RiskRows.of(risk, case, weights=weights, cluster=cluster)
    labels, codes = subgroup[rows.kept], all_codes[rows.kept]
    found = []
    for code in np.unique(codes).tolist():
        part = rows.part(codes == code)
        estimate, reason = _estimate_or_reason(part, level)
        found.append(
            SubgroupCalibration(
                label=str(labels[int(np.argmax(codes == code))]),
                n=part.n_units,
                n_events=part.n_events,
                expected=float(np.sum(part.weights * part.risk)),
                observed_expected=estimate,
                reason=reason,
            )
        )
    return tuple(found)


def hosmer_lemeshow(
    risk: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    data: Literal["validation", "development"] = "validation",
    n_groups: int = 10,
) -> ChiSquareTest:
    """Test of Σ over groups of risk (O − E)²/(E (1 − E/n)) [Hosmer1980].

    Never alone: its power grows with n, it says neither how much nor where. Degrees of freedom: the number of
    groups for data that the model has not seen, 2 less for its own. Independent rows without weights only.

    Arguments and errors as for `observed_expected`; also InputError where a group expects 0 or all of its
    rows, or fewer than 3 groups are left in development.
    """
    rows = RiskRows.of(risk, case)
    codes = quantile_groups(rows.risk, n_groups)
    n = np.bincount(codes)
    observed, expected = (np.bincount(codes, weights=x) for x in (rows.case, rows.risk))
    variance = expected * (1 - expected / n)
    degrees = n.size if data == "validation" else n.size - 2
    if np.any(variance <= 0) or degrees < 1:
        raise InputError(
            expected="groups whose risks leave the outcome open, enough of them",
            found=f"{n.size} groups, {int(np.count_nonzero(variance <= 0))} with a certain outcome",
            where="hosmer_lemeshow",
            remedy="Take other groups or another test",
        )
    return chi_square_test(float(np.sum((observed - expected) ** 2 / variance)), degrees)


def quantile_groups(
    risk: Float[np.ndarray, "row"], n_groups: int, *, mass: Float[np.ndarray, "row"] | None = None
) -> Int[np.ndarray, "row"]:
    """Group 0, 1, … of each row between (weighted) quantiles of the risk; a row at a quantile goes below."""
    if n_groups < 2:
        raise InputError(expected="at least 2 groups", found=str(n_groups), where="n_groups")
    cuts = weighted_quantile(risk, np.arange(1, n_groups) / n_groups, mass=mass)
    between = np.searchsorted(cuts, risk, side="left")
    return np.asarray(np.unique(between, return_inverse=True)[1], dtype=np.int64)


def _observed_expected(rows: RiskRows, level: float) -> Estimate:
    observed, expected = _totals(rows)
    if rows.plain:
        exact = observed_over_expected(rows.n_events, expected, level=level)
        return replace(exact, n=rows.n_units)
    rows.need("observed/expected with weights or clusters", _EVENTS_FOR_LOG_INTERVAL)
    ratio, relative = observed / expected, _relative_error(rows)
    margin = math.exp(normal_quantile(level) * relative)
    return Estimate(
        value=ratio,
        lower=ratio / margin,
        upper=ratio * margin,
        n=rows.n_units,
        n_events=rows.n_events,
        method=f"observed/expected, {rows.robust}, log",
        standard_error=ratio * relative,
        p_value=null_p(math.log(ratio), relative),
        level=level,
    )


def _totals(rows: RiskRows) -> tuple[float, float]:
    expected = float(np.sum(rows.weights * rows.risk))
    if expected <= 0:
        raise InputError(expected="some risk above 0", found="0 in every row", where="observed/expected")
    return float(np.sum(rows.weights[rows.case])), expected


def _relative_error(rows: RiskRows) -> float:
    """Standard error of log O/E."""
    observed, expected = _totals(rows)
    return math.sqrt(rows.variance(rows.weights * (rows.case / observed - rows.risk / expected)))


def _group(rows: RiskRows, level: float) -> CalibrationGroup:
    return CalibrationGroup(
        lowest_risk=float(rows.risk.min()),
        highest_risk=float(rows.risk.max()),
        expected=float(np.average(rows.risk, weights=rows.weights)),
        observed=_share_of_cases(rows, level),
        observed_expected=_estimate_or_reason(rows, level)[0],
        n=rows.n_units,
        n_events=rows.n_events,
    )


def _share_of_cases(rows: RiskRows, level: float) -> Estimate:
    if rows.plain:
        return proportion(rows.n_events, rows.n_units, level=level)
    share = float(np.average(rows.case, weights=rows.weights))
    total = float(rows.weights.sum())
    variance = rows.variance(rows.weights * (rows.case - share) / total)
    if variance > 0:
        size = share * (1 - share) / variance
    else:  # no cases, or only cases: the size by the weights alone (Kish)
        size = total**2 / float(np.sum(np.bincount(rows.units, weights=rows.weights) ** 2))
    # Rounding must not carry the count past its ends.
    interval = wilson_interval(min(max(share * size, 0.0), size), size, level)
    return Estimate(
        value=share,
        lower=interval.lower,
        upper=interval.upper,
        n=rows.n_units,
        n_events=rows.n_events,
        method=f"proportion, Wilson for the effective size, {rows.robust}",
        standard_error=math.sqrt(variance),
        level=level,
    )


def _estimate_or_reason(rows: RiskRows, level: float) -> tuple[Estimate | None, str]:
    if not np.any(rows.risk > 0):
        return None, "nothing expected"
    if not rows.plain and rows.n_events < _EVENTS_FOR_LOG_INTERVAL:
        return None, f"{rows.n_events} events, {_EVENTS_FOR_LOG_INTERVAL} needed"
    return _observed_expected(rows, level), ""
