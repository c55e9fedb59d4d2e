"""One mammogram to one vector: the texture encoder (ours) and DenseNet-121 (the 2021 study).

In: images of the breast with exactly 0 outside it. Out: one embedding per image.

The texture encoder filters the image at several scales, takes the logarithm of each filter's local
energy, and describes it by its mean and standard deviation over the breast. Parenchymal texture, which
carries risk [Heine2012], is such a statistic, not an object at a place. The logarithm is taken before
the mean: a few strong edges (pectoral muscle, nipple, rim of dense tissue) then count as little as
their area, and contrast that varies over the breast becomes an added term. Background never enters.

DenseNet-121 [Huang2017] with one input channel and mean pooling is the network of [Zhu2021].
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (its usual name)

#: Standardised texture statistics are clipped here: a tiny or odd breast must not become an extreme score.
CLIP = 4.0
#: Images in [0, 1] are multiplied by this: contrast within a breast becomes about 1.
GAIN = 10.0
#: Added to energies before the logarithm: a twentieth of one grey level in 255, squared, after GAIN.
FLOOR = 1e-5
#: Images at a time when nothing is learned: their maps then stay in the cache of a CPU (2.5 times faster).
SLICE = 8


@dataclass(frozen=True, kw_only=True)
class TextureEncoderConfig:
    """A filter bank over a pyramid, then, if asked for, residual stages on the log energies."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    kind: Literal["texture"] = "texture"
    levels: int = 4  # of the pyramid; each halves the resolution
    learned_filters: int = 0  # random filters beside the ten derivatives
    window: int = 5  # pixels over which energy is local
    widths: tuple[int, ...] = ()  # channels of residual stages on the log energies of the finest level
    embedding: int = 12


@dataclass(frozen=True, kw_only=True)
class DenseNetConfig:
    """DenseNet-121 of MONAI, random initialisation, mean over all positions: 1024 numbers."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    kind: Literal["densenet121"] = "densenet121"
    embedding: Literal[1024] = 1024


EncoderConfig = TextureEncoderConfig | DenseNetConfig


class TextureEncoder(nn.Module):
    """Statistics of local log energy over the breast, standardised and projected to an embedding.

    The first ten filters start as derivatives of a Gaussian and small differences, the same for every
    seed; all filters are parameters and may be trained.
    """

    def __init__(self, config: TextureEncoderConfig) -> None:
        super().__init__()
        fixed = _derivative_filters()
        random = torch.randn(config.learned_filters, 1, *fixed.shape[2:])
        self.filters = nn.Parameter(torch.cat([fixed, _unit(random)]))
        self.levels, self.window = config.levels, config.window
        n_filters = len(self.filters)
        self.stage_norm = nn.BatchNorm2d(n_filters) if config.widths else nn.Identity()
        before = (n_filters, *config.widths[:-1]) if config.widths else ()
        self.stages = nn.ModuleList(
            _Stage(b, a, stride=1 if i == 0 else 2)
            for i, (b, a) in enumerate(zip(before, config.widths, strict=True))
        )
        n_statistics = 2 + config.levels * 3 * n_filters + 2 * sum(config.widths)
        self.standardise = nn.BatchNorm1d(n_statistics, affine=False)
        self.project = nn.Linear(n_statistics, config.embedding)

    def forward(self, images: Float[Tensor, "image row column"]) -> Float[Tensor, "image embedding"]:
        return self.embed_statistics(self.statistics(images))

    def embed_statistics(
        self, statistics: Float[Tensor, "image statistic"]
    ) -> Float[Tensor, "image embedding"]:
        """The embedding made of an image's statistics."""
        embedding: Tensor = self.project(self.standardise(statistics).clamp(-CLIP, CLIP))
        return embedding

    def filter_key(self) -> str:
        """Fingerprint of all that decides the statistics: encoders that share it share them."""
        layers = [self.filters, *self.stage_norm.state_dict().values(), *self.stages.state_dict().values()]
        values = b"".join(value.detach().cpu().numpy().tobytes() for value in layers)
        return hashlib.sha256(values + bytes([self.levels, self.window])).hexdigest()

    def statistics(self, images: Float[Tensor, "image row column"]) -> Float[Tensor, "image statistic"]:
        """Mean and log SD of the image; per level and filter mean and SD of the local log energy, and
        the log of the mean energy."""
        if len(images) > SLICE and not (torch.is_grad_enabled() or self.training):
            return torch.cat([self.statistics(part) for part in torch.split(images, SLICE)])
        mask = (images > 0).to(images.dtype).unsqueeze(1)
        maps = images.unsqueeze(1) * GAIN
        level, variance = _moments(maps, mask)
        collected = [level, 0.5 * (variance + FLOOR).log()]
        maps = (maps - level[:, :, None, None]) * mask
        reach = self.filters.shape[-1] // 2
        step = max(1, self.window // 2)
        for position in range(self.levels):
            if min(maps.shape[-2:]) < self.window:
                raise ValueError(f"images are too small for {self.levels} levels")
            # Where the filter lies wholly inside the breast: its outline is no texture.
            inside = (_box_mean(mask, 2 * reach + 1, step=1) > 0.999).to(maps.dtype)
            energy = F.conv2d(maps, self.filters, padding=reach).float().square() * inside
            covered = _box_mean(inside, self.window, step=step)
            local = _box_mean(energy, self.window, step=step) / covered.clamp_min(1e-3)
            log_energy = (local + FLOOR).log()
            enough = (covered > 0.3).to(local.dtype)
            mean, variance = _moments(log_energy, enough)
            total = energy.sum(dim=(2, 3)) / inside.sum(dim=(2, 3)).clamp_min(1)
            collected += [mean, (variance + FLOOR).sqrt(), (total + FLOOR).log()]
            if position == 0:
                collected += self._staged(log_energy * enough, enough)
            maps = F.avg_pool2d(maps, 2)
            mask = (F.avg_pool2d(mask, 2) > 0.99).to(maps.dtype)
            maps = maps * mask
        return torch.cat(collected, dim=1)

    def _staged(self, maps: Tensor, inside: Tensor) -> list[Tensor]:
        """Statistics of the residual stages."""
        collected = []
        maps = self.stage_norm(maps)
        for stage in self.stages:
            maps = stage(maps)
            if maps.shape[-2:] != inside.shape[-2:]:
                inside = F.interpolate(inside, size=maps.shape[-2:], mode="nearest")
            mean, variance = _moments(maps, inside)
            collected += [mean, 0.5 * (variance + FLOOR).log()]
        return collected


class DenseNetEncoder(nn.Module):
    """DenseNet-121 features averaged over the whole image, background included, as in [Zhu2021]."""

    def __init__(self, config: DenseNetConfig) -> None:
        super().__init__()
        from monai.networks.nets import DenseNet121  # 3 s to import; only this recipe pays

        network = DenseNet121(spatial_dims=2, in_channels=1, out_channels=1, pretrained=False)
        self.features = network.features
        self.embedding = config.embedding

    def forward(self, images: Float[Tensor, "image row column"]) -> Float[Tensor, "image embedding"]:
        maps: Tensor = F.relu(self.features(images.unsqueeze(1)))
        return maps.mean(dim=(2, 3))


def build_encoder(config: EncoderConfig) -> TextureEncoder | DenseNetEncoder:
    """The encoder that a config describes, initialised from torch's global generator."""
    if isinstance(config, TextureEncoderConfig):
        return TextureEncoder(config)
    return DenseNetEncoder(config)


class _Stage(nn.Module):
    """One residual 3 x 3 convolution; the shortcut is a mean over the stride and a 1 x 1 convolution."""

    def __init__(self, before: int, after: int, *, stride: int) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.stride = stride
        self.shortcut = nn.Conv2d(before, after, 1, bias=False) if before != after else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        kept = F.avg_pool2d(maps, self.stride, ceil_mode=True) if self.stride > 1 else maps
        changed: Tensor = F.relu(self.norm(self.convolve(maps)))
        shortcut: Tensor = self.shortcut(kept)
        return changed + shortcut


def _derivative_filters() -> Tensor:
    """Ten 5 x 5 filters [filter, 1, row, column]: first and second derivatives of a Gaussian of SD 0.8
    pixels, its Laplacian, and four second differences between next neighbours, the finest there are."""
    sd = 0.8
    x = torch.arange(-2, 3, dtype=torch.float32)
    bell = torch.exp(-(x**2) / (2 * sd**2))
    bell = bell / bell.sum()
    first, second = -x * bell, (x**2 - sd**2) * bell
    along, across = torch.outer(second, bell), torch.outer(bell, second)
    smooth = [
        along,
        across,
        torch.outer(first, first),
        along + across,
        torch.outer(first, bell),
        torch.outer(bell, first),
    ]
    fine = [
        [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
        [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]],
        [[0, -1, 0], [0, 2, 0], [0, -1, 0]],
        [[0, 0, 0], [-1, 2, -1], [0, 0, 0]],
    ]
    padded = F.pad(torch.tensor(fine, dtype=torch.float32), (1, 1, 1, 1))
    return _unit(torch.cat([torch.stack(smooth), padded]).unsqueeze(1))


def _unit(filters: Tensor) -> Tensor:
    """Filters without answer to brightness, of unit norm."""
    centred = filters - filters.mean(dim=(2, 3), keepdim=True)
    return centred / centred.square().sum(dim=(2, 3), keepdim=True).sqrt()


def _box_mean(maps: Tensor, window: int, *, step: int) -> Tensor:
    """Mean over square windows, 0 beyond the border: a convolution, much faster on CPUs than pooling."""
    n_maps = maps.shape[1]
    box = maps.new_full((n_maps, 1, window, window), 1 / window**2)
    return F.conv2d(maps, box, stride=step, padding=window // 2, groups=n_maps)


def _moments(maps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each map over the mask, in float32; 0 where the mask is empty."""
    maps, inside = maps.float(), mask.float()
    count = inside.sum(dim=(2, 3)).clamp_min(1)
    masked = maps * inside
    mean = masked.sum(dim=(2, 3)) / count
    variance = (masked * maps).sum(dim=(2, 3)) / count - mean.square()
    return mean, variance.clamp_min(0)
