"""Lettering outside of the breast is suspected; blanking leaves the breast as it is."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from forescreen.images.breast import BreastRegion, find_breast
from forescreen.images.surroundings import MARGIN_BLOCKS, blank_surroundings, find_lettering


def build_picture(*, rows: int = 1600, columns: int = 1200, seed: int = 1) -> np.ndarray:
    """Half an ellipse of noise on black air, the chest wall on the left."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns]
    inside = ((y - rows / 2) / (rows * 0.4)) ** 2 + (x / (columns * 0.55)) ** 2 < 1
    picture = np.where(inside, 0.45 + 0.1 * rng.standard_normal((rows, columns)), 0.0)
    return np.clip(picture, 0.0, 1.0).astype(np.float32)


def write_on(
    picture: np.ndarray, text: str, *, at: tuple[int, int], height: int, ink: float = 1.0
) -> np.ndarray:
    canvas = Image.fromarray((picture * 255).astype(np.uint8))
    font = ImageFont.load_default(size=height)
    ImageDraw.Draw(canvas).text(at, text, fill=int(ink * 255), font=font)
    return (np.asarray(canvas) / 255).astype(np.float32)


@pytest.mark.parametrize("height", [30, 48, 70])
@pytest.mark.parametrize("text", ["DOE JANE 19600412", "R MLO", "Doe, Jane"])
def test_letters_in_a_row_are_suspected(text: str, height: int) -> None:
    picture = write_on(build_picture(), text, at=(760, 60), height=height)
    assert find_lettering(picture, find_breast(picture)).suspected


def test_dark_letters_on_a_white_label_are_suspected() -> None:
    picture = build_picture()
    picture[40:160, 700:1150] = 1.0
    picture = write_on(picture, "DOE JANE", at=(740, 60), height=60, ink=0.0)
    assert find_lettering(picture, find_breast(picture)).suspected


@pytest.mark.parametrize("seed", range(5))
def test_an_empty_background_is_not_suspected(seed: int) -> None:
    picture = build_picture(seed=seed)
    assert not find_lettering(picture, find_breast(picture)).suspected


def test_noise_in_the_air_and_a_single_mark_are_not_suspected() -> None:
    picture = build_picture()
    air = picture == 0
    picture[air] = np.random.default_rng(2).uniform(0, 0.05, int(air.sum()))
    picture[100:160, 900:930] = 1.0
    assert not find_lettering(picture, find_breast(picture)).suspected


def test_blanking_removes_the_letters_and_keeps_every_pixel_of_the_breast() -> None:
    picture = write_on(build_picture(), "DOE JANE", at=(760, 60), height=60)
    region = find_breast(picture)
    stored = (picture * 4095).astype(np.uint16) + 7
    blank = blank_surroundings(stored, region)
    inside = region.at_full_size()
    assert blank.dtype == stored.dtype
    assert np.array_equal(blank[inside], stored[inside])
    assert np.unique(blank[:200, 700:]).tolist() == [7]
    assert not find_lettering((blank - 7) / np.float32(4095), region).suspected


def test_the_breast_is_widened_before_the_rest_is_blanked() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[5:10, 0:5] = True
    region = BreastRegion(mask=mask, factor=4, image_shape=(80, 80))
    stored = np.arange(6400, dtype=np.uint16).reshape(80, 80)
    kept = blank_surroundings(stored, region) == stored
    edge = (5 + MARGIN_BLOCKS) * 4
    assert kept[20:40, :edge].all()
    assert kept[:, edge + 1 :].sum() <= 1
