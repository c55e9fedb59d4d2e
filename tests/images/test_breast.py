from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forescreen.errors import ExamError
from forescreen.images.breast import find_breast

from .builders import build_breast, build_film


def dice(found: np.ndarray, true: np.ndarray) -> float:
    return 2.0 * float((found & true).sum()) / float(found.sum() + true.sum())


def found(pixels: np.ndarray) -> np.ndarray:
    return find_breast(pixels).at_full_size()


@pytest.mark.parametrize("seed", range(4))
def test_a_digital_breast_is_found_whole(seed: int) -> None:
    pixels, true = build_breast(seed=seed)
    assert dice(found(pixels), true) > 0.98


@pytest.mark.parametrize("seed", range(4))
def test_a_film_breast_is_found_without_label_strip_and_padding(seed: int) -> None:
    pixels, true = build_film(seed=seed)
    assert dice(found(pixels), true) > 0.96


def test_grey_fog_beside_large_black_padding_is_air() -> None:
    pixels, true = build_film(padding=200)
    pixels = np.where(pixels > 0.002, 0.12 + 0.85 * pixels, 0).astype(np.float32)
    assert dice(found(pixels), true) > 0.95


def test_a_marker_beside_the_breast_is_left_out() -> None:
    pixels, true = build_breast()
    pixels[30:60, 270:300] = 1.0
    assert not found(pixels)[30:60, 270:300].any()
    assert dice(found(pixels), true) > 0.98


def test_a_thin_fold_that_hangs_on_the_breast_comes_off() -> None:
    pixels, _ = build_breast()
    pixels[390:, :4] = 0.5
    assert not found(pixels)[405:].any()


def test_the_white_frame_of_a_film_comes_off() -> None:
    pixels, _ = build_film(padding=0)
    pixels[-8:] = 0.9
    region = found(pixels)
    assert not region[-6:].any()
    assert region[200, 10]


def test_holes_in_the_breast_belong_to_it() -> None:
    pixels, _ = build_breast()
    pixels[200:206, 60:66] = 0
    assert found(pixels)[200:206, 60:66].all()


def test_the_region_reaches_the_last_column_of_any_size() -> None:
    for columns in (797, 798, 799, 800):
        pixels, _ = build_breast(rows=1000, columns=columns, chest_wall="right")
        region = find_breast(pixels)
        assert region.box[3] == columns
        assert region.at_full_size().shape == pixels.shape
        assert region.at_full_size()[500, -1]


def test_brightness_and_scale_do_not_matter() -> None:
    pixels, _ = build_breast()
    assert np.array_equal(found(pixels), found((pixels * 4095).astype(np.float32)))


@pytest.mark.parametrize("pixels", [np.zeros((200, 200)), np.full((200, 200), 0.4)])
def test_an_image_without_contrast_has_no_breast(pixels: np.ndarray) -> None:
    with pytest.raises(ExamError, match="expected a breast in the image, found an image without contrast"):
        find_breast(pixels.astype(np.float32))


def test_specks_are_no_breast() -> None:
    pixels = np.zeros((400, 400), np.float32)
    pixels[::40, ::40] = 1.0
    with pytest.raises(ExamError, match="expected a breast in the image"):
        find_breast(pixels)


def test_mini_mias_masks_are_met(shared: Path) -> None:
    """160 manual masks (shared data/README.md §2); measured 0.9894 median, 0.9435 least."""
    values = []
    for path in sorted((shared / "data/mias/films").glob("*.png")):
        film = np.asarray(Image.open(path).convert("L"), dtype=np.float32) / 255
        true = np.asarray(Image.open(shared / "data/mias/breast_mask" / path.name).convert("1"))
        region = find_breast(film)
        values.append(dice(region.mask, np.asarray(Image.fromarray(true).resize(region.mask.T.shape))))
    assert len(values) == 160
    assert np.median(values) >= 0.985
    assert min(values) >= 0.90
