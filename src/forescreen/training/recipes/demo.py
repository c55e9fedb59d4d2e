"""`demo`: the texture network on 2 mm pixels, solved in minutes on two CPU cores.

Command    forescreen train --recipe demo (or [training] recipe = "demo" in study.toml)
Hardware   2 CPU cores, 1 GB of memory
Time       about 1 minute for 250 matched sets (3000 mammograms); it grows with the mammograms
Expected   on phantoms whose trait has a log odds ratio of 0.8 per SD, 250 sets 1:2: correlation of the
           score with the trait about 0.85; concordance about 85 % of the oracle's above 0.5

No filter is trained: the ten derivative filters are kept, their statistics are projected onto what a
woman's two breasts share, and only view fusion and read-out learn from outcomes. With so few and so
noisy labels every further free parameter costs more than it brings (docs/reference/models.md).
"""

from __future__ import annotations

from ...images.geometry import Geometry
from ...models.encoder import TextureEncoderConfig
from ...models.risk_model import RiskNetworkConfig
from ..augment import Augmentation
from ..recipe import Phase, Recipe

RECIPE = Recipe(
    name="demo",
    geometry=Geometry(rows=128, columns=104, spacing_mm=2.0),
    model=RiskNetworkConfig(encoder=TextureEncoderConfig(levels=4, window=5, embedding=12)),
    phases=(
        Phase(objective="sides", trains="projection", epochs=1),
        Phase(objective="outcome", trains="head", epochs=30, learning_rate=1e-2),
    ),
    # Views are lost often: fusion must not lean on one of them, and noise in the input is a ridge.
    augmentation=Augmentation(view_dropout=0.35),
    contrast_precision=400.0,
    n_members=3,
)
