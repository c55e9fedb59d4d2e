"""Random changes of exams in training that leave risk alone: position, grey scale, noise, missing views.

In and out: images [exam, view, row, column] in [0, 1] with 0 outside the breast, and which views are
there. All randomness comes from one generator: the same generator state gives the same batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from pydantic import ConfigDict
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (its usual name)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far exams are changed; 0 everywhere changes nothing.

    Rotation and scaling resample the picture and so blur its finest texture a little; where texture
    carries the risk and pixels are coarse, keep them at 0 and shift by whole pixels only.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    rotation_degrees: float = 0.0
    scale: float = 0.0  # zoom in 1 ± scale
    shift_rows: int = 0  # whole pixels, up or down
    shift_columns: int = 0  # whole pixels towards the chest wall: the compressed breast is cut deeper
    log_gamma: float = 0.0  # SD of the logarithm of the exponent of the grey scale
    log_contrast: float = 0.0  # SD of the logarithm of the contrast about the mean of the breast
    noise: float = 0.0  # SD of white noise, in units of the image range
    view_dropout: float = 0.0  # chance that a view is missing; one view always stays


@dataclass(frozen=True, eq=False)
class Augmented:
    """Changed exams."""

    images: Float[Tensor, "exam view row column"]
    present: Bool[Tensor, "exam view"]


def augment(
    images: Float[Tensor, "exam view row column"],
    present: Bool[Tensor, "exam view"],
    config: Augmentation,
    *,
    generator: torch.Generator,
) -> Augmented:
    """A random variant of every exam. Grey-scale changes are one per exam, geometry one per view."""
    breast = images > 0
    if config.log_gamma or config.log_contrast or config.noise:
        images = torch.where(breast, _regrade(images, breast, config, generator), torch.zeros_like(images))
    if config.rotation_degrees or config.scale:
        images = _resample(images, config, generator)
    if config.shift_rows or config.shift_columns:
        images = _shift(images, config, generator)
    return Augmented(images, drop_views(present, config.view_dropout, generator=generator))


def drop_views(
    present: Bool[Tensor, "exam view"], share: float, *, generator: torch.Generator
) -> Bool[Tensor, "exam view"]:
    """Views that stay when each is lost with chance `share`; an exam that lost all keeps all."""
    if share <= 0:
        return present
    kept = present & (torch.rand(present.shape, generator=generator) >= share).to(present.device)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


def _regrade(images: Tensor, breast: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    n_exams = len(images)

    def draw(spread: float) -> Tensor:
        values = torch.randn(n_exams, generator=generator) * spread
        return values.exp().to(images.device).view(-1, 1, 1, 1)

    if config.log_gamma:
        images = images.clamp_min(1e-6).pow(draw(config.log_gamma))
    if config.log_contrast:
        count = breast.sum(dim=(2, 3), keepdim=True).clamp_min(1)
        level = (images * breast).sum(dim=(2, 3), keepdim=True) / count
        images = level + (images - level) * draw(config.log_contrast)
    if config.noise:
        images = images + config.noise * torch.randn(images.shape, generator=generator).to(images.device)
    # Above 0: the breast stays the breast.
    return images.clamp(1 / 65535, 1)


def _resample(images: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    n_exams, n_views, n_rows, n_columns = images.shape
    n = n_exams * n_views
    angle = (torch.rand(n, generator=generator) * 2 - 1) * math.radians(config.rotation_degrees)
    zoom = 1 + (torch.rand(n, generator=generator) * 2 - 1) * config.scale
    # Normalised coordinates run from -1 to 1 on both axes: the ratio keeps rotation rigid. The centre
    # is the middle of the chest wall (x = -1), which therefore stays at column 0.
    ratio = n_rows / n_columns
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = cos, -sin * ratio
    theta[:, 1, 0], theta[:, 1, 1] = sin / ratio, cos
    theta[:, 0, 2] = -1 + cos
    theta[:, 1, 2] = sin / ratio
    flat = images.reshape(n, 1, n_rows, n_columns)
    grid = F.affine_grid(theta.to(images.device), [n, 1, n_rows, n_columns], align_corners=False)
    moved = F.grid_sample(flat, grid, align_corners=False)
    inside = F.grid_sample((flat > 0).to(flat.dtype), grid, align_corners=False) > 0.999
    return torch.where(inside, moved, torch.zeros_like(moved)).reshape(images.shape)


def _shift(images: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    n_exams, n_views, n_rows, n_columns = images.shape
    down = torch.randint(
        -config.shift_rows, config.shift_rows + 1, (n_exams, n_views, 1), generator=generator
    )
    left = torch.randint(0, config.shift_columns + 1, (n_exams, n_views, 1), generator=generator)
    rows = torch.arange(n_rows).view(1, 1, -1) - down
    columns = torch.arange(n_columns).view(1, 1, -1) + left
    row_of = rows.clamp(0, n_rows - 1).to(images.device).unsqueeze(-1).expand_as(images)
    column_of = columns.clamp(0, n_columns - 1).to(images.device).unsqueeze(2).expand_as(images)
    moved = images.gather(2, row_of).gather(3, column_of)
    from_row = ((rows >= 0) & (rows < n_rows)).to(images.device).unsqueeze(-1)
    from_column = (columns < n_columns).to(images.device).unsqueeze(2)
    return torch.where(from_row & from_column, moved, torch.zeros_like(moved))
