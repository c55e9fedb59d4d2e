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
from ..statistics.time_auc import case_type_time_auc_difference
from .at_horizon import AtHorizon
from .joined import Joined
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


def compare_modes(
    joined: Joined,
    screen: tuple[AtHorizon, dict[str, Scores]],
    interval: tuple[AtHorizon, dict[str, Scores]],
    *,
    notes: Notes,
) -> list[dict[str, Any]]:
    """The same for joined predictions, by the main horizon where there are times."""
    (at_screen, screen_scores), (at_interval, interval_scores) = screen, interval
    if at_screen.sample.follow_up is None:
        return mode_comparisons(
            joined.table,
            Judged(at_screen.members, screen_scores),
            Judged(at_interval.members, interval_scores),
            matched=joined.outcomes.matched,
            notes=notes,
        )
    found = []
    for key in (key for key in screen_scores if key in interval_scores):
        difference = notes.attempt(
            f"{key}, {Outcome.SCREEN_DETECTED} − {Outcome.INTERVAL}",
            partial(
                _under_follow_up,
                at_screen.sample,
                at_interval.sample,
                screen_scores[key],
                interval_scores[key],
            ),
        )
        if difference is not None:
            found.append({"model": key, "difference": difference.as_dict()})
    return found


def _under_follow_up(a: Sample, b: Sample, score_a: Scores, score_b: Scores) -> Estimate:
    assert a.follow_up is not None
    assert b.follow_up is not None
    return case_type_time_auc_difference(
        score_a,
        score_b,
        a.follow_up.time,
        event_a=a.follow_up.event,
        event_b=b.follow_up.event,
        horizon=a.follow_up.horizon,
        cluster=a.women,
        weights=a.weights,
    )
