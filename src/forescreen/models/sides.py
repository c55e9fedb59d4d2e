"""What a woman's two breasts share: the few directions of texture that tell women apart.

In: texture statistics of all views of the training exams, no label. Out: a standardisation and a
projection onto the directions with the largest ratio of agreement between left and right to
disagreement: Fisher's discriminant with each woman as a class [Fisher1936]. Risk is a property of the
woman; what differs between her two breasts is mostly chance. A few hundred noisy outcomes can then find
their direction in a dozen dimensions instead of a hundred.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import TooFewEventsError
from .encoder import CLIP, TextureEncoder
from .fusion import split_sides

#: Exams with both sides; covariances of a hundred statistics say nothing with fewer.
MIN_EXAMS = 20


@dataclass(frozen=True, eq=False)
class SidesProjection:
    """Standardisation of the statistics, weights of the directions, and each direction's ratio."""

    mean: Float[Tensor, " statistic"]
    variance: Float[Tensor, " statistic"]
    weight: Float[Tensor, "embedding statistic"]
    offset: Float[Tensor, " embedding"]
    ratio: Float[Tensor, " embedding"]  # between women / within women


def fit_sides(
    statistics: Float[Tensor, "exam view statistic"],
    present: Bool[Tensor, "exam view"],
    *,
    n_directions: int,
    shrinkage: float = 0.05,
) -> SidesProjection:
    """The `n_directions` in which women differ most, compared with their own two sides.

    `shrinkage` adds that share of the mean within-woman variance to every direction, so that one of
    almost no variance at all is not chosen. Embeddings have mean 0 and variance 1 over exams.
    Raises TooFewEventsError with fewer than MIN_EXAMS exams that have both sides.
    """
    there = statistics[present].double()
    mean, variance = there.mean(dim=0), there.var(dim=0).clamp_min(1e-12)
    scaled = ((statistics.double() - mean) / variance.sqrt()).clamp(-CLIP, CLIP)
    sides = split_sides(scaled.float(), present)
    n_both = int(sides.both.sum())
    if n_both < MIN_EXAMS:
        raise TooFewEventsError("learning what two breasts share", found=n_both, needed=MIN_EXAMS)
    left = sides.left[sides.both].double().numpy()
    right = sides.right[sides.both].double().numpy()
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    between = (left.T @ right + right.T @ left) / (2 * n_both)
    within = (left - right).T @ (left - right) / (2 * n_both)
    within += shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    ratio, directions = scipy.linalg.eigh(between, within)
    chosen = np.argsort(-ratio, kind="stable")[:n_directions]
    weight = directions[:, chosen].T
    # The sign of an eigenvector is arbitrary: its largest entry is made positive.
    largest = weight[np.arange(len(weight)), np.abs(weight).argmax(axis=1)]
    weight = weight * np.sign(largest)[:, None]
    values = 0.5 * (left + right) @ weight.T
    weight = weight / values.std(axis=0)[:, None]
    centre = scaled[present].numpy().mean(axis=0)
    return SidesProjection(
        mean=mean.float(),
        variance=variance.float(),
        weight=torch.from_numpy(weight).float(),
        offset=torch.from_numpy(-(weight @ centre)).float(),
        ratio=torch.from_numpy(ratio[chosen].copy()).float(),
    )


def apply_sides(encoder: TextureEncoder, projection: SidesProjection) -> None:
    """Make the encoder's last layer this projection."""
    with torch.no_grad():
        device = encoder.project.weight.device
        norm = encoder.standardise
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(projection.mean.to(device))
        norm.running_var.copy_(projection.variance.to(device))
        encoder.project.weight.copy_(projection.weight.to(device))
        encoder.project.bias.copy_(projection.offset.to(device))
