"""The views of one exam to one vector: their mean, or attention plus left-right asymmetry.

In: one embedding per view and which views are there. Out: one vector per exam. Values at missing views
are never used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import ConfigDict
from torch import Tensor, nn

from ..records import STANDARD_VIEWS, Laterality

_LEFT = [i for i, (side, _) in enumerate(STANDARD_VIEWS) if side is Laterality.LEFT]
_RIGHT = [i for i, (side, _) in enumerate(STANDARD_VIEWS) if side is Laterality.RIGHT]


@dataclass(frozen=True, kw_only=True)
class MeanFusionConfig:
    """Mean over the views that are there [Zhu2021]: laterality and asymmetry are discarded."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    kind: Literal["mean"] = "mean"


@dataclass(frozen=True, kw_only=True)
class AttentionFusionConfig:
    """Attention with learned view embeddings, beside the absolute left-right difference."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    kind: Literal["attention"] = "attention"
    asymmetry: bool = True


FusionConfig = MeanFusionConfig | AttentionFusionConfig


class MeanFusion(nn.Module):
    """Mean over the views that are there."""

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.width = embedding

    def forward(
        self, views: Float[Tensor, "exam view embedding"], present: Bool[Tensor, "exam view"]
    ) -> Float[Tensor, "exam feature"]:
        kept = torch.where(present.unsqueeze(-1), views, torch.zeros((), device=views.device))
        return kept.sum(dim=1) / present.sum(dim=1, keepdim=True).clamp_min(1)


class AttentionFusion(nn.Module):
    """Attention over views (it starts as their mean), and asymmetry |left - right| per projection.

    Asymmetry is the mean over the projections of which both sides are there; without such a pair it is
    a learned constant, so that one breast is neither symmetric nor asymmetric.
    """

    def __init__(self, embedding: int, config: AttentionFusionConfig) -> None:
        super().__init__()
        self.view_embedding = nn.Parameter(torch.zeros(len(STANDARD_VIEWS), embedding))
        self.relevance = nn.Linear(embedding, 1)
        nn.init.zeros_(self.relevance.weight)
        nn.init.zeros_(self.relevance.bias)
        self.asymmetry = config.asymmetry
        self.without_pair = nn.Parameter(torch.ones(embedding if config.asymmetry else 0))
        self.width = embedding * (2 if config.asymmetry else 1)

    def forward(
        self, views: Float[Tensor, "exam view embedding"], present: Bool[Tensor, "exam view"]
    ) -> Float[Tensor, "exam feature"]:
        kept = torch.where(present.unsqueeze(-1), views, torch.zeros((), device=views.device))
        placed = kept + self.view_embedding
        relevance = self.relevance(torch.tanh(placed)).squeeze(-1).float()
        attention = relevance.masked_fill(~present, float("-inf")).softmax(dim=1)
        fused: Tensor = (attention.unsqueeze(-1) * placed).sum(dim=1)
        if not self.asymmetry:
            return fused
        paired = (present[:, _LEFT] & present[:, _RIGHT]).unsqueeze(-1)
        difference = (kept[:, _LEFT] - kept[:, _RIGHT]).abs() * paired
        n_pairs = paired.sum(dim=1)
        asymmetry = torch.where(n_pairs > 0, difference.sum(dim=1) / n_pairs.clamp_min(1), self.without_pair)
        return torch.cat([fused, asymmetry], dim=1)


@dataclass(frozen=True, eq=False)
class Sides:
    """Mean embedding of the left and of the right breast, and of which exams both are there."""

    left: Float[Tensor, "exam embedding"]
    right: Float[Tensor, "exam embedding"]
    both: Bool[Tensor, " exam"]


def split_sides(views: Float[Tensor, "exam view embedding"], present: Bool[Tensor, "exam view"]) -> Sides:
    """The two breasts of every exam."""
    fuse = MeanFusion(views.shape[2])
    left, right = present[:, _LEFT], present[:, _RIGHT]
    both = left.any(dim=1) & right.any(dim=1)
    return Sides(fuse(views[:, _LEFT], left), fuse(views[:, _RIGHT], right), both)


def build_fusion(embedding: int, config: FusionConfig) -> MeanFusion | AttentionFusion:
    """The fusion that a config describes."""
    if isinstance(config, MeanFusionConfig):
        return MeanFusion(embedding)
    return AttentionFusion(embedding, config)
