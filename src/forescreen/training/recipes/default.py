"""`default`: the texture network on 1 mm pixels, then fine-tuned end to end on matched sets.

Command    forescreen train --recipe default (canvas 256 x 208 at 1 mm)
Hardware   one GPU (bfloat16), or 8 CPU cores for some thousand exams
Time       not measured on a GPU; on 2 CPU cores about 20 times the demo recipe per mammogram
Expected   at least the demo's concordance; the last phase keeps an epoch only if it is better on the
           stopping fold. Not measured on real mammograms.
"""

from __future__ import annotations

from ...images.geometry import Geometry
from ...models.encoder import TextureEncoderConfig
from ...models.risk_model import RiskNetworkConfig
from ..augment import Augmentation
from ..recipe import Phase, Recipe

RECIPE = Recipe(
    name="default",
    geometry=Geometry(rows=256, columns=208, spacing_mm=1.0),
    model=RiskNetworkConfig(
        encoder=TextureEncoderConfig(levels=5, window=5, learned_filters=6, widths=(24, 32), embedding=16)
    ),
    phases=(
        Phase(objective="sides", trains="projection", epochs=1),
        Phase(objective="outcome", trains="head", epochs=30, learning_rate=1e-2),
        Phase(
            objective="outcome",
            trains="all",
            epochs=12,
            learning_rate=5e-4,
            encoder_rate=0.2,
            patience=5,
            density_weight=0.1,
        ),
    ),
    augmentation=Augmentation(
        shift_rows=8,
        shift_columns=4,
        log_gamma=0.05,
        log_contrast=0.05,
        noise=0.003,
        view_dropout=0.1,
    ),
    sets_per_batch=16,
    ema_decay=0.98,
    precision="bfloat16",
)
