"""A raw exposure with known truth, and a beam of five energies that owes nothing to the package's table."""

from __future__ import annotations

import numpy as np

from forescreen.images.breast import BreastRegion
from forescreen.images.volumetric import Attenuation, RawImage

RAW = RawImage(
    intent="FOR PROCESSING",
    relationship="LIN",
    sign=1,
    photometric="MONOCHROME1",
    kvp=28.0,
    anode="TUNGSTEN",
    filter_material="RHODIUM",
    thickness_mm=50.0,
    spacing_mm=(1.0, 1.0),
)
#: Five energies (15 to 27 keV) with their share of the signal, and linear attenuation (1/mm) of fat and gland
#: computed by docs/attenuation.py: a beam that hardens, made without the package's table.
SHARE = np.array([0.10, 0.30, 0.35, 0.20, 0.05])
FAT = np.array([0.0964, 0.0632, 0.0510, 0.0350, 0.0314])
GLAND = np.array([0.1593, 0.1000, 0.0781, 0.0497, 0.0435])


def transmitted(fat_mm: np.ndarray, dense_mm: np.ndarray) -> np.ndarray:
    through = np.exp(-FAT * np.asarray(fat_mm)[..., None] - GLAND * np.asarray(dense_mm)[..., None])
    return np.asarray((SHARE * through).sum(axis=-1))


def toy_attenuation() -> Attenuation:
    """What docs/attenuation.py would write for the five energies."""
    grid = np.array([5.0, 10, 20, 30, 45, 60, 80, 100])
    fat, difference, bend = [], [], []
    for full in grid:
        whole = transmitted(full, 0.0)
        h = np.linspace(0, full, 41)[1:]
        drop = np.log(whole / transmitted(full - h, h))
        a, b = np.linalg.lstsq(np.column_stack([h, -(h**2)]), drop, rcond=None)[0]
        fat.append(-np.log(whole) / full)
        difference.append(a)
        bend.append(b)
    return Attenuation(
        thickness_mm=grid, fat=np.array(fat), difference=np.array(difference), bend=np.array(bend)
    )


def build_raw(
    *, full_mm: float = 50.0, blob: float = 0.5, noise: float = 0.0, gain: float = 20000.0
) -> tuple[np.ndarray, BreastRegion, float, float]:
    """Exposure of a half-disc breast of 1 mm blocks with half-circle rim and a smooth dense blob that fills
    at most the share `blob` of a column; its region, true density in percent, true dense volume in cm3."""
    y, x = np.mgrid[0:240, 0:160] + 0.5
    depth = 110 - np.hypot(y - 120, x)
    breast = depth > 0
    rim = np.clip(depth, 0, full_mm / 2)
    thickness = 2 * np.sqrt(rim * (full_mm - rim))
    share = blob * np.exp(-(((y - 120) / 45) ** 2) - ((x - 40) / 30) ** 2)
    share[share < 0.02] = 0  # columns of fat alone
    dense = np.where(breast, share * thickness, 0)
    exposure = gain * transmitted(thickness - dense, dense)
    exposure += noise * np.sqrt(exposure) * np.random.default_rng(0).standard_normal(exposure.shape)
    region = BreastRegion(mask=breast, factor=1, image_shape=breast.shape)
    true = 100 * dense[breast].sum() / thickness[breast].sum()
    return exposure.astype(np.float32), region, float(true), float(dense.sum() / 1000)
