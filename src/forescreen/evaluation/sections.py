"""What is measured on every sample of cases and controls: concordance, odds ratio, curve, distribution.

In: a sample, the scores of each model on it. Out: plain rows, added to the sections of the results.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from .measures import Notes, Sample, Scores, odds_ratio_per_sd, roc
from .pooled import pooled_comparisons, pooled_odds_ratio_per_sd

#: Vertices of a curve that are kept for drawing.
_VERTICES = 401


def measure_sample(
    results: dict[str, Any],
    sample: Sample,
    scores: dict[str, Scores],
    *,
    case_type: str,
    notes: Notes,
    binary: Sample | None = None,
    binary_members: Bool[np.ndarray, "member"] | None = None,
    imputed: Mapping[str, Float[np.ndarray, "imputation member"]] | None = None,
) -> None:
    """Add the rows of one case type to main, comparisons, roc and distributions.

    Where `sample` has follow-up, `binary` is the same sample reduced to the cases and controls at the horizon
    (members `binary_members`), from which odds ratio, curve and distribution are taken. `imputed` are the
    scores of some models in each imputation: their concordances, differences and odds ratios are pooled over
    them, and curve and distribution are those of the mean score.
    """
    plain = sample if binary is None else binary
    imputed = imputed or {}
    singles, pairs = pooled_comparisons(sample, scores, imputed, case_type, notes)
    for key, score in scores.items():
        part = score if binary_members is None else score[binary_members]
        c = singles[key]
        measure = partial(odds_ratio_per_sd, plain, part)
        if key in imputed:
            parts = imputed[key] if binary_members is None else imputed[key][:, binary_members]
            measure = partial(pooled_odds_ratio_per_sd, plain, parts)
        odds = notes.attempt(f"{key}, {case_type}", measure)
        results["main"].append(
            {
                "model": key,
                "case_type": case_type,
                "concordance": c.as_dict() if c else None,
                "odds_ratio": odds.as_dict() if odds else None,
                "n_sets": sample.n_sets,
                "n_members": len(score),
            }
        )
        curve = roc(plain, part).thinned(_VERTICES)
        results["roc"].append(
            {
                "model": key,
                "case_type": case_type,
                "fpr": np.round(curve.fpr, 5).tolist(),
                "tpr": np.round(curve.tpr, 5).tolist(),
                "auc": (c or curve.auc).as_dict(),
            }
        )
        results["distributions"] += _distribution(key, case_type, part, plain.case)
    for (a, b), difference in pairs.items():
        results["comparisons"].append(
            {
                "model_a": a,
                "model_b": b,
                "case_type": case_type,
                "difference": difference.as_dict() if difference else None,
            }
        )


def _distribution(
    key: str, case_type: str, score: Scores, case: Bool[np.ndarray, "member"]
) -> list[dict[str, Any]]:
    """Histograms of cases and controls in control standard deviations from the control mean."""
    controls = score[~case]
    spread = float(np.std(controls)) or 1.0
    z = (score - float(np.mean(controls))) / spread
    low, high = np.quantile(z, [0.002, 0.998])
    edges = np.linspace(float(low), float(high), 25)
    rows = []
    for group, chosen in (("control", ~case), ("case", case)):
        counts, _ = np.histogram(np.clip(z[chosen], edges[0], edges[-1]), bins=edges)
        rows.append(
            {
                "model": key,
                "case_type": case_type,
                "group": group,
                "edges": np.round(edges, 4).tolist(),
                "counts": counts.tolist(),
            }
        )
    return rows
