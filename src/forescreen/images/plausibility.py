"""How much a region looks like a breast, and how much what is left of the picture looks like air.

In: a mask and the values it was cut from, air darker than breast. Out: a penalty, 0 for a region in
which nothing is odd, about 1 for each property that lies clearly outside of what breasts show. The wrong
polarity (air taken for breast) is found by the same properties: air is concave where the breast is convex,
and the breast left outside is uneven where air is even.

The limits are round numbers around what breasts of phantoms, scanned films and their perturbations show:
2nd to 98th percentile of hull 0.87 to 0.99, fill 0.70 to 0.92, wall 0.83 to 1, nipple side 0.04 to 0.45,
unevenness of air against breast 0 to 0.37, of air alone 0 to 0.09.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from .squares import narrowed, widened

#: Depth of the strips at either side of the region, share of its width.
STRIP = 0.04
#: Directions of the tangents that bound the convex hull.
DIRECTIONS = np.arange(40) * (2 * np.pi / 40)
#: Pixels next to the outline that count neither as breast nor as air.
RIM = 2
#: Fewest pixels of which a spread is taken.
FEWEST, MOST = 20, 2000
#: What is brighter than this outside of the region is a label or a lit strip, whatever the region is.
BRIGHT = 0.7
#: No property adds more than this: one oddity alone does not rule a region out.
WORST = 2.0


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """Properties of a region, all in [0, 1]."""

    share: float  # of the picture
    fill: float  # of its bounding box
    hull: float  # of its convex hull
    wall: float  # of the strip at its fuller side: a chest wall fills it
    nipple_side: float  # of the strip at the other side
    unevenness: float  # of what is outside, against the sum of outside and inside (shortest halves)
    plateau: float  # of the region, within 1/32 of the range: air taken for breast is flat
    air_spread: float  # shortest interval with half of what is outside, of the range

    @property
    def penalty(self) -> float:
        """0 where nothing is odd; each property adds its distance from the usual range in its own unit."""
        return (
            _above(0.10, self.share, 0.05)
            + _above(0.65, self.fill, 0.10)
            + _above(self.fill, 0.94, 0.04)
            + _above(0.88, self.hull, 0.10)
            + _above(0.90, self.wall, 0.20)
            + _above(self.nipple_side, 0.40, 0.40)
            + _above(self.unevenness, 0.25, 0.25)
            + _above(self.plateau, 0.25, 0.25)
            + _above(self.air_spread, 0.08, 0.10)
        )


def likeness(
    region: Bool[np.ndarray, "row column"],
    values: Float[np.ndarray, "row column"],
    image: Bool[np.ndarray, "row column"],
) -> Likeness:
    """Properties of a region that is not empty; `image` leaves out padding, `values` are in [0, 1]."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    box = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    depth = max(1, round(STRIP * box.shape[1]))
    sides = float(box[:, :depth].mean()), float(box[:, -depth:].mean())
    air = image & (values < BRIGHT) & ~widened(region, RIM)
    outside = _spread(values[air])
    core = values[narrowed(region, RIM)]
    inside = _spread(core)
    return Likeness(
        share=float(region.mean()),
        fill=float(box.mean()),
        hull=_hull_fill(region),
        wall=max(sides),
        nipple_side=min(sides),
        unevenness=outside / (outside + inside) if outside > 0 else 0.0,
        plateau=_plateau(core),
        air_spread=outside,
    )


def _above(value: float, limit: float, unit: float) -> float:
    return min(WORST, max(0.0, value - limit) / unit)


def _spread(values: Float[np.ndarray, "pixel"]) -> float:
    """Length of the shortest interval that holds half of the values: labels and strips do not count."""
    if values.size < FEWEST:
        return 0.0
    ordered = np.sort(values[:: max(1, values.size // MOST)])
    half = ordered.size // 2
    return float((ordered[half:] - ordered[: ordered.size - half]).min())


def _plateau(values: Float[np.ndarray, "pixel"]) -> float:
    """Largest share of the values within two of 64 neighbouring bins."""
    if values.size < FEWEST:
        return 0.0
    counts = np.bincount(np.minimum((values * 64).astype(np.intp), 63), minlength=64)
    return float((counts[:-1] + counts[1:]).max()) / values.size


def _hull_fill(region: Bool[np.ndarray, "row column"]) -> float:
    """Share of the convex hull of the pixels (as squares) that is region.

    The hull is circumscribed: bounded by the tangents in DIRECTIONS, which is within 1 %.
    """
    rows = np.flatnonzero(region.any(axis=1)).astype(np.float64)
    filled = region[rows.astype(np.intp)]
    first = filled.argmax(axis=1).astype(np.float64)
    last = region.shape[1] - filled[:, ::-1].argmax(axis=1).astype(np.float64)
    y = np.concatenate([rows, rows + 1, rows, rows + 1])
    x = np.concatenate([first, first, last, last])
    cos, sin = np.cos(DIRECTIONS), np.sin(DIRECTIONS)
    support = (cos[:, None] * x + sin[:, None] * y).max(axis=1)
    # Corners of the hull: where two tangents that follow each other meet.
    after, turn = np.roll(support, -1), DIRECTIONS[1] - DIRECTIONS[0]
    cos_after, sin_after = np.roll(cos, -1), np.roll(sin, -1)
    corner_x = (support * sin_after - after * sin) / np.sin(turn)
    corner_y = (after * cos - support * cos_after) / np.sin(turn)
    area = 0.5 * float((corner_x * np.roll(corner_y, -1) - np.roll(corner_x, -1) * corner_y).sum())
    return min(1.0, float(region.sum()) / area)
