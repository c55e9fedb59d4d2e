"""Does the score work for everybody: concordance by density, age, race and machine.

A matched set belongs to the subgroup of its case: race and machine are matched, age nearly so, and for
density the case's category decides whatever her controls have. Cells with too few sets are suppressed:
shown as counts without a figure, so that nobody reads noise and nobody is recognised.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

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
        if matched:
            own = pd.Series(level[case], index=members.loc[case, "set_id"])
            level = members["set_id"].map(own).to_numpy(object)
        for value in sorted({v for v in level if isinstance(v, str) and v}):
            inside = np.asarray(level == value)
            sample = Sample(case=case[inside], sets=members["set_id"].to_numpy()[inside] if matched else None)
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


def _levels(members: pd.DataFrame, variable: str, plan: EvaluationPlan) -> np.ndarray | None:
    if variable not in members or not members[variable].notna().any():
        return None
    if variable != "age":
        return members[variable].map(lambda v: v if isinstance(v, str) else "").to_numpy(object)
    ages = members["age"].to_numpy(float)
    edges = (0, *plan.age_bands, 200)
    result = np.full(len(ages), "", dtype=object)
    for low, high in pairwise(edges):
        name = f"under {high}" if low == 0 else f"{low} and over" if high == 200 else f"{low}–{high - 1}"
        result[(ages >= low) & (ages < high)] = name
    return result
