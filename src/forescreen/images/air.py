"""What is not breast: padding and lit edges of constant grey, and the level, slope and noise of air.

In: a picture at reduced resolution, air darker than breast or the other way round. Out: the part of the
picture that is image, the levels at which air may end, and the surface of air under which a pixel is air.
Air is flat but for the haze of a film, the heel of a tube and noise: a surface of second order, fitted to
what lies outside of a first breast. Where no level of grey stands out, Otsu's split is tried [Otsu1979].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

#: Histogram bins over the range of the image.
BINS = 256
#: A line of the picture is constant if 90 % of it lies within this share of the range.
CONSTANT = 0.01
#: More than this share of lines is not peeled off: the picture is constant then, not its padding.
MOST_PADDING = 0.7
#: A mode of air holds at least this share of the image in seven bins, and lies in the darker part.
LEAST_MODE, DARKER_PART = 0.02, 0.6
#: Air ends at most this share of the range above its mode, before noise is known.
MOST_MARGIN = 0.06
#: Most modes looked at.
MODES = 3
#: Air ends this share of the range above its level, and this many standard deviations of its noise.
MARGIN, NOISES = 0.02, 3.0


#: Most pixels of air that the surface is fitted to, and what keeps the fit of few of them defined.
MOST_PIXELS, RIDGE = 1500, 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Air:
    """The level of air at each pixel, and how far above it breast begins."""

    surface: Float[np.ndarray, "row column"]
    margin: float


def find_image(picture: Float[np.ndarray, "row column"]) -> Bool[np.ndarray, "row column"]:
    """The picture without the lines of one grey at its edges: padding, lit strips, digital air."""
    top, bottom, left, right = 0, picture.shape[0], 0, picture.shape[1]
    for axis in (0, 1, 0):
        inner = picture[top:bottom, left:right]
        low, high = np.percentile(inner[::3, ::3], [5, 95]).tolist()
        limit = CONSTANT * (high - low)
        # A third of each line tells as much as the whole.
        p5, middle, p95 = _percentiles(inner[::3].T if axis == 0 else inner[:, ::3], (5.0, 50.0, 95.0))
        constant = p95 - p5 <= limit
        before = _leading(constant & (np.abs(middle - middle[0]) <= limit))
        after = _leading((constant & (np.abs(middle - middle[-1]) <= limit))[::-1])
        before, after = (n if n <= MOST_PADDING * middle.size else 0 for n in (before, after))
        if before + after > MOST_PADDING * middle.size:
            continue
        if axis == 0:
            left, right = left + before, right - after
        else:
            top, bottom = top + before, bottom - after
    image = np.zeros(picture.shape, dtype=bool)
    image[top:bottom, left:right] = True
    return image


def air_levels(values: Float[np.ndarray, "row column"], image: Bool[np.ndarray, "row column"]) -> list[float]:
    """Levels at which air may end, ascending; `values` are in [0, 1] with air darker than breast."""
    inside = values[image]
    counts = np.bincount(np.minimum((inside * BINS).astype(np.intp), BINS - 1), minlength=BINS) / inside.size
    smooth = ndimage.gaussian_filter1d(counts, 1.0, mode="constant")
    darker = smooth[: round(DARKER_PART * BINS)]
    taken = np.zeros(darker.size, dtype=bool)
    levels: list[float] = []
    for mode in np.argsort(-darker).tolist():
        if len(levels) == 2 * MODES or counts[max(0, mode - 3) : mode + 4].sum() < LEAST_MODE:
            break
        near = slice(max(0, mode - 3), mode + 4)
        if taken[near].any() or smooth[mode] < smooth[max(0, mode - 1) : mode + 2].max():
            continue
        taken[near] = True
        start = mode
        while start > 0 and smooth[start - 1] > 0.1 * smooth[mode]:
            start -= 1
        margin = min(MOST_MARGIN, max(3.0, 1.5 * (mode - start)) / BINS)
        levels += [mode / BINS + times * margin for times in (1, 3)]
    if not levels:
        levels.append((otsu(counts) + 1) / BINS)
    return sorted(levels)


def fit_air(values: Float[np.ndarray, "row column"], air: Bool[np.ndarray, "row column"]) -> Air:
    """Surface and margin of air from pixels that are mostly air; brighter things among them do not count."""
    n_rows, n_columns = values.shape
    at = np.flatnonzero(air & (values < DARKER_PART))
    at = at[:: max(1, at.size // MOST_PIXELS)]
    y, x = np.linspace(-1, 1, n_rows), np.linspace(-1, 1, n_columns)
    design = _terms(y[at // n_columns], x[at % n_columns])
    target = values.ravel()[at].astype(np.float64)
    keep = np.ones(target.size, dtype=bool)
    solution, noise = np.zeros(design.shape[1]), 0.0
    solution[0] = np.percentile(target, 25) if target.size else 0.0
    for _ in range(5):
        rest = target - design @ solution
        lower = rest[rest <= 0]
        noise = 1.4826 * float(np.median(-lower)) if lower.size else 0.0
        before, keep = keep, (rest < 2.0 * noise + MARGIN) & (rest > -4.0 * noise - MARGIN)
        if np.array_equal(keep, before) and solution[1:].any():
            break  # the same pixels give the same surface
        if keep.sum() < 10 * solution.size:
            break
        used = design[keep]
        solution = np.linalg.solve(used.T @ used + RIDGE * np.eye(solution.size), used.T @ target[keep])
    fitted = design[keep] @ solution if keep.any() else solution[:1]
    surface = _surface(solution, y, x)
    # Beyond the air it was fitted to, the surface is believed for as much again, and not further.
    low, high = float(fitted.min()), float(fitted.max())
    surface = np.clip(surface, low, high + (high - low))
    return Air(surface=surface, margin=max(MARGIN, NOISES * noise))


def _percentiles(
    lines: Float[np.ndarray, "line pixel"], wanted: tuple[float, ...]
) -> list[Float[np.ndarray, "line"]]:
    """Percentiles of each line, numpy's to the bit: to sort short lines costs less than its partition."""
    ordered = np.sort(lines, axis=1)
    found = []
    for percent in wanted:
        place = (lines.shape[1] - 1) * (percent / 100)
        before, share = int(place), np.float64(place - int(place))
        low, high = ordered[:, before], ordered[:, min(before + 1, lines.shape[1] - 1)]
        step = high - low
        found.append(low + step * share if share < 0.5 else high - step * (1 - share))
    return found


def _terms(y: Float[np.ndarray, "pixel"], x: Float[np.ndarray, "pixel"]) -> Float[np.ndarray, "pixel 6"]:
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)


def _surface(
    c: Float[np.ndarray, "6"], y: Float[np.ndarray, "row"], x: Float[np.ndarray, "column"]
) -> Float[np.ndarray, "row column"]:
    along_rows = (c[1] * x + c[4] * x * x).astype(np.float32)
    along_columns = (c[0] + c[2] * y + c[5] * y * y).astype(np.float32)
    surface: np.ndarray = np.outer((c[3] * y).astype(np.float32), x.astype(np.float32))
    surface += along_rows[None, :]
    surface += along_columns[:, None]
    return surface


def otsu(counts: Float[np.ndarray, "bin"]) -> int:
    """Bin that splits a histogram with the largest variance between its two parts [Otsu1979]."""
    level = np.arange(counts.size)
    weight, total = np.cumsum(counts), np.cumsum(counts * level)
    other = weight[-1] - weight
    apart = total[-1] * weight / weight[-1] - total
    between = np.divide(apart**2, weight * other, out=np.zeros(counts.size), where=(weight * other) > 0)
    return int(np.argmax(between))


def _leading(true: Bool[np.ndarray, "line"]) -> int:
    return int(true.size if true.all() else np.argmin(true))
