"""One exam as the tensor that models see: four slots, chest wall at column 0, background 0.

In: an `Exam` of presentation values. Out: an `ExamTensor`. Each mammogram: breast found (`breast`),
chest wall found (`orient`), resampled onto the canvas in millimetres with the chest wall at column 0
and the breast in the middle of the rows (`geometry`), normalised within the breast (`intensity`),
stored in 16 bits. A prepared exam and the same exam out of a store are equal to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt16

from ..errors import ExamError
from ..records import STANDARD_VIEWS, Density, Exam, Mammogram, View
from .breast import WARNINGS, BreastRegion, block_mean, find_breast
from .density import measure_area
from .geometry import Geometry, Placement, resample
from .intensity import Anchors, find_anchors
from .orient import Orientation, Side, find_chest_wall
from .pectoral import find_pectoral

#: Largest stored value; breast pixels are 1 to WHITE, background is 0.
WHITE = 65535

#: Flags that preparation adds to those of the gate, and what they mean.
FLAGS = {
    "pixel_spacing_missing": "no pixel spacing: the image was scaled to fit the canvas, sizes mean nothing",
    "laterality_conflict_pixels": "the chest wall lies on the side that is usual for the other breast",
    "chest_wall_uncertain": "both sides of the breast look alike: the side of the chest wall is a guess",
    "breast_exceeds_canvas": "more than 1 % of the breast lies outside the canvas and was cut",
    "breast_uncertain": WARNINGS["breast_uncertain"],
}


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedView:
    """One mammogram on the canvas, and what was done to it."""

    pixels: UInt16[np.ndarray, "row column"]
    orientation: Orientation
    anchors: Anchors
    spacing_mm: tuple[float, float] | None  # of the source image, row and column
    flags: tuple[str, ...]
    region: BreastRegion  # in the source image

    @property
    def flipped(self) -> bool:
        """True if the stored image had its chest wall on the right and was mirrored."""
        return self.orientation.chest_wall is Side.RIGHT


@dataclass(frozen=True, kw_only=True, eq=False)
class ExamTensor:
    """The four standard views of an exam in [0, 1], in the order of STANDARD_VIEWS; absent views are 0."""

    exam_id: str
    woman_id: str
    images: Float[np.ndarray, "4 row column"]
    present: Bool[np.ndarray, "4"]
    spacing_mm: float  # of the canvas


def prepare(exam: Exam, geometry: Geometry = Geometry()) -> ExamTensor:  # noqa: B008 (frozen)
    """The exam as a tensor; views that the exam does not have are absent, not guessed.

    Raises ExamError if an image shows no breast.
    """
    images = np.zeros((len(STANDARD_VIEWS), geometry.rows, geometry.columns), dtype=np.float32)
    present = np.zeros(len(STANDARD_VIEWS), dtype=bool)
    for mammogram in exam.mammograms:
        slot = STANDARD_VIEWS.index((mammogram.laterality, mammogram.view))
        images[slot] = as_unit(prepare_mammogram(mammogram, geometry).pixels)
        present[slot] = True
    return ExamTensor(
        exam_id=exam.exam_id,
        woman_id=exam.woman_id,
        images=images,
        present=present,
        spacing_mm=geometry.spacing_mm,
    )


def prepare_mammogram(
    mammogram: Mammogram,
    geometry: Geometry,
    *,
    seen: tuple[BreastRegion, Orientation, Anchors] | None = None,
) -> PreparedView:
    """One mammogram on the canvas. Raises ExamError if it shows no breast, or one without contrast.

    `seen` are its breast, chest wall and anchors where they were found before: what they say about the
    header is then among the mammogram's flags.
    """
    flags = list(mammogram.flags)
    if seen is None:
        region = find_breast(mammogram.pixels, bright_air=False)
        orientation = find_chest_wall(region.mask, mammogram.laterality)
        if orientation.agrees is None:
            _add(flags, "chest_wall_uncertain")
        elif not orientation.agrees:
            _add(flags, "laterality_conflict_pixels")
        for warning in region.warnings:
            _add(flags, warning)
        anchors = breast_anchors(mammogram, region)
    else:
        region, orientation, anchors = seen

    spacing = mammogram.spacing_mm
    if spacing is None:
        guess = geometry.spacing_that_fits(*mammogram.pixels.shape)
        _add(flags, "pixel_spacing_missing")
    row_mm, column_mm = spacing or (guess, guess)

    inside, values = _cut_out(mammogram, region)
    placement = _place(inside.shape, (row_mm, column_mm), geometry, orientation)
    cover = resample(inside.astype(np.float32), placement, geometry)
    total = resample(values * inside, placement, geometry)

    breast_mm2 = float(inside.sum()) * row_mm * column_mm
    if float(cover.sum()) * geometry.spacing_mm**2 < 0.99 * breast_mm2:
        _add(flags, "breast_exceeds_canvas")
    return PreparedView(
        pixels=_as_stored(total, cover, anchors),
        orientation=orientation,
        anchors=anchors,
        spacing_mm=spacing,
        flags=tuple(flags),
        region=region,
    )


def breast_anchors(mammogram: Mammogram, region: BreastRegion) -> Anchors:
    """The anchors of its grey scale. Raises ExamError for a breast without contrast."""
    top, bottom, left, right = region.box
    # Percentiles of every eighth row of a large breast are those of all rows to three digits.
    step = 8 if (bottom - top) * (right - left) > 100_000 else 1
    inside, values = _cut_out(mammogram, region, step)
    return find_anchors(values[inside], mammogram.acquisition.profile)


def view_density(mammogram: Mammogram, region: BreastRegion, chest_wall: Side) -> Density | None:
    """Density by area of one view, None where it cannot be measured; MLO views without their muscle."""
    muscle = np.zeros_like(region.mask)
    flags: tuple[str, ...] = ()
    pixels = mammogram.pixels
    blocks = block_mean(pixels, region.factor)
    if mammogram.view is View.MLO:
        found = find_pectoral(pixels, region, chest_wall, blocks=blocks)
        muscle, flags = found.mask, () if found.found else ("pectoral_not_found",)
    try:
        return measure_area(
            pixels,
            region,
            muscle,
            chest_wall,
            spacing_mm=mammogram.spacing_mm,
            flags=flags,
            blocks=blocks,
        ).density
    except ExamError:  # the reason is the image's: too little breast, no contrast
        return None


def as_unit(pixels: UInt16[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Stored values as float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(WHITE)


def _cut_out(
    mammogram: Mammogram, region: BreastRegion, row_step: int = 1
) -> tuple[Bool[np.ndarray, "row column"], Float[np.ndarray, "row column"]]:
    """The bounding box of the breast: its mask and its presentation values, of every `row_step`-th row."""
    top, bottom, left, right = region.box
    rows, columns = slice(top, bottom, row_step), slice(left, right)
    inside = region.at_full_size(rows=rows, columns=columns)
    return inside, np.asarray(mammogram.pixels[rows, columns], dtype=np.float32)


def _place(
    shape: tuple[int, int], spacing_mm: tuple[float, float], geometry: Geometry, orientation: Orientation
) -> Placement:
    """The canvas over the bounding box: chest wall at column 0, the same height above and below."""
    pixel_height = geometry.spacing_mm / spacing_mm[0]
    mirrored = orientation.chest_wall is Side.RIGHT
    return Placement(
        top=(shape[0] - geometry.rows * pixel_height) / 2,
        left=float(shape[1]) if mirrored else 0.0,
        pixel_height=pixel_height,
        pixel_width=geometry.spacing_mm / spacing_mm[1],
        mirrored=mirrored,
    )


def _as_stored(
    total: Float[np.ndarray, "row column"], cover: Float[np.ndarray, "row column"], anchors: Anchors
) -> UInt16[np.ndarray, "row column"]:
    """Mean over the breast part of each canvas pixel, normalised, as 1..WHITE; 0 where less than half
    of it is breast. Normalising after the mean keeps the mean of fine bright structures."""
    is_breast = cover >= 0.5
    mean = np.divide(total, cover, out=np.zeros_like(total), where=is_breast)
    stored = np.where(is_breast, 1.0 + anchors.apply(mean) * (WHITE - 1), 0.0)
    return np.rint(stored).astype(np.uint16)


def _add(flags: list[str], flag: str) -> None:
    if flag not in flags:
        flags.append(flag)
