from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forescreen.images.breast import find_breast
from forescreen.images.orient import Side, find_chest_wall
from forescreen.images.pectoral import PectoralMuscle, find_pectoral
from forescreen.records import Laterality

from .builders import build_breast, build_oblique
from .films import ddsm_pairs


def dice(found: np.ndarray, true: np.ndarray) -> float:
    return 2.0 * float((found & true).sum()) / max(1.0, float(found.sum() + true.sum()))


def muscle_of(pixels: np.ndarray) -> tuple[PectoralMuscle, np.ndarray]:
    """The muscle, and its mask at the size of the image."""
    region = find_breast(pixels)
    chest_wall = find_chest_wall(region.mask, Laterality.LEFT).chest_wall
    muscle = find_pectoral(pixels, region, chest_wall)
    return muscle, replace(region, mask=muscle.mask).at_full_size()


@pytest.mark.parametrize("chest_wall", ["left", "right"])
@pytest.mark.parametrize("height", [0.35, 0.5, 0.65])
def test_the_muscle_is_found_on_either_side_and_in_any_size(chest_wall: str, height: float) -> None:
    pixels, _, true = build_oblique(chest_wall=chest_wall, muscle=height)
    muscle, mask = muscle_of(pixels)
    assert muscle.found
    assert muscle.certainty > 0.8
    assert dice(mask, true) > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_a_breast_without_muscle_has_none(seed: int) -> None:
    muscle, mask = muscle_of(build_breast(seed=seed)[0])
    assert not muscle.found
    assert muscle.certainty == 0
    assert not mask.any()


def test_the_muscle_lies_within_the_breast() -> None:
    pixels, _, _ = build_oblique()
    region = find_breast(pixels)
    muscle = find_pectoral(pixels, region, Side.LEFT)
    assert muscle.mask.shape == region.mask.shape
    assert not (muscle.mask & ~region.mask).any()


@pytest.mark.parametrize("gamma", [0.6, 1.6])
def test_the_tone_curve_matters_little(gamma: float) -> None:
    pixels, _, true = build_oblique()
    assert dice(muscle_of((pixels**gamma).astype(np.float32))[1], true) > 0.9


def test_bright_air_gives_the_same_muscle() -> None:
    pixels, _, _ = build_oblique()
    plain, inverted = muscle_of(pixels)[1], muscle_of((1 - pixels).astype(np.float32))[1]
    assert plain.any()
    assert dice(plain, inverted) > 0.99


def test_dense_tissue_away_from_the_corner_is_not_swallowed() -> None:
    pixels, breast, true = build_oblique(muscle=0.4)
    y, x = np.ogrid[: pixels.shape[0], : pixels.shape[1]]
    dense = breast & (np.hypot((y - 260) / 70, (x - 90) / 60) < 1)
    pixels = np.where(dense & ~true, 0.75, pixels).astype(np.float32)
    mask = muscle_of(pixels)[1]
    assert (mask & dense).sum() < 0.05 * dense.sum()


def test_ddsm_muscles_are_met(shared: Path) -> None:
    """33 muscles drawn by people (shared data/README.md §3). Measured: all found, Dice 0.946 median, 0.61
    least; wrongly taken 1.0 % of the breast in the median and 5.6 % at most, missed 0.9 % and 13 %."""
    values, taken, missed = [], [], []
    for film, tissue in ddsm_pairs(shared):
        mask, true = muscle_of(film)[1], tissue == 255
        values.append(dice(mask, true))
        taken.append(float((mask & ~true).sum() / (tissue != 64).sum()))
        missed.append(float((true & ~mask).sum() / (tissue != 64).sum()))
    assert len(values) == 33
    assert np.median(values) >= 0.94
    assert np.mean(values) >= 0.91
    assert np.median(taken) <= 0.015
    assert max(taken) <= 0.07
    assert np.median(missed) <= 0.015
