"""Several predictors as one: the mean of their scores, and how far they disagree."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import ConfigError
from ..records import Score
from .predictor import Prediction, Predictor, PreparedExam, score_exams


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Mean of log relative hazards over members; spread is their standard deviation (n − 1).

    The members' origins are arbitrary, so each is shifted by its own `origin` first (its mean score in
    training): otherwise the spread would measure nothing but constants.
    """

    members: tuple[Predictor, ...]
    origins: tuple[tuple[float, float], ...] = ()
    device: str = "cpu"

    def __post_init__(self) -> None:
        shapes = {member.image_shape for member in self.members}
        if len(shapes) != 1:
            raise ConfigError(
                expected="members of one image size",
                found=", ".join(map(str, sorted(shapes))) or "no member",
                where="ensemble",
            )
        if self.origins and len(self.origins) != len(self.members):
            raise ConfigError(
                expected=f"{len(self.members)} origins, one per member",
                found=str(len(self.origins)),
                where="ensemble",
            )

    @property
    def image_shape(self) -> tuple[int, int]:
        return self.members[0].image_shape

    def __call__(self, exam: PreparedExam) -> Score:
        """The score of one exam."""
        return score_exams(self, [exam], device=self.device)[0]

    def predict(
        self, images: Float[Tensor, "exam view row column"], present: Bool[Tensor, "exam view"]
    ) -> Prediction:
        hazards = torch.stack([member.predict(images, present).log_hazards for member in self.members])
        if self.origins:
            hazards = hazards - hazards.new_tensor(self.origins).unsqueeze(1)
        if len(self.members) == 1:
            return Prediction(hazards[0], torch.full_like(hazards[0], float("nan")))
        return Prediction(hazards.mean(dim=0), hazards.std(dim=0))
