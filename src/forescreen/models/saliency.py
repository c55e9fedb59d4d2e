"""Which pixels a score depends on: smoothed gradient of one mode's log hazard, per view.

In: a predictor and one exam. Out: a map per view at input resolution, in [0, 1], 0 outside the breast.
Mean over noisy copies of |gradient × contrast| [Smilkov2017], blurred to the scale of the texture. It
shows where the network looks, not where a cancer is or will be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (its usual name)

from ..errors import InputError
from ..records import Outcome
from .predictor import MODES, Predictor, PreparedExam, check_exam


@dataclass(frozen=True, kw_only=True)
class SaliencyConfig:
    """How the map is smoothed."""

    n_copies: int = 8
    noise: float = 0.02  # SD in units of the image range
    blur_pixels: float = 2.0  # SD of the Gaussian over the map
    seed: int = 0


def saliency(
    predictor: Predictor,
    exam: PreparedExam,
    mode: Outcome,
    *,
    config: SaliencyConfig | None = None,
    device: str = "cpu",
) -> Float[np.ndarray, "view row column"]:
    """Share of each pixel in the score's sensitivity, 1 at the most important pixel of the exam.

    `mode` is SCREEN_DETECTED or INTERVAL. Views are normalised together, so that they compare.
    Raises InputError for another mode, ExamError for an exam of another geometry.
    """
    config = config or SaliencyConfig()
    if mode not in MODES:
        raise InputError(expected="screen-detected or interval", found=str(mode), where="saliency")
    check_exam(predictor, exam, where="saliency")
    images = torch.from_numpy(np.asarray(exam.images, np.float32)).unsqueeze(0).to(device)
    present = torch.from_numpy(np.asarray(exam.present)).unsqueeze(0).to(device)
    breast = (images > 0).float()
    generator = torch.Generator().manual_seed(config.seed)
    level = (images * breast).sum(dim=(2, 3), keepdim=True) / breast.sum(dim=(2, 3), keepdim=True).clamp_min(
        1
    )
    total = torch.zeros_like(images)
    for _ in range(config.n_copies):
        noise = torch.randn(images.shape, generator=generator).to(device) * config.noise
        # Clamped above 0: noise must not move the outline of the breast.
        copy = torch.where(breast > 0, (images + noise).clamp(1e-4, 1), torch.zeros_like(images))
        copy.requires_grad_(True)
        score = predictor.predict(copy, present).log_hazards[0, MODES.index(mode)]
        (gradient,) = torch.autograd.grad(score, copy)
        total += (gradient * (copy.detach() - level)).abs() * breast
    blurred = _blur(total[0], config.blur_pixels) * breast[0]
    highest = float(blurred.max())
    normalised: np.ndarray = (blurred / highest if highest > 0 else blurred).cpu().numpy()
    return normalised


def _blur(maps: Tensor, sd_pixels: float) -> Tensor:
    """Separable Gaussian blur of [view, row, column]."""
    if sd_pixels <= 0:
        return maps
    reach = int(3 * sd_pixels + 0.5)
    offsets = torch.arange(-reach, reach + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-0.5 * (offsets / sd_pixels) ** 2)
    kernel = kernel / kernel.sum()
    blurred = F.conv2d(maps.unsqueeze(1), kernel.view(1, 1, -1, 1), padding=(reach, 0))
    return F.conv2d(blurred, kernel.view(1, 1, 1, -1), padding=(0, reach)).squeeze(1)
