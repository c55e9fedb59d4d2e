"""A breast as a picture: what one compressed breast looks like in one view.

In: a `Subject` (body mass index, dense fraction, parenchymal trait, seeds of woman and exam), side
and view. Out: a `Phantom` on a grid of 0.75 mm, chest wall at column 0, axilla on top; who stores
pictures flips right breasts.

Built of: an outline (half a superellipse; the oblique one is cut by the upper edge and has the
pectoral muscle), dense tissue (a smooth random field over a central prior, cut at the quantile that
makes the dense fraction true), clouds and strands over all tissue, nipple. Clouds are power-law noise,
which describes mammographic parenchyma with an exponent near 3 [Burgess2001]. All other constants are
choices for plausible looks, not measurements, and the trait is an invention.

The trait moves the exponent of the clouds and of the dense tissue's field, the spacing of the strands,
the contrast of clouds and strands, and the difference of dense tissue between left and right. It leaves
the outline, the dense fraction averaged over the views, and the mean grey alone (the texture's mean
over the breast is subtracted).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.special
from jaxtyping import Bool, Float32, Float64

from ..errors import InputError
from ..records import Laterality, View
from .fields import (
    GRID_COLUMNS,
    GRID_MM,
    GRID_ROWS,
    Fan,
    Field,
    Spectrum,
    White,
    power_law,
    ring,
    stream,
    white_noise,
)

_CENTRE_MM = GRID_ROWS * GRID_MM / 2
# Grey of fat, what dense tissue adds, what its thickness adds to that, grey of muscle.
_FAT, _DENSE, _THICK, _MUSCLE = 0.21, 0.22, 0.14, 0.60
_CLOUDS, _STRANDS = 0.040, 0.100  # contrast at a trait of 0
_TEXTURE_IN_FAT = 0.6  # contrast of texture in fat, relative to dense tissue


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose breast, at which exam. `trait` is standard normal in the population, `bmi` in kg/m2.

    The anatomy comes from (`seed`, `woman_id`), so a woman looks like herself at every exam; position
    and quantum noise come from (`seed`, `exam_id`). Raises InputError for a dense fraction outside
    0..1, a body mass index that is not positive or a trait that is not a number.
    """

    seed: int
    woman_id: str
    exam_id: str
    bmi: float
    dense_fraction: float
    trait: float

    def __post_init__(self) -> None:
        if not (0 <= self.dense_fraction <= 1 and 0 < self.bmi < 150 and math.isfinite(self.trait)):
            raise InputError(
                expected="dense fraction in 0..1, a body mass index in kg/m2, a finite trait",
                found=f"{self.dense_fraction}, {self.bmi}, {self.trait}",
                where=f"exam {self.exam_id}",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Phantom:
    """One compressed breast on the grid, chest wall at column 0.

    `tissue` is grey before thinning and skin, `depth_mm` the distance from the skin (negative outside),
    `dense` how much of a cell is dense (0..1), `breast` the breast without pectoral muscle. `top_mm`
    is where the first row lies: below the middle of the detector (CC) or below its upper edge (MLO).
    """

    view: View
    tissue: Field
    depth_mm: Field
    dense: Field
    breast: Bool[np.ndarray, "y x"]
    top_mm: float

    @property
    def dense_fraction(self) -> float:
        """Dense area over breast area, pectoral muscle excluded from both."""
        return float(np.mean(self.dense[self.breast] > 0.5))


@dataclass(frozen=True, kw_only=True)
class _Outline:
    """Half a superellipse about the nipple's row: reach from the chest wall, extent up and down (mm)."""

    nipple_mm: float  # row of the nipple, from the top of the grid
    reach_mm: float
    up_mm: float
    down_mm: float
    muscle_width_mm: float  # at the upper edge; 0 without muscle
    muscle_height_mm: float


def build_phantom(subject: Subject, laterality: Laterality, view: View) -> Phantom:
    """The breast of `subject` in one view."""
    outline = _outline(subject, laterality, view)
    top = max(0, math.floor((outline.nipple_mm - outline.up_mm) / GRID_MM) - 3)
    bottom = min(GRID_ROWS, math.ceil((outline.nipple_mm + outline.down_mm) / GRID_MM) + 4)
    right = min(GRID_COLUMNS, math.ceil((outline.reach_mm + 8) / GRID_MM))
    y = ((np.arange(top, bottom) + 0.5) * GRID_MM - outline.nipple_mm).astype(np.float32)
    x = ((np.arange(right) + 0.5) * GRID_MM).astype(np.float32)
    depth = _depth(outline, x, y, stream(subject.seed, "outline", subject.woman_id, laterality, view))
    muscle = _muscle(outline, x, y)
    breast = (depth > 0) & (muscle < 0.5)
    fan = Fan.of(x, y, focus_mm=1.5 * outline.reach_mm + 12)
    chance = stream(subject.seed, "texture", subject.woman_id).standard_normal(3)
    fields = _Fields(subject, laterality, view, fan, breast, chance)
    score = _dense_score(fields.dense(), depth, breast, outline, x, y, _side_fraction(subject, laterality))
    dense: Field = scipy.special.expit(score * np.float32(1 / 0.16))
    texture = fields.texture()
    # Brighter where the tissue is thicker than it need be to count as dense.
    tissue = _FAT + dense * (_DENSE + _THICK * np.clip(score * np.float32(1 / 1.2), -0.5, 1.0))
    # Texture shows in fat and more in dense tissue; its mean over the breast is taken off, so that the
    # trait cannot show as brightness.
    texture *= _TEXTURE_IN_FAT + (1 - _TEXTURE_IN_FAT) * dense
    texture -= np.mean(texture[breast], dtype=np.float64).astype(np.float32)
    tissue += texture
    nipple = np.exp(-0.5 * np.square(y / 4.0))[:, None] * np.exp(
        -0.5 * np.square((x - outline.reach_mm) / 4.0)
    )
    tissue += 0.22 * nipple
    if outline.muscle_width_mm > 0:
        height = (y + outline.nipple_mm) / outline.muscle_height_mm
        grey = (_MUSCLE - 0.14 * height)[:, None] + 0.35 * texture
        tissue += muscle * (grey - tissue)
    return Phantom(
        view=view,
        tissue=np.maximum(tissue, 0.03),
        depth_mm=depth,
        dense=dense,
        breast=breast,
        top_mm=top * GRID_MM - (_CENTRE_MM if view is View.CC else 0.0),
    )


def _outline(subject: Subject, laterality: Laterality, view: View) -> _Outline:
    """Size by body mass index (times a woman's own factor), a little position by exam."""
    woman = stream(subject.seed, "size", subject.woman_id).standard_normal(6)
    side = stream(subject.seed, "side", subject.woman_id, laterality, view).standard_normal(4)
    exam = stream(subject.seed, "position", subject.exam_id, laterality, view).standard_normal(3)
    size = (subject.bmi / 27) ** 0.45 * math.exp(0.07 * woman[0])
    size = min(max(size, 0.72), 1.28)
    reach = 80 * size * math.exp(0.07 * woman[1] + 0.03 * side[0] + 0.015 * exam[0])
    reach = min(max(reach, 45.0), 140.0)
    if view is View.CC:
        half = min(76 * size * math.exp(0.03 * woman[2] + 0.01 * exam[1]), 98.0)
        tilt = 1 + 0.06 * side[1]  # more breast on the lateral side, or on the medial one
        return _Outline(
            nipple_mm=_CENTRE_MM + half * (tilt - 1),
            reach_mm=reach,
            up_mm=half * tilt,
            down_mm=half * (2 - tilt),
            muscle_width_mm=0.0,
            muscle_height_mm=1.0,
        )
    nipple = min(95 * size * math.exp(0.04 * woman[3]) + 3 * exam[1], 118.0)
    return _Outline(
        nipple_mm=nipple,
        reach_mm=min(reach * 1.06, 142.0),
        up_mm=nipple * 1.30,
        down_mm=min(72 * size * math.exp(0.04 * woman[4]), 92.0),
        muscle_width_mm=max(12.0, 38 * math.sqrt(size) + 7 * woman[5] + 3 * exam[2]),
        muscle_height_mm=max(50.0, nipple * 0.98 + 10 * side[2]),
    )


def _depth(
    outline: _Outline,
    x: Float32[np.ndarray, "x"],
    y: Float32[np.ndarray, "y"],
    generator: np.random.Generator,
) -> Field:
    """Distance from the skin in mm, first order: (1 - q) / |grad q| with q = (x/a)^2 + |y/b|^2.4."""
    half = np.where(y < 0, np.float32(outline.up_mm), np.float32(outline.down_mm))
    v = np.abs(y) / half
    phase, size = generator.random(3), generator.standard_normal(3)
    waves = [
        0.012 * s * np.sin(2 * np.pi * (y / (110 / (1 + i)) + p))
        for i, (p, s) in enumerate(zip(phase, size, strict=True))
    ]
    wave = np.sum(waves, axis=0).astype(np.float32)
    reach = outline.reach_mm * (1 + wave) + 3.5 * np.exp(-0.5 * np.square(y / 4.5))
    inverse = np.square(1 / reach)
    q = inverse[:, None] * np.square(x) + (v**2.4)[:, None]
    slope_x = np.square(2 * inverse)[:, None] * np.square(x)
    slope_y = np.square(2.4 * v**1.4 / half)[:, None]
    depth: Field = np.clip((1 - q) / np.sqrt(slope_x + slope_y + 1e-6), -4.0, 60.0)
    return depth


def _muscle(outline: _Outline, x: Float32[np.ndarray, "x"], y: Float32[np.ndarray, "y"]) -> Field:
    """How much of a cell is pectoral muscle: a soft-edged, slightly convex triangle at the upper left."""
    if outline.muscle_width_mm == 0:
        return np.zeros((y.size, x.size), np.float32)
    height = np.clip((y + outline.nipple_mm) / outline.muscle_height_mm, 0, 1.2)
    edge = outline.muscle_width_mm * (1 - height) * (1 + 0.35 * height)
    muscle: Field = np.clip((edge[:, None] - x) / 4.0 + 0.5, 0, 1).astype(np.float32)
    return muscle


def _side_fraction(subject: Subject, laterality: Laterality) -> float:
    """Dense fraction of this side: the two sides differ, more with a higher trait; their mean is true."""
    generator = stream(subject.seed, "asymmetry", subject.woman_id)
    sign = 1.0 if generator.random() < 0.5 else -1.0
    share = 0.05 * math.exp(0.4 * subject.trait) * (0.6 + 0.8 * generator.random())
    fraction = subject.dense_fraction
    change = min(share * fraction, 0.2 * (1 - fraction), 0.12)
    return fraction + (change if laterality is Laterality.LEFT else -change) * sign


def _dense_score(
    field: Field,
    depth: Field,
    breast: Bool[np.ndarray, "y x"],
    outline: _Outline,
    x: Float32[np.ndarray, "x"],
    y: Float32[np.ndarray, "y"],
    fraction: float,
) -> Field:
    """How thick the dense tissue is, in standard deviations; above 0 in `fraction` of the breast."""
    half = np.where(y < 0, outline.up_mm, outline.down_mm)
    across = np.exp(-0.5 * np.square((x / outline.reach_mm - 0.52) / 0.30))
    down = np.exp(-0.5 * np.square((y / half + 0.06) / 0.42))
    score = field + (1.7 * down).astype(np.float32)[:, None] * across.astype(np.float32)
    score -= 2.4 * np.exp(depth * np.float32(-1 / 5.0))  # subcutaneous fat
    inside = score[breast]
    n_dense = round(fraction * inside.size)
    if n_dense == 0:
        n_dense = 1
    cut = np.partition(inside, inside.size - n_dense)[inside.size - n_dense] - 1e-6
    score -= cut
    return score


@dataclass(frozen=True)
class _Fields:
    """The random fields of one breast in one view, always the same for one woman."""

    subject: Subject
    laterality: Laterality
    view: View
    fan: Fan
    breast: Bool[np.ndarray, "y x"]
    chance: Float64[np.ndarray, "3"]  # what else makes her texture differ from other women's

    def dense(self) -> Field:
        """Field of the dense tissue; half of its variance is common to left and right."""
        own = self._white("dense", self.laterality)
        common = self._white("dense", "both")
        own += common
        return self._field(own, power_law(self._exponent() + 0.4, 60.0, 1.4, 1.0))

    def texture(self) -> Field:
        """Clouds and strands, in presentation units."""
        trait, chance = self.subject.trait, self.chance
        clouds = self._field(
            self._white("clouds", self.laterality), power_law(self._exponent(), 30.0, 1.4, 1.5)
        )
        spacing = 11.0 * math.exp(min(max(0.18 * trait + 0.05 * chance[1], -0.6), 0.6))
        strands = self._field(self._white("strands", self.laterality), ring(spacing, 2.4))
        # Bright lines where the field crosses zero: a net of ligaments, broken where clouds are dark.
        strands = np.exp(-np.square(strands * np.float32(1 / 0.30)))
        strands *= np.clip(clouds * np.float32(0.7) + np.float32(0.7), 0, 1.6)
        contrast = math.exp(min(max(0.25 * trait + 0.08 * chance[2], -0.75), 0.75))
        clouds *= np.float32(_CLOUDS * contrast)
        strands *= np.float32(_STRANDS * contrast)
        clouds += strands
        return clouds

    def _exponent(self) -> float:
        """Exponent of the power law: the higher the trait, the coarser the tissue."""
        return min(max(2.8 + 0.5 * self.subject.trait + 0.12 * float(self.chance[0]), 1.2), 4.4)

    def _field(self, white: White, amplitude: Spectrum) -> Field:
        """Standardised over the breast."""
        white *= amplitude
        field = self.fan.bend(scipy.fft.irfft2(white, s=(GRID_ROWS, GRID_COLUMNS), norm="ortho", workers=1))
        inside = field[self.breast]
        field -= inside.mean(dtype=np.float64)
        field *= 1 / inside.std(dtype=np.float64)
        return field

    def _white(self, name: str, side: str) -> White:
        return white_noise(stream(self.subject.seed, name, self.subject.woman_id, self.view, side))
