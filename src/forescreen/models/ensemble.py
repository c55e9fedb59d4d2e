"""Several predictors as one: the mean of their scores, and how far they disagree."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import ConfigError
from ..records import Score
from .encoder import TextureEncoder
from .predictor import Prediction, Predictor, PreparedExam, score_exams
from .risk_model import RiskModel


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
        hazards = torch.stack(self._by_member(images, present))
        if self.origins:
            hazards = hazards - hazards.new_tensor(self.origins).unsqueeze(1)
        if len(self.members) == 1:
            return Prediction(hazards[0], torch.full_like(hazards[0], float("nan")))
        return Prediction(hazards.mean(dim=0), hazards.std(dim=0))

    def _by_member(self, images: Tensor, present: Tensor) -> list[Tensor]:
        """Log hazards of each member. Texture statistics take nearly all the time: networks that share
        their filters share them."""
        statistics: dict[str, Tensor] = {}
        found = []
        for member in self.members:
            network = member.network if isinstance(member, RiskModel) else None
            if network is None or not isinstance(network.encoder, TextureEncoder):
                found.append(member.predict(images, present).log_hazards)
                continue
            key = network.encoder.filter_key()
            if key not in statistics:
                statistics[key] = network.encoder.statistics(images[present])
            views = network.embed_statistics(statistics[key], present)
            found.append(network.head(network.fusion(views, present)))
        return found
