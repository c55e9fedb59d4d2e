from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.images.plausibility import Likeness, likeness

from .builders import build_breast


def properties_of(region: np.ndarray, values: np.ndarray) -> Likeness:
    return likeness(region, values, np.ones(region.shape, dtype=bool))


@pytest.mark.parametrize("seed", range(3))
def test_a_breast_looks_like_one_and_its_air_does_not(seed: int) -> None:
    pixels, true = build_breast(seed=seed)
    assert properties_of(true, pixels).penalty < 0.2
    assert properties_of(~true, 1 - pixels).penalty > 1


def test_the_hull_of_a_rectangle_is_the_rectangle() -> None:
    region = np.zeros((100, 80), dtype=bool)
    region[20:70, 10:60] = True
    found = properties_of(region, region.astype(np.float32))
    assert found.hull == pytest.approx(1, abs=0.01)
    assert found.fill == 1
    assert found.share == pytest.approx(50 * 50 / 8000)


@settings(max_examples=20, deadline=None)
@given(radius=st.integers(8, 40), bite=st.floats(0.1, 0.9))
def test_a_bite_out_of_a_disc_lowers_the_hull_by_its_share(radius: int, bite: float) -> None:
    y, x = np.mgrid[-50:51, -50:51]
    disc = np.hypot(y, x) < radius
    bitten = disc & ~((np.abs(y) < 0.3 * radius) & (x > radius * (1 - bite)))
    whole, less = (properties_of(m, m.astype(np.float32)).hull for m in (disc, bitten))
    assert less == pytest.approx(whole * bitten.sum() / disc.sum(), abs=0.06)


def test_a_label_in_the_air_does_not_make_it_uneven() -> None:
    pixels, true = build_breast()
    plain = properties_of(true, pixels)
    pixels = pixels.copy()
    pixels[20:110, 230:300] = 1.0
    assert properties_of(true, pixels).air_spread == pytest.approx(plain.air_spread, abs=0.01)
