"""Held-out share and folds, by matched set, never splitting a woman.

In: the set and the woman of each member. Out: split and fold of each. Sets that share a woman (she may
be a control in two, or a control and later a case) are one component and stay together; without sets a
component is a woman. Components are dealt by case type, so that each type has its share everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..errors import CohortError, TooFewEventsError

DEVELOPMENT, HELD_OUT = "development", "held-out"


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """Split of each member, and its fold (-1 in the held-out part)."""

    split: Shaped[np.ndarray, "member"]
    fold: Int[np.ndarray, "member"]


def components(
    unit: Int[np.ndarray, "member"], woman: Int[np.ndarray, "member"]
) -> Int[np.ndarray, "member"]:
    """Number of the component of each member: members are linked by a common unit or a common woman."""
    n_units, n_women = int(unit.max()) + 1, int(woman.max()) + 1
    links = coo_array((np.ones(len(unit)), (unit, n_units + woman)), shape=(n_units + n_women,) * 2)
    _, label = connected_components(links, directed=False)
    _, member = np.unique(label[unit], return_inverse=True)
    return member.astype(np.int64)


def split_members(
    unit: Int[np.ndarray, "member"],
    woman: Int[np.ndarray, "member"],
    *,
    kind: Shaped[np.ndarray, "member"],
    events: Sequence[str],
    held_out: float,
    n_folds: int,
    generator: np.random.Generator,
) -> Splits:
    """Held-out part and folds by component, dealt within each kind.

    `unit` is the set of each member, or the woman again where there are no sets. `kind` is what is dealt
    evenly: the case type of the set, or the outcome of an unmatched member. A component with several
    kinds is dealt with those of its rarest. Every event of `events` must reach the held-out part (if
    there is one) and every fold: TooFewEventsError with the number of sets or women otherwise.
    CohortError if reuse of women ties so many sets together that a part stays without an event.
    """
    component = components(unit, woman)
    n_components = int(component.max()) + 1
    stratum = _strata(component, kind, n_components)
    first_of_unit = np.unique(unit, return_index=True)[1]
    size = np.bincount(component[first_of_unit], minlength=n_components)  # in sets
    part = np.full(n_components, -1)  # -1 held-out, else fold
    for value in np.unique(stratum):
        own = np.flatnonzero(stratum == value)
        own = own[generator.permutation(len(own))]
        development = own[~_is_held_out(size[own], held_out)]
        shift = int(generator.integers(n_folds))  # the longer folds are not always the first
        in_fold = (np.floor(_positions(size[development]) * n_folds).astype(int) + shift) % n_folds
        part[development] = in_fold
    fold = part[component]
    _check(unit, component, fold, kind=kind, events=events, held_out=held_out, n_folds=n_folds)
    return Splits(split=np.where(fold < 0, HELD_OUT, DEVELOPMENT).astype(object), fold=fold)


def _strata(
    component: Int[np.ndarray, "member"], kind: Shaped[np.ndarray, "member"], n_components: int
) -> Int[np.ndarray, "component"]:
    """Kind of each component, the rarest it contains."""
    names, code = np.unique(kind.astype(str), return_inverse=True)
    commonest_first = np.argsort(-np.bincount(code, minlength=len(names)), kind="stable")
    stratum = np.zeros(n_components, dtype=np.int64)
    for value in commonest_first.tolist():
        stratum[component[code == value]] = value  # rarer kinds overwrite
    return stratum


def _positions(size: Int[np.ndarray, "component"]) -> Float[np.ndarray, "component"]:
    """Middle of each component on a line of length 1 on which they lie end to end."""
    middle: Float[np.ndarray, "component"] = (np.cumsum(size) - size / 2) / max(int(size.sum()), 1)
    return middle


def _is_held_out(size: Int[np.ndarray, "component"], held_out: float) -> Bool[np.ndarray, "component"]:
    return _positions(size) < held_out


def _check(
    unit: Int[np.ndarray, "member"],
    component: Int[np.ndarray, "member"],
    fold: Int[np.ndarray, "member"],
    *,
    kind: Shaped[np.ndarray, "member"],
    events: Sequence[str],
    held_out: float,
    n_folds: int,
) -> None:
    parts = ([-1] if held_out > 0 else []) + list(range(n_folds))
    for event in events:
        own = kind == event
        if all((fold[own] == part).any() for part in parts):
            continue
        quantity = f"{event} in {'the held-out part and ' if held_out > 0 else ''}each of {n_folds} folds"
        n_units, needed = len(np.unique(unit[own])), _fewest(held_out, n_folds)
        if n_units < needed:
            raise TooFewEventsError(quantity, found=n_units, needed=needed, where="splits")
        raise CohortError(
            expected=quantity,
            found=f"{n_units} sets that share women and so make {len(np.unique(component[own]))} groups",
            where="splits",
            remedy="Lower max_control_uses or ratio, forbid later cases as controls, or take fewer folds",
        )


def _fewest(held_out: float, n_folds: int) -> int:
    """The smallest number of events that reaches every part."""
    n = n_folds
    while True:
        n_held_out = int(_is_held_out(np.ones(n, dtype=np.int64), held_out).sum())
        if n - n_held_out >= n_folds and (n_held_out > 0 or held_out == 0):
            return n
        n += 1
