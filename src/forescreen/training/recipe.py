"""A recipe: everything that decides a training run, frozen, with defaults, stored in the model's card.

A run is a sequence of phases. Each phase trains some of the network on one objective:

    sides           what a woman's two breasts share; no label is used. It trains the "projection" in
                    closed form [Fisher1936], or the "encoder" by finding the other breast among the
                    batch [Oord2018]
    outcome         conditional likelihood of the matched set; without sets, polytomous cross entropy
    any cancer      binary cross entropy of any cancer (phase 1 of [Zhu2021])
    three classes   binary cross entropy on softmax outputs (phase 2 of [Zhu2021])
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..errors import ConfigError
from ..images.geometry import Geometry
from ..models.risk_model import RiskNetworkConfig
from .augment import Augmentation

Objective = Literal["sides", "outcome", "any cancer", "three classes"]
Trained = Literal["projection", "encoder", "head", "all"]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Some epochs on one objective. With `trains` "head" the encoder is frozen and its output cached."""

    objective: Objective
    trains: Trained
    epochs: int
    learning_rate: float = 1e-3  # at its peak
    encoder_rate: float = 1.0  # learning rate of the encoder relative to the head's
    warmup_share: float = 0.1  # of the phase's steps; then a cosine down to 0
    patience: int | None = None  # epochs without a better concordance before the phase ends
    density_weight: float = 0.0  # of the auxiliary regression on measured percent density
    new_head: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.learning_rate <= 0 or not 0 <= self.warmup_share < 1:
            raise ConfigError(
                expected="at least 1 epoch, a learning rate above 0 and a warm-up share in [0, 1)",
                found=f"{self.epochs}, {self.learning_rate}, {self.warmup_share}",
                where="recipe phase",
            )
        if self.trains == "projection" and self.epochs != 1:
            raise ConfigError(
                expected="1 epoch of the projection, which is solved at once",
                found=str(self.epochs),
                where="recipe phase",
            )
        if (self.objective == "sides") != (self.trains in ("projection", "encoder")):
            raise ConfigError(
                expected="the objective sides to train projection or encoder, and no other to",
                found=f"{self.objective} training {self.trains}",
                where="recipe phase",
            )

    @property
    def judged(self) -> bool:
        """Whether epochs of this phase are judged by concordance on the stopping fold."""
        return self.objective != "sides"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to train an ensemble."""

    name: str
    geometry: Geometry
    phases: tuple[Phase, ...]
    model: RiskNetworkConfig = field(default_factory=RiskNetworkConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    n_members: int | None = None  # of the folds, the first so many; None: all
    sets_per_batch: int = 16  # unmatched: as many cases, and controls in proportion
    weight_decay: float = 0.05  # decoupled, of encoder and fusion [Loshchilov2019]
    shared_precision: float = 50.0  # of the normal prior on the head's weights: 1 / variance
    contrast_precision: float = 200.0  # the same for the contrast between the two modes
    temperature: float = 0.1  # of the sides objective
    ema_decay: float | None = None  # of the averaged parameters that are judged and kept
    precision: Literal["float32", "bfloat16", "float16"] = "float32"  # on CUDA; CPUs always use float32
    memory_budget_bytes: int = 4 * 2**30  # images above it are read from the store as they are needed
    pretrained: str | None = None  # safetensors file of encoder parameters to start from

    def __post_init__(self) -> None:
        if not self.phases or not self.phases[-1].judged:
            raise ConfigError(
                expected="phases that end with one on outcomes",
                found=f"{len(self.phases)} phases",
                where=f"recipe {self.name}",
            )
