"""From a score to a risk in a population that did not make it: relative hazards meet that population's rates.

In: log hazards by mode of detection (origin arbitrary), a reference sample that stands for the population,
rates by age and mode. Out: risks by horizon for screen-detected cancer, interval cancer and any cancer.

    λ0_k(a, t) = λ_k(a + t, t) / E_k(a, t)      E_k: mean e_k of reference women of that age, at risk
    e_ik = exp(slope_k s_ik)                    k = 1, 2 compete with each other and with deaths

Cancers of neither mode, where the rates have them, are taken to differ between women as the two modes
together do. As in iCARE [Choudhury2020], but by age at the exam: a score trained on sets matched for age
says how a woman differs from others of her age, and rates by age carry the rest. E(t) needs only the hazards
before t, so the fixed point that iCARE iterates towards is found exactly by going forward in time once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from ..errors import FactorError, InputError
from .mode_rates import MODES, ModeRates

#: Said wherever a risk made here is shown.
TRANSPORT_WARNING = (
    "The score was trained in {trained_in}; the rates come from {population} ({years}; {source}). It is "
    "assumed, and not tested here, that relative risks are the same in both populations and that the "
    "reference sample has the score's distribution among the women to whom the risks are given. The "
    "resulting risks are not validated: compare them with outcomes of the population before they are used."
)

#: What is said where nobody estimated how steep the score is.
SLOPE_WARNING = (
    "The slope of the score is taken as 1: a unit of score is taken as a unit of log odds. Scores of "
    "networks are often steeper than that; estimate the slope in matched sets that took no part in training."
)

#: Why an exam has no risk, in words.
CODES = {
    "score_missing": "a score of the exam is missing",
    "age_unknown": "the age at the exam is unknown",
    "age_outside": "the age lies outside the ages of the rates",
    "age_outside_reference": "the reference sample has no women of this age",
    "horizon_past_end": "a horizon ends beyond the oldest age of the rates; shorter ones are answered",
}

#: Reference exams of one age that a mean relative hazard should rest on; ages are joined until there are.
MIN_REFERENCE = 500
#: Steps in which those still at risk are reckoned; hazards within a step are exact.
_STEP_YEARS = 0.25


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """A sample of exams whose weights make it stand for the population at its exams.

    `age_years` None: the score's distribution is taken as the same at all ages. A matched case-control
    sample needs inverse sampling fractions as weights.
    """

    log_hazard: Float[np.ndarray, "exam mode"]
    weight: Float[np.ndarray, "exam"]
    age_years: Float[np.ndarray, "exam"] | None

    def __post_init__(self) -> None:
        ages = np.zeros(len(self.weight)) if self.age_years is None else self.age_years
        known = np.isfinite(self.log_hazard).all() and np.isfinite(ages).all()
        if not len(self.weight) or not known or not (np.isfinite(self.weight) & (self.weight > 0)).all():
            raise InputError(
                expected="reference exams, each with two scores, an age and a positive weight",
                found="none" if not len(self.weight) else "some without",
                where="reference sample",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """What turns scores of one population into risks: its rates, and the mean relative hazards E.

    `age_edges` are ages at the exam, whole years, that share one E; `grid_years` the steps since the exam.
    `standard_error` is that of log E at the exam from the size of the reference sample.
    """

    rates: ModeRates
    slopes: tuple[float, float]
    centre: Float[np.ndarray, "mode"]  # subtracted from slope · score, for the numbers' sake
    age_edges: Float[np.ndarray, "group+1"]
    grid_years: Float[np.ndarray, "step+1"]
    mean_relative_hazard: Float[np.ndarray, "mode group step"]
    standard_error: Float[np.ndarray, "mode group"]
    n_reference: int

    @property
    def longest_years(self) -> float:
        """The longest horizon for which it was made."""
        return float(self.grid_years[-1])


@dataclass(frozen=True, kw_only=True, eq=False)
class ModeRisks:
    """Absolute risks by horizon in [0, 1]; NaN where there is a reason why not.

    `reasons` maps a code of CODES to the exams it holds for; horizon_past_end takes only the horizons that
    end beyond the rates.
    """

    horizons_years: tuple[float, ...]
    screen_detected: Float[np.ndarray, "exam horizon"]
    interval: Float[np.ndarray, "exam horizon"]
    any_cancer: Float[np.ndarray, "exam horizon"]  # of either mode, and of neither where the rates have it
    reasons: Mapping[str, Bool[np.ndarray, "exam"]]


def transport_warning(trained_in: str, rates: ModeRates) -> str:
    """TRANSPORT_WARNING for one score and one table of rates."""
    return TRANSPORT_WARNING.format(
        trained_in=trained_in or "a population that is not stated",
        population=rates.population,
        years=rates.years,
        source=rates.source,
    )


def baseline(
    reference: Reference,
    rates: ModeRates,
    *,
    slopes: tuple[float, float] = (1.0, 1.0),
    horizons_years: Sequence[float],
) -> Baseline:
    """Mean relative hazards of the reference sample by age at the exam and time since.

    `slopes` multiply the scores, screen-detected first: log odds ratio per unit of score, from a conditional
    logistic regression in sets outside training; 1 needs SLOPE_WARNING. Ages are joined, youngest first,
    until each group has MIN_REFERENCE exams.

    Not accepted: horizons of 0 or beyond the rates' periods, slopes that are not finite, a reference sample
    with no woman of an age within the rates. Raises InputError.
    """
    horizons = _horizons(horizons_years, rates.longest_years)
    if not np.isfinite(slopes).all():
        raise InputError(expected="finite slopes", found=str(slopes), where="recalibration")
    scaled = reference.log_hazard * np.asarray(slopes)
    age = np.full(len(scaled), np.nan) if reference.age_years is None else reference.age_years
    if reference.age_years is not None:
        inside = (age >= rates.edges[0]) & (age < rates.edges[-1])
        if not inside.any():
            raise InputError(
                expected=f"reference exams at ages from {rates.edges[0]:g} to {rates.edges[-1]:g}",
                found="none",
                where="reference sample",
            )
        scaled, age, weight = scaled[inside], age[inside], reference.weight[inside]
        edges = _age_groups(age)
    else:
        weight = reference.weight
        edges = rates.edges[[0, -1]]
    centre = np.average(scaled, axis=0, weights=weight)
    relative = np.exp(scaled - centre)
    grid = _grid(rates, horizons)
    n_groups, n_steps = len(edges) - 1, len(grid) - 1
    mean = np.empty((len(MODES), n_groups, n_steps))
    error = np.empty((len(MODES), n_groups))
    group = (
        np.zeros(len(weight), dtype=int)
        if reference.age_years is None
        else np.searchsorted(edges, age, side="right") - 1
    )
    order = np.argsort(group, kind="stable")
    limits = np.searchsorted(group[order], np.arange(n_groups + 1))
    for number in range(n_groups):
        rows = order[limits[number] : limits[number + 1]]
        ages = age[rows] if reference.age_years is not None else None
        mean[:, number] = _forward(relative[rows], weight[rows], ages, rates, grid)
        share = weight[rows] / weight[rows].sum()
        at_exam = share @ relative[rows]
        spread = share[:, None] * (relative[rows] / at_exam - 1)
        error[:, number] = np.sqrt((spread**2).sum(axis=0))
    return Baseline(
        rates=rates,
        slopes=(float(slopes[0]), float(slopes[1])),
        centre=centre,
        age_edges=edges,
        grid_years=grid,
        mean_relative_hazard=mean,
        standard_error=error,
        n_reference=len(weight),
    )


def risks_by_mode(
    log_hazard: Float[np.ndarray, "exam mode"],
    age_years: Float[np.ndarray, "exam"],
    *,
    baseline: Baseline,
    horizons_years: Sequence[float],
) -> ModeRisks:
    """Risks of exams by each horizon; the two modes and the rates' competing events compete.

    `log_hazard` as in the reference sample, NaN where missing; `age_years` at the exam, NaN where unknown.
    Raises InputError for horizons that the baseline was not made for.
    """
    horizons = _horizons(horizons_years, baseline.longest_years)
    rates, edges = baseline.rates, baseline.age_edges
    if not np.isin(np.round(horizons, 9), baseline.grid_years).all():
        raise InputError(
            expected="horizons for which the baseline was made",
            found=", ".join(f"{h:g}" for h in horizons),
            where="horizons",
        )
    reasons = {
        "score_missing": ~np.isfinite(log_hazard).all(axis=1),
        "age_unknown": ~np.isfinite(age_years),
        "age_outside": (age_years < rates.edges[0]) | (age_years >= rates.edges[-1]),
        "age_outside_reference": (age_years < edges[0]) | (age_years >= edges[-1]),
    }
    reasons["age_outside_reference"] &= ~reasons["age_outside"]
    usable = ~np.logical_or.reduce(list(reasons.values()))
    rows = np.flatnonzero(usable)
    age = np.asarray(age_years[rows], dtype=float)
    relative = np.exp(log_hazard[rows] * np.asarray(baseline.slopes) - baseline.centre)
    group = np.searchsorted(edges, age, side="right") - 1
    risk = np.full((3, len(log_hazard), len(horizons)), np.nan)
    risk[:, rows] = _cumulative(age, relative, rates, baseline.grid_years, horizons,
                                (baseline.mean_relative_hazard, group))  # fmt: skip
    past = usable[:, None] & (age_years[:, None] + np.array(horizons) > rates.edges[-1])
    risk[:, past] = np.nan
    reasons["horizon_past_end"] = past.any(axis=1)
    return ModeRisks(
        horizons_years=horizons,
        screen_detected=risk[0],
        interval=risk[1],
        any_cancer=risk.sum(axis=0),
        reasons={code: mask for code, mask in reasons.items() if mask.any()},
    )


def population_risks(
    age_years: Float[np.ndarray, "exam"], rates: ModeRates, *, horizons_years: Sequence[float]
) -> ModeRisks:
    """Risks of women about whom nothing but their age is known: what the rates alone say.

    Not accepted: ages outside the rates. Raises FactorError, InputError.
    """
    horizons = _horizons(horizons_years, rates.longest_years)
    age = np.asarray(age_years, dtype=float)
    if not ((age >= rates.edges[0]) & (age < rates.edges[-1])).all():
        raise FactorError(
            expected=f"ages from {rates.edges[0]:g} to {rates.edges[-1]:g}", found="others", where="rates"
        )
    risk = _cumulative(age, np.ones((len(age), 2)), rates, _grid(rates, horizons), horizons, None)
    risk[:, age[:, None] + np.array(horizons) > rates.edges[-1]] = np.nan
    return ModeRisks(
        horizons_years=horizons,
        screen_detected=risk[0],
        interval=risk[1],
        any_cancer=risk.sum(axis=0),
        reasons={},
    )


def _horizons(years: Sequence[float], longest: float) -> tuple[float, ...]:
    horizons = tuple(sorted({float(h) for h in years}))
    if not horizons or not horizons[0] > 0 or not horizons[-1] <= longest:
        raise InputError(
            expected=f"horizons above 0 and up to {longest:g} years",
            found=", ".join(f"{h:g}" for h in horizons) or "none",
            where="horizons",
            remedy="" if np.isinf(longest) else "The rates end there",
        )
    return horizons


def _grid(rates: ModeRates, horizons: tuple[float, ...]) -> Float[np.ndarray, "step+1"]:
    """Steps since the exam: quarters of years, the rates' periods, the horizons."""
    last = horizons[-1]
    points = [
        np.arange(0, last, _STEP_YEARS),
        rates.since_years[rates.since_years < last],
        np.array(horizons),
    ]
    return np.unique(np.round(np.concatenate(points), 9))


def _age_groups(age: Float[np.ndarray, "exam"]) -> Float[np.ndarray, "group+1"]:
    """Whole years of age, joined from the youngest on until a group has enough exams; the last joins back."""
    years = np.floor(age).astype(int)
    first = int(years.min())
    counts = np.bincount(years - first)
    edges, inside = [first], 0
    for year, count in enumerate(counts, start=first):
        if inside >= MIN_REFERENCE:
            edges.append(year)
            inside = 0
        inside += int(count)
    if inside < MIN_REFERENCE and len(edges) > 1:
        edges.pop()
    return np.array([*edges, first + len(counts)], dtype=float)


def _forward(
    relative: Float[np.ndarray, "exam mode"],
    weight: Float[np.ndarray, "exam"],
    age: Float[np.ndarray, "exam"] | None,
    rates: ModeRates,
    grid: Float[np.ndarray, "step+1"],
) -> Float[np.ndarray, "mode step"]:
    """E at the middle of each step, among those who are still at risk then.

    Competing events do not change it: they are the same for all women of an age.
    """
    result = np.empty((len(MODES), len(grid) - 1))
    cumulative = np.zeros(len(weight))  # of all cancers, by woman
    for step, (start, end) in enumerate(pairwise(grid)):
        middle = (start + end) / 2
        period = np.searchsorted(rates.since_years, middle, side="right") - 1
        by_band = np.vstack([rates.incidence[:, period], rates.other[period]])
        if age is None:  # no ages: those of the rates, evenly; it matters only for who is still at risk
            rate = by_band.mean(axis=1, keepdims=True)
        else:
            band = np.searchsorted(rates.edges, age + middle, side="right") - 1
            rate = by_band[:, np.clip(band, 0, len(rates.edges) - 2)]
        both = rate[:2].sum(axis=0)
        of_all = 1 + np.divide(rate[2], both, out=np.zeros_like(both), where=both > 0)
        at_start = _mean(relative, weight * np.exp(-cumulative), rate)
        hazard = (rate[:2] * relative.T / at_start[:, None]).sum(axis=0) * of_all
        mean = _mean(relative, weight * np.exp(-cumulative - hazard * (middle - start)), rate)
        result[:, step] = mean
        hazard = (rate[:2] * relative.T / mean[:, None]).sum(axis=0) * of_all
        cumulative = cumulative + hazard * (end - start)
    return result


def _mean(
    relative: Float[np.ndarray, "exam mode"],
    weight: Float[np.ndarray, "exam"],
    rate: Float[np.ndarray, "kind exam"],
) -> Float[np.ndarray, "mode"]:
    """Mean relative hazards, weighted by the rates at each woman's age: a group of ages then has as many
    cancers as its rates say, whatever score and age have to do with each other within it."""
    result = np.empty(len(MODES))
    for mode in range(len(MODES)):
        own = weight * rate[mode] if rate[mode].any() else weight
        result[mode] = own @ relative[:, mode] / own.sum()
    return result


def _cumulative(
    age: Float[np.ndarray, "exam"],
    relative: Float[np.ndarray, "exam mode"],
    rates: ModeRates,
    grid: Float[np.ndarray, "step+1"],
    horizons: tuple[float, ...],
    means: tuple[Float[np.ndarray, "mode group step"], Int[np.ndarray, "exam"]] | None,
) -> Float[np.ndarray, "kind exam horizon"]:
    """Cumulative incidence of each mode, and of neither.

    Hazards are constant on pieces between steps and birthdays on which a band of the rates begins. On a piece
    of length Δ with total hazard h: risk_k += S h_k/h (1 − e^{−hΔ}), S ← S e^{−hΔ}.
    """
    n, last_band = len(age), len(rates.edges) - 2
    band = np.clip(np.searchsorted(rates.edges, age, side="right") - 1, 0, last_band)
    free = np.ones(n)
    risk = np.zeros((3, n))
    found = np.full((3, n, len(horizons)), np.nan)
    at = np.searchsorted(grid, np.round(horizons, 9))
    for step, (start, end) in enumerate(pairwise(grid)):
        if step >= at[-1]:
            break
        period = int(np.searchsorted(rates.since_years, (start + end) / 2, side="right") - 1)
        factor = relative.T if means is None else relative.T / means[0][:, means[1], step]
        now, rows = np.full(n, start), np.arange(n)
        while len(rows):
            own = band[rows]
            # Beyond the oldest age nothing is known; those horizons are taken out by the callers.
            turn = np.where(own < last_band, rates.edges[own + 1] - age[rows], np.inf)
            stop = np.minimum(np.maximum(turn, now[rows]), end)
            rate = rates.incidence[:, period][:, own]
            hazard = np.vstack([rate * factor[:, rows], rates.other[period, own]])
            both = rate.sum(axis=0)
            hazard[2] *= np.divide(hazard[:2].sum(axis=0), both, out=np.zeros(len(rows)), where=both > 0)
            total = hazard.sum(axis=0) + rates.competing[period, own]
            gone = -np.expm1(-total * (stop - now[rows])) * free[rows]
            risk[:, rows] += np.divide(hazard * gone, total, out=np.zeros_like(hazard), where=total > 0)
            free[rows] -= gone
            now[rows] = stop
            crossed = turn <= end
            band[rows[crossed]] += 1
            rows = rows[crossed]
        for place in np.flatnonzero(at == step + 1):
            found[:, :, place] = risk
    return found
