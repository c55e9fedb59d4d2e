"""A mammogram as a picture for people: base64 PNG texts for a web page.

Out come two things of one size: the mammogram in 8-bit grey, and a transparent overlay of a saliency map
to lay on it. Display only: no later stage reads them back.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputError

#: Longer side of a picture in pixels; four views with overlays take about 0.4 MB in base64.
SIZE = 384

#: Brightness exponent. Below 1 lifts the fatty breast on a self-luminous screen; chosen by eye.
GAMMA = 0.8

# Weak to strong on grey: dark orange, orange, yellow, nearly white-yellow. Lightness rises along the
# ramp, so the order survives greyscale printing and colour-vision deficiency.
_RAMP = np.array([[176, 40, 0], [232, 96, 0], [255, 178, 20], [255, 240, 130]], dtype=float)
_LEVELS = 32  # steps of the overlay: invisible as steps, and the PNG stays a few kilobytes


def encode_png(pixels: np.ndarray, size: int = SIZE, *, gamma: float = GAMMA) -> str:
    """A mammogram as base64 of an 8-bit grey PNG whose longer side has `size` pixels.

    `pixels` is [row, column]: floats in [0, 1], or unsigned 8- or 16-bit integers as in the image store;
    bright is dense tissue, background exactly 0 stays black. The breast is windowed between its 0.5th
    and 99.8th percentile, then raised to `gamma`. Same pixels, same text.

    Raises InputError for an array of another rank or type, or with values that are not finite.
    """
    unit = _unit(pixels)
    breast = unit > 0
    if breast.any():
        low, high = np.percentile(unit[breast], [0.5, 99.8])
        window = max(float(high - low), 1e-6)
        # The darkest breast pixel stays visible against the background: 6 % grey.
        shown = np.where(breast, 0.06 + 0.94 * np.clip((unit - low) / window, 0, 1) ** gamma, 0.0)
    else:
        shown = unit
    resized = _resize(shown, _shape(unit.shape, size))
    return _base64(Image.fromarray(np.round(255 * resized).astype(np.uint8)))


def overlay_png(
    saliency: Float[np.ndarray, "row column"],
    size: int = SIZE,
    *,
    ceiling: float | None = None,
    image_shape: tuple[int, int] | None = None,
    threshold: float = 0.15,
) -> str:
    """A saliency map as base64 of a PNG with opacity, to lay on the mammogram it belongs to.

    `saliency` is [row, column] of any resolution, higher = drives the score up more; negative values
    count as 0. It is divided by `ceiling` (its own maximum if None; give one ceiling for the views of
    an exam, so that their strengths compare). Below `threshold` of the ceiling the overlay is
    transparent, above it opacity and lightness rise together. `image_shape` is the shape of the
    mammogram's array (that of the saliency if None), so that both pictures get the same size.

    Raises InputError for another rank, for values that are not finite, or for a ceiling not above 0.
    """
    if saliency.ndim != 2 or 0 in saliency.shape or not np.isfinite(saliency).all():
        raise InputError(
            expected="a finite saliency map [row, column]", found=f"shape {saliency.shape}", where="overlay"
        )
    if ceiling is not None and not ceiling > 0:
        raise InputError(expected="a saliency ceiling above 0", found=str(ceiling), where="overlay")
    positive = np.maximum(saliency.astype(float), 0)
    top = float(positive.max()) if ceiling is None else ceiling
    strength = np.clip(positive / top, 0, 1) if top > 0 else positive
    strength = _resize(strength, _shape(image_shape or saliency.shape, size))
    strength = np.clip((strength - threshold) / (1 - threshold), 0, 1)
    picture = Image.fromarray(np.ceil(strength * _LEVELS).astype(np.uint8))
    picture.putpalette(_ramp().tobytes(), rawmode="RGBA")
    return _base64(picture)


def _ramp() -> UInt8[np.ndarray, "level 4"]:
    strength = np.linspace(0, 1, _LEVELS + 1)
    stops = np.linspace(0, 1, len(_RAMP))
    red, green, blue = (np.interp(strength, stops, _RAMP[:, channel]) for channel in range(3))
    # Opacity starts at 0 so that the edge of a region is soft, and stays below 1 so that tissue shows.
    return np.round(np.stack([red, green, blue, 255 * 0.72 * strength**0.6], axis=-1)).astype(np.uint8)


def _unit(pixels: np.ndarray) -> NDArray[np.float64]:
    if pixels.ndim != 2 or 0 in pixels.shape:
        raise InputError(expected="a mammogram [row, column]", found=f"shape {pixels.shape}", where="picture")
    if pixels.dtype in (np.uint8, np.uint16):
        scaled: NDArray[np.float64] = pixels.astype(float) / np.iinfo(pixels.dtype).max
        return scaled
    if not np.issubdtype(pixels.dtype, np.floating) or not np.isfinite(pixels).all():
        raise InputError(
            expected="finite floats in [0, 1], uint8 or uint16",
            found=f"{pixels.dtype} values",
            where="picture",
        )
    clipped: NDArray[np.float64] = np.clip(pixels.astype(float), 0, 1)
    return clipped


def _shape(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    if size < 1:
        raise InputError(expected="a picture size of at least 1 pixel", found=str(size), where="picture")
    scale = size / max(shape)
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _resize(values: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    image = Image.fromarray(values.astype(np.float32))
    # Pillow widens the kernel when shrinking, so this also averages; bicubic overshoot is clipped.
    resized = image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    clipped: NDArray[np.float64] = np.clip(np.asarray(resized, dtype=float), 0, 1)
    return clipped


def _base64(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")
