"""One mammogram to one vector: the texture encoder (ours) and DenseNet-121 (the 2021 study).

In: images of the breast with exactly 0 outside it. Out: one embedding per image.

The texture encoder describes each feature map by its mean and by the logarithm of its standard
deviation over the breast. The second is the log energy of a filter's answer, so that a linear
read-out of the embedding sees the local power spectrum: parenchymal texture, which carries risk
[Heine2012], is such a statistic, not an object at a place. Background never enters a statistic.

DenseNet-121 [Huang2017] with one input channel and mean pooling is the network of [Zhu2021].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (its usual name)

#: Standardised texture statistics are clipped here: a tiny or odd breast must not become an extreme score.
CLIP = 4.0
#: Added to variances before the logarithm (images in [0, 1] with contrast about 0.1 are scaled by 10).
VARIANCE_FLOOR = 1e-4


@dataclass(frozen=True, kw_only=True)
class TextureEncoderConfig:
    """A strided stem of band-pass filters, then one residual stage per further width."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    kind: Literal["texture"] = "texture"
    stem_kernel: int = 8  # pixels
    stem_stride: int = 4
    widths: tuple[int, ...] = (32, 48)  # channels per stage; every stage but the first halves the map
    embedding: int = 24


@dataclass(frozen=True, kw_only=True)
class DenseNetConfig:
    """DenseNet-121 of MONAI, random initialisation, mean over all positions: 1024 numbers."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    kind: Literal["densenet121"] = "densenet121"
    embedding: Literal[1024] = 1024


EncoderConfig = TextureEncoderConfig | DenseNetConfig


class TextureEncoder(nn.Module):
    """Masked texture statistics of a small residual network, projected to an embedding."""

    def __init__(self, config: TextureEncoderConfig) -> None:
        super().__init__()
        first = config.widths[0]
        self.stride = config.stem_stride
        self.kernel = config.stem_kernel
        self.padding = max(0, (config.stem_kernel - config.stem_stride) // 2)
        self.stem = nn.Conv2d(1, first, config.stem_kernel, config.stem_stride, self.padding, bias=False)
        with torch.no_grad():
            # Filters that ignore brightness from the start: the mean intensity has its own statistic.
            self.stem.weight -= self.stem.weight.mean(dim=(2, 3), keepdim=True)
        self.stem_norm = nn.BatchNorm2d(first)
        self.stages = nn.ModuleList(
            _Stage(before, after, stride=1 if position == 0 else 2)
            for position, (before, after) in enumerate(
                zip((first, *config.widths[:-1]), config.widths, strict=True)
            )
        )
        n_statistics = 2 * (1 + first + sum(config.widths))
        self.standardise = nn.BatchNorm1d(n_statistics, affine=False)
        self.project = nn.Linear(n_statistics, config.embedding)

    def forward(self, images: Float[Tensor, "image row column"]) -> Float[Tensor, "image embedding"]:
        statistics = self.standardise(self.statistics(images)).clamp(-CLIP, CLIP)
        embedding: Tensor = self.project(statistics)
        return embedding

    def statistics(self, images: Float[Tensor, "image row column"]) -> Float[Tensor, "image statistic"]:
        """Mean and log standard deviation over the breast of the image and of every feature map."""
        pixels = images.unsqueeze(1)
        mask = (pixels > 0).to(pixels.dtype)
        found = _texture(pixels * 10, mask)
        level = found[:, :1, None, None]
        # Where the filter lies wholly inside the breast: its outline is no texture.
        inside = -F.max_pool2d(-mask, self.kernel, self.stride, self.padding)
        maps = (pixels * 10 - level) * mask
        maps = maps.contiguous(memory_format=torch.channels_last)
        maps = self.stem(maps)
        collected = [found, _texture(maps, inside)]
        maps = F.relu(self.stem_norm(maps))
        for stage in self.stages:
            maps = stage(maps)
            if maps.shape[-2:] != inside.shape[-2:]:
                inside = F.interpolate(inside, size=maps.shape[-2:], mode="nearest")
            collected.append(_texture(maps, inside))
        return torch.cat(collected, dim=1)


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


def _texture(maps: Tensor, mask: Tensor) -> Tensor:
    """Mean and log standard deviation of each map over the mask, in float32; 0 and the floor if empty."""
    with torch.autocast(maps.device.type, enabled=False):
        maps = maps.float()
        inside = mask.float()
        count = inside.sum(dim=(2, 3)).clamp_min(1)
        masked = maps * inside
        mean = masked.sum(dim=(2, 3)) / count
        variance = (masked * maps).sum(dim=(2, 3)) / count - mean.square()
        return torch.cat([mean, 0.5 * (variance.clamp_min(0) + VARIANCE_FLOOR).log()], dim=1)
