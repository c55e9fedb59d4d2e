"""Where the pectoral muscle is in an oblique view: a bright wedge between chest wall and upper edge.

In: the image, its breast region and the side of the chest wall. Out: a mask on the grid of the region, or
"not found". Meant for MLO views, head upwards; CC views show a sliver of muscle at most, and those who call
do not search them.

Method: of all straight lines that cut a wedge off the upper chest-wall corner, the best is the one with the
longest and steadiest step from bright to dark across it, and a wedge brighter than the band beyond it
[Karssemeijer1998]. A path of least cost [Dijkstra1959] within a strip along that line follows the curved
border; it is found once more along the line through the clear parts of the first one. Grey is linear within
the breast, mixed with its rank there, so that a tone curve matters little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from .breast import BreastRegion, block_mean
from .orient import Side
from .squares import narrowed

#: Share of linear grey (2nd to 98th percentile) in the mean of grey and rank that is searched.
LINEAR = 0.75
#: Angles of the border's normal against the row direction, in degrees: 0 would be a border parallel to the
#: chest wall, 90 one parallel to the upper edge.
ANGLES = tuple(range(10, 66, 3))
#: Half width of the two bands whose grey is compared across the border, share of the breast's height.
BAND = 0.02
#: A step of this share of the range counts in full; more does not count more, so that no letter decides.
FULL_STEP = 0.25
#: Depth of the skin zone, share of the breast's height.
SKIN = 0.04
#: Width of the band beyond the border that is compared with the wedge, and the difference of their mean grey
#: that counts in full.
BESIDE, FULL_CONTRAST = 0.15, 0.2
#: Width of a line in pixels; lines of fewer points than this share of the height count as having so many.
BIN, SHORTEST = 2, 0.08
#: Where the border may meet the chest wall at most, and its least distance from the corner (of the height).
LOWEST_END, NEAREST = 0.95, 0.04
#: Half width of the strip in which the curved border is looked for, share of the breast's height.
STRIP = 0.07
#: What the edge of that strip costs, and a step aside, in full steps of grey.
OFF_LINE, ASIDE = 0.5, 0.1
#: Share of the breast that a muscle may take.
SMALLEST, LARGEST = 0.005, 0.4
#: Mean step along the border and mean difference of wedge and band beyond (of the range) from which a muscle
#: is certain, and the certainty below which it is not reported.
CERTAIN_STEP, CERTAIN_CONTRAST, LEAST = 0.15, 0.2, 0.5
#: A muscle is even: its darker third ends this much above the middle of the band beyond where it is certain.
DARKER_THIRD, CERTAIN_EVENNESS = 33, 0.15


@dataclass(frozen=True, kw_only=True, eq=False)
class PectoralMuscle:
    """The muscle as a mask on the grid of the breast region; all False where none was found.

    `certainty` in [0, 1] grows with the step of grey across the border and with the grey of the muscle
    against that of the breast beside it; it is 0 where no muscle was found.
    """

    mask: Bool[np.ndarray, "row column"]
    found: bool
    certainty: float


def find_pectoral(
    pixels: Float[np.ndarray, "row column"],
    region: BreastRegion,
    chest_wall: Side,
    *,
    blocks: Float[np.ndarray, "block_row block"] | None = None,
) -> PectoralMuscle:
    """The pectoral muscle of an MLO view, head upwards; `pixels` are those `region` was found in, `blocks`
    their `block_mean`, where it is at hand."""
    small = block_mean(pixels, region.factor) if blocks is None else blocks
    if region.bright_air:
        small = -small
    breast = region.mask
    if chest_wall is Side.RIGHT:
        small, breast = small[:, ::-1], breast[:, ::-1]
    muscle, certainty = _wedge(_grey(small, breast), breast)
    found = certainty >= LEAST and SMALLEST <= float(muscle.sum() / breast.sum()) <= LARGEST
    if not found:
        muscle = np.zeros_like(breast)
    if chest_wall is Side.RIGHT:
        muscle = muscle[:, ::-1]
    return PectoralMuscle(
        mask=np.ascontiguousarray(muscle), found=found, certainty=certainty if found else 0.0
    )


def _grey(
    small: Float[np.ndarray, "row column"], breast: Bool[np.ndarray, "row column"]
) -> Float[np.ndarray, "row column"]:
    """Linear grey and share of the breast that is darker, mixed, in [0, 1]; 0 outside."""
    inside = small[breast]
    order = np.sort(inside[:: max(1, inside.size // 4096)])
    grey = np.zeros(small.shape, np.float32)
    low, high = order[order.size // 50], order[-1 - order.size // 50]
    linear = np.clip((inside - low) / max(high - low, 1e-12), 0, 1)
    grey[breast] = LINEAR * linear + (1 - LINEAR) * np.searchsorted(order, inside) / order.size
    return grey


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A straight border: angle of its normal (radians) and distance from the corner at `top`, `left`."""

    angle: float
    distance: float
    top: int
    left: int


def _wedge(
    grey: Float[np.ndarray, "row column"], breast: Bool[np.ndarray, "row column"]
) -> tuple[Bool[np.ndarray, "row column"], float]:
    """The best wedge at the upper left, and how certain it is."""
    rows, columns = np.flatnonzero(breast.any(axis=1)), np.flatnonzero(breast.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    height = int(rows[-1]) - top + 1
    found = _best_line(grey[top : rows[-1] + 1, left:], breast[top : rows[-1] + 1, left:])
    if found is None:
        return np.zeros_like(breast), 0.0
    line = _Line(angle=found[0], distance=found[1], top=top, left=left)
    for _ in range(2):  # the second time along the line through the clear parts of the first path
        path = _follow(grey, breast, line, height)
        line = path.straightened()
    return _cut_off(grey, breast, path, height)


def _best_line(
    grey: Float[np.ndarray, "row column"], breast: Bool[np.ndarray, "row column"]
) -> tuple[float, float] | None:
    """Angle of the normal (radians) and distance from the upper left corner of the best straight border."""
    height = breast.shape[0]
    sigma = BAND * height
    # Beyond the skin all is 0: as far as the mean reaches (4 sigma) is far enough.
    end = int(np.flatnonzero(breast.any(axis=0))[-1]) + 2 + math.ceil(4 * sigma)
    grey, breast = grey[:, :end], breast[:, :end]
    weight = ndimage.gaussian_filter(breast.astype(np.float32), sigma)
    smooth = ndimage.gaussian_filter(np.where(breast, grey, 0), sigma) / np.maximum(weight, 1e-3)
    scale = 2.5 * sigma / FULL_STEP
    across, down = np.gradient(smooth, axis=1) * scale, np.gradient(smooth, axis=0) * scale
    # The breast gets darker towards the skin, in the same direction: the skin zone has no say.
    inner = narrowed(breast, round(SKIN * height))
    y, x = (2 * i for i in np.nonzero(inner[::2, ::2]))  # every second pixel tells as much
    if y.size == 0:
        return None
    across, down, grey = (values[y, x].astype(np.float64) for values in (across, down, smooth))
    y, x = y.astype(np.float64), x.astype(np.float64)
    best, found = 0.0, None
    for degrees in ANGLES:
        angle = math.radians(degrees)
        cos, sin = np.cos(angle), np.sin(angle)
        bins = ((x * cos + y * sin) / BIN).astype(np.intp)
        step = np.clip(-(across * cos + down * sin), -1, 1)
        n = np.bincount(bins).astype(np.float64)
        total, sums = np.bincount(bins, step), np.bincount(bins, grey)
        # Grey of the whole wedge and of a band beyond it.
        n_wedge, wedge = np.cumsum(n), np.cumsum(sums)
        ahead = np.minimum(np.arange(n.size) + round(BESIDE * height / BIN), n.size - 1)
        n_beyond, beyond = n_wedge[ahead] - n_wedge, wedge[ahead] - wedge
        contrast = wedge / np.maximum(n_wedge, 1) - beyond / np.maximum(n_beyond, 1)
        distance = BIN * (np.arange(n.size) + 0.5)
        meets = (distance < LOWEST_END * height * sin) & (distance > NEAREST * height)
        meets &= n_wedge <= LARGEST * y.size
        # Long and steady lines, with a wedge brighter than what lies beyond.
        score = total / np.sqrt(np.maximum(n, SHORTEST * height)) * np.clip(contrast / FULL_CONTRAST, 0.2, 1)
        score[~meets] = 0
        i = int(np.argmax(score))
        if score[i] > best:
            best, found = float(score[i]), (angle, float(distance[i]))
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class _Path:
    """A border as its distance beyond a line (`aside`) at points `along` it, with the step of grey there."""

    line: _Line
    along: Float[np.ndarray, "point"]
    aside: Float[np.ndarray, "point"]
    step: Float[np.ndarray, "point"]

    def straightened(self) -> _Line:
        """The line through the points, each weighing by the square of its step."""
        weight = np.maximum(self.step, 1e-3)
        slope, shift = np.polyfit(self.along, self.aside, 1, w=weight)
        # From the frame of the line to that of the picture: turn by the slope.
        turn = float(np.arctan(slope))
        return _Line(
            angle=float(
                np.clip(self.line.angle + turn, np.deg2rad(ANGLES[0] - 3), np.deg2rad(ANGLES[-1] + 3))
            ),
            distance=float((self.line.distance + shift) * np.cos(turn)),
            top=self.line.top,
            left=self.line.left,
        )


def _follow(
    grey: Float[np.ndarray, "row column"],
    breast: Bool[np.ndarray, "row column"],
    line: _Line,
    height: int,
) -> _Path:
    """The border near a straight line, as the path of least cost."""
    cos, sin = np.cos(line.angle), np.sin(line.angle)
    half, band = max(3, round(STRIP * height)), max(2, round(BAND * height))
    # From where the line enters at the upper edge to where it meets the chest wall.
    t = np.arange(np.floor(-line.distance * sin / cos), np.ceil(line.distance * cos / sin) + 1, 2.0)
    s = np.arange(-half - band, half + band + 1.0)
    y = line.top + (line.distance + s) * sin + (t * cos)[:, None]
    x = line.left + (line.distance + s) * cos - (t * sin)[:, None]
    strip = ndimage.map_coordinates(grey, [y, x], order=1, mode="nearest")
    seen = ndimage.map_coordinates(breast.astype(np.float32), [y, x], order=1, mode="constant")
    strip = ndimage.uniform_filter1d(strip, band + 1, axis=0, mode="nearest")
    sums = np.cumsum(np.pad(strip, ((0, 0), (1, 0))), axis=1)
    before = (sums[:, band : -band - 1] - sums[:, : -2 * band - 1]) / band
    after = (sums[:, 2 * band + 1 :] - sums[:, band + 1 : -band]) / band
    step = np.where(seen[:, band:-band] > 0.5, before - after, 0.0).astype(np.float64)
    offset = s[band:-band]
    best = _cheapest(-np.clip(step / FULL_STEP, -1, 1) + OFF_LINE * (offset / half) ** 2)
    return _Path(line=line, along=t, aside=offset[best], step=step[np.arange(t.size), best])


def _cut_off(
    grey: Float[np.ndarray, "row column"], breast: Bool[np.ndarray, "row column"], path: _Path, height: int
) -> tuple[Bool[np.ndarray, "row column"], float]:
    """What lies before the border, and how certain it is: by the step across it where the breast is, and by
    the grey of the wedge against that of a band beyond."""
    line = path.line
    cos, sin = np.cos(line.angle), np.sin(line.angle)
    y, x = np.nonzero(breast)
    down, right = y - line.top, x - line.left
    beyond = (
        down * sin + right * cos - line.distance - np.interp(down * cos - right * sin, path.along, path.aside)
    )
    muscle = np.zeros_like(breast)
    muscle[y, x] = beyond < 0
    inside, outside = grey[y, x][beyond < 0], grey[y, x][(beyond >= 0) & (beyond < BESIDE * height)]
    if inside.size == 0 or outside.size == 0:
        return muscle, 0.0
    contrast = float(inside.mean() - outside.mean())
    evenness = float(np.percentile(inside, DARKER_THIRD) - np.median(outside))
    step = float(path.step.mean())
    certainty = min(step / CERTAIN_STEP, contrast / CERTAIN_CONTRAST, evenness / CERTAIN_EVENNESS)
    return muscle, float(np.clip(certainty, 0, 1))


def _cheapest(cost: Float[np.ndarray, "along across"]) -> Int[np.ndarray, "along"]:
    """Index across for each step along, of the path with the least sum that moves by one at most."""
    n_along, n_across = cost.shape
    came = np.zeros(cost.shape, np.intp)
    before = np.full(n_across + 2, np.inf)  # walls at either side
    before[1:-1] = cost[0]
    choices = np.empty((3, n_across))
    every = np.arange(n_across)
    for i in range(1, n_along):
        np.add(before[:-2], ASIDE, out=choices[0])
        choices[1] = before[1:-1]
        np.add(before[2:], ASIDE, out=choices[2])
        came[i] = choices.argmin(axis=0)
        before[1:-1] = cost[i] + choices[came[i], every]
    path = np.empty(n_along, np.intp)
    path[-1] = int(np.argmin(before[1:-1]))
    for i in range(n_along - 1, 0, -1):
        path[i - 1] = path[i] + came[i, path[i]] - 1
    return path
