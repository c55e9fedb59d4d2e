"""Volumetric density: how many millimetres of each column of the breast are dense, from a raw image.

In: a FOR PROCESSING image, how it was exposed, breast region, muscle, chest wall. Out: a `DenseVolume`:
height of dense tissue over each block, and the `Density` record in cm3. Presentation images are refused: what
their processing did to the exposure cannot be undone.

Two tissues [VanEngeland2006]: with exposure g, thickness H(x, y), fat transmission L(H) and a, b of the beam,

    ln g_fat - ln g = a h - b h^2 - (L(H full) - L(H))          h(x, y): height of dense tissue

where g_fat, the fat reference, is the largest exposure over the part of full thickness: a column of fat.
H is full except within half of it from the skin, where the profile is a half circle [Highnam1998]; its outer
part counts as fat. Density is the sum of h over the sum of H. Attenuations: `tables/attenuation.csv`, made by
`docs/attenuation.py`.

What it assumes, and what that costs (docs/density.md): somewhere a column of fat alone (else all is too low);
the thickness that the machine tells; no scatter behind the grid; tissue as in [Hammerstein1979]. Skin is in
every column and so in the reference: the density is one without skin.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from jaxtyping import Bool, Float, UInt16

from ..errors import ExamError
from ..records import Density
from .breast import BreastRegion, block_mean
from .density import means_around, skin_depth
from .orient import Side

METHOD = "volumetric-v1"
#: Compressed thickness in mm that is believed; outside it is a mistake of the machine or no breast.
LEAST_MM, MOST_MM = 10.0, 100.0
#: Percentile of exposure that is the maximum: single blocks are noise. Width of the mean before it, mm.
REFERENCE_PERCENTILE, REFERENCE_MM = 99.5, 1.5
#: Full thickness must hold this many blocks to give a reference, and this share of the breast to be trusted.
FEWEST_BLOCKS, LEAST_FULL = 50, 0.25
#: Columns thinner than this share of the full thickness count as fat: there a millimetre of error in the
#: modelled thickness is two of dense tissue (ratio of the attenuations), and what lies there is mostly fat.
THINNEST_MEASURED = 0.6
#: Share of the breast in which more than the whole column would have to be dense, above which the numbers
#: contradict each other; densities outside [%] are rare (95 % of women below 45 % with skin [Yaffe2009]).
MOST_IMPOSSIBLE, PLAUSIBLE = 0.02, (1.0, 60.0)

#: Flags of a measurement, and what they mean for it.
FLAGS = {
    "little_full_thickness": "most of the breast lies in the rim, whose thickness is modelled and not known",
    "denser_than_possible": "columns that would be more than all dense: thickness or linearity is wrong",
    "density_implausible": "a density that few women have",
}


@dataclass(frozen=True, kw_only=True)
class RawImage:
    """What the header says of a raw image; None or "" where it is silent. Words in capitals as in DICOM."""

    intent: str  # PresentationIntentType
    relationship: str  # PixelIntensityRelationship
    sign: int | None  # PixelIntensityRelationshipSign
    photometric: str
    kvp: float | None
    anode: str
    filter_material: str
    thickness_mm: float | None  # BodyPartThickness
    spacing_mm: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Attenuation:
    """A beam behind fat of each thickness: see `docs/attenuation.py`."""

    thickness_mm: Float[np.ndarray, "thickness"]
    fat: Float[np.ndarray, "thickness"]  # 1/mm
    difference: Float[np.ndarray, "thickness"]  # 1/mm
    bend: Float[np.ndarray, "thickness"]  # 1/mm2

    def fat_loss(self, mm: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """ln of the exposure lost in this much fat."""
        return np.asarray(mm * np.interp(mm, self.thickness_mm, self.fat))

    def dense_mm(
        self, loss: Float[np.ndarray, "*shape"], mm: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """Height of dense tissue in a column of `mm` that lost this much more than fat alone; below 0 where
        it lost less. Solves loss = a h - b h^2."""
        a = np.interp(mm, self.thickness_mm, self.difference)
        b = np.interp(mm, self.thickness_mm, self.bend)
        return np.asarray(2 * loss / (a + np.sqrt(np.maximum(a**2 - 4 * b * loss, 0))))


@dataclass(frozen=True, kw_only=True, eq=False)
class DenseVolume:
    """One measured view on the grid of the breast region: height of dense tissue and of the breast in mm, 0
    outside, and the record."""

    dense_mm: Float[np.ndarray, "row column"]
    thickness_mm: Float[np.ndarray, "row column"]
    density: Density


def exposure_of(
    stored: UInt16[np.ndarray, "row column"] | Float[np.ndarray, "row column"], raw: RawImage
) -> Float[np.ndarray, "row column"]:
    """Stored values as exposure, in units of their own; at least 1.

    Accepted is what PS3.3 C.8.11.3 calls LIN with the sign 1, low values for little exposure, which is what
    MONOCHROME1 says when the sign is absent. Raises ExamError for presentation images, for logarithmic ones
    (their scale stands in no header) and for inverted linear ones (nor does their zero).
    """
    if raw.intent != "FOR PROCESSING":
        raise _refused(
            "a FOR PROCESSING image", raw.intent or "no intent", "Density by area takes presentation images"
        )
    if raw.relationship != "LIN":
        found = f"PixelIntensityRelationship {raw.relationship or 'absent'}"
        raise _refused("pixels linear in exposure (LIN)", found, "")
    sign = raw.sign or (1 if raw.photometric == "MONOCHROME1" else -1)
    if sign != 1:
        raise _refused(
            "low values for little exposure (sign 1, or MONOCHROME1)",
            f"sign {raw.sign}" if raw.sign else f"no sign and {raw.photometric or 'no photometric meaning'}",
            "",
        )
    return np.maximum(np.asarray(stored, dtype=np.float32), 1)


def shown(exposure: Float[np.ndarray, "row column"]) -> Float[np.ndarray, "row column"]:
    """The raw image as `find_breast` and `find_pectoral` want it: air 0, the densest 1, in logarithms."""
    loss = np.log(float(np.percentile(exposure, 99.9))) - np.log(exposure)
    return np.asarray(np.clip(loss / max(float(np.percentile(loss, 99.9)), 1e-3), 0, 1), dtype=np.float32)


def attenuation_of(raw: RawImage) -> Attenuation:
    """The beam of this exposure, linear between the voltages of the table.

    Raises ExamError for a beam that is not in the table, or a voltage outside of it.
    """
    beams = _table()
    beam = (raw.anode, raw.filter_material)
    if beam not in beams:
        known = ", ".join(f"{anode}/{filter_}" for anode, filter_ in beams)
        raise _refused(f"anode and filter among {known}", "/".join(part or "none" for part in beam), "")
    kvp, thickness_mm, numbers = beams[beam]
    if raw.kvp is None or not kvp[0] <= raw.kvp <= kvp[-1]:
        found = "none" if raw.kvp is None else f"{raw.kvp:g} kV"
        raise _refused(f"{kvp[0]:g} to {kvp[-1]:g} kV for {raw.anode}/{raw.filter_material}", found, "")
    fat, difference, bend = (
        np.array([np.interp(raw.kvp, kvp, at) for at in number.T]) for number in np.moveaxis(numbers, 2, 0)
    )
    return Attenuation(thickness_mm=thickness_mm, fat=fat, difference=difference, bend=bend)


def measure_volume(
    exposure: Float[np.ndarray, "row column"],
    region: BreastRegion,
    muscle: Bool[np.ndarray, "block_row block_column"],
    chest_wall: Side,
    *,
    raw: RawImage,
    attenuation: Attenuation,
    flags: tuple[str, ...] = (),
) -> DenseVolume:
    """Volumetric percent density, dense and breast volume of one raw view.

    `exposure` is that of `exposure_of`, region and muscle were found in `shown` of it. Raises ExamError
    without a believable thickness or a pixel spacing, or when too little of the breast has full thickness.
    """
    full = raw.thickness_mm
    if full is None or not LEAST_MM <= full <= MOST_MM:
        found = "none" if full is None else f"{full:g} mm"
        raise _refused(f"a compressed thickness of {LEAST_MM:g} to {MOST_MM:g} mm", found, "")
    if raw.spacing_mm is None:
        raise _refused("a pixel spacing", "none", "")
    inside = region.mask & ~muscle
    side_mm = float(np.sqrt(raw.spacing_mm[0] * raw.spacing_mm[1])) * region.factor
    thickness = _thickness(region.mask, chest_wall, full_mm=full, block_mm=side_mm)
    log = np.log(block_mean(exposure, region.factor))
    whole = inside & (thickness >= full)
    if int(whole.sum()) < FEWEST_BLOCKS:
        raise _refused(
            f"at least {FEWEST_BLOCKS} blocks of full thickness",
            f"{int(whole.sum())} in a breast of {full:g} mm",
            "The thickness, the pixel spacing or the breast region is wrong",
        )
    (smooth,) = means_around([log.astype(np.float64)], whole, REFERENCE_MM / side_mm)
    reference = float(np.percentile(smooth[whole], REFERENCE_PERCENTILE))
    thinner = attenuation.fat_loss(np.array(full)) - attenuation.fat_loss(thickness)
    dense = attenuation.dense_mm(reference - log + thinner, thickness)
    impossible = float((dense[whole] > full).mean())
    measured = inside & (thickness >= THINNEST_MEASURED * full)
    dense = np.where(measured, np.clip(dense, 0, thickness), 0)
    breast = np.where(inside, thickness, 0)
    percent = 100 * float(dense.sum()) / float(breast.sum())
    if whole.sum() < LEAST_FULL * inside.sum():
        flags = (*flags, "little_full_thickness")
    if impossible > MOST_IMPOSSIBLE:
        flags = (*flags, "denser_than_possible")
    if not PLAUSIBLE[0] <= percent <= PLAUSIBLE[1]:
        flags = (*flags, "density_implausible")
    cm3 = side_mm**2 / 1000
    return DenseVolume(
        dense_mm=dense.astype(np.float32),
        thickness_mm=breast.astype(np.float32),
        density=Density(
            method=METHOD,
            percent=percent,
            dense=float(dense.sum()) * cm3,
            breast=float(breast.sum()) * cm3,
            unit="cm3",
            flags=flags,
        ),
    )


def _thickness(
    breast: Bool[np.ndarray, "row column"], chest_wall: Side, *, full_mm: float, block_mm: float
) -> Float[np.ndarray, "row column"]:
    """Thickness of each block: full, less within half of it from the skin [Highnam1998]; 0 outside."""
    rows, columns = np.flatnonzero(breast.any(axis=1)), np.flatnonzero(breast.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    # The distance of the outermost block is 1, its middle half a block from the skin.
    depth = (skin_depth(breast[box], chest_wall) - 0.5) * block_mm
    depth = np.clip(depth, 0, full_mm / 2)
    thickness = np.zeros(breast.shape)
    thickness[box] = np.where(breast[box], 2 * np.sqrt(depth * (full_mm - depth)), 0)
    return thickness


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """By anode and filter: voltages, thicknesses, and [voltage, thickness, (fat, difference, bend)]."""
    with (files("forescreen.images") / "tables" / "attenuation.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(line for line in stream if line[0] != "#"))
    beams = {}
    for beam in dict.fromkeys((row["anode"], row["filter"]) for row in rows):
        own = [row for row in rows if (row["anode"], row["filter"]) == beam]
        kvp = np.array(sorted({float(row["kvp"]) for row in own}))
        thickness = np.array(sorted({float(row["thickness_mm"]) for row in own}))
        numbers = np.array([[float(row[name]) for name in ("fat", "difference", "bend")] for row in own])
        beams[beam] = (kvp, thickness, numbers.reshape(len(kvp), len(thickness), 3))
    return beams


def _refused(expected: str, found: str, remedy: str) -> ExamError:
    return ExamError(expected=expected, found=found, where="volumetric density", remedy=remedy)
