"""Does the score work for everybody: concordance by density, age, race and machine.

A subgroup holds the women who are in it, cases and controls alike; sets that lose their case or all their
controls by that leave it. (Taking a set by its case's density alone would compare cases of one density with
controls of all, which says nothing about the score.) Cells with too few sets are suppressed: shown as counts
without a figure, so that nobody reads noise and nobody is recognised.
"""

from __future__ import annotations

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
) -> list[dict[str, Any]]:
    """Concordance of each model in each subgroup; `sample` is that of the members, row by row."""
    rows: list[dict[str, Any]] = []
    for variable in variables:
        level = subgroup_levels(members, variable, age_bands)
        if level is None:
            continue
        samples = {}
        for value in levels_in_order(level, variable, age_bands):
            inside = np.asarray(level == value)
            inside = whole_sets(sample.part(inside), inside)
            samples[value] = (inside, sample.part(inside))
        suppressed = suppressed_levels({v: s.n_sets for v, (_, s) in samples.items()}, suppress_below)
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


def suppressed_levels(counts: dict[str, int], below: int) -> set[str]:
    """Levels whose count must not be shown: those below the limit, and one more where a single one is.

    A single hidden cell could be told from the total, so the next smallest is hidden with it.
    """
    hidden = {level for level, n in counts.items() if n < below}
    if len(hidden) == 1 and len(counts) > 1:
        (alone,) = hidden
        if counts[alone] > 0:
            hidden.add(min((level for level in counts if level != alone), key=lambda level: counts[level]))
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
