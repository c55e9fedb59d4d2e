"""The one interface of everything that scores exams: a batch of exams in, log relative hazards out.

Networks, ensembles and recalibrations all satisfy `Predictor`; the last two wrap another predictor and
never inherit from it. Whoever trains, scores or explains knows this page and nothing else of a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import ExamError
from ..records import STANDARD_VIEWS, Outcome, Score

#: Order of the last axis of every prediction.
MODES: tuple[Outcome, ...] = (Outcome.SCREEN_DETECTED, Outcome.INTERVAL)
N_VIEWS = len(STANDARD_VIEWS)


@runtime_checkable
class PreparedExam(Protocol):
    """What a model needs of an exam: its views in the order of STANDARD_VIEWS, and which are there.

    `images` are float32 in [0, 1] with exactly 0 outside the breast; a missing view is all 0.
    """

    @property
    def images(self) -> Float[np.ndarray, "view row column"]: ...

    @property
    def present(self) -> Bool[np.ndarray, " view"]: ...


@dataclass(frozen=True, eq=False)
class Prediction:
    """Log relative hazards per mode of detection, and how far the members of an ensemble disagree."""

    log_hazards: Float[Tensor, "exam mode"]
    spread: Float[Tensor, "exam mode"]  # standard deviation over members; nan for a single model


@runtime_checkable
class Predictor(Protocol):
    """Turns a batch of exams into log relative hazards; higher is more risk, the origin is arbitrary.

    `rows` and `columns` are the only image size it accepts. `predict` is differentiable with respect
    to `images`, draws nothing at random, and does not depend on which exams share a batch.
    """

    @property
    def image_shape(self) -> tuple[int, int]: ...

    def predict(
        self, images: Float[Tensor, "exam view row column"], present: Bool[Tensor, "exam view"]
    ) -> Prediction: ...


def score_exams(predictor: Predictor, exams: Sequence[PreparedExam], *, device: str = "cpu") -> list[Score]:
    """Scores of exams, one batch.

    Raises ExamError if an exam has another image size than the predictor was trained for, or no view.
    """
    for position, exam in enumerate(exams):
        check_exam(predictor, exam, where=f"exam {position + 1} of {len(exams)}")
    if not exams:
        return []
    images = torch.from_numpy(np.stack([exam.images for exam in exams]).astype(np.float32)).to(device)
    present = torch.from_numpy(np.stack([exam.present for exam in exams])).to(device)
    with torch.no_grad():
        prediction = predictor.predict(images, present)
    hazards = prediction.log_hazards.double().cpu().tolist()
    # One number for the exam: root mean square of the spreads of its two modes.
    spreads = prediction.spread.double().square().mean(dim=1).sqrt().cpu().tolist()
    return [
        Score(screen_detected=sd, interval=ic, spread=spread)
        for (sd, ic), spread in zip(hazards, spreads, strict=True)
    ]


def check_exam(predictor: Predictor, exam: PreparedExam, *, where: str) -> None:
    """Refuse an exam of another geometry, or without any view."""
    expected = (N_VIEWS, *predictor.image_shape)
    if tuple(exam.images.shape) != expected:
        raise ExamError(
            expected=f"images of shape {expected} (views, rows, columns), as in training",
            found=str(tuple(exam.images.shape)),
            where=where,
            remedy="Prepare the exam with the geometry in the model's card.json",
        )
    if not bool(np.any(exam.present)):
        raise ExamError(expected="at least one view", found="none", where=where)
