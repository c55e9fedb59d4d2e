"""Absolute risk: the chance of the event by an age, for women without it at an age, while death competes.

In: baseline hazards that are constant between ages, every woman's relative risk from an age on, ages at start
and end. Out: risks. Two ways to the same quantity, λ baseline hazard, r relative risk, m competing mortality:

    exact:  Σ_j λ_j r_j / H_j · exp(−Σ_{i<j} H_i Δ_i) · (1 − exp(−H_j Δ_j)),   H_j = λ_j r_j + m_j
    icare:  Σ_t λ(t) r(t) · exp(−Σ_{u<t} H(u))            over integer ages t, start ≤ t < end

Δ are the years spent in a piece. The first is the risk of [Gail1989, Benichou1990] with pieces split at every
edge and step; the second is the left Riemann sum of the program iCARE [Choudhury2020], kept for comparison
with it: it takes the hazard of a year for its chance, and so overstates by about half the hazard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from ..errors import InputError
from .rates import Rates

#: Women that are worked on at once: their columns stay in the cache of a core, and memory stays small.
_BLOCK_WOMEN = 1 << 15
#: Start + horizon may miss the oldest age by so much.
_ROUNDING_YEARS = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Hazards:
    """Baseline hazards per woman-year, constant between the edges (ages in years).

    `event` is the hazard at relative risk 1: incidence after division by the population's mean relative risk.
    Raises InputError for edges that do not rise and hazards that are negative or not finite.
    """

    edges: Float[np.ndarray, "edge"]
    event: Float[np.ndarray, "piece"]
    competing: Float[np.ndarray, "piece"]

    def __post_init__(self) -> None:
        n = self.event.size
        if n == 0 or self.competing.size != n or self.edges.size != n + 1:
            raise InputError(
                expected="one hazard of each kind between each two edges",
                found=f"{self.edges.size} edges, {n} and {self.competing.size} hazards",
                where="baseline hazards",
            )
        if not (np.isfinite(self.edges).all() and (np.diff(self.edges) > 0).all()):
            raise InputError(expected="edges that rise", found="others", where="baseline hazards")
        for hazard in (self.event, self.competing):
            if not (np.isfinite(hazard) & (hazard >= 0)).all():
                raise InputError(
                    expected="hazards of 0 or more",
                    found="negative or unknown ones",
                    where="baseline hazards",
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """Every woman's log relative risk from this age on, until the age of the next step."""

    from_age: float
    log_relative_risk: Float[np.ndarray, "woman"]


def population_hazards(rates: Rates) -> Hazards:
    """Hazards of the population as it is: of an average woman, at relative risk 1."""
    return Hazards(edges=rates.edges, event=rates.incidence, competing=rates.mortality)


def population_risk(
    start: Float[np.ndarray, "woman"],
    end: Float[np.ndarray, "woman"],
    rates: Rates,
    *,
    mode: Literal["exact", "icare"] = "exact",
) -> Float[np.ndarray, "woman"]:
    """Risk of the population, an average woman's, between two ages of every woman; see `absolute_risk`."""
    steps = [Step(from_age=float(rates.edges[0]), log_relative_risk=np.zeros(start.size))]
    return absolute_risk(start, end, baseline=population_hazards(rates), steps=steps, mode=mode)


def end_of(
    start: Float[np.ndarray, "woman"], horizon_years: Float[np.ndarray, "woman"], oldest: float
) -> Float[np.ndarray, "woman"]:
    """Ages at the end of the horizon; an end that misses the oldest age by rounding is that age."""
    end = start + horizon_years
    return np.where((end > oldest) & (end <= oldest + _ROUNDING_YEARS), oldest, end)


def absolute_risk(
    start: Float[np.ndarray, "woman"],
    end: Float[np.ndarray, "woman"],
    *,
    baseline: Hazards,
    steps: Sequence[Step],
    mode: Literal["exact", "icare"] = "exact",
) -> Float[np.ndarray, "woman"]:
    """Chance of the event between two ages of every woman, in [0, 1], while death competes.

    `start` and `end` are ages in years, fractional ones too (mode icare: whole years only). `steps` are in
    the order of their ages; the first must reach down to the youngest start. NaN where an age or any of her
    log relative risks is NaN. In mode icare hazards above 1 can give more than 1.

    Raises InputError, with the number of women, for a start before the first edge or the first step, an end
    beyond the last edge or before the start, ages that mode icare does not take, and relative risks that are
    not finite; for steps that do not rise. References: [Gail1989, Choudhury2020].
    """
    _check_steps(start, steps)
    unknown = np.isnan(start) | np.isnan(end)
    for step in steps:
        unknown |= np.isnan(step.log_relative_risk)
    relative = [np.where(unknown, 1.0, _relative_risk(step)) for step in steps]
    first, last = max(baseline.edges[0], steps[0].from_age), baseline.edges[-1]
    _refuse(start < first, f"a start at age {first:g} or later", "earlier ones")
    _refuse(end > last, f"an end by age {last:g}, the last of the rates", "later ones")
    _refuse(end < start, "an end after the start", "earlier ones")
    if mode == "icare":
        whole = (start == np.floor(start)) & (end == np.floor(end))
        _refuse(~whole & ~unknown, "ages in whole years for mode icare", "fractional ones")
    pieces = _pieces(baseline, steps) if mode == "exact" else _years(baseline, steps, start, end)
    risk = np.full(start.size, np.nan)
    for begin in range(0, start.size, _BLOCK_WOMEN):
        block = slice(begin, begin + _BLOCK_WOMEN)
        risk[block] = _accumulate(start[block], end[block], [r[block] for r in relative], pieces, mode)
    risk[unknown] = np.nan
    return risk


@dataclass(frozen=True)
class _Piece:
    """Ages within which baseline hazards and relative risk are constant."""

    low: float
    high: float
    event: float
    competing: float
    step: int


def _pieces(baseline: Hazards, steps: Sequence[Step]) -> list[_Piece]:
    ages = np.array([step.from_age for step in steps])
    inside = ages[(ages > baseline.edges[0]) & (ages < baseline.edges[-1])]
    return _between(np.union1d(baseline.edges, inside), baseline, ages)


def _years(
    baseline: Hazards,
    steps: Sequence[Step],
    start: Float[np.ndarray, "woman"],
    end: Float[np.ndarray, "woman"],
) -> list[_Piece]:
    known = np.isfinite(start) & np.isfinite(end)
    if not known.any():
        return []
    edges = np.arange(start[known].min(), end[known].max() + 1)
    return _between(edges, baseline, np.array([step.from_age for step in steps]))


def _between(
    edges: Float[np.ndarray, "edge"], baseline: Hazards, ages: Float[np.ndarray, "step"]
) -> list[_Piece]:
    """Pieces between the edges, with the hazards and the step that hold at their beginning."""
    row = np.searchsorted(baseline.edges, edges[:-1], side="right") - 1
    step = np.searchsorted(ages, edges[:-1], side="right") - 1
    event, competing = baseline.event[row], baseline.competing[row]
    return [
        _Piece(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            event=float(event[i]),
            competing=float(competing[i]),
            step=max(int(step[i]), 0),  # before the first step there is no woman
        )
        for i in range(row.size)
    ]


def _accumulate(
    start: Float[np.ndarray, "woman"],
    end: Float[np.ndarray, "woman"],
    relative: Sequence[Float[np.ndarray, "woman"]],
    pieces: Sequence[_Piece],
    mode: Literal["exact", "icare"],
) -> Float[np.ndarray, "woman"]:
    risk = np.zeros(start.size)
    passed = np.zeros(start.size)  # cumulative hazard of either end
    for piece in pieces:
        here = np.flatnonzero((start < piece.high) & (end > piece.low))
        if here.size == 0:
            continue
        years = np.minimum(end[here], piece.high) - np.maximum(start[here], piece.low)
        event = piece.event * relative[piece.step][here] * years
        both = event + piece.competing * years
        chance = event * _mean_survival(both) if mode == "exact" else event
        risk[here] += np.exp(-passed[here]) * chance
        passed[here] += both
    return np.minimum(risk, 1.0) if mode == "exact" else risk  # rounding


def _mean_survival(hazard: Float[np.ndarray, "woman"]) -> Float[np.ndarray, "woman"]:
    """(1 − exp(−h)) / h, which is 1 at h = 0."""
    divisor = np.where(hazard > 0, hazard, 1.0)
    return np.where(hazard > 0, -np.expm1(-hazard) / divisor, 1.0)


def _relative_risk(step: Step) -> Float[np.ndarray, "woman"]:
    with np.errstate(over="ignore"):
        relative = np.exp(step.log_relative_risk)
    _refuse(np.isinf(relative), "a finite relative risk", "infinite ones")
    return np.asarray(relative)


def _check_steps(start: Float[np.ndarray, "woman"], steps: Sequence[Step]) -> None:
    if not steps or (np.diff([step.from_age for step in steps]) <= 0).any():
        raise InputError(
            expected="one or more steps with rising ages",
            found=", ".join(f"{step.from_age:g}" for step in steps) or "none",
            where="absolute risk",
        )
    for step in steps:
        if step.log_relative_risk.shape != start.shape:
            raise InputError(
                expected=f"a log relative risk of each of {start.size} women",
                found=str(step.log_relative_risk.size),
                where=f"absolute risk, step from age {step.from_age:g}",
            )


def _refuse(wrong: Bool[np.ndarray, "woman"], expected: str, found: str) -> None:
    n = int(np.count_nonzero(wrong))
    if n:
        raise InputError(
            expected=expected, found=f"{found} for {n} of {wrong.size} women", where="absolute risk"
        )
