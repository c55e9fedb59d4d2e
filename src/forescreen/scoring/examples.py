"""Example exams for the report: the mammograms with what the score looked at.

In: a model, the image store, members and their scores. Out: `examples.json` with base64 pictures, so that
the evaluation and the report need no torch. Chosen by rank, not by taste: the highest-scored case of each
type, the lowest-scored case, and the highest, middle and lowest control.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..files import write_json
from ..images.picture import encode_png, overlay_png
from ..images.store import Store
from ..models.checkpoint import load_model
from ..models.saliency import saliency
from ..records import STANDARD_VIEWS, Laterality, Outcome


def export_examples(
    model: Path, store: Store, members: pd.DataFrame, scores: pd.DataFrame, out: Path, *, device: str = "cpu"
) -> int:
    """Write the example exams of the scored members to `out`; returns how many.

    `scores` has exam_id and the two scores; members without a score are not shown.
    """
    predictor = load_model(model, device=device)
    joined = members.merge(scores.drop(columns="woman_id", errors="ignore"), on="exam_id", how="inner")
    joined["any"] = np.logaddexp(joined["score_screen_detected"], joined["score_interval"])
    joined["percentile"] = joined["any"].rank(pct=True) * 100
    examples: list[dict[str, Any]] = []
    for title, row in _choose(joined):
        exam = store.exam(row["exam_id"])
        mode = Outcome.INTERVAL if row["outcome"] == Outcome.INTERVAL else Outcome.SCREEN_DETECTED
        maps = saliency(predictor, exam, mode, device=device)
        crop = _breasts(exam.images)
        views = [
            {
                "label": f"{'Left' if laterality == Laterality.LEFT else 'Right'} {view}",
                "image_png": encode_png(_hang(exam.images[i][crop], laterality)),
                "saliency_png": overlay_png(
                    _hang(maps[i][crop], laterality), ceiling=max(float(maps.max()), 1e-9)
                ),
            }
            for i, laterality, view in _HANGING
            if exam.present[i]
        ]
        examples.append(
            {
                "title": title,
                "outcome": str(row["outcome"]),
                "score_percentile": round(float(row["percentile"]), 1),
                "views": views,
            }
        )
    write_json(out, examples)
    return len(examples)


#: The order of a reading room: right and left CC, right and left MLO.
_HANGING = sorted(
    ((i, laterality, view) for i, (laterality, view) in enumerate(STANDARD_VIEWS)),
    key=lambda slot: (slot[2], slot[1] != Laterality.RIGHT),
)


def _breasts(images: np.ndarray, margin: int = 4) -> tuple[slice, slice]:
    """The part of the canvas that holds all breasts of the exam, the chest wall at its left edge."""
    rows = np.flatnonzero(images.max(axis=(0, 2)) > 0)
    columns = np.flatnonzero(images.max(axis=(0, 1)) > 0)
    return slice(max(0, rows[0] - margin), rows[-1] + 1 + margin), slice(0, columns[-1] + 1 + margin)


def _hang(image: np.ndarray, laterality: Laterality) -> np.ndarray:
    """Chest walls back to back: the store keeps every chest wall on the left, so right breasts turn."""
    return np.ascontiguousarray(image[:, ::-1]) if laterality == Laterality.RIGHT else image


def _choose(joined: pd.DataFrame) -> list[tuple[str, pd.Series[Any]]]:
    cases = joined[joined["outcome"] != Outcome.NONE].sort_values(["any", "exam_id"])
    controls = joined[joined["outcome"] == Outcome.NONE].sort_values(["any", "exam_id"])
    chosen: list[tuple[str, pd.Series[Any]]] = []
    for outcome in Outcome:
        of_type = cases[cases["outcome"] == outcome]
        if len(of_type):
            chosen.append((f"Highest-scored {_NAMES[outcome]}", of_type.iloc[-1]))
    if len(cases) > 2:
        chosen.append(("Lowest-scored case: missed by the score", cases.iloc[0]))
    if len(controls):
        chosen.append(("Highest-scored control: a false alarm", controls.iloc[-1]))
    if len(controls) > 2:
        chosen.append(("Control in the middle", controls.iloc[len(controls) // 2]))
        chosen.append(("Lowest-scored control", controls.iloc[0]))
    return chosen


_NAMES = {
    Outcome.SCREEN_DETECTED: "screen-detected case",
    Outcome.INTERVAL: "interval case",
    Outcome.CANCER: "case",
}
