"""Where the breast is: one region, without air, labels, markers, film borders and thin arm folds.

In: an image of a digital mammogram or of a digitised film, in any positive scale, bright breast on dark air
or the other way round. Out: a mask at reduced resolution, about 360 pixels along the long side, whether air
was the brighter one, and a warning where the region may be wrong. The pectoral muscle of an MLO view
belongs to the region, as in the manual masks of the mini-MIAS films [Suckling1994] it is checked against.

Method: at half that resolution, each mode of the dark and of the bright part of the histogram is tried as
air; the region above it that looks most like a breast (`plausibility`) decides on the polarity. Then a
surface is fitted to the air outside (`air`), what rises above it is opened with a square, so that thin
strips and letters come off; the largest component is grown back and its holes are filled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from ..errors import ExamError
from .air import MARGIN, air_levels, find_image, fit_air
from .plausibility import WORST, likeness
from .squares import narrowed, widened

#: Long side of the image in which the breast is looked for: 0.8 mm on a 30 cm detector.
WORKING_SIDE = 360
#: Half side of the opening square as a share of the long side: strips below 2.4 % of it come off.
OPENING = 0.012
#: How far the outline may move when the level of air is known, share of the long side.
REACH = 0.04
#: Dice of two regions from which the surface of air is not fitted again, and the most fits.
UNCHANGED, MOST_FITS = 0.98, 4
#: Depth of a white frame around a digitised film (share of each side), how bright it is (share of the
#: range), how much brighter than what lies inside of it, and how much of the side it takes.
FRAME_DEPTH, FRAME_LEVEL, FRAME_STEP, FRAME_LENGTH = 0.03, 0.8, 1.12, 0.25
#: Smallest breast, share of the image.
SMALLEST = 0.01
#: Air is the darkest there is but for padding: its level counts against a region, times this.
LEVEL_PENALTY = 0.5
#: Bright air is the rarer: its region must look more like a breast by this much.
BRIGHT_AIR_PENALTY = 0.1
#: A region that is odder than this is none.
MOST_PENALTY = 4.0
#: Regions whose penalties differ by less than this are alike; the one from the darkest level is taken.
ALIKE = 0.15
#: A refined region that is odder than the first by this much is not taken.
MUCH_ODDER = 2.5
#: Below this certainty, or this lead of one polarity over the other, a warning is given.
CERTAIN, CERTAIN_LEAD = 0.5, 0.3
#: What a warning means.
WARNINGS = {
    "breast_uncertain": "the region does not look much like a breast, or hangs on the level taken for air",
    "polarity_uncertain": "with light and dark exchanged, another region looks nearly as much like a breast",
}
#: Parts of the background at the edge that are smaller than this share of the image are holes in the breast.
NOTCH = 0.002


@dataclass(frozen=True, kw_only=True, eq=False)
class BreastRegion:
    """The breast in an image of `image_shape`, as a mask of blocks of `factor` x `factor` image pixels.

    Rows and columns that do not fill a block at the bottom and at the right go with the last block.
    `bright_air` tells that the image still has to be inverted. `certainty` in [0, 1] is how far the region
    looks like a breast and stays the same when the level of air is taken higher; `warnings` are keys of
    WARNINGS.
    """

    mask: Bool[np.ndarray, "row column"]
    factor: int
    image_shape: tuple[int, int]
    bright_air: bool = False
    certainty: float = 1.0
    warnings: tuple[str, ...] = ()

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

    def at_full_size(
        self, rows: slice = slice(None), columns: slice = slice(None)
    ) -> Bool[np.ndarray, "image_row image_column"]:
        """The mask with one pixel per image pixel, of the whole image or of these rows and columns."""
        row, column = (
            np.minimum(np.arange(size)[part] // self.factor, blocks - 1)
            for size, blocks, part in zip(self.image_shape, self.mask.shape, (rows, columns), strict=True)
        )
        # Wide rows first, so that the larger step copies whole rows.
        full: np.ndarray = self.mask.take(column, axis=1).take(row, axis=0)
        return full

    def _span(self, has_breast: Bool[np.ndarray, "block"], size: int) -> tuple[int, int]:
        blocks = np.flatnonzero(has_breast)
        end = size if blocks[-1] == has_breast.size - 1 else (int(blocks[-1]) + 1) * self.factor
        return int(blocks[0]) * self.factor, end


def find_breast(pixels: Float[np.ndarray, "row column"], *, bright_air: bool | None = None) -> BreastRegion:
    """Region of the breast in an image of finite values, whichever of breast and air is the brighter.

    `bright_air` tells which of them it is where that is known (presentation values: False); None finds out.

    Any scale and offset; padding and lit strips of constant grey may surround the image. Not accepted:
    several breasts in one image, more than one exposure. Raises ExamError if nothing looks like a breast.
    """
    factor = max(1, -(-max(pixels.shape) // WORKING_SIDE))
    values, image = _scaled(block_mean(pixels, factor))
    first = _first_region(values, image, (False, True) if bright_air is None else (bright_air,))
    if first.bright_air:
        values = 1 - values
    values = np.where(image, _without_frame(values), 0)
    region = first.region
    for _ in range(MOST_FITS):
        before = region
        region, stability, penalty = _refined(values, image, before, first.penalty)
        if _dice(region, before) >= UNCHANGED:
            break
    if region.mean() < SMALLEST:
        raise ExamError(expected="a breast in the image", found="no region large enough")
    certainty = min(stability, float(np.exp(-penalty)))
    warnings = []
    if certainty < CERTAIN:
        warnings.append("breast_uncertain")
    if first.lead < CERTAIN_LEAD:
        warnings.append("polarity_uncertain")
    n_rows, n_columns = pixels.shape
    return BreastRegion(
        mask=region,
        factor=factor,
        image_shape=(n_rows, n_columns),
        bright_air=first.bright_air,
        certainty=certainty,
        warnings=tuple(warnings),
    )


def _refined(
    values: Float[np.ndarray, "row column"],
    image: Bool[np.ndarray, "row column"],
    region: Bool[np.ndarray, "row column"],
    penalty: float,
) -> tuple[Bool[np.ndarray, "row column"], float, float]:
    """What rises above the air around a region; its Dice with what rises three times as high; its penalty."""
    air = fit_air(values, image & ~widened(region, 3))
    above = values - air.surface
    if air.margin > MARGIN:  # noisy air
        above = ndimage.uniform_filter(above, 3)
    above[~image] = -1
    side = max(values.shape)
    half = max(2, round(OPENING * side))
    better = _largest_region(above > air.margin, half)
    if better is None:
        return region, 0.0, WORST
    odd = _penalty(better, values, image)
    if odd > penalty + ALIKE:  # something may hang on it: stay near to what looked like a breast
        near = widened(region, round(REACH * side))
        better = _largest_region((above > air.margin) & near, half)
        if better is None:
            return region, 0.0, WORST
        odd = _penalty(better, values, image)
        if odd > penalty + MUCH_ODDER:
            return region, 0.0, odd
    higher = _largest_region(above[::2, ::2] > 3 * air.margin, max(2, half // 2))
    return better, 0.0 if higher is None else _dice(better[::2, ::2], higher), odd


def _penalty(
    region: Bool[np.ndarray, "row column"],
    values: Float[np.ndarray, "row column"],
    image: Bool[np.ndarray, "row column"],
) -> float:
    return likeness(region[::2, ::2], values[::2, ::2], image[::2, ::2]).penalty


def _dice(one: Bool[np.ndarray, "row column"], other: Bool[np.ndarray, "row column"]) -> float:
    return 2.0 * float((one & other).sum()) / float(one.sum() + other.sum())


def _scaled(
    small: Float[np.ndarray, "row column"],
) -> tuple[Float[np.ndarray, "row column"], Bool[np.ndarray, "row column"]]:
    """Values as shares of the range of the image, and what is image and not padding."""
    if not np.isfinite(small).all():
        raise ExamError(expected="finite pixel values", found="values that are not")
    image = find_image(small)
    sample = small[::2, ::2]
    low, high = np.percentile(sample[image[::2, ::2]], [0.5, 99.5]).tolist()
    if not high > low:
        raise ExamError(expected="a breast in the image", found="an image without contrast")
    return np.clip((small - low) / (high - low), 0, 1).astype(np.float32), image


@dataclass(frozen=True, kw_only=True, eq=False)
class _First:
    """A first region at full working resolution, whether air is bright, its penalty, and by how much the
    best region of the other polarity is worse."""

    region: Bool[np.ndarray, "row column"]
    bright_air: bool
    penalty: float
    lead: float


def _first_region(
    values: Float[np.ndarray, "row column"],
    image: Bool[np.ndarray, "row column"],
    polarities: tuple[bool, ...],
) -> _First:
    """The region of least penalty at half resolution, of all levels and the polarities that may be."""
    coarse = ndimage.uniform_filter(block_mean(values, 2), 3)
    inside = block_mean(image.astype(np.float32), 2) > 0.5
    half = max(2, round(OPENING * max(coarse.shape)))
    turned = {
        bright: np.where(inside, _without_frame(1 - coarse if bright else coarse), 0) for bright in polarities
    }
    bounds = sorted(
        (LEVEL_PENALTY * level + BRIGHT_AIR_PENALTY * bright, bright, level)
        for bright, dark in turned.items()
        for level in air_levels(dark, inside)
    )
    found: dict[bool, list[tuple[float, Bool[np.ndarray, "row column"]]]] = {False: [], True: []}
    for bound, bright, level in bounds:
        least = min((penalty for one in found.values() for penalty, _ in one), default=np.inf)
        if bound > least + CERTAIN_LEAD or (bound > least and found[bright]):
            continue  # cannot win, nor come near
        region = _largest_region(turned[bright] > level, half)
        if region is not None and region.mean() >= SMALLEST:
            penalty = bound + likeness(region, turned[bright], inside).penalty
            found[bright].append((penalty, region))
    if not any(found.values()):
        raise ExamError(expected="a breast in the image", found="no region large enough")
    best = {bright: min((p for p, _ in one), default=np.inf) for bright, one in found.items()}
    bright_air = best[True] < best[False]
    if best[bright_air] > MOST_PENALTY:
        raise ExamError(expected="a breast in the image", found="no region that looks like one")
    penalty, region = next(f for f in found[bright_air] if f[0] <= best[bright_air] + ALIKE)
    twice = np.repeat(np.repeat(region, 2, axis=0), 2, axis=1)
    after = [(0, n - m) for n, m in zip(values.shape, twice.shape, strict=True)]
    return _First(
        region=np.pad(twice, after, mode="edge"),
        bright_air=bright_air,
        penalty=penalty,
        lead=float(best[not bright_air] - penalty),
    )


def block_mean(pixels: Float[np.ndarray, "row column"], factor: int) -> Float[np.ndarray, "block_row block"]:
    """Mean of each whole block. Strided sums: several times faster than a mean over two axes."""
    n_rows, n_columns = (size // factor * factor for size in pixels.shape)
    whole = pixels[:n_rows, :n_columns]
    # In place, in the wider of single precision and that of the pixels.
    tall = whole[0::factor].astype(np.float32).astype(np.result_type(np.float32, pixels), copy=False)
    for i in range(1, factor):
        tall += whole[i::factor]
    both = tall[:, 0::factor].copy()
    for i in range(1, factor):
        both += tall[:, i::factor]
    both /= np.float32(factor**2)
    return both.astype(np.float32, copy=False)


def _without_frame(small: Float[np.ndarray, "row column"]) -> Float[np.ndarray, "row column"]:
    """The film with its white frame set to 0: a step brighter than further inside."""
    cut = small.copy()
    for turned in (cut, cut[::-1], cut.T, cut.T[::-1]):  # views: one edge after the other on top
        depth = max(2, round(FRAME_DEPTH * turned.shape[0]))
        strip = turned[:depth]
        lit = (strip >= FRAME_LEVEL) & (strip >= FRAME_STEP * turned[depth])
        if lit.mean(axis=1).max() >= FRAME_LENGTH:  # of a single line; a bright chest wall has fewer
            strip[lit] = 0.0
    return cut


def _largest_region(mask: Bool[np.ndarray, "row column"], half: int) -> Bool[np.ndarray, "row column"] | None:
    """Largest component after an opening, grown back into `mask`, without holes; None if none is left."""
    core = narrowed(mask, half, beyond=False)
    if not core.any():
        return None
    box = _box(core, margin=0)
    labels, n_regions = ndimage.label(core[box])
    if n_regions > 1:
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        core = np.zeros_like(core)
        core[box] = labels == sizes.argmax()
    return _without_holes(widened(core, half + 1) & mask)


def _without_holes(region: Bool[np.ndarray, "row column"]) -> Bool[np.ndarray, "row column"]:
    """A region with the background that is cut off from the edge of the picture, or nearly so (NOTCH)."""
    n_rows, n_columns = region.shape
    # A box with a line of background around the region tells all: what touches such a line holds a whole row
    # or column of the picture, which is more than a notch where the picture has at most 1 / NOTCH of them.
    assert max(region.shape) * NOTCH < 1
    box = _box(region, margin=1)
    rows, columns = box
    outside, _ = ndimage.label(~region[box])
    sizes = np.bincount(outside.ravel())
    open_air = np.zeros(sizes.size, dtype=bool)
    edges = (
        (outside[0], rows.start > 0),
        (outside[-1], rows.stop < n_rows),
        (outside[:, 0], columns.start > 0),
        (outside[:, -1], columns.stop < n_columns),
    )
    for edge, is_beside in edges:
        open_air[edge] |= is_beside | (sizes[edge] >= NOTCH * region.size)
    open_air[0] = False
    filled = np.zeros_like(region)
    filled[box] = ~open_air[outside]
    return filled


def _box(mask: Bool[np.ndarray, "row column"], *, margin: int) -> tuple[slice, slice]:
    """Smallest rectangle around a mask that is not empty, widened by `margin` within the picture."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(int(rows[0]) - margin, 0), min(int(rows[-1]) + 1 + margin, mask.shape[0])),
        slice(max(int(columns[0]) - margin, 0), min(int(columns[-1]) + 1 + margin, mask.shape[1])),
    )
