from __future__ import annotations

import numpy as np
import pytest

from forescreen.images.air import MARGIN, air_levels, find_image, fit_air

from .builders import build_breast


@pytest.mark.parametrize("level", [-50.0, 0.0, 0.3, 1.0, 900.0])
def test_padding_of_one_grey_is_no_image(level: float) -> None:
    pixels = np.random.default_rng(0).random((200, 150)).astype(np.float32)
    padded = np.pad(pixels, ((9, 0), (20, 30)), constant_values=level)
    image = find_image(padded)
    assert image[9:, 20:170].all()
    assert image.sum() == pixels.size


def test_a_constant_picture_is_not_peeled_away() -> None:
    assert find_image(np.full((60, 50), 0.4, np.float32)).all()


def test_the_levels_of_air_stand_above_its_modes() -> None:
    pixels, true = build_breast()
    levels = air_levels(pixels, np.ones(pixels.shape, dtype=bool))
    assert levels == sorted(levels)
    assert 0 < levels[0] < np.percentile(pixels[true], 1) + 0.05


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
def test_the_surface_follows_uneven_air_and_the_margin_its_noise(noise: float) -> None:
    generator = np.random.default_rng(1)
    y, x = np.mgrid[-1:1:200j, -1:1:150j]
    true = 0.1 + 0.03 * x + 0.02 * y * y - 0.01 * x * y
    values = (true + noise * generator.standard_normal(true.shape)).astype(np.float32)
    values[20:60, 100:140] = 0.95  # a label
    air = fit_air(values, np.ones(values.shape, dtype=bool))
    assert np.abs(air.surface - true).max() < 0.005 + noise / 2
    assert air.margin == pytest.approx(max(MARGIN, 3 * noise), rel=0.15)
