"""A phantom on a detector: presentation levels, then the stored values of a machine.

In: a `Phantom`, a `Matrix` and a generator for the quantum noise. Out: the levels 1..4095 of the breast
(0 is air), and from them the picture that the machine stores, with its marker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse
from jaxtyping import Float32, UInt16

from ..records import Laterality, View
from .fields import GRID_MM, Field, normals
from .phantom import Phantom
from .vendors import LEVELS, Matrix, Vendor

_EDGE_STEP_MM = 1 / 32  # resolution of the skin profile
_EDGE_OUTSIDE_MM, _EDGE_STEPS = 2.0, 1216  # profile from 2 mm outside the skin to 36 mm inside
_BLOCK_PIXELS = 1 << 17  # pixels worked on at once: what stays in the cache


@dataclass(frozen=True, kw_only=True, eq=False)
class Exposure:
    """The part of the detector that the breast covers: levels 1..4095 in the breast, 0 in air."""

    levels: UInt16[np.ndarray, "row column"]
    first_row: int


def expose(
    phantom: Phantom,
    generator: np.random.Generator,
    *,
    rows: int,
    columns: int,
    spacing_mm: float,
    noise: float = 0.022,
    shift_mm: float = 0.0,
) -> Exposure:
    """What a detector of `rows` x `columns` pixels of `spacing_mm` shows of the phantom.

    `noise` is the standard deviation of quantum noise in a pixel of 0.1 mm at mid grey, in presentation
    units; `shift_mm` moves the breast down the detector. Parts that lie off the detector are cut.
    """
    detector_top = 0.0 if phantom.view is View.MLO else -rows * spacing_mm / 2
    top = phantom.top_mm + (0.0 if phantom.view is View.MLO else shift_mm) - detector_top
    n_y, n_x = phantom.tissue.shape
    first_row = max(0, math.ceil(top / spacing_mm - 0.5))
    last_row = min(rows, math.floor((top + n_y * GRID_MM) / spacing_mm))
    n_columns = min(columns, math.floor(n_x * GRID_MM / spacing_mm))
    across = _spline(n_x, (np.arange(n_columns) + 0.5) * spacing_mm)
    depth, tissue = (_along_rows(field, across) for field in (phantom.depth_mm, phantom.tissue))
    profile, skin, air = _edge_profile(spacing_mm)
    grain = noise * 0.1 / spacing_mm

    levels = np.empty((last_row - first_row, n_columns), np.uint16)
    n_rows = max(1, _BLOCK_PIXELS // n_columns)
    for start in range(0, levels.shape[0], n_rows):
        stop = min(start + n_rows, levels.shape[0])
        down = _spline(n_y, (np.arange(first_row + start, first_row + stop) + 0.5) * spacing_mm - top)
        step = down @ depth
        step += _EDGE_OUTSIDE_MM
        step *= 1 / _EDGE_STEP_MM
        np.clip(step, 0, _EDGE_STEPS - 1, out=step)
        index = step.astype(np.intp)
        image = down @ tissue
        image *= np.take(profile, index, mode="clip")
        image += np.take(skin, index, mode="clip")
        quantum = normals(generator, image.shape)
        # Dense tissue lets fewer photons through: its noise is the larger one.
        quantum *= image * (0.9 * grain) + 0.55 * grain
        image += quantum
        image *= LEVELS - 1
        np.clip(image, 1, LEVELS - 1, out=image)
        block = levels[start:stop]
        block[...] = image
        block[index <= air] = 0
    return Exposure(levels=levels, first_row=first_row)


def stored_picture(
    exposure: Exposure,
    vendor: Vendor,
    matrix: Matrix,
    laterality: Laterality,
    view: View,
    *,
    raw: bool,
) -> UInt16[np.ndarray, "row column"]:
    """Stored values on the whole detector, with the marker; chest wall right for a right breast."""
    table = _raw_table() if raw else _stored_table(vendor)
    canvas = np.full((matrix.rows, matrix.columns), table[0], np.uint16)
    rows = slice(exposure.first_row, exposure.first_row + exposure.levels.shape[0])
    breast = canvas[rows, : exposure.levels.shape[1]]
    np.take(table, exposure.levels, out=breast, mode="clip")
    if laterality is Laterality.RIGHT:
        canvas = np.ascontiguousarray(canvas[:, ::-1])
    if not raw:  # the marker is put in by the processing
        marker = _marker(f"{laterality} {view}", matrix.spacing_mm)
        height, width = marker.shape
        margin = math.ceil(4 / matrix.spacing_mm)
        # Away from the chest wall, in the upper corner: no breast reaches it.
        left = margin if laterality is Laterality.RIGHT else matrix.columns - margin - width
        canvas[margin : margin + height, left : left + width][marker] = table[LEVELS - 1]
    return canvas


@lru_cache(maxsize=8)
def _edge_profile(
    spacing_mm: float,
) -> tuple[Float32[np.ndarray, "step"], Float32[np.ndarray, "step"], int]:
    """By depth: factor of the tissue, grey added by the skin, and the last step that is air."""
    depth = np.arange(_EDGE_STEPS) * _EDGE_STEP_MM - _EDGE_OUTSIDE_MM
    covered = np.clip(depth / spacing_mm + 0.5, 0, 1)
    thinning = 0.25 + 0.75 * (1 - np.exp(-np.maximum(depth, 0) / 8.0))
    skin = 0.07 * np.exp(-np.square((depth - 1.0) / 0.9)) + 0.02
    air = int(np.flatnonzero(covered == 0)[-1]) if covered[0] == 0 else -1
    return (covered * thinning).astype(np.float32), (covered * skin).astype(np.float32), air


def _spline(n_cells: int, position_mm: np.ndarray) -> scipy.sparse.csr_array:
    """Cubic B-spline weights from cells of the grid to positions: smooth, no overshoot."""
    at = np.clip(position_mm / GRID_MM - 0.5, 0, n_cells - 1)
    base = np.floor(at).astype(np.int32)
    t = at - base
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], 1) / 6
    cells = np.clip(base[:, None] + np.arange(-1, 3, dtype=np.int32), 0, n_cells - 1)
    return scipy.sparse.csr_array(
        (
            weights.astype(np.float32).ravel(),
            cells.ravel(),
            np.arange(0, 4 * at.size + 1, 4, dtype=np.int32),
        ),
        shape=(at.size, n_cells),
    )


def _along_rows(field: Field, across: scipy.sparse.csr_array) -> Float32[np.ndarray, "y column"]:
    # Sparse products are single-threaded and add in a fixed order: same bytes with any BLAS.
    return np.ascontiguousarray((across @ np.ascontiguousarray(field.T)).T)


@lru_cache(maxsize=8)
def _stored_table(vendor: Vendor) -> UInt16[np.ndarray, "level"]:
    """Stored value of each level, the machine's tone curve included; level 0 is air."""
    tone = (np.arange(LEVELS) / (LEVELS - 1)) ** vendor.gamma
    table: UInt16[np.ndarray, "level"] = vendor.stored[np.rint(tone * (LEVELS - 1)).astype(np.intp)]
    table[0] = vendor.background
    return table


@lru_cache(maxsize=1)
def _raw_table() -> UInt16[np.ndarray, "level"]:
    """Photon counts of each level: linear, falling exponentially with what lies in the way."""
    counts = 16000 * np.exp(-2.6 * np.arange(LEVELS) / (LEVELS - 1))
    table: UInt16[np.ndarray, "level"] = np.rint(counts).astype(np.uint16)
    return table


# Letters of 5 x 7 dots, rows from the top, for the lead marker.
_LETTERS = {
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
    "C": ("01110", "10001", "10000", "10000", "10000", "10001", "01110"),
    "M": ("10001", "11011", "10101", "10101", "10001", "10001", "10001"),
    "O": ("01110", "10001", "10001", "10001", "10001", "10001", "01110"),
    " ": ("000",) * 7,
}
_DOT_MM = 0.9


@lru_cache(maxsize=32)
def _marker(text: str, spacing_mm: float) -> np.ndarray:
    """A frame with letters in it, as a mask of pixels; 30 mm wide at most."""
    lines = ["0".join(_LETTERS[letter][row] for letter in text) for row in range(7)]
    inner = np.pad(np.array([[dot == "1" for dot in line] for line in lines]), 2)
    dots = np.pad(inner, 1, constant_values=True)
    rows, columns = (max(n, round(n * _DOT_MM / spacing_mm)) for n in dots.shape)
    pick_row = (np.arange(rows) + 0.5) * dots.shape[0] / rows
    pick_column = (np.arange(columns) + 0.5) * dots.shape[1] / columns
    mask: np.ndarray = dots[pick_row.astype(int)][:, pick_column.astype(int)]
    return mask
