"""Where the breast is: one region, without air, labels, markers, film borders and thin arm folds.

In: presentation values, bright = dense, of a digital mammogram (air exactly 0) or of a digitised film
(air grey and uneven, padding, white or black frame, labels). Out: a mask at reduced resolution, about
360 pixels along the long side. The pectoral muscle of an MLO view belongs to the region, as in the
manual masks of the mini-MIAS films [Suckling1994] it is checked against.

Method: the air level is the mode of the darkest part of the histogram (Otsu's split [Otsu1979]);
what is brighter by 3 % of the image's range is opened with a square, so that thin strips and letters
come off; the largest component is grown back and its holes are filled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from ..errors import ExamError

#: Long side of the image in which the breast is looked for: 0.8 mm on a 30 cm detector.
WORKING_SIDE = 360
#: Histogram bins over [0, 99th percentile].
BINS = 256
#: Air ends this many bins above its mode: best lower tail of Dice on 160 mini-MIAS films.
AIR_MARGIN = 8
#: Share of exact zeros from which a dark flat region is taken as digital air or padding.
ZERO_SHARE = 0.10
#: A region that fills more of its bounding box than this is a film or a detector, not a breast.
RECTANGLE = 0.93
#: Half side of the opening square as a share of the long side: strips below 2.4 % of it come off.
OPENING = 0.012
#: Depth of a white frame around a digitised film (share of each side), how bright it is (share of the
#: maximum) and how much brighter than what lies inside of it.
FRAME_DEPTH, FRAME_LEVEL, FRAME_STEP = 0.03, 0.8, 1.12
#: Smallest breast, share of the image.
SMALLEST = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class BreastRegion:
    """The breast in an image of `image_shape`, as a mask of blocks of `factor` x `factor` image pixels.

    Rows and columns that do not fill a block at the bottom and at the right go with the last block.
    """

    mask: Bool[np.ndarray, "row column"]
    factor: int
    image_shape: tuple[int, int]

    @property
    def share(self) -> float:
        """Share of the image that is breast."""
        return float(self.mask.mean())

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Smallest rectangle around the breast in image pixels: top, bottom, left, right (exclusive)."""
        top, bottom = self._span(np.asarray(self.mask.any(axis=1)), self.image_shape[0])
        left, right = self._span(np.asarray(self.mask.any(axis=0)), self.image_shape[1])
        return top, bottom, left, right

    def at_full_size(self) -> Bool[np.ndarray, "image_row image_column"]:
        """The mask with one pixel per image pixel."""
        rows, columns = (
            np.minimum(np.arange(size) // self.factor, blocks - 1)
            for size, blocks in zip(self.image_shape, self.mask.shape, strict=True)
        )
        full: np.ndarray = self.mask[rows][:, columns]
        return full

    def _span(self, has_breast: Bool[np.ndarray, "block"], size: int) -> tuple[int, int]:
        blocks = np.flatnonzero(has_breast)
        end = size if blocks[-1] == has_breast.size - 1 else (int(blocks[-1]) + 1) * self.factor
        return int(blocks[0]) * self.factor, end


def find_breast(pixels: Float[np.ndarray, "row column"]) -> BreastRegion:
    """Region of the breast in an image of presentation values (any positive scale, finite).

    Not accepted: bright air (an image that still has to be inverted). Raises ExamError if nothing
    in the image looks like a breast.
    """
    factor = max(1, -(-max(pixels.shape) // WORKING_SIDE))
    small = _block_mean(pixels, factor)
    smooth = ndimage.uniform_filter(small, 3)
    bright = float(np.percentile(smooth, 99))
    if not np.isfinite(bright) or bright <= float(smooth.min()):
        raise ExamError(expected="a breast in the image", found="an image without contrast")
    if float((smooth < bright / BINS).mean()) <= ZERO_SHARE:  # no digital air, no padding: a whole film
        small = _without_frame(small)
    region = _breast_shaped(small, [level * bright / BINS for level in _air_levels(smooth, bright)])
    if region is None or region.mean() < SMALLEST:
        raise ExamError(expected="a breast in the image", found="no region large enough")
    n_rows, n_columns = pixels.shape
    return BreastRegion(mask=region, factor=factor, image_shape=(n_rows, n_columns))


def _block_mean(pixels: Float[np.ndarray, "row column"], factor: int) -> Float[np.ndarray, "block_row block"]:
    """Mean of each whole block. Strided sums: several times faster than a mean over two axes."""
    n_rows, n_columns = (size // factor * factor for size in pixels.shape)
    whole = pixels[:n_rows, :n_columns]
    tall = sum((whole[i::factor] for i in range(1, factor)), whole[0::factor].astype(np.float32))
    both = sum((tall[:, i::factor] for i in range(1, factor)), tall[:, 0::factor].copy())
    return np.asarray(both / np.float32(factor**2), dtype=np.float32)


def _breast_shaped(
    small: Float[np.ndarray, "row column"], levels: list[float]
) -> Bool[np.ndarray, "row column"] | None:
    """The region above the lowest level that does not leave a rectangle; else the least rectangular."""
    half = max(2, round(OPENING * max(small.shape)))
    best, best_fill = None, np.inf
    for level in levels:
        region = _largest_region(small > level, half)
        if region is None:
            continue
        rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
        fill = region.sum() / ((rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1))
        if fill < best_fill:
            best, best_fill = region, fill
        if fill <= RECTANGLE:
            break
    return best


def _without_frame(small: Float[np.ndarray, "row column"]) -> Float[np.ndarray, "row column"]:
    """The film with its white frame set to 0: a step brighter than further inside."""
    limit = FRAME_LEVEL * float(small.max())
    cut = small.copy()
    for turned in (cut, cut[::-1], cut.T, cut.T[::-1]):  # views: one edge after the other on top
        depth = max(2, round(FRAME_DEPTH * turned.shape[0]))
        strip = turned[:depth]
        strip[(strip >= limit) & (strip >= FRAME_STEP * turned[depth])] = 0.0
    return cut


def _air_levels(smooth: Float[np.ndarray, "row column"], bright: float) -> list[int]:
    """Histogram bins at which air may end, the likeliest first."""
    bins = (smooth[smooth <= bright] * (BINS / bright)).astype(np.intp)
    counts = np.bincount(np.clip(bins, 0, BINS - 1), minlength=BINS).astype(np.float64)
    split = _otsu(counts)
    zero_share = counts[0] / smooth.size
    dark = counts[: split + 1].copy()
    if zero_share > 0.02:  # padding or digital air: look for the air of a film beside it
        dark[0] = 0.0
    dark = ndimage.gaussian_filter1d(dark, 1.0)
    mode = int(np.argmax(dark))
    start = mode
    while start > 0 and dark[start - 1] > 0.1 * dark[mode]:
        start -= 1
    grey_air = mode + max(AIR_MARGIN, round(1.5 * (mode - start)))
    # A mode of film air stands apart from the breast by a valley and holds some of the image.
    stands_apart = dark[mode:].min() < 0.5 * dark[mode]
    holds_enough = dark[max(0, mode - 3) : mode + 4].sum() > 0.02 * smooth.size
    is_air = bool(stands_apart and holds_enough)
    if zero_share <= ZERO_SHARE:
        return [grey_air] if is_air else [AIR_MARGIN, grey_air]
    if is_air and mode <= BINS // 10:  # darker than any fat: air for certain
        return [grey_air]
    return [AIR_MARGIN // 2, grey_air] if is_air else [AIR_MARGIN // 2]


def _otsu(counts: Float[np.ndarray, "bin"]) -> int:
    """Bin that splits a histogram with the largest variance between its two parts [Otsu1979]."""
    level = np.arange(counts.size)
    weight, total = np.cumsum(counts), np.cumsum(counts * level)
    other = weight[-1] - weight
    apart = total[-1] * weight / weight[-1] - total
    between = np.divide(apart**2, weight * other, out=np.zeros(counts.size), where=(weight * other) > 0)
    return int(np.argmax(between))


def _largest_region(mask: Bool[np.ndarray, "row column"], half: int) -> Bool[np.ndarray, "row column"] | None:
    """Largest component after an opening, grown back into `mask`, without holes; None if none is left."""
    side = 2 * half + 1
    core = ndimage.minimum_filter(mask, size=side, mode="constant", cval=0)
    labels, n_regions = ndimage.label(core)
    if n_regions == 0:
        return None
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    region = ndimage.maximum_filter(labels == sizes.argmax(), size=side + 2) & mask
    outside, _ = ndimage.label(~region)
    rim = np.unique(np.concatenate([outside[0], outside[-1], outside[:, 0], outside[:, -1]]))
    open_air = np.zeros(int(outside.max()) + 1, dtype=bool)
    open_air[rim] = True
    open_air[0] = False
    filled: np.ndarray = ~open_air[outside]
    return filled
