"""How much is missing: of every clinical factor, how many women have it unknown, by outcome.

In: the members, the factors of the plan, the method of the plan. Out: the account that stands in the results
and on the page: which method was used, the women with an unknown factor, and the sets that complete cases
would lose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..clinical.covariates import unknown_by_factor
from ..records import Outcome
from .outcome_times import DEATH
from .plan import MULTIPLE_IMPUTATION
from .subgroups import suppressed_levels

_LABELS = {
    "age": "Age",
    "bmi": "Body-mass index",
    "family_history": "First-degree family history",
    "breast_biopsy": "Previous breast biopsy",
    "first_birth": "Births and age at the first",
    "menarche_age": "Age at menarche",
    "menopause": "Menopausal status",
    "hormone_therapy": "Hormone therapy",
    "density": "BI-RADS density",
    "percent_density": "Percent density",
}
_OUTCOMES = {
    Outcome.NONE.value: "Controls",
    Outcome.SCREEN_DETECTED.value: "Screen-detected",
    Outcome.INTERVAL.value: "Interval",
    Outcome.CANCER.value: "Cancer",
    DEATH: "Died without cancer",
}


def missing_account(
    members: pd.DataFrame,
    factors: tuple[str, ...],
    *,
    method: str,
    n_imputations: int,
    matched: bool,
    also: tuple[str, ...] = (),
    suppress_below: int = 0,
    hidden: Mapping[str, set[str]] | None = None,
) -> dict[str, Any]:
    """The account as plain values: method, n_imputations (None unless they were made), n, n_incomplete,
    n_sets and n_sets_lost (matched), columns (label, n), factors (factor, label, n_unknown by column).

    `also` are factors that are counted and no covariate of the models: nobody is incomplete for want of them.
    A count is None where it, or what it would tell of another, is below `suppress_below`; `hidden` are levels
    by factor that are suppressed elsewhere.
    """
    unknown = unknown_by_factor(members, tuple(dict.fromkeys((*factors, *also))))
    incomplete = np.zeros(len(members), dtype=bool)
    for factor in factors:
        incomplete |= unknown[factor]
    outcome = members["outcome"].to_numpy(dtype=object)
    outcomes = [name for name in _OUTCOMES if (outcome == name).any()]
    account: dict[str, Any] = {
        "method": method,
        "n_imputations": n_imputations if method == MULTIPLE_IMPUTATION and incomplete.any() else None,
        "n": len(members),
        "n_incomplete": _shown(int(incomplete.sum()), len(members), suppress_below),
        "columns": [{"label": _OUTCOMES[o], "n": int((outcome == o).sum())} for o in outcomes],
        "factors": [
            {
                "factor": factor,
                "label": _LABELS[factor],
                "n_unknown": [
                    _count(members[outcome == o], factor, rows[outcome == o], suppress_below, hidden or {})
                    for o in outcomes
                ],
            }
            for factor, rows in unknown.items()
        ],
    }
    if matched:
        case = outcome != Outcome.NONE.value
        sets = members["set_id"].to_numpy(dtype=object).astype(str)
        before, after = (
            len(np.intersect1d(sets[rows & case], sets[rows & ~case]))
            for rows in (np.ones(len(members), dtype=bool), ~incomplete)
        )
        account |= {"n_sets": before, "n_sets_lost": _shown(before - after, before, suppress_below)}
    return account


def _count(
    members: pd.DataFrame,
    factor: str,
    unknown: np.ndarray,
    suppress_below: int,
    hidden: Mapping[str, set[str]],
) -> int | None:
    """Unknown among the members; None where Table 1 hides them, or levels from which they could be told."""
    n = int(unknown.sum())
    if not suppress_below:
        return n
    counts = {"": n, "known": len(members) - n}
    if factor in members and members[factor].dtype.kind not in "fiu":
        text = members[factor].fillna("").astype(str)
        counts = {str(level): int(count) for level, count in text.value_counts().items()}
    present = {level: count for level, count in counts.items() if count}
    return None if "" in suppressed_levels(present, suppress_below, also=hidden.get(factor, set())) else n


def _shown(n: int, total: int, suppress_below: int) -> int | None:
    return None if 0 < n < suppress_below or 0 < total - n < suppress_below else n
