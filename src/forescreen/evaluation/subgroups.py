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
from jaxtyping import Bool

from .measures import Notes, Sample, Scores, concordance
from .plan import EvaluationPlan


def subgroup_concordance(
    members: pd.DataFrame,
    scores: dict[str, Scores],
    *,
    case_type: str,
    matched: bool,
    plan: EvaluationPlan,
) -> list[dict[str, Any]]:
    """Concordance of each model in each subgroup, on members of one case type (all complete)."""
    rows: list[dict[str, Any]] = []
    case = np.asarray(members["outcome"] == case_type)
    for variable in plan.subgroups:
        level = _levels(members, variable, plan)
        if level is None:
            continue
        for value in _in_order(level, variable, plan):
            inside = np.asarray(level == value)
            if matched:
                inside &= _whole_sets(members["set_id"].to_numpy(), case, inside)
            sample = Sample.of(members[inside], case_type, matched=matched)
            suppressed = sample.n_sets < plan.suppress_below
            for key, score in scores.items():
                figure = None
                if not suppressed:
                    figure = Notes().attempt(value, partial(concordance, sample, score[inside]))
                rows.append(
                    {
                        "variable": variable,
                        "level": value,
                        "model": key,
                        "case_type": case_type,
                        "concordance": figure.as_dict() if figure else None,
                        "n_sets": sample.n_sets,
                        "suppressed": suppressed,
                    }
                )
    return rows


def _whole_sets(
    sets: np.ndarray, case: Bool[np.ndarray, "member"], inside: Bool[np.ndarray, "member"]
) -> Bool[np.ndarray, "member"]:
    """Members of sets that have their case and a control inside."""
    whole = np.intersect1d(sets[inside & case], sets[inside & ~case])
    return np.isin(sets, whole)


def _in_order(level: np.ndarray, variable: str, plan: EvaluationPlan) -> list[str]:
    """The levels that occur; ages from young to old, others by name."""
    present = {v for v in level if isinstance(v, str) and v}
    if variable == "age":
        return [name for name, _, _ in _age_bands(plan) if name in present]
    return sorted(present)


def _age_bands(plan: EvaluationPlan) -> list[tuple[str, int, int]]:
    """(name, from, below) of each age band."""
    bands = []
    for low, high in pairwise((0, *plan.age_bands, 200)):
        name = f"under {high}" if low == 0 else f"{low} and over" if high == 200 else f"{low}–{high - 1}"
        bands.append((name, low, high))
    return bands


def _levels(members: pd.DataFrame, variable: str, plan: EvaluationPlan) -> np.ndarray | None:
    if variable not in members or not members[variable].notna().any():
        return None
    if variable != "age":
        return members[variable].map(lambda v: v if isinstance(v, str) else "").to_numpy(object)
    ages = members["age"].to_numpy(float)
    result = np.full(len(ages), "", dtype=object)
    for name, low, high in _age_bands(plan):
        result[(ages >= low) & (ages < high)] = name
    return result
