"""Augmentation changes what it says, keeps background, and repeats itself by its generator."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from forescreen.training.augment import Augmentation, augment

from .builders import build_study

ALL = Augmentation(
    rotation_degrees=10,
    scale=0.1,
    shift_rows=4,
    shift_columns=3,
    log_gamma=0.2,
    log_contrast=0.2,
    noise=0.02,
    view_dropout=0.5,
)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    study = build_study(2, 1, rows=48, columns=40)
    return torch.from_numpy(study.store.pixels.astype("float32") / 65535)


def run(images: torch.Tensor, config: Augmentation, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    present = torch.ones(images.shape[:2], dtype=torch.bool)
    changed = augment(images, present, config, generator=torch.Generator().manual_seed(seed))
    return changed.images, changed.present


def test_no_augmentation_changes_nothing(images: torch.Tensor) -> None:
    changed, present = run(images, Augmentation())
    assert torch.equal(changed, images)
    assert present.all()


def test_the_same_generator_state_gives_the_same_batch(images: torch.Tensor) -> None:
    assert torch.equal(run(images, ALL, 3)[0], run(images, ALL, 3)[0])
    assert not torch.equal(run(images, ALL, 3)[0], run(images, ALL, 4)[0])


@pytest.mark.parametrize("name", ["log_gamma", "log_contrast", "noise"])
def test_grey_scale_changes_keep_the_outline_and_the_range(images: torch.Tensor, name: str) -> None:
    changed, _ = run(images, replace(Augmentation(), **{name: 0.3}))
    assert torch.equal(changed > 0, images > 0)
    assert changed.max() <= 1
    assert not torch.equal(changed, images)


def test_shifts_move_whole_pixels_and_keep_every_value(images: torch.Tensor) -> None:
    changed, _ = run(images, Augmentation(shift_rows=4))
    # The breast does not fill the canvas from top to bottom: nothing is lost.
    assert torch.allclose(changed.sum(dim=(2, 3)), images.sum(dim=(2, 3)), rtol=0.02)
    assert not torch.equal(changed, images)
    columns, _ = run(images, Augmentation(shift_columns=3), seed=1)
    assert (columns.count_nonzero() <= images.count_nonzero()).item()


def test_turning_and_scaling_keep_the_breast_at_the_chest_wall(images: torch.Tensor) -> None:
    changed, _ = run(images, Augmentation(rotation_degrees=8, scale=0.1))
    assert (changed[..., 0] > 0).any(dim=-1).all()
    n_before, n_after = (images > 0).sum().item(), (changed > 0).sum().item()
    assert 0.75 * n_before < n_after < 1.25 * n_before


def test_every_exam_keeps_a_view(images: torch.Tensor) -> None:
    _, present = run(images, Augmentation(view_dropout=0.95))
    assert present.any(dim=1).all()
    assert not run(images, Augmentation(view_dropout=0.5))[1].all()
