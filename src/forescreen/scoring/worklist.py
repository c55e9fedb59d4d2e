"""The worklist: exams ranked for a second reader, highest score first.

Research use. The rank is by the summed relative hazards of both modes of detection; `top_share` names the
smallest of the usual shares (1, 2, 5, 10, 20 %) an exam falls into, so that a reading session can take the
top 5 % and stop.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..files import write_csv

SHARES = (1, 2, 5, 10, 20)


def write_worklist(scores: pd.DataFrame, out_csv: Path) -> pd.DataFrame:
    """Rank the exams of a scores table into `out_csv`; ties keep the order of exam_id."""
    any_cancer = np.logaddexp(scores["score_screen_detected"], scores["score_interval"])
    table = scores.assign(score=any_cancer).sort_values(["score", "exam_id"], ascending=[False, True])
    rank = np.arange(1, len(table) + 1)
    percentile = 100 * (1 - (rank - 0.5) / max(len(table), 1))
    share = np.full(len(table), "", dtype=object)
    for percent in sorted(SHARES, reverse=True):
        share[rank <= max(1, round(len(table) * percent / 100))] = f"top {percent} %"
    worklist = pd.DataFrame(
        {
            "rank": rank,
            "exam_id": table["exam_id"].to_numpy(),
            "percentile": np.round(percentile, 2),
            "top_share": share,
            "suggested_use": np.where(share != "", "second reader", ""),
            "score": table["score"].to_numpy(),
            "score_screen_detected": table["score_screen_detected"].to_numpy(),
            "score_interval": table["score_interval"].to_numpy(),
            "spread_screen_detected": table["spread_screen_detected"].to_numpy(),
            "spread_interval": table["spread_interval"].to_numpy(),
            "n_views": table["n_views"].to_numpy(),
        }
    )
    write_csv(out_csv, worklist)
    return worklist
