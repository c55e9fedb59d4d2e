"""Does the score work for everybody: concordance by density, age, race and machine.

A subgroup holds the women who are in it, cases and controls alike; sets that lose their case or all their
controls by that leave it. (Taking a set by its case's density alone would compare cases of one density with
controls of all, which says nothing about the score.) Cells with too few sets are suppressed: shown as counts
without a figure, so that nobody reads noise and nobody is recognised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Shaped

from .measures import Notes, Sample, Scores, concordance


def subgroup_concordance(
    members: pd.DataFrame,
    scores: dict[str, Scores],
    *,
    case_type: str,
    sample: Sample,
    variables: tuple[str, ...],
    age_bands: tuple[int, ...],
    suppress_below: int,
    hidden: Mapping[str, set[str]] | None = None,
) -> list[dict[str, Any]]:
    """Concordance of each model in each subgroup; `sample` is that of the members, row by row.

    `hidden` are levels that are suppressed by variable, where it was decided for all kinds of cancer
    together.
    """
    rows: list[dict[str, Any]] = []
    for variable in variables:
        samples = _samples(members, sample, variable, age_bands)
        if hidden is None:
            counts = {v: s.n_sets for v, (_, s) in samples.items()}
            suppressed = suppressed_levels(counts, suppress_below, add_up=sample.sets is None)
        else:
            suppressed = hidden.get(variable, set())
        for value, (inside, part) in samples.items():
            for key, score in scores.items():
                figure = None
                if value not in suppressed:
                    figure = Notes().attempt(value, partial(concordance, part, score[inside]))
                rows.append(
                    {
                        "variable": variable,
                        "level": value,
                        "model": key,
                        "case_type": case_type,
                        "concordance": figure.as_dict() if figure else None,
                        "n_sets": None if value in suppressed else part.n_sets,
                        "suppressed": value in suppressed,
                    }
                )
    return rows


def hidden_levels(
    parts: Sequence[tuple[pd.DataFrame, Sample]],
    *,
    variables: tuple[str, ...],
    age_bands: tuple[int, ...],
    suppress_below: int,
) -> dict[str, set[str]]:
    """Levels to suppress by variable, for several kinds of cancer together.

    A level that is small for one kind is hidden for all: the kinds add up, and a difference would tell it.
    """
    found: dict[str, set[str]] = {}
    for variable in variables:
        counts = [
            {
                value: part.n_sets
                for value, (_, part) in _samples(members, sample, variable, age_bands).items()
            }
            for members, sample in parts
        ]
        hidden: set[str] = set()
        for _ in range(len(max(counts, key=len, default={})) + 1):
            # What one kind hides may leave another kind with a single hidden level, and so on.
            before = set(hidden)
            for one, (_, sample) in zip(counts, parts, strict=True):
                hidden |= suppressed_levels(one, suppress_below, also=hidden, add_up=sample.sets is None)
            if hidden == before:
                break
        found[variable] = hidden
    return found


def _samples(
    members: pd.DataFrame, sample: Sample, variable: str, age_bands: tuple[int, ...]
) -> dict[str, tuple[Bool[np.ndarray, "member"], Sample]]:
    """Who is in each level of a variable, and the sample that they are; empty without the variable."""
    level = subgroup_levels(members, variable, age_bands)
    samples = {}
    for value in [] if level is None else levels_in_order(level, variable, age_bands):
        inside = np.asarray(level == value)
        inside = whole_sets(sample.part(inside), inside)
        samples[value] = (inside, sample.part(inside))
    return samples


def suppressed_levels(
    counts: Mapping[str, int],
    below: int,
    *,
    also: AbstractSet[str] = frozenset(),
    add_up: bool = True,
) -> set[str]:
    """Levels whose count must not be shown: those below the limit, and more where they could be told.

    Where the levels add up to a total that is shown, the hidden counts follow together from it: so at least
    two levels are hidden, and so many that their sum reaches the limit, the smallest first. Sets that lose a
    member in a subgroup do not add up.
    """
    hidden = {level for level, n in counts.items() if n < below} | (set(also) & set(counts))
    shown = sorted((level for level in counts if level not in hidden), key=lambda level: counts[level])
    while add_up and any(counts[x] > 0 for x in hidden) and shown:
        if len(hidden) >= 2 and sum(counts[x] for x in hidden) >= below:
            break
        hidden.add(shown.pop(0))
    return hidden


def whole_sets(sample: Sample, inside: Bool[np.ndarray, "member"]) -> Bool[np.ndarray, "member"]:
    """Of the members inside, those whose set has a case and a control inside; all without sets."""
    if sample.sets is None:
        return inside
    whole = np.intersect1d(sample.sets[sample.case], sample.sets[~sample.case])
    result = inside.copy()
    result[inside] = np.isin(sample.sets, whole)
    return result


def levels_in_order(
    level: Shaped[np.ndarray, "member"], variable: str, age_bands: tuple[int, ...]
) -> list[str]:
    """The levels that occur; ages from young to old, others by name."""
    present = {v for v in level if isinstance(v, str) and v}
    if variable == "age":
        return [name for name, _, _ in _bands(age_bands) if name in present]
    return sorted(present)


def subgroup_levels(
    members: pd.DataFrame, variable: str, age_bands: tuple[int, ...]
) -> Shaped[np.ndarray, "member"] | None:
    """The level of each member, "" where unknown; None where the column is absent or empty."""
    if variable not in members or not members[variable].notna().any():
        return None
    if variable != "age":
        return members[variable].map(lambda v: v if isinstance(v, str) else "").to_numpy(object)
    ages = members["age"].to_numpy(float)
    result = np.full(len(ages), "", dtype=object)
    for name, low, high in _bands(age_bands):
        result[(ages >= low) & (ages < high)] = name
    return result


def _bands(age_bands: tuple[int, ...]) -> list[tuple[str, int, int]]:
    """(name, from, below) of each age band."""
    bands = []
    for low, high in pairwise((0, *age_bands, 200)):
        name = f"under {high}" if low == 0 else f"{low} and over" if high == 200 else f"{low}–{high - 1}"
        bands.append((name, low, high))
    return bands
