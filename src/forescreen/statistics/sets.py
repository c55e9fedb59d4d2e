"""Matched sets as index arrays: which rows belong together, and which sets say something.

In: case marks and set labels by row. Out: rows sorted by set, cases first, with counts; sets without a
case or without a control are dropped, counted and reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from forescreen.errors import TooFewEventsError

from .rows import label_codes, same_rows


@dataclass(frozen=True, kw_only=True)
class DroppedSets:
    """What a matched analysis left out, and why."""

    rows_with_missing_values: int = 0
    sets_without_case: int = 0
    sets_without_control: int = 0
    rows_in_dropped_sets: int = 0

    def notes(self) -> tuple[str, ...]:
        """Sentences for a report; empty when nothing was dropped."""
        parts = (
            (self.rows_with_missing_values, "rows with missing values dropped"),
            (self.sets_without_case, "sets without a case dropped"),
            (self.sets_without_control, "sets without a control dropped"),
        )
        return tuple(f"{n} {text}" for n, text in parts if n)


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchedSets:
    """Informative sets: `order` lists their rows set by set, in label order, cases before controls.

    Row numbers refer to the arrays the caller gave; set i owns order[first[i] : first[i] + n_members[i]].
    """

    order: Int[np.ndarray, "member"]
    first: Int[np.ndarray, "set"]
    n_members: Int[np.ndarray, "set"]
    n_cases: Int[np.ndarray, "set"]
    dropped: DroppedSets

    @property
    def n_sets(self) -> int:
        """Number of informative sets."""
        return int(self.first.size)

    @property
    def set_of_member(self) -> Int[np.ndarray, "member"]:
        """Set number of each entry of `order`."""
        return np.repeat(np.arange(self.n_sets), self.n_members)


def informative_sets(
    case: Bool[np.ndarray, "row"],
    *,
    sets: Shaped[np.ndarray, "row"],
    complete: Bool[np.ndarray, "row"] | None = None,
    quantity: str = "a matched analysis",
    needed: int = 2,
) -> MatchedSets:
    """Sets with at least one case and one control among the complete rows.

    Rows that are not `complete` are dropped first and the sets checked again: a set that loses its only
    case, or all controls, goes. Raises TooFewEventsError when fewer than `needed` sets remain, InputError
    when a row has no set.
    """
    same_rows(case.size, sets, "set")
    codes = label_codes(sets, "set")
    kept = np.ones(case.size, dtype=bool) if complete is None else complete
    n_codes = int(codes.max()) + 1 if codes.size else 0
    members = np.bincount(codes[kept], minlength=n_codes)
    cases = np.bincount(codes[kept & case], minlength=n_codes)
    informative = (cases > 0) & (cases < members)
    used = kept & informative[codes]
    # Stable: rows of one set keep the caller's order within cases and within controls.
    order = np.lexsort((~case, codes))
    order = order[used[order]]
    n_members = members[informative]
    dropped = DroppedSets(
        rows_with_missing_values=int(np.count_nonzero(~kept)),
        sets_without_case=int(np.count_nonzero(cases == 0)),
        sets_without_control=int(np.count_nonzero((cases == members) & (cases > 0))),
        rows_in_dropped_sets=int(np.count_nonzero(kept & ~used)),
    )
    if n_members.size < needed:
        raise TooFewEventsError(
            quantity, found=int(n_members.size), needed=needed, where="matched sets with a case and a control"
        )
    return MatchedSets(
        order=order,
        first=np.concatenate([[0], np.cumsum(n_members)[:-1]]).astype(np.int64),
        n_members=n_members,
        n_cases=cases[informative],
        dropped=dropped,
    )


def within_set_concordance(score: Float[np.ndarray, "row"], matched: MatchedSets) -> Float[np.ndarray, "set"]:
    """Share of case-control pairs of each set in which the case has the higher score; a tie counts one half.

    From mid-ranks within sets: (rank sum of the cases − a(a+1)/2)/(a·m), exact in floating point.
    """
    member_score = score[matched.order]
    member_set = matched.set_of_member
    n = member_score.size
    by_score = np.lexsort((member_score, member_set))
    sorted_score, sorted_set = member_score[by_score], member_set[by_score]
    new_tie = np.ones(n, dtype=bool)
    new_tie[1:] = (sorted_score[1:] != sorted_score[:-1]) | (sorted_set[1:] != sorted_set[:-1])
    tie = np.cumsum(new_tie) - 1
    tie_start = np.flatnonzero(new_tie)
    tie_size = np.diff(np.append(tie_start, n))
    position = tie_start + (tie_size + 1) / 2 - matched.first[sorted_set[tie_start]]
    rank = np.empty(n)
    rank[by_score] = position[tie]
    is_case = np.arange(n) - matched.first[member_set] < matched.n_cases[member_set]
    rank_sum = np.bincount(member_set, weights=np.where(is_case, rank, 0.0), minlength=matched.n_sets)
    a = matched.n_cases
    return np.asarray((rank_sum - a * (a + 1) / 2) / (a * (matched.n_members - a)))
