"""Concordances, differences and odds ratios of scores that exist once per imputation, made into one each.

In: a sample, the scores of each model, and for some models their scores in every imputation. Out: what
`measures.compared` gives, pooled by Rubin's rules: concordances on the logit scale, odds ratios on the log
scale, differences as they are. [Rubin1987, Barnard1999]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float

from ..records import Estimate
from ..statistics.imputation import pooled_estimate, pooled_ratio, pooled_share
from .measures import Notes, Sample, Scores, compared, odds_ratio_per_sd

Imputed = Mapping[str, Float[np.ndarray, "imputation member"]]


def pooled_comparisons(
    sample: Sample, scores: dict[str, Scores], imputed: Imputed, where: str, notes: Notes
) -> tuple[dict[str, Estimate | None], dict[tuple[str, str], Estimate | None]]:
    """`measures.compared`, where models in `imputed` have a score per imputation.

    None, with a note, where an imputation gives no estimate. Models without imputed factors are measured
    once; in differences from those that do, they stand beside every imputation.
    """
    if not imputed:
        return compared(sample, scores, where, notes)
    runs = [
        compared(
            sample, {key: imputed[key][i] if key in imputed else s for key, s in scores.items()}, where, notes
        )
        for i in range(min(len(values) for values in imputed.values()))
    ]
    singles = {
        key: _pooled([run[0][key] for run in runs], pooled_share, f"{key}, {where}", notes)
        if key in imputed
        else runs[0][0][key]
        for key in scores
    }
    pairs = {
        (a, b): _pooled([run[1][a, b] for run in runs], pooled_estimate, f"{a} − {b}, {where}", notes)
        if a in imputed or b in imputed
        else runs[0][1][a, b]
        for a, b in runs[0][1]
    }
    return singles, pairs


def pooled_odds_ratio_per_sd(sample: Sample, scores: Float[np.ndarray, "imputation member"]) -> Estimate:
    """Odds ratio per control SD of a score, pooled over the imputations. Raises InputError as
    `measures.odds_ratio_per_sd` does."""
    return pooled_ratio([odds_ratio_per_sd(sample, score) for score in scores])


def _pooled(
    estimates: Sequence[Estimate | None], pool: Callable[..., Estimate], label: str, notes: Notes
) -> Estimate | None:
    found = [estimate for estimate in estimates if estimate is not None]
    if len(found) < len(estimates):
        return None  # the reason is among the notes already
    return notes.attempt(label, partial(pool, found))
