from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import ConfigError, InputError
from forescreen.images.geometry import Geometry, Placement, resample

FLOAT32 = 1e-5  # relative; sums of 32-bit floats


def build_placement(**changes: float | bool) -> Placement:
    values: dict[str, float | bool] = {
        "top": 0.0, "left": 0.0, "pixel_height": 4.0, "pixel_width": 4.0, "mirrored": False,
    }  # fmt: skip
    return Placement(**{**values, **changes})  # type: ignore[arg-type]


def test_whole_ratios_are_block_means() -> None:
    image = np.random.default_rng(1).random((64, 48), dtype=np.float32)
    small = resample(image, build_placement(), Geometry(16, 12, 1.0))
    np.testing.assert_allclose(small, image.reshape(16, 4, 12, 4).mean((1, 3)), rtol=FLOAT32)


@settings(max_examples=25, deadline=None)
@given(
    height=st.floats(0.3, 6.0),
    width=st.floats(0.3, 6.0),
    top=st.floats(-5.0, 0.0),
    mirrored=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_integral_over_the_plane_is_kept_at_any_ratio(
    height: float, width: float, top: float, mirrored: bool, seed: int
) -> None:
    image = np.random.default_rng(seed).random((29, 23), dtype=np.float32)
    geometry = Geometry(rows=int(40 / height) + 8, columns=int(30 / width) + 8, spacing_mm=1.0)
    left = 23.0 if mirrored else 0.0
    placement = build_placement(top=top, left=left, pixel_height=height, pixel_width=width, mirrored=mirrored)
    out = resample(image, placement, geometry)
    assert float(out.sum()) * height * width == pytest.approx(float(image.sum()), rel=1e-4)


def test_mirroring_is_the_mirror_image() -> None:
    image = np.random.default_rng(2).random((50, 41), dtype=np.float32)
    geometry = Geometry(20, 20, 1.0)
    plain = resample(image[:, ::-1].copy(), build_placement(pixel_width=2.3), geometry)
    mirrored = resample(image, build_placement(left=41.0, pixel_width=2.3, mirrored=True), geometry)
    np.testing.assert_allclose(mirrored, plain, atol=1e-6)


def test_outside_of_the_image_is_zero() -> None:
    out = resample(np.ones((8, 8), np.float32), build_placement(top=-16.0, left=-8.0), Geometry(16, 16, 1.0))
    assert out[:4].sum() == 0
    assert out[:, :2].sum() == 0
    assert out.sum() == pytest.approx(8 * 8 / 16)


def test_an_image_without_spacing_fits_the_canvas() -> None:
    geometry = Geometry()
    assert 832 * geometry.spacing_that_fits(832, 640) == pytest.approx(geometry.height_mm)
    assert 1024 * geometry.spacing_that_fits(1024, 1024) == pytest.approx(geometry.width_mm)


@pytest.mark.parametrize(("rows", "spacing"), [(4, 2.0), (128, 0.0), (128, float("nan")), (9000, 1.0)])
def test_an_impossible_canvas_is_refused(rows: int, spacing: float) -> None:
    with pytest.raises(ConfigError, match="geometry: expected 8 to 8192 rows"):
        Geometry(rows, 104, spacing)


def test_canvas_pixels_without_size_are_refused() -> None:
    with pytest.raises(InputError, match="canvas pixels larger than nothing"):
        resample(np.ones((8, 8), np.float32), build_placement(pixel_width=0.0), Geometry())
