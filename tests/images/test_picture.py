"""Mammograms and saliency maps as PNG texts."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from forescreen.errors import InputError
from forescreen.images.picture import encode_png, overlay_png


def build_breast(rows: int = 60, columns: int = 40) -> np.ndarray:
    """A half disc of breast, brighter towards its middle, on a background of exactly 0."""
    row, column = np.mgrid[0:rows, 0:columns]
    distance = np.hypot((row - rows / 2) / (rows / 2), column / columns)
    return np.where(distance < 0.9, 0.2 + 0.6 * (0.9 - distance), 0.0)


def decoded(text: str) -> np.ndarray:
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    return np.asarray(image.convert("RGBA") if image.mode == "P" else image)


def test_the_longer_side_has_the_size_asked_for_and_the_aspect_is_kept() -> None:
    assert decoded(encode_png(build_breast(), 120)).shape == (120, 80)
    assert decoded(encode_png(build_breast().T, 30)).shape == (20, 30)


def test_background_is_black_and_all_breast_is_brighter_than_it() -> None:
    breast = build_breast()
    grey = decoded(encode_png(breast, 60))
    assert grey[0, -1] == 0
    assert grey[breast > 0].min() > 0


def test_denser_tissue_is_brighter() -> None:
    grey = decoded(encode_png(build_breast(), 60)).astype(int)
    assert grey[30, 2] > grey[30, 15] > grey[30, 30]


def test_integers_of_the_store_and_floats_give_the_same_picture() -> None:
    stored = np.round(65535 * build_breast()).astype(np.uint16)
    difference = decoded(encode_png(stored, 60)).astype(int) - decoded(encode_png(stored / 65535.0, 60))
    assert np.abs(difference).max() <= 1


def test_the_same_pixels_give_the_same_text() -> None:
    assert encode_png(build_breast()) == encode_png(build_breast())


def test_an_empty_image_is_black_and_no_error() -> None:
    assert decoded(encode_png(np.zeros((8, 8)), 16)).max() == 0


def test_four_views_with_overlays_of_six_examples_stay_far_below_five_megabytes() -> None:
    noisy = build_breast(512, 416) * np.random.default_rng(1).uniform(0.8, 1.2, (512, 416))
    saliency = np.random.default_rng(2).random((16, 13))
    texts = [encode_png(noisy), overlay_png(saliency, image_shape=noisy.shape)]
    assert 6 * 4 * sum(map(len, texts)) < 4_000_000


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        (np.zeros((4, 4, 4)), "shape (4, 4, 4)"),
        (np.zeros((0, 4)), "shape (0, 4)"),
        (np.full((4, 4), np.nan), "float64 values"),
        (np.zeros((4, 4), dtype=np.int32), "int32 values"),
    ],
)
def test_pixels_that_are_no_mammogram_are_refused_with_what_was_found(pixels: np.ndarray, found: str) -> None:
    with pytest.raises(InputError) as caught:
        encode_png(pixels)
    assert caught.value.found == found


def test_an_overlay_has_the_size_of_the_picture_it_lies_on() -> None:
    breast = build_breast(61, 37)
    coarse = np.ones((4, 3))
    assert decoded(overlay_png(coarse, image_shape=(61, 37))).shape[:2] == decoded(encode_png(breast)).shape


def test_an_overlay_is_transparent_where_nothing_drives_the_score_and_stronger_where_more_does() -> None:
    saliency = np.zeros((40, 40))
    saliency[:, 20:30] = 0.5
    saliency[:, 30:] = 1.0
    alpha = decoded(overlay_png(saliency, 40))[20, :, 3].astype(int)
    assert alpha[5] == 0
    assert 0 < alpha[25] < alpha[37] < 255


def test_negative_saliency_counts_as_none_and_a_map_of_zeros_is_transparent() -> None:
    assert decoded(overlay_png(-np.ones((6, 6)), 12))[..., 3].max() == 0
    assert decoded(overlay_png(np.zeros((6, 6)), 12))[..., 3].max() == 0


def test_a_common_ceiling_makes_views_comparable() -> None:
    weak = np.full((6, 6), 0.4)
    alone = decoded(overlay_png(weak, 6))[..., 3].max()
    beside_a_strong_one = decoded(overlay_png(weak, 6, ceiling=1.0))[..., 3].max()
    assert beside_a_strong_one < alone


@pytest.mark.parametrize(
    ("saliency", "ceiling", "expected"),
    [
        (np.full((3, 3), np.inf), None, "a finite saliency map [row, column]"),
        (np.ones((3, 3)), 0.0, "a saliency ceiling above 0"),
    ],
)
def test_maps_and_ceilings_that_mean_nothing_are_refused(
    saliency: np.ndarray, ceiling: float | None, expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        overlay_png(saliency, ceiling=ceiling)
    assert caught.value.expected == expected


def test_a_picture_size_below_one_pixel_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1 pixel, found 0"):
        encode_png(build_breast(), 0)
