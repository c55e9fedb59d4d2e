"""Who is found by reading the top of the ranking: capture and positive predictive value.

The population is the judged women, controls weighted to the women they were sampled from. PPV counts women
who become a case of this study; it is no risk at a fixed horizon.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..records import Outcome
from ..statistics.triage import capture, positive_predictive_value
from .measures import Notes, Scores
from .plan import EvaluationPlan


def capture_table(
    members: pd.DataFrame,
    scores: dict[str, Scores],
    *,
    case_type: Outcome,
    plan: EvaluationPlan,
    notes: Notes,
) -> list[dict[str, Any]]:
    """Capture and PPV of each model in each top share, cases of one type against all controls.

    Without sampling weights the share of cases is the design's and not the population's: then PPV is None.
    """
    finite = np.logical_and.reduce([np.isfinite(s) for s in scores.values()])
    rows = np.asarray(finite & members["outcome"].isin([case_type, Outcome.NONE]))
    chosen = members[rows]
    case = np.asarray(chosen["outcome"] == case_type)
    weights = chosen["weight"].to_numpy(float) if "weight" in chosen else np.ones(len(chosen))
    weighted = bool(len(weights)) and bool(np.ptp(weights) > 0)
    table: list[dict[str, Any]] = []
    for key, score in scores.items():
        for fraction in plan.fractions:
            label = f"capture in the top {fraction:.0%}, {key}, {case_type}"
            figures = {
                name: notes.attempt(
                    label,
                    partial(
                        measure,
                        score[rows],
                        case,
                        fraction=fraction,
                        weights=weights,
                        cluster=chosen["woman_id"].to_numpy(),
                        n_resamples=plan.n_resamples,
                    ),
                )
                for name, measure in (("capture", capture), ("ppv", positive_predictive_value))
                if name == "capture" or weighted
            }
            captured, ppv = figures["capture"], figures.get("ppv")
            if captured is not None:
                table.append(
                    {
                        "model": key,
                        "case_type": str(case_type),
                        "fraction": fraction,
                        "capture": captured.as_dict(),
                        "ppv": ppv.as_dict() if ppv else None,
                    }
                )
    return table
