"""How well scores rank cases above controls on the stopping fold: one number per epoch.

Matched designs: matched concordance per mode of detection; unmatched ones: AUC. The two modes are averaged by
their information, which near 0.5 is proportional to the number of cases.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from ..models.losses import OUTCOME_CODES
from ..records import Outcome
from .dataset import StudyRows


def stopping_concordance(
    study: StudyRows, rows: Int[np.ndarray, " row"], log_hazards: Float[np.ndarray, "row mode"]
) -> float:
    """Concordance over the case types among `rows`, each case counting once; 0.5 without any case.

    For a cancer of unknown mode the score is the log of the summed hazards. This is the point estimate
    of `forescreen.statistics.matched`, without its interval and without its refusal of few sets: a fold
    may hold very few interval cancers.
    """
    outcome = study.outcome[rows]
    score_of = {
        OUTCOME_CODES[Outcome.SCREEN_DETECTED]: log_hazards[:, 0],
        OUTCOME_CODES[Outcome.INTERVAL]: log_hazards[:, 1],
        OUTCOME_CODES[Outcome.CANCER]: np.logaddexp(log_hazards[:, 0], log_hazards[:, 1]),
    }
    groups = study.set_index[rows] if study.matched else np.zeros(len(rows), np.int64)
    order = np.argsort(groups, kind="stable")
    votes: list[float] = []
    for members in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        controls = members[outcome[members] == 0]
        if not len(controls):
            continue
        for case in members[outcome[members] > 0]:
            score = score_of[int(outcome[case])]
            above = (score[case] > score[controls]).mean()
            votes.append(float(above + 0.5 * (score[case] == score[controls]).mean()))
    return float(np.mean(votes)) if votes else 0.5
