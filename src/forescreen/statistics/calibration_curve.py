"""Flexible calibration curve: the share of cases along the risk, and how far it lies from the diagonal.

In: risk, case mark, and woman and weight where they matter. Out: `CalibrationCurve` with the integrated
calibration index and its companions; `ValidationStatistics`, the list that R's `val.prob` prints.
[Austin2019]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import sparse, special

from ..errors import InputError
from ..progress import silent
from ..records import Estimate
from .bootstrap import in_blocks, independent_units, percentile_limits, resample_seeds, unit_multiplicities
from .calibration_line import CalibrationLine, calibration_line
from .discrimination import auc
from .inference import normal_quantile, two_sided_p
from .risks import RiskRows
from .smoothing import Points, loess_rows, lowess_rows, points_of, spaced_places, weighted_quantile

#: Below this many cases or controls a flexible curve shows noise only.
_NEEDED = 10

#: Cases below which a curve is called unstable [VanCalster2016].
_STABLE = 200

#: Bins of the resampled curves: the index moves by less than 1e-4.
_RESAMPLED_BINS = 100

#: Resamples held at once.
_BLOCK = 16

#: Entries of (unit, place) products held at once.
_CHUNK_ENTRIES = 1 << 22


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationCurve:
    """Smoothed share of cases at increasing risks, for drawing, and distances |curve − risk| of all rows."""

    risk: Float[np.ndarray, "place"]
    observed: Float[np.ndarray, "place"]  # drawn within [0, 1], as are the limits
    lower: Float[np.ndarray, "place"]
    upper: Float[np.ndarray, "place"]
    ici: Estimate  # mean distance: the integrated calibration index
    e50: Estimate  # median distance
    e90: Estimate  # 90 % of the rows are nearer
    emax: Estimate  # largest distance, often that of one row in the tail
    n: int
    n_events: int
    method: str
    level: float
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ValidationStatistics:
    """Numbers on the risks of independent rows; E for distances of a lowess curve from the diagonal."""

    concordance: float  # AUC
    dxy: float  # 2 AUC − 1
    r2: float  # Nagelkerke's, of the risks as they are
    discrimination_index: float  # (likelihood-ratio chi-square against no model − 1)/n
    unreliability_index: float  # (likelihood-ratio chi-square of the calibration line − 2)/n
    quality_index: float  # discrimination − unreliability
    brier: float
    line: CalibrationLine
    eavg: float
    e90: float
    emax: float
    spiegelhalter_z: float  # Brier score against its expectation under the risks [Spiegelhalter1986]
    spiegelhalter_p: float


def calibration_curve(
    risk: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    span: float = 0.75,
    n_places: int = 101,
    n_resamples: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> CalibrationCurve:
    """Share of cases along the risk by direct local quadratic loess, and the distances ICI, E50, E90, Emax.

    Distances |f(risk) − risk| are taken at every row, with its weight [Austin2019]. f is R's
    `loess(case ~ risk, span, degree = 2, surface = "direct")`, not the interpolated surface that is R's
    default (which gives other third digits). With more than 2000 different risks rows share bins of 1/1000
    of the range and of the weight: f moves by less than 1e-3, ICI by less than 1e-5. A weight of 2 is the row
    twice.

    risk: absolute probabilities in [0, 1]; scores are refused. weights: >= 0, taken as known. cluster: the
    woman of each row. Limits of the curve: ± z·se at each place, se² = Σ over women of (Σ smoother weight ·
    residual)². Limits of the distances only with `n_resamples` (200 or more): percentile bootstrap of women
    on 100 to 200 bins. As a distance is never negative, resamples exceed it when calibration is good: read
    the lower limit with that in mind. Without resamples their limits are nan.

    Raises InputError for risks outside [0, 1] or a span outside (0, 1]; TooFewEventsError with fewer than 10
    cases or controls. Below 200 cases a note says that the curve is unstable.
    """
    rows = RiskRows.of(risk, case, weights=weights, cluster=cluster)
    rows.need("a calibration curve", _NEEDED, _NEEDED)
    mass = rows.weights if rows.weighted else None
    points, y = points_of(rows.risk, mass=mass), rows.case.astype(np.float64)
    curve = loess_rows(points, points.x, span=span) @ points.mean(y)
    at_row = np.interp(rows.risk, points.x, curve)
    values = _distances(np.abs(at_row - rows.risk), mass)
    limits = np.full((4, 3), math.nan)
    if n_resamples:
        limits = _resampled_limits(rows, span, n_resamples, seed, level)
    places = _places(rows.risk, mass, n_places)
    smoother = loess_rows(points, places, span=span)
    observed = smoother @ points.mean(y)
    margin = normal_quantile(level) * _standard_errors(smoother, points, y - at_row, rows)
    method = f"direct loess, span {span:g}, degree 2" + (f", {points.x.size} bins" if points.binned else "")
    interval = f"percentile bootstrap, {n_resamples} resamples, seed {seed}" if n_resamples else "no interval"
    distances = [
        Estimate(
            value=float(value),
            lower=float(lower),
            upper=float(upper),
            n=rows.n_units,
            n_events=rows.n_events,
            method=f"{name}, {method}, {interval}",
            standard_error=float(se),
            level=level,
        )
        for name, value, (lower, upper, se) in zip(("ICI", "E50", "E90", "Emax"), values, limits, strict=True)
    ]
    return CalibrationCurve(
        risk=places,
        observed=np.clip(observed, 0, 1),
        lower=np.clip(observed - margin, 0, 1),
        upper=np.clip(observed + margin, 0, 1),
        ici=distances[0],
        e50=distances[1],
        e90=distances[2],
        emax=distances[3],
        n=rows.n_units,
        n_events=rows.n_events,
        method=method if rows.plain else f"{method}, {rows.robust}",
        level=level,
        notes=(
            (f"{rows.n_events} cases: below {_STABLE} the curve is unstable",)
            if rows.n_events < _STABLE
            else ()
        ),
    )


def validation_statistics(
    risk: Float[np.ndarray, "row"], case: Bool[np.ndarray, "row"]
) -> ValidationStatistics:
    """The numbers of R's `val.prob`: concordance, R², D, U, Q, Brier, line, Eavg, E90, Emax, Spiegelhalter.

    Independent rows without weights; risks strictly inside (0, 1). The distances are those of a lowess curve
    (span 2/3, no robustness iterations) that is fitted at places 1 % of the range apart; more than 2000
    different risks are binned first, as in `calibration_curve`. Errors as for `calibration_line`.
    """
    line = calibration_line(risk, case)
    rows = RiskRows.of(risk, case)
    n = rows.case.size
    p, y = rows.risk, rows.case.astype(np.float64)
    share = float(y.mean())
    fitted = float(np.sum(special.xlogy(y, p) + special.xlog1py(1 - y, -p)))
    null = n * float(special.xlogy(share, share) + special.xlog1py(1 - share, -share))
    chi_square = 2 * (fitted - null)
    points = points_of(p)
    places = spaced_places(points, 0.01 * float(np.ptp(points.x)))
    distance = np.abs(np.interp(p, places, lowess_rows(points, places) @ points.mean(y)) - p)
    spread = math.sqrt(float(np.sum((1 - 2 * p) ** 2 * p * (1 - p))))
    # All risks one half: the Brier score is then 1/4 whatever happens.
    z = float(np.sum((y - p) * (1 - 2 * p))) / spread if spread > 0 else math.nan
    concordance = auc(p, case).value
    discrimination, unreliability = (chi_square - 1) / n, (line.joint_test.statistic - 2) / n
    return ValidationStatistics(
        concordance=concordance,
        dxy=2 * concordance - 1,
        r2=-math.expm1(-chi_square / n) / -math.expm1(2 * null / n),
        discrimination_index=discrimination,
        unreliability_index=unreliability,
        quality_index=discrimination - unreliability,
        brier=float(np.mean((y - p) ** 2)),
        line=line,
        eavg=float(distance.mean()),
        e90=float(np.quantile(distance, 0.9)),
        emax=float(distance.max()),
        spiegelhalter_z=z,
        spiegelhalter_p=two_sided_p(z),
    )


def _distances(
    distance: Float[np.ndarray, "row"], mass: Float[np.ndarray, "row"] | None
) -> Float[np.ndarray, "4"]:
    median, ninety = weighted_quantile(distance, np.array([0.5, 0.9]), mass=mass)
    return np.array([np.average(distance, weights=mass), median, ninety, distance.max()])


def _places(
    risk: Float[np.ndarray, "row"], mass: Float[np.ndarray, "row"] | None, n_places: int
) -> Float[np.ndarray, "place"]:
    """Half of them where the rows are, half evenly along the range, so that neither part is coarse."""
    if n_places < 2:
        raise InputError(expected="at least 2 places on the curve", found=str(n_places), where="n_places")
    n_even = n_places // 2
    even = np.linspace(risk.min(), risk.max(), max(n_even, 2))
    dense = weighted_quantile(risk, (np.arange(n_places - n_even) + 0.5) / (n_places - n_even), mass=mass)
    return np.unique(np.concatenate([even, dense]))


def _standard_errors(
    smoother: Float[np.ndarray, "place point"],
    points: Points,
    residual: Float[np.ndarray, "row"],
    rows: RiskRows,
) -> Float[np.ndarray, "place"]:
    share = rows.weights / points.mass[points.of_row] * residual
    if not rows.clustered:
        by_point = np.bincount(points.of_row, weights=share**2, minlength=points.x.size)
        return np.asarray(np.sqrt(smoother**2 @ by_point))
    by_unit = sparse.csr_array((share, (rows.units, points.of_row)), shape=(rows.n_units, points.x.size))
    step = max(1, _CHUNK_ENTRIES // rows.n_units)
    variance = [
        np.sum(np.asarray(by_unit @ smoother[start : start + step].T) ** 2, axis=0)
        for start in range(0, smoother.shape[0], step)
    ]
    return np.asarray(np.sqrt(np.concatenate(variance)))


def _resampled_limits(
    rows: RiskRows, span: float, n_resamples: int, seed: int, level: float
) -> Float[np.ndarray, "4 3"]:
    """Lower and upper percentile and standard error of each distance, over resamples of units.

    Resamples are not stratified by outcome: the number of cases is part of calibration.
    """
    points = points_of(
        rows.risk,
        mass=rows.weights if rows.weighted else None,
        most=2 * _RESAMPLED_BINS,
        n_bins=_RESAMPLED_BINS,
    )
    who = independent_units(rows.units)
    shape = (points.x.size, who.n)
    by_unit = [
        sparse.csr_array((rows.weights * column, (points.of_row, who.of_row)), shape=shape)
        for column in (np.ones_like(rows.risk), rows.risk, rows.case)
    ]

    def evaluate(seeds: Sequence[np.random.SeedSequence]) -> Float[np.ndarray, "resample 4"]:
        counts = unit_multiplicities(who, seeds).T.astype(np.float64)
        mass, risk, case = (np.asarray(part @ counts).T for part in by_unit)
        return np.array([_resampled(*columns, span) for columns in zip(mass, risk, case, strict=True)])

    seeds = resample_seeds(seed, n_resamples)
    replicates = np.concatenate(in_blocks(evaluate, seeds, block=_BLOCK, threads=1, track=silent))
    return np.array([percentile_limits(np.ascontiguousarray(column), level) for column in replicates.T])


def _resampled(
    mass: Float[np.ndarray, "bin"],
    risk: Float[np.ndarray, "bin"],
    case: Float[np.ndarray, "bin"],
    span: float,
) -> Float[np.ndarray, "4"]:
    """Distances of one resample from the sums of its bins."""
    kept = mass > 0
    mass, place = mass[kept], risk[kept] / mass[kept]
    order = np.argsort(place, kind="stable")  # rounding may swap bins of nearly equal risk
    mass, place, share = mass[order], place[order], (case[kept] / mass)[order]
    points = Points(x=place, mass=mass, of_row=np.arange(mass.size), row_mass=mass, binned=True)
    return _distances(np.abs(loess_rows(points, place, span=span) @ share - place), mass)
