"""Smooth curves through points: local regression, computed point by point ("direct"), never interpolated.

In: x, and the mass of each row (2 is the row twice). Out: `Points`, and smoother rows that give the curve at
chosen places as weighted means of the y of the points; so one set of rows serves values, variances and
several outcomes. Many rows are first gathered into narrow bins. [Cleveland1979, Cleveland1988]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from ..errors import InputError
from .rows import finite_scores

#: Up to so many distinct x all of them are points; beyond, rows share bins.
MOST_POINTS = 2000

#: Rows are binned by 1/1000 of the mass and of the range: the curve, joined by lines, moves by less than
#: 1e-3.
_BINS = 1000

#: Kernel entries held at once: 2¹⁹ doubles are 4 MiB, near the cache.
_CHUNK_ENTRIES = 1 << 19

#: A local sum of squares below this share of its scale is rounding: the degree is then lowered.
_FLAT = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """Places on the x axis, increasing, with their mass, and the place of each row."""

    x: Float[np.ndarray, "point"]
    mass: Float[np.ndarray, "point"]
    of_row: Int[np.ndarray, "row"]
    row_mass: Float[np.ndarray, "row"]
    binned: bool

    def mean(self, y: Float[np.ndarray, "row"]) -> Float[np.ndarray, "point"]:
        """Mean of y over the rows of each point, by mass."""
        total = np.bincount(self.of_row, weights=self.row_mass * y, minlength=self.x.size)
        return np.asarray(total / self.mass)


def points_of(
    x: Float[np.ndarray, "row"],
    *,
    mass: Float[np.ndarray, "row"] | None = None,
    most: int = MOST_POINTS,
    n_bins: int = _BINS,
) -> Points:
    """The distinct x as points; with more than `most` of them, bins of rows at their mean x.

    A bin is at most 1/n_bins of the range wide and holds at most about 1/n_bins of the mass: at most 2·n_bins
    bins, fine both where rows are dense and in long tails. The lowest and highest x stay points of their own.
    `mass` must be positive and finite; x finite.
    """
    values = finite_scores(x, x.size, "x")
    row_mass = np.ones(values.size) if mass is None else mass
    n_bad = int(np.count_nonzero(~(np.isfinite(row_mass) & (row_mass > 0))))
    if n_bad or values.size == 0:
        raise InputError(
            expected="at least one row, each of positive mass",
            found=f"{values.size} rows, {n_bad} of them without",
            where="points of a curve",
        )
    distinct, of_row = np.unique(values, return_inverse=True)
    binned = distinct.size > most
    if binned:
        mass_of_distinct = np.bincount(of_row, weights=row_mass)
        before = np.cumsum(mass_of_distinct) - mass_of_distinct
        by_mass = np.floor(before / mass_of_distinct.sum() * n_bins)
        by_width = np.floor((distinct - distinct[0]) / (distinct[-1] - distinct[0]) * n_bins)
        starts = (np.diff(by_mass) > 0) | (np.diff(by_width) > 0)
        starts[[0, -1]] = True  # both ends stay themselves: the curve is interpolated, never extended
        of_row = np.concatenate([[0], np.cumsum(starts)])[of_row]
    total = np.bincount(of_row, weights=row_mass)
    place = np.bincount(of_row, weights=row_mass * values) / total if binned else distinct
    return Points(x=place, mass=total, of_row=of_row, row_mass=row_mass, binned=binned)


def loess_rows(
    points: Points,
    at: Float[np.ndarray, "place"],
    *,
    span: float = 0.75,
    degree: Literal[1, 2] = 2,
) -> Float[np.ndarray, "place point"]:
    """Rows of the loess smoother: `loess_rows(points, at) @ points.mean(y)` is the curve at `at`.

    At each place the nearest share `span` of the mass (of whole masses: the nearest floor(span · Σ mass)
    rows) gives the half-width h; weights mass · (1 − (d/h)³)³ for distances d < h; a polynomial of `degree`
    is fitted by weighted least squares, its value at the place is the curve. R's `loess(surface = "direct",
    family = "gaussian")`. Where too few distinct x lie within h, or h is 0, the degree is lowered, down to a
    weighted mean. Every row sums to 1.

    Raises InputError unless 0 < span <= 1.
    """
    half_width = _half_widths(points, at, span, slack=1e-5)
    rows = np.empty((at.size, points.x.size))
    for part, z in _distances(points, at, half_width):
        kernel = _tricube(np.abs(z)) * points.mass
        rows[part] = _polynomial_rows(z, kernel, degree)
    return rows


def lowess_rows(
    points: Points, at: Float[np.ndarray, "place"], *, span: float = 2 / 3
) -> Float[np.ndarray, "place point"]:
    """Rows of the lowess smoother without robustness iterations, as in R's `lowess(iter = 0, delta = 0)`.

    Local lines with the kernel of [Cleveland1979], in which distances below 0.001 h count as 0 and those
    above 0.999 h as beyond h. Arguments and errors as for `loess_rows`.
    """
    half_width = _half_widths(points, at, span, slack=1e-7, least=2.0)
    flat = (0.001 * (points.x[-1] - points.x[0])) ** 2
    rows = np.empty((at.size, points.x.size))
    for part, z in _distances(points, at, half_width):
        distance = np.abs(z)
        kernel = np.where(distance <= 0.001, 1.0, np.where(distance <= 0.999, _tricube(distance), 0.0))
        h = half_width[part]
        scale = np.where(h > 0, h, 1.0)
        rows[part] = _polynomial_rows(z, kernel * points.mass, 1, flat=flat / scale**2)
    return rows


def spaced_places(points: Points, gap: float) -> Float[np.ndarray, "place"]:
    """Some of the x, first and last among them, each the farthest within `gap` of the one before.

    Where the next point is farther than that, it is the next place. R's `lowess(delta = gap)` fits at these
    and joins them by straight lines.
    """
    places = [0]
    while places[-1] < points.x.size - 1:
        last = places[-1]
        reach = int(np.searchsorted(points.x, points.x[last] + gap, side="right")) - 1
        places.append(max(last + 1, reach))
    return points.x[places]


def weighted_quantile(
    values: Float[np.ndarray, "row"],
    shares: Float[np.ndarray, "share"],
    *,
    mass: Float[np.ndarray, "row"] | None = None,
) -> Float[np.ndarray, "share"]:
    """Quantiles with linear interpolation (numpy's default, R's type 7), a mass of 2 being the row twice.

    Masses that are not whole numbers are scaled to a mean of 1 first.
    """
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    if mass is None:
        return np.asarray(np.quantile(ascending, shares))
    weight = mass[order] if _whole(mass) else mass[order] * (mass.size / mass.sum())
    end = np.cumsum(weight)
    begin = end - weight
    # A row fills the ranks from `begin` to one before the next row's; the quantile is linear in between.
    last = np.maximum(end - 1.0, begin)
    ranks = np.column_stack([begin, last]).ravel()
    return np.asarray(np.interp(np.asarray(shares) * (end[-1] - 1.0), ranks, np.repeat(ascending, 2)))


def _whole(mass: Float[np.ndarray, "row"]) -> bool:
    return bool(np.all(mass == np.round(mass)))


def _half_widths(
    points: Points, at: Float[np.ndarray, "place"], span: float, *, slack: float, least: float = 1.0
) -> Float[np.ndarray, "place"]:
    """Smallest distance within which the wanted mass lies, for every place.

    For each left end i the right end r(i) completes the mass; x_i + x_r(i) increases with i, so that the
    window balanced about a place is found by one binary search.
    """
    if not 0 < span <= 1:
        raise InputError(expected="a span in (0, 1]", found=str(span), where="local regression")
    total = float(points.mass.sum())
    wanted = span * total
    if _whole(points.mass):
        wanted = max(least, float(np.floor(wanted + slack)))
    wanted = min(wanted, total)
    cumulative = np.concatenate([[0.0], np.cumsum(points.mass)])
    tolerance = 1e-9 * total
    right = np.searchsorted(cumulative, cumulative[:-1] + wanted - tolerance, side="left") - 1
    complete = right < points.x.size
    left_x, right_x = points.x[complete], points.x[right[complete]]
    balanced = np.searchsorted(left_x + right_x, 2 * at, side="left")
    widths = []
    for end in (balanced - 1, balanced):
        i = np.clip(end, 0, left_x.size - 1)
        widths.append(np.maximum(at - left_x[i], right_x[i] - at))
    return np.asarray(np.maximum(np.minimum(*widths), 0.0))


def _distances(
    points: Points, at: Float[np.ndarray, "place"], half_width: Float[np.ndarray, "place"]
) -> Iterator[tuple[slice, Float[np.ndarray, "part point"]]]:
    """Signed distances in half-widths, a few places at a time; where h is 0 other points are at infinity."""
    chunk = max(1, _CHUNK_ENTRIES // points.x.size)
    for start in range(0, at.size, chunk):
        part = slice(start, start + chunk)
        z = points.x - at[part, None]
        h = half_width[part, None]
        yield part, np.divide(z, h, out=np.where(z == 0, 0.0, 2.0), where=h > 0)


def _tricube(distance: Float[np.ndarray, "*axes"]) -> Float[np.ndarray, "*axes"]:
    inside = np.minimum(distance, 1.0)
    complement = 1 - inside * inside * inside
    return np.asarray(complement * complement * complement)


def _polynomial_rows(
    z: Float[np.ndarray, "place point"],
    kernel: Float[np.ndarray, "place point"],
    degree: int,
    *,
    flat: Float[np.ndarray, "place"] | float = _FLAT,
) -> Float[np.ndarray, "place point"]:
    """Weights of each point in the fitted value at z = 0, by orthogonal polynomials in z.

    Powers are made orthogonal under the kernel before the fit: normal equations would lose digits at the
    ends.
    """
    share = kernel / kernel.sum(axis=1, keepdims=True)
    centre = np.sum(share * z, axis=1, keepdims=True)
    linear = z - centre
    weighted = share * linear
    spread = np.sum(weighted * linear, axis=1, keepdims=True)
    limit = np.reshape(np.broadcast_to(flat, (z.shape[0],)), (-1, 1))
    slope = np.divide(-centre, spread, out=np.zeros_like(spread), where=spread > limit)
    rows = 1 + slope * linear
    if degree == 2:
        tilt = np.divide(
            np.sum(weighted * linear * linear, axis=1, keepdims=True),
            spread,
            out=np.zeros_like(spread),
            where=spread > limit,
        )
        quadratic = linear * (linear - tilt) - spread
        bend = np.sum(share * quadratic * quadratic, axis=1, keepdims=True)
        at_place = centre * (centre + tilt) - spread
        rows += np.divide(at_place, bend, out=np.zeros_like(bend), where=bend > limit * spread) * quadratic
    return np.asarray(share * rows)
