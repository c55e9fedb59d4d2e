"""The canvas on which every prepared mammogram lies, and area-true resampling onto it.

In: an image with its pixel spacing in millimetres and the part of it to keep. Out: the mean of the
image over each canvas pixel. Resampling is linear and exact: the image is read as piecewise constant
and integrated over each canvas pixel, so that the sum (density x area) is kept at every ratio of
pixel sizes, whole or not; box filters that take a source pixel wholly or not at all do not keep it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import sparse

from ..errors import ConfigError, InputError


@dataclass(frozen=True)
class Geometry:
    """A fixed canvas: `rows` x `columns` square pixels of `spacing_mm`.

    The default spans 256 x 208 mm. Detectors are 18 x 24 or 24 x 30 cm; compressed breasts rarely
    leave the canvas, and those that do are cut and flagged.
    """

    rows: int = 128
    columns: int = 104
    spacing_mm: float = 2.0

    def __post_init__(self) -> None:
        sane = 8 <= self.rows <= 8192 and 8 <= self.columns <= 8192
        if not (sane and math.isfinite(self.spacing_mm) and 0.02 <= self.spacing_mm <= 20):
            raise ConfigError(
                expected="8 to 8192 rows and columns of 0.02 to 20 mm",
                found=f"{self.rows} x {self.columns} of {self.spacing_mm} mm",
                where="geometry",
            )

    @property
    def height_mm(self) -> float:
        """Height of the canvas in millimetres."""
        return self.rows * self.spacing_mm

    @property
    def width_mm(self) -> float:
        """Width of the canvas in millimetres."""
        return self.columns * self.spacing_mm

    def spacing_that_fits(self, n_rows: int, n_columns: int) -> float:
        """Pixel spacing in millimetres under which an image of this size just fits the canvas.

        Stands in where an image has no spacing; sizes in millimetres mean nothing then.
        """
        return min(self.height_mm / n_rows, self.width_mm / n_columns)


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where the canvas lies in an image: its top left corner and canvas pixel size, in image pixels.

    With `mirrored` True, `left` is the image column edge that becomes column 0 of the canvas and the
    canvas runs from there to smaller image columns. Corners may lie outside the image.
    """

    top: float
    left: float
    pixel_height: float
    pixel_width: float
    mirrored: bool


def resample(
    image: Float[np.ndarray, "row column"], placement: Placement, geometry: Geometry
) -> Float[np.ndarray, "canvas_row canvas_column"]:
    """Mean of `image` over each canvas pixel, 0 outside the image (float32).

    Rows and columns are separable: out = R image C', with R and C the shares of each image row and
    column in each canvas row and column. Raises InputError if canvas pixels have no size.
    """
    if not (placement.pixel_height > 0 and placement.pixel_width > 0):
        raise InputError(
            expected="canvas pixels larger than nothing",
            found=f"{placement.pixel_height} x {placement.pixel_width} image pixels",
            where="resampling",
        )
    n_rows, n_columns = image.shape
    left = n_columns - placement.left if placement.mirrored else placement.left
    rows = _shares(n_rows, geometry.rows, placement.top, placement.pixel_height)
    columns = _shares(n_columns, geometry.columns, left, placement.pixel_width)
    source = image[:, ::-1] if placement.mirrored else image
    # Sparse times dense: each source row is read once, whatever the ratio.
    half: np.ndarray = rows @ np.ascontiguousarray(source, dtype=np.float32)
    return np.ascontiguousarray((columns @ np.ascontiguousarray(half.T)).T)


@lru_cache(maxsize=8)  # an image and its mask are resampled alike
def _shares(n_source: int, n_target: int, start: float, size: float) -> sparse.csr_array:
    """Overlap of each target interval [start + i size, start + (i+1) size) with each source pixel,
    divided by size: rows sum to 1 where the target lies inside the source."""
    edges = start + size * np.arange(n_target + 1)
    first = np.clip(np.floor(edges[:-1]), 0, n_source).astype(np.int32)
    last = np.clip(np.ceil(edges[1:]), 0, n_source).astype(np.int32)
    counts = np.maximum(last - first, 0)
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    target = np.repeat(np.arange(n_target), counts)
    source = np.arange(ends[-1], dtype=np.int32) + (first - ends[:-1])[target]
    overlap = np.minimum(edges[target + 1], source + 1.0) - np.maximum(edges[target], source)
    values = (np.maximum(overlap, 0.0) / size).astype(np.float32)
    return sparse.csr_array((values, source, ends), shape=(n_target, n_source))
