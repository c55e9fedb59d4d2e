"""Small networks and exams for tests of models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from forescreen.models.encoder import TextureEncoderConfig
from forescreen.models.fusion import AttentionFusionConfig, FusionConfig
from forescreen.models.risk_model import RiskModel, RiskNetwork, RiskNetworkConfig, build_network

ROWS, COLUMNS = 40, 32


@dataclass(frozen=True)
class BuiltExam:
    """Stands for an ExamTensor."""

    images: NDArray[np.float32]
    present: NDArray[np.bool_]


def build_exam(
    seed: int, *, missing: tuple[int, ...] = (), rows: int = ROWS, columns: int = COLUMNS
) -> BuiltExam:
    """Noise within a half ellipse, 0 outside; missing views are all 0."""
    rng = np.random.default_rng(seed)
    y = (np.arange(rows) - rows / 2)[:, None] / (rows / 2)
    x = np.arange(columns)[None] / columns
    mask = y**2 + x**2 < 0.8
    images = np.where(mask, 0.4 + 0.1 * rng.standard_normal((4, rows, columns)), 0)
    images = np.where(mask, images.clip(0.01, 1), 0).astype(np.float32)
    present = np.ones(4, bool)
    present[list(missing)] = False
    images[~present] = 0
    return BuiltExam(images, present)


def build_batch(n_exams: int, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and presence of some exams."""
    exams = [build_exam(seed + i) for i in range(n_exams)]
    return (
        torch.from_numpy(np.stack([e.images for e in exams])),
        torch.from_numpy(np.stack([e.present for e in exams])),
    )


def build_config(*, fusion: FusionConfig | None = None, widths: tuple[int, ...] = ()) -> RiskNetworkConfig:
    """A network for tiny images."""
    return RiskNetworkConfig(
        encoder=TextureEncoderConfig(levels=2, window=5, embedding=4, widths=widths),
        fusion=fusion or AttentionFusionConfig(),
    )


def build_random_network(config: RiskNetworkConfig | None = None, *, seed: int = 0) -> RiskNetwork:
    """A network whose read-out is not zero: new networks find all exams equal."""
    network = build_network(config or build_config(), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in (network.head.shared, network.head.contrast):
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
    return network


def build_model(*, seed: int = 0, config: RiskNetworkConfig | None = None) -> RiskModel:
    """A predictor with random parameters."""
    return RiskModel(build_random_network(config, seed=seed), (ROWS, COLUMNS))
