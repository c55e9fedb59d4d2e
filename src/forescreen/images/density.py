"""Percent density by area: how much of the projected breast is dense tissue.

In: presentation values of one view, its breast region, pectoral muscle and chest wall side. Out: a
`DenseArea`: the probability of dense tissue for each block of the breast's mask, and the `Density` record.
Made for presentation images, film or digital; the pectoral muscle counts neither as dense nor as breast.

Method "area-v1", in the order of the code: grey between the darkest and the brightest of the breast
(brightness and contrast of the machine go); minus the grey of fat at that distance from the skin, a rising
lower envelope (thinning towards the skin goes); then two numbers for each block and two for the image, of
scale-free neighbourhoods, into a logistic model. Dense area is the sum of its probabilities, so that a film
that is half certain everywhere is not called fatty. Coefficients: `tables/area_density.csv`, fitted by
`docs/density.py` to 33 films of DDSM with drawn tissue [Tiryaki2022]; docs/density.md tells how far off they
are, and that no digital image was among them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from scipy.special import expit

from ..errors import ExamError
from ..records import Density
from .breast import BreastRegion, block_mean
from .orient import Side

METHOD = "area-v1"
#: Percentile of the breast that becomes 0 (its rim, near air), and of its core that becomes 1.
DARKEST, BRIGHTEST = 0.5, 99.5
#: Widths of the neighbourhoods, share of the square root of the breast's area in blocks.
FINE, NEAR = 0.008, 0.02
#: Depth from the skin, in the same unit, below which a block is rim and not core.
RIM = 0.05
#: The fat envelope: its quantile in each of so many rings of equal size.
FAT_QUANTILE, RINGS = 0.15, 24
#: Local contrast below this is grain.
GRAIN = 0.005
#: Breast blocks below which nothing is measured.
SMALLEST = 400
#: What is known of a block: brightness above fat, and log contrast above that of its image, near it. What is
#: known of its image, over the core: mean log contrast; median over 98th percentile of the brightness above
#: fat. In the order of the columns of `Tissue.values`. All are relative to the image's own fat: how bright
#: fat is shown is the machine's choice.
OF_BLOCK = ("brightness", "contrast")
OF_IMAGE = ("mean_contrast", "median_share")
NAMES = OF_BLOCK + OF_IMAGE

#: Flags of a measurement, and what they mean for it.
FLAGS = {
    "pectoral_not_found": "no pectoral muscle was found in an oblique view: it may count as dense breast",
    "density_extrapolated": "the image lies outside of what the model was fitted to: a rough number",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Tissue:
    """The numbers of each block of the breast without muscle: `inside` says which, `values` are theirs."""

    inside: Bool[np.ndarray, "row column"]
    values: Float[np.ndarray, "block 4"]


@dataclass(frozen=True, kw_only=True, eq=False)
class AreaModel:
    """A logistic model on standardised `NAMES`; `lowest` and `highest` on the films it was fitted to."""

    intercept: float
    coefficient: Float[np.ndarray, "4"]
    mean: Float[np.ndarray, "4"]
    sd: Float[np.ndarray, "4"]
    lowest: Float[np.ndarray, "4"]
    highest: Float[np.ndarray, "4"]

    def probability(self, values: Float[np.ndarray, "block 4"]) -> Float[np.ndarray, "block"]:
        """Probability of dense tissue of each block; numbers beyond those of the films count as the last."""
        within = np.clip(values, self.lowest, self.highest)
        return np.asarray(expit(self.intercept + (within - self.mean) / self.sd @ self.coefficient))

    def knows(self, values: Float[np.ndarray, "block 4"]) -> bool:
        """Whether the image's own numbers lie among those of the films, a tenth of the range granted."""
        own, margin = values[0], 0.1 * (self.highest - self.lowest)
        within = (own >= self.lowest - margin) & (own <= self.highest + margin)
        return bool(within[-len(OF_IMAGE) :].all())


@dataclass(frozen=True, kw_only=True, eq=False)
class DenseArea:
    """One measured view: probability of dense tissue on the grid of the breast region, 0 outside the breast
    and in the muscle, and the record."""

    probability: Float[np.ndarray, "row column"]
    density: Density


def measure_area(
    pixels: Float[np.ndarray, "row column"],
    region: BreastRegion,
    muscle: Bool[np.ndarray, "block_row block_column"],
    chest_wall: Side,
    *,
    spacing_mm: tuple[float, float] | None,
    flags: tuple[str, ...] = (),
    blocks: Float[np.ndarray, "block_row block"] | None = None,
) -> DenseArea:
    """Percent density, dense and breast area of one view.

    `pixels` are presentation values, bright = dense, of any gain and offset; `muscle` lies on the grid of
    `region` and is all False in CC views; `spacing_mm` None leaves the areas unknown. `flags` go
    into the record, with the region's warnings and those of FLAGS. `blocks` is their `block_mean` where it is
    at hand. Not accepted: raw images (for processing).
    Raises ExamError when air is brighter than the breast, too little breast remains or it has no contrast.
    """
    if region.bright_air:
        raise ExamError(
            expected="air darker than the breast",
            found="air brighter than the breast",
            where="percent density",
            remedy="Give presentation values, inverted where the image is",
        )
    tissue = find_tissue(pixels, region, muscle, chest_wall, blocks=blocks)
    model = area_model()
    flags = (*flags, *(warning for warning in region.warnings if warning not in flags))
    probability = np.zeros(region.mask.shape, np.float32)
    probability[tissue.inside] = model.probability(tissue.values)
    n_blocks, dense_blocks = int(tissue.inside.sum()), float(probability.sum(dtype=np.float64))
    block_cm2 = math.nan
    if spacing_mm is not None:
        block_cm2 = spacing_mm[0] * spacing_mm[1] * region.factor**2 / 100
    if not model.knows(tissue.values):
        flags = (*flags, "density_extrapolated")
    return DenseArea(
        probability=probability,
        density=Density(
            method=METHOD,
            percent=100 * dense_blocks / n_blocks,
            dense=dense_blocks * block_cm2,
            breast=n_blocks * block_cm2,
            unit="cm2",
            flags=flags,
        ),
    )


def find_tissue(
    pixels: Float[np.ndarray, "row column"],
    region: BreastRegion,
    muscle: Bool[np.ndarray, "block_row block_column"],
    chest_wall: Side,
    *,
    blocks: Float[np.ndarray, "block_row block"] | None = None,
) -> Tissue:
    """The numbers that tell dense tissue from fat, for each block of breast. Takes and raises what
    `measure_area` does."""
    inside = region.mask & ~muscle
    n_blocks = int(inside.sum())
    if n_blocks < SMALLEST:
        raise ExamError(
            expected=f"at least {SMALLEST} blocks of breast beside the muscle",
            found=str(n_blocks),
            where="percent density",
        )
    rows, columns = np.flatnonzero(region.mask.any(axis=1)), np.flatnonzero(region.mask.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    small = (block_mean(pixels, region.factor) if blocks is None else blocks)[box]
    breast, seen = region.mask[box], inside[box]
    size = math.sqrt(n_blocks)
    depth = skin_depth(breast, chest_wall) / size
    core = seen & (depth > RIM)
    if int(core.sum()) < SMALLEST // 2:
        core = seen
    lower, upper = (float(np.percentile(small[seen], DARKEST)), float(np.percentile(small[core], BRIGHTEST)))
    if not upper > lower:
        raise ExamError(expected="contrast in the breast", found="none", where="percent density")
    grey = (small - lower) / (upper - lower)
    (fine,) = means_around([grey], seen, FINE * size)
    above_fat = fine - _fat(fine, depth, seen)
    brightness, square = means_around([above_fat, above_fat**2], seen, NEAR * size)
    contrast = np.log(np.sqrt(np.maximum(square - brightness**2, 0)) + GRAIN)
    typical = float(contrast[core].mean())
    of_image = (
        typical,
        float(np.median(brightness[core]) / max(float(np.percentile(brightness[core], 98)), GRAIN)),
    )
    of_block = (brightness[seen], contrast[seen] - typical)
    values = np.column_stack([*of_block, *(np.full(n_blocks, number) for number in of_image)])
    return Tissue(inside=inside, values=values.astype(np.float64))


def skin_depth(breast: Bool[np.ndarray, "row column"], chest_wall: Side) -> Float[np.ndarray, "row column"]:
    """Distance to the skin in blocks, for a breast cut out at its bounding box. It is continued beyond the
    box: where the chest wall or the picture ends is no skin."""
    n_columns = breast.shape[1]
    beyond = [(1, 1), (n_columns, 1) if chest_wall is Side.LEFT else (1, n_columns)]
    continued = np.pad(breast, beyond, mode="edge")
    # Between the chest wall and the first breast of a row lies no air.
    flipped = continued if chest_wall is Side.LEFT else continued[:, ::-1]
    last = np.where(flipped.any(axis=1), flipped.shape[1] - np.argmax(flipped[:, ::-1], axis=1), 0)
    flipped = np.arange(flipped.shape[1]) < last[:, None]
    solid = flipped if chest_wall is Side.LEFT else flipped[:, ::-1]
    # From the nearest block of air, whose place costs less to find than scipy's own distance to it.
    at: np.ndarray = ndimage.distance_transform_edt(solid, return_distances=False, return_indices=True)
    left = beyond[1][0]
    row, column = at[:, 1:-1, left : left + n_columns]
    row -= np.arange(1, 1 + row.shape[0], dtype=row.dtype)[:, None]
    column -= np.arange(left, left + n_columns, dtype=column.dtype)
    distance: np.ndarray = np.sqrt((row * row + column * column).astype(np.float64))
    return distance.astype(np.float32)


@lru_cache(maxsize=1)
def area_model() -> AreaModel:
    """The fitted model of `tables/area_density.csv`."""
    with (files("forescreen.images") / "tables" / "area_density.csv").open(encoding="utf-8") as stream:
        rows = {row["name"]: row for row in csv.DictReader(line for line in stream if line[0] != "#")}

    def column(name: str) -> Float[np.ndarray, "4"]:
        return np.array([float(rows[row][name]) for row in NAMES])

    return AreaModel(
        intercept=float(rows["intercept"]["coefficient"]),
        **{name: column(name) for name in ("coefficient", "mean", "sd", "lowest", "highest")},
    )


def _fat(
    grey: Float[np.ndarray, "row column"],
    depth: Float[np.ndarray, "row column"],
    seen: Bool[np.ndarray, "row column"],
) -> Float[np.ndarray, "row column"]:
    """Grey of fat at each depth: a low quantile in rings of equal size, rising inwards."""
    order = np.argsort(depth[seen], kind="stable")
    at, value = depth[seen][order], grey[seen][order]
    level = _of_rings(value, lambda rings: np.quantile(rings, FAT_QUANTILE, axis=1))
    level = ndimage.gaussian_filter1d(np.maximum.accumulate(level), 1.0, mode="nearest")
    middles = _of_rings(at, lambda rings: np.median(rings, axis=1))
    return np.asarray(np.interp(depth, middles, level), dtype=np.float32)


def _of_rings(
    ordered: Float[np.ndarray, "block"], of_rows: Callable[[np.ndarray], np.ndarray]
) -> Float[np.ndarray, "ring"]:
    """A number of each of RINGS parts of one size; the first ones hold one block more where it does not go
    up, so that there are at most two tables of rows."""
    size, n_larger = divmod(ordered.size, RINGS)
    end = n_larger * (size + 1)
    parts = ordered[:end].reshape(-1, size + 1), ordered[end:].reshape(-1, size)
    return np.concatenate([of_rows(part) for part in parts if part.size])


def means_around(
    pictures: Sequence[Float[np.ndarray, "row column"]],
    seen: Bool[np.ndarray, "row column"],
    sigma: float,
) -> list[Float[np.ndarray, "row column"]]:
    """Gaussian mean of each picture over what is seen, in the precision of the values."""
    kind = pictures[0].dtype
    weight = np.maximum(ndimage.gaussian_filter(seen.astype(kind), sigma), 1e-6)
    totals = (ndimage.gaussian_filter(np.where(seen, values, kind.type(0)), sigma) for values in pictures)
    return [np.asarray(total / weight) for total in totals]
