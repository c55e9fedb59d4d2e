"""Saliency points at what the score depends on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from forescreen.errors import InputError
from forescreen.models.predictor import Prediction
from forescreen.models.saliency import saliency
from forescreen.records import Outcome

from .builders import COLUMNS, ROWS, build_exam, build_model


class LooksAtOnePlace:
    """Screen-detected depends on a patch of the right CC view, interval on one of the left MLO view."""

    image_shape = (ROWS, COLUMNS)

    def predict(
        self, images: Float[Tensor, "exam view row column"], present: Bool[Tensor, "exam view"]
    ) -> Prediction:
        screen = images[:, 2, 10:16, 8:14].square().sum(dim=(1, 2))
        interval = images[:, 1, 22:28, 4:10].square().sum(dim=(1, 2))
        hazards = torch.stack([screen, interval], dim=1)
        return Prediction(hazards, torch.full_like(hazards, float("nan")))


@pytest.mark.parametrize(
    ("mode", "view", "place"),
    [(Outcome.SCREEN_DETECTED, 2, (10, 16, 8, 14)), (Outcome.INTERVAL, 1, (22, 28, 4, 10))],
)
def test_the_map_of_a_mode_is_highest_where_that_mode_looks(
    mode: Outcome, view: int, place: tuple[int, int, int, int]
) -> None:
    maps = saliency(LooksAtOnePlace(), build_exam(0), mode)
    found = np.unravel_index(maps.argmax(), maps.shape)
    assert found[0] == view
    assert place[0] <= found[1] < place[1]
    assert place[2] <= found[2] < place[3]
    inside = maps[view, place[0] - 5 : place[1] + 5, max(place[2] - 5, 0) : place[3] + 5]
    assert inside.sum() > 0.95 * maps.sum()


def test_maps_are_shares_of_one_and_zero_outside_the_breast_and_repeat_themselves() -> None:
    exam = build_exam(1, missing=(3,))
    maps = saliency(build_model(), exam, Outcome.INTERVAL)
    assert maps.shape == exam.images.shape
    assert maps.min() >= 0
    assert maps.max() == pytest.approx(1)
    assert not maps[exam.images == 0].any()
    assert np.array_equal(maps, saliency(build_model(), exam, Outcome.INTERVAL))


def test_a_mode_that_is_not_predicted_is_refused() -> None:
    with pytest.raises(InputError, match="screen-detected or interval"):
        saliency(build_model(), build_exam(0), Outcome.CANCER)
