"""Does a score separate one mode of detection better than the other: screen-detected minus interval.

In matched designs the two modes have sets of their own, and the estimates are independent as long as no
woman is in sets of both. Without sets both modes share their controls, and the difference takes the
covariance through them into account.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from ..records import Estimate, Outcome
from ..statistics.discrimination import case_type_auc_difference
from ..statistics.matched import independent_difference
from .measures import Notes, Sample, Scores, concordance, repeated_women


@dataclass(frozen=True, eq=False)
class Judged:
    """One mode: which members it is judged on, and the scores of every member by model."""

    rows: Bool[np.ndarray, "member"]
    predictions: dict[str, Scores]


def mode_comparisons(
    members: pd.DataFrame, screen: Judged, interval: Judged, *, matched: bool, notes: Notes
) -> list[dict[str, Any]]:
    """The difference for each model that predicts both modes; none where sets of both share women."""
    women = members["woman_id"]
    n_shared = len(set(women[screen.rows]) & set(women[interval.rows])) if matched else 0
    if n_shared:
        notes.add(
            f"Modes of detection are not compared: {n_shared} women are in sets of both, "
            "so that the two estimates are not independent."
        )
        return []
    found = []
    for key in screen.predictions:
        if key not in interval.predictions:
            continue
        measure = _of_sets if matched else _with_shared_controls
        difference = notes.attempt(
            f"{key}, {Outcome.SCREEN_DETECTED} − {Outcome.INTERVAL}",
            partial(measure, members, key, screen, interval),
        )
        if difference is not None:
            found.append({"model": key, "difference": difference.as_dict()})
    return found


def _of_sets(members: pd.DataFrame, key: str, screen: Judged, interval: Judged) -> Estimate:
    a, b = (
        concordance(Sample.of(members[mode.rows], case_type, matched=True), mode.predictions[key][mode.rows])
        for mode, case_type in ((screen, Outcome.SCREEN_DETECTED), (interval, Outcome.INTERVAL))
    )
    return independent_difference(a, b)


def _with_shared_controls(members: pd.DataFrame, key: str, screen: Judged, interval: Judged) -> Estimate:
    a, b = screen.predictions[key], interval.predictions[key]
    used = (screen.rows | interval.rows) & np.isfinite(a) & np.isfinite(b)
    outcome = members["outcome"][used]
    return case_type_auc_difference(
        a[used],
        b[used],
        case_a=np.asarray(outcome == Outcome.SCREEN_DETECTED),
        case_b=np.asarray(outcome == Outcome.INTERVAL),
        cluster=repeated_women(members[used]),
    )
