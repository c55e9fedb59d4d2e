"""Risk-set sampling: controls for each case from the women still at risk when she was diagnosed.

In: cases and candidate exams as arrays. Out: which exam became a control of which case, the size of
each risk set, and for each woman the probability that she was never drawn (for `weights`).

A woman is at risk for a case if one of her exams has the case's stratum (race, site, machine), an age
and a date within the calipers, and she was followed and free of cancer until the case's diagnosis and
for as long after her own exam as the case was after hers [Langholz1996]. Women are drawn with equal
probability; of a drawn woman the exam nearest in date to the case's is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..progress import Track, silent
from .settings import DAYS_PER_MONTH, CohortConfig


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
    """Candidates sorted by stratum and date, so that a caliper on the date is a slice."""

    def __init__(self, candidates: Candidates) -> None:
        self.order = np.lexsort((candidates.date, candidates.stratum))
        self.date = candidates.date[self.order]
        self.age = candidates.age[self.order]
        self.woman = candidates.woman[self.order]
        self.free_until = candidates.free_until[self.order]
        self.stratum = candidates.stratum[self.order]

    def at_risk(self, cases: Cases, case: int, config: CohortConfig) -> Int[np.ndarray, "row"]:
        """Rows of candidates at risk for a case, in order of date."""
        start, stop = np.searchsorted(self.stratum, [cases.stratum[case], cases.stratum[case] + 1])
        date = cases.date[case]
        caliper = config.date_caliper_months * DAYS_PER_MONTH
        low = start + np.searchsorted(self.date[start:stop], date - caliper, side="left")
        high = start + np.searchsorted(self.date[start:stop], date + caliper, side="right")
        here = slice(low, high)
        gap = cases.diagnosis[case] - date
        at_risk = np.abs(self.age[here] - cases.age[case]) <= config.age_caliper_years
        at_risk &= self.free_until[here] >= np.maximum(cases.diagnosis[case], self.date[here] + gap)
        at_risk &= self.woman[here] != cases.woman[case]
        rows: Int[np.ndarray, "row"] = self.order[here][at_risk]
        return rows
