"""The vector of an exam to log relative hazards: screen-detected and interval, against none = 0.

The two modes share most of their biology, and interval cancers are few: the head learns what they share
and half their contrast, log h = shared ± contrast, so that a penalty on the contrast alone draws the
rarer mode towards the common one. Without penalty this is exactly two free logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor, nn

#: Standardised features are clipped here, as in the encoder.
CLIP = 4.0


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Linear read-out; `standardise` puts the features on one scale first (running mean and SD)."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    standardise: bool = True


class ModesHead(nn.Module):
    """Shared risk and mode contrast, both linear, starting at zero: all exams equal."""

    def __init__(self, width: int, config: HeadConfig) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, affine=False) if config.standardise else nn.Identity()
        self.clip = CLIP if config.standardise else float("inf")
        self.shared = nn.Linear(width, 1)
        self.contrast = nn.Linear(width, 1)
        self.reset()

    def reset(self) -> None:
        """Forget what was learned (the second phase of [Zhu2021] starts with a new last layer)."""
        for layer in (self.shared, self.contrast):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Float[Tensor, "exam feature"]) -> Float[Tensor, "exam mode"]:
        scaled = self._scaled(features)
        shared, contrast = self.shared(scaled), self.contrast(scaled)
        return torch.cat([shared + contrast, shared - contrast], dim=1).float()

    def any_cancer(self, features: Float[Tensor, "exam feature"]) -> Float[Tensor, " exam"]:
        """Logit of any cancer: the one output of the first phase of [Zhu2021]."""
        logit: Tensor = self.shared(self._scaled(features))
        return logit.squeeze(1).float()

    def penalty(self, shared: float, contrast: float) -> Float[Tensor, ""]:
        """Half the squared weights times the precisions of their normal priors (ridge)."""
        return 0.5 * (
            shared * self.shared.weight.square().sum() + contrast * self.contrast.weight.square().sum()
        )

    def _scaled(self, features: Tensor) -> Tensor:
        normed: Tensor = self.norm(features.float())
        return normed.clamp(-self.clip, self.clip)
