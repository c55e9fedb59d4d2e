"""`paper`: the network of the 2021 study, as published code and figure describe it [Zhu2021].

Command    forescreen train --recipe paper (canvas 512 x 416 at 0.5 mm)
Hardware   one GPU with 16 GB; not meant for CPUs
Time       not measured
Expected   published: matched concordance 0.66 (0.63, 0.69) screen-detected, 0.64 (0.58, 0.71) interval

DenseNet-121 shared by the views, mean of the four feature vectors, no augmentation. Phase 1: any cancer,
binary cross entropy. Phase 2: encoder frozen, new last layer for none, screen-detected and interval,
binary cross entropy on softmax outputs. Adam 3e-4, four exams at a time.

What differs, and why: the canvas keeps the aspect ratio; learning rates fall on a cosine instead of on
plateaus; validation is by matched set and stops on matched concordance; batches are whole sets; it starts
from random parameters unless `pretrained` names a file of encoder parameters (nothing is downloaded).
"""

from __future__ import annotations

from ...images.geometry import Geometry
from ...models.encoder import DenseNetConfig
from ...models.fusion import MeanFusionConfig
from ...models.heads import HeadConfig
from ...models.risk_model import RiskNetworkConfig
from ..recipe import Phase, Recipe

RECIPE = Recipe(
    name="paper",
    geometry=Geometry(rows=512, columns=416, spacing_mm=0.5),
    model=RiskNetworkConfig(
        encoder=DenseNetConfig(), fusion=MeanFusionConfig(), head=HeadConfig(standardise=False)
    ),
    phases=(
        Phase(objective="any cancer", trains="all", epochs=50, learning_rate=3e-4, patience=8),
        Phase(
            objective="three classes",
            trains="head",
            epochs=50,
            learning_rate=3e-4,
            patience=8,
            new_head=True,
        ),
    ),
    n_members=1,
    sets_per_batch=2,
    weight_decay=0.0,
    shared_precision=0.0,
    contrast_precision=0.0,
    precision="bfloat16",
)
