from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forescreen.errors import ExamError
from forescreen.images.geometry import Geometry
from forescreen.images.prepare import FLAGS, WHITE, as_unit, prepare, prepare_mammogram

from .builders import build_exam, build_film, build_mammogram


def test_the_chest_wall_is_at_column_0_and_the_background_is_0() -> None:
    for laterality in ("L", "R"):
        view = prepare_mammogram(build_mammogram(laterality=laterality), Geometry())
        breast = view.pixels > 0
        assert view.pixels.dtype == np.uint16
        assert view.flipped == (laterality == "R")
        assert breast[:, 0].sum() > 0.8 * breast.any(axis=1).sum()
        assert not breast[:, -1].any()
        assert view.flags == ()


def test_a_right_breast_is_the_mirror_image_of_the_same_left_one() -> None:
    left = build_mammogram(laterality="L")
    right = replace(build_mammogram(laterality="R"), pixels=np.ascontiguousarray(left.pixels[:, ::-1]))
    assert np.array_equal(
        prepare_mammogram(left, Geometry()).pixels, prepare_mammogram(right, Geometry()).pixels
    )


def test_size_in_millimetres_is_kept_whatever_the_pixel_size() -> None:
    fine = build_mammogram(rows=832, columns=640, spacing_mm=(0.25, 0.25))
    coarse = build_mammogram(rows=416, columns=320, spacing_mm=(0.5, 0.5))
    area_fine, area_coarse = (
        int((prepare_mammogram(m, Geometry()).pixels > 0).sum()) for m in (fine, coarse)
    )
    true_mm2 = np.pi / 4 * 2 * (0.42 * 208) * (0.6 * 160)  # half ellipse of the builder
    assert area_fine * 4.0 == pytest.approx(true_mm2, rel=0.02)
    assert area_coarse * 4.0 == pytest.approx(true_mm2, rel=0.02)


def test_pixels_that_are_not_square_become_square() -> None:
    square = build_mammogram()
    oblong = replace(square, pixels=np.ascontiguousarray(square.pixels[::2]), spacing_mm=(1.0, 0.5))
    a, b = (as_unit(prepare_mammogram(m, Geometry()).pixels) for m in (square, oblong))
    assert np.abs(a - b).mean() < 0.02


def test_brightness_of_the_machine_does_not_matter() -> None:
    bright = build_mammogram()
    dark = replace(bright, pixels=(bright.pixels * 0.5).astype(np.float32))
    a, b = (as_unit(prepare_mammogram(m, Geometry()).pixels) for m in (bright, dark))
    np.testing.assert_allclose(a, b, atol=2e-3)


def test_disagreement_with_the_custom_is_recorded_and_not_repaired() -> None:
    mirrored = build_mammogram(laterality="L", chest_wall="right")
    view = prepare_mammogram(mirrored, Geometry())
    assert view.orientation.agrees is False
    assert view.flags == ("laterality_conflict_pixels",)
    assert view.flipped


def test_without_spacing_the_image_fits_the_canvas_and_says_so() -> None:
    view = prepare_mammogram(build_mammogram(spacing_mm=None, flags=("lossy_compression",)), Geometry())
    assert view.flags == ("lossy_compression", "pixel_spacing_missing")
    assert view.spacing_mm is None
    # The builder's breast is 0.84 of the picture's height, and the picture's height spans 128 rows.
    assert int((view.pixels > 0).any(axis=1).sum()) == pytest.approx(0.84 * 128, abs=3)


def test_a_breast_larger_than_the_canvas_is_cut_and_says_so() -> None:
    view = prepare_mammogram(build_mammogram(spacing_mm=(0.9, 0.9)), Geometry())
    assert view.flags == ("breast_exceeds_canvas",)
    assert (view.pixels[[0, -1]] > 0).any(axis=1).all()


def test_absent_views_are_absent() -> None:
    tensor = prepare(build_exam(views=("RMLO", "LCC")))
    assert tensor.present.tolist() == [True, False, False, True]
    assert not tensor.images[1:3].any()
    assert tensor.images.shape == (4, 128, 104)
    assert 0.9 < tensor.images[0].max() <= 1.0


def test_an_image_without_a_breast_is_refused() -> None:
    empty = replace(build_mammogram(), pixels=np.zeros((100, 100), np.float32))
    with pytest.raises(ExamError, match="expected a breast in the image"):
        prepare_mammogram(empty, Geometry())


def test_the_label_of_a_film_is_gone() -> None:
    pixels, mask = build_film()
    view = prepare_mammogram(replace(build_mammogram(), pixels=pixels), Geometry())
    assert float((view.pixels > 0).sum()) * 4 == pytest.approx(float(mask.sum()) * 0.25, rel=0.06)


def test_every_flag_of_preparation_is_explained() -> None:
    filled = np.tile(np.linspace(0.2, 0.9, 100, dtype=np.float32), (120, 1))
    given = {
        flag
        for mammogram in (
            build_mammogram(laterality="L", chest_wall="right"),
            build_mammogram(spacing_mm=(0.9, 0.9)),
            replace(build_mammogram(spacing_mm=None), pixels=filled),
        )
        for flag in prepare_mammogram(mammogram, Geometry()).flags
    }
    assert given == set(FLAGS)


def test_mini_mias_films_are_turned_and_their_mirroring_is_noticed(shared: Path) -> None:
    """The films are mirrored (shared data/README.md §2): odd = left with the chest wall on the right."""
    agrees = []
    for number in range(1, 161, 8):
        path = shared / f"data/mias/films/mdb{number:03d}.png"
        film = np.asarray(Image.open(path).convert("L"), dtype=np.float32) / 255
        mammogram = replace(
            build_mammogram(laterality="L", view="MLO", spacing_mm=(0.2, 0.2), profile="picture-v1"),
            pixels=film,
        )
        view = prepare_mammogram(mammogram, Geometry())
        agrees.append(view.orientation.agrees)
        assert (view.pixels > 0)[:, 0].sum() > 40
        assert view.pixels.max() > 0.95 * WHITE
    assert agrees == [False] * 20
