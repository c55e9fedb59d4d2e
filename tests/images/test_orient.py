from __future__ import annotations

import numpy as np
import pytest

from forescreen.images.orient import Side, find_chest_wall
from forescreen.records import Laterality

from .builders import build_breast


@pytest.mark.parametrize("chest_wall", ["left", "right"])
@pytest.mark.parametrize("laterality", list(Laterality))
def test_the_pixels_decide_and_the_custom_only_agrees_or_not(chest_wall: str, laterality: Laterality) -> None:
    _, mask = build_breast(chest_wall=chest_wall)
    orientation = find_chest_wall(mask, laterality)
    assert orientation.chest_wall == chest_wall
    assert orientation.agrees == ((chest_wall == "left") == (laterality is Laterality.LEFT))


def test_padding_beside_the_chest_wall_does_not_matter() -> None:
    _, mask = build_breast(chest_wall="right")
    orientation = find_chest_wall(np.pad(mask, ((0, 0), (10, 90))), Laterality.RIGHT)
    assert orientation.chest_wall is Side.RIGHT
    assert orientation.agrees is True


def test_a_breast_that_fills_the_picture_tells_nothing() -> None:
    assert find_chest_wall(np.ones((100, 80), dtype=bool), Laterality.LEFT).agrees is None
