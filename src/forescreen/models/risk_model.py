"""The network that turns an exam into risk: encoder, fusion, head; and the predictor made of it.

model = RiskModel(network, image_shape=(128, 104))
score = model(exam)        # ExamTensor -> Score
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from jaxtyping import Bool, Float
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from torch import Tensor, nn

from ..errors import ConfigError
from ..records import Score
from .encoder import EncoderConfig, TextureEncoder, TextureEncoderConfig, build_encoder
from .fusion import AttentionFusionConfig, FusionConfig, build_fusion
from .heads import HeadConfig, ModesHead
from .predictor import Prediction, PreparedExam, score_exams


@dataclass(frozen=True, kw_only=True)
class RiskNetworkConfig:
    """What makes a network: every number of its architecture."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    encoder: Annotated[EncoderConfig, Field(discriminator="kind")] = field(
        default_factory=TextureEncoderConfig
    )
    fusion: Annotated[FusionConfig, Field(discriminator="kind")] = field(
        default_factory=AttentionFusionConfig
    )
    head: HeadConfig = field(default_factory=HeadConfig)


def read_network_config(value: object, *, where: str) -> RiskNetworkConfig:
    """A config from plain JSON values; raises ConfigError for unknown or missing keys and wrong types."""
    try:
        return TypeAdapter(RiskNetworkConfig).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            expected="a network config",
            found=f"{'.'.join(map(str, first['loc'])) or 'value'}: {first['msg']}",
            where=where,
            remedy="Use the version of forescreen that wrote it",
        ) from error


class RiskNetwork(nn.Module):
    """Images of an exam to log relative hazards, trainable."""

    def __init__(self, config: RiskNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder)
        self.fusion = build_fusion(config.encoder.embedding, config.fusion)
        self.head = ModesHead(self.fusion.width, config.head)
        self.density = nn.Linear(config.encoder.embedding, 1)  # auxiliary read-out, used in training only

    def forward(
        self, images: Float[Tensor, "exam view row column"], present: Bool[Tensor, "exam view"]
    ) -> Float[Tensor, "exam mode"]:
        hazards: Tensor = self.head(self.fusion(self.embed(images, present), present))
        return hazards

    def embed(
        self, images: Float[Tensor, "exam view row column"], present: Bool[Tensor, "exam view"]
    ) -> Float[Tensor, "exam view embedding"]:
        """Embedding of every view; 0 where a view is missing. Missing views are not computed."""
        return self._placed(self.encoder(images[present]), present)

    def embed_statistics(
        self, statistics: Float[Tensor, "image statistic"], present: Bool[Tensor, "exam view"]
    ) -> Float[Tensor, "exam view embedding"]:
        """The same from texture statistics of the views that are there, in the order of `present`."""
        if not isinstance(self.encoder, TextureEncoder):
            raise TypeError("only a texture encoder has statistics")
        return self._placed(self.encoder.embed_statistics(statistics), present)

    def _placed(self, found: Tensor, present: Tensor) -> Tensor:
        found = found.float()
        views = found.new_zeros(*present.shape, found.shape[1])
        views[present] = found
        return views


def build_network(config: RiskNetworkConfig, *, seed: int) -> RiskNetwork:
    """A new network; the same seed gives the same parameters, torch's global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RiskNetwork(config)


@dataclass(frozen=True, eq=False)
class RiskModel:
    """A trained network as a predictor. Evaluation mode: scores do not depend on the batch."""

    network: RiskNetwork
    image_shape: tuple[int, int]

    def __post_init__(self) -> None:
        self.network.eval()
        self.network.requires_grad_(False)

    def __call__(self, exam: PreparedExam) -> Score:
        """The score of one exam; raises ExamError if it has another geometry or no view."""
        return score_exams(self, [exam], device=str(next(self.network.parameters()).device))[0]

    def predict(
        self, images: Float[Tensor, "exam view row column"], present: Bool[Tensor, "exam view"]
    ) -> Prediction:
        hazards = self.network(images, present)
        return Prediction(hazards, torch.full_like(hazards, float("nan")))
