"""Risk-set sampling: controls for each case from the women still at risk when she was diagnosed.

In: cases and candidate exams as arrays. Out: which exam became a control of which case, the size of
each risk set, and for each woman the probability that she was never drawn (for `weights`).

A woman is at risk for a case if one of her exams has the case's stratum (race, site, machine), an age
and a date within the calipers, and she was followed and free of cancer until the case's diagnosis and
for as long after her own exam as the case was after hers [Langholz1996]. Women are drawn with equal
probability; of a drawn woman the exam nearest in date to the case's is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..progress import Track, silent
from .settings import DAYS_PER_MONTH, DAYS_PER_YEAR, CohortConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class Cases:
    """Cases in a fixed order; days since 1970-01-01."""

    woman: Int[np.ndarray, "case"]
    date: Int[np.ndarray, "case"]
    age: Float[np.ndarray, "case"]
    stratum: Int[np.ndarray, "case"]
    diagnosis: Int[np.ndarray, "case"]
    sampled: Bool[np.ndarray, "case"]  # whether she is to get a set
    fraction: Float[np.ndarray, "case"]  # of the cases of her type that were sampled


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Exams that may become controls, in a fixed order; several per woman."""

    woman: Int[np.ndarray, "candidate"]
    date: Int[np.ndarray, "candidate"]
    age: Float[np.ndarray, "candidate"]
    stratum: Int[np.ndarray, "candidate"]
    free_until: Int[np.ndarray, "candidate"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchedControls:
    """Controls by set. `case` and `candidate` are rows of Cases and Candidates."""

    case: Int[np.ndarray, "control"]
    candidate: Int[np.ndarray, "control"]
    n_at_risk: Int[np.ndarray, "case"]  # women at risk and not yet used up when the case's turn came
    log_never_drawn: Float[np.ndarray, "woman"]  # 0 for women who were never at risk


def match(
    cases: Cases,
    candidates: Candidates,
    *,
    config: CohortConfig,
    n_women: int,
    generator: np.random.Generator,
    track: Track = silent,
) -> MatchedControls:
    """Controls for every sampled case, `config.ratio` each or as many as there are.

    Cases take their turn in random order, since an early case has the larger choice. Cases that are
    not sampled are walked through as well: their risk sets count in the probabilities of being drawn.
    """
    blocks = _Blocks(candidates)
    uses = np.zeros(n_women, dtype=np.int64)
    last_row = np.zeros(n_women, dtype=np.int64)
    log_never = np.zeros(n_women)
    n_at_risk = np.zeros(len(cases.woman), dtype=np.int64)
    case_rows: list[int] = []
    candidate_rows: list[int] = []
    for case in track(generator.permutation(len(cases.woman)).tolist(), "Matching", len(cases.woman)):
        rows = blocks.at_risk(cases, case, config)
        women = candidates.woman[rows]
        # One row per woman: the row written last under her name.
        last_row[women] = np.arange(len(women))
        women = women[last_row[women] == np.arange(len(women))]
        free = uses[women] < config.max_control_uses
        available = women[free]
        n_at_risk[case] = n = len(available)
        drawn = min(config.ratio, n)
        if drawn:
            fraction = cases.fraction[case]
            with np.errstate(divide="ignore"):  # a woman who is drawn for certain: log 0
                # A used woman counts as she would have, had she not been used: one more to draw from.
                log_never[women] += np.where(
                    free, np.log1p(-fraction * drawn / n), np.log1p(-fraction * drawn / (n + 1))
                )
        if not cases.sampled[case]:
            continue
        for woman in available[generator.choice(n, size=drawn, replace=False)].tolist():
            own = rows[candidates.woman[rows] == woman]
            nearest = own[np.argmin(np.abs(candidates.date[own] - cases.date[case]))]
            uses[woman] += 1
            case_rows.append(case)
            candidate_rows.append(int(nearest))
    order = np.argsort(np.array(case_rows, dtype=np.int64), kind="stable")
    return MatchedControls(
        case=np.array(case_rows, dtype=np.int64)[order],
        candidate=np.array(candidate_rows, dtype=np.int64)[order],
        n_at_risk=n_at_risk,
        log_never_drawn=log_never,
    )


class _Blocks:
    """Candidates sorted by stratum, year of birth and date.

    A caliper on age and one on the date bound the date of birth, so that a case looks at a few years of
    birth of its stratum, and in each at a slice of dates: also fast where all women are one stratum.
    """

    def __init__(self, candidates: Candidates) -> None:
        born = _birth_year(candidates.date, candidates.age)
        self.first_year = int(born.min(initial=0))
        self.n_years = int(born.max(initial=0)) - self.first_year + 1
        block = candidates.stratum * self.n_years + born - self.first_year
        self.order = np.lexsort((candidates.date, block))
        n_blocks = (int(candidates.stratum.max(initial=0)) + 1) * self.n_years
        self.starts = np.searchsorted(block[self.order], np.arange(n_blocks + 1))
        self.date = candidates.date[self.order]
        self.age = candidates.age[self.order]
        self.woman = candidates.woman[self.order]
        self.free_until = candidates.free_until[self.order]

    def at_risk(self, cases: Cases, case: int, config: CohortConfig) -> Int[np.ndarray, "row"]:
        """Rows of candidates at risk for a case, in order of year of birth and date."""
        date, age, diagnosis = cases.date[case], cases.age[case], cases.diagnosis[case]
        caliper = config.date_caliper_months * DAYS_PER_MONTH
        first_day, last_day = math.ceil(date - caliper), math.floor(date + caliper)
        # One year more on each side than the calipers: years of birth are rounded.
        reach = 1 + math.ceil(config.age_caliper_years + caliper / DAYS_PER_YEAR)
        year = int(_birth_year(date, age)) - self.first_year
        years = range(max(year - reach, 0), min(year + reach + 1, self.n_years))
        block = int(cases.stratum[case]) * self.n_years
        found = [np.zeros(0, dtype=np.int64)]
        if block >= len(self.starts) - 1:  # a stratum beyond those of the candidates
            return found[0]
        for start, stop in ((self.starts[block + y], self.starts[block + y + 1]) for y in years):
            low, high = start + np.searchsorted(self.date[start:stop], [first_day, last_day + 1])
            at_risk = np.abs(self.age[low:high] - age) <= config.age_caliper_years
            until = np.maximum(diagnosis, self.date[low:high] + (diagnosis - date))
            at_risk &= self.free_until[low:high] >= until
            at_risk &= self.woman[low:high] != cases.woman[case]
            found.append(self.order[low:high][at_risk])
        return np.concatenate(found)


def _birth_year(
    date: Int[np.ndarray, "*rows"] | np.int64, age: Float[np.ndarray, "*rows"] | np.float64
) -> Int[np.ndarray, "*rows"]:
    year: Int[np.ndarray, "*rows"] = np.floor(date / DAYS_PER_YEAR - age).astype(np.int64)
    return year
