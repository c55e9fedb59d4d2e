"""Losses against formulas written out, and against conditional logistic regression."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.models.losses import (
    any_cancer_loss,
    density_loss,
    matched_set_loss,
    outcome_code,
    polytomous_loss,
    sides_loss,
    three_class_binary_loss,
)
from forescreen.statistics.association import conditional_logistic

EXACT = 1e-6  # float32


def hazards(*rows: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def test_the_loss_of_one_set_is_the_softmax_of_the_cases_own_mode() -> None:
    scores = hazards((1.0, 9.0), (0.5, -3.0), (0.0, 4.0))
    found = matched_set_loss(scores, torch.tensor([1, 0, 0]), torch.tensor([5, 5, 5]))
    expected = -math.log(math.e / (math.e + math.exp(0.5) + 1))
    assert float(found) == pytest.approx(expected, abs=EXACT)


def test_an_interval_case_is_judged_by_the_interval_hazard() -> None:
    scores = hazards((1.0, 2.0), (0.5, 1.0))
    found = matched_set_loss(scores, torch.tensor([2, 0]), torch.tensor([0, 0]))
    assert float(found) == pytest.approx(math.log(1 + math.exp(-1)), abs=EXACT)


def test_a_cancer_of_unknown_mode_is_judged_by_the_sum_of_both_hazards() -> None:
    scores = hazards((1.0, 2.0), (0.5, 1.0))
    case, control = math.exp(1) + math.exp(2), math.exp(0.5) + math.exp(1)
    found = matched_set_loss(scores, torch.tensor([3, 0]), torch.tensor([0, 0]))
    assert float(found) == pytest.approx(-math.log(case / (case + control)), abs=EXACT)


def test_set_softmax_is_the_conditional_likelihood_of_logistic_regression() -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((60, 1))
    sets = np.repeat(np.arange(20), 3)
    case = np.tile([True, False, False], 20)
    fit = conditional_logistic(x, case, sets=sets, names=("x",))
    scores = torch.from_numpy(x @ fit.coefficients).to(torch.float64)
    both = torch.stack([scores, torch.zeros(60, dtype=torch.float64)], dim=1)
    found = matched_set_loss(both, torch.from_numpy(case.astype(np.int64)), torch.from_numpy(sets))
    assert -20 * float(found) == pytest.approx(fit.log_likelihood, abs=1e-9)


@given(st.integers(0, 10_000), st.floats(-5, 5))
@settings(max_examples=20, deadline=None)
def test_constants_of_a_set_and_the_order_of_rows_do_not_matter(seed: int, constant: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(9, 2, generator=generator, dtype=torch.float64)
    outcome = torch.tensor([1, 0, 0, 0, 2, 0, 0, 0, 3])
    sets = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
    loss = matched_set_loss(scores, outcome, sets)
    moved = scores + constant * (sets == 1).unsqueeze(1)
    order = torch.randperm(9, generator=generator)
    assert float(matched_set_loss(moved, outcome, sets)) == pytest.approx(float(loss), abs=1e-9)
    shuffled = matched_set_loss(scores[order], outcome[order], sets[order])
    assert float(shuffled) == pytest.approx(float(loss), abs=1e-9)


def test_a_batch_without_a_usable_set_has_zero_loss_and_a_gradient() -> None:
    scores = hazards((1.0, 2.0), (0.5, 1.0)).requires_grad_(True)
    loss = matched_set_loss(scores, torch.tensor([0, 0]), torch.tensor([0, 1]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert scores.grad is not None
    assert not scores.grad.any()


def test_polytomous_loss_by_hand_and_marginal_for_unknown_mode() -> None:
    scores = hazards((0.2, -0.4), (0.2, -0.4), (0.2, -0.4))
    prior = torch.tensor([-1.0, -2.0])
    total = 1 + math.exp(-0.8) + math.exp(-2.4)
    expected = [
        -math.log(1 / total),
        -math.log(math.exp(-2.4) / total),
        -math.log((math.exp(-0.8) + math.exp(-2.4)) / total),
    ]
    weight = torch.tensor([2.0, 1.0, 1.0])
    found = polytomous_loss(scores, torch.tensor([0, 2, 3]), weight, prior)
    by_hand = (2 * expected[0] + expected[1] + expected[2]) / 4
    assert float(found) == pytest.approx(by_hand, abs=EXACT)


def test_the_two_phases_of_the_2021_study_by_hand() -> None:
    logit = torch.tensor([0.3, -0.2])
    expected = (math.log(1 + math.exp(-0.3)) + math.log(1 + math.exp(-0.2))) / 2
    assert float(any_cancer_loss(logit, torch.tensor([2, 0]))) == pytest.approx(expected, abs=EXACT)
    p = np.exp([0, 0.2, -0.4]) / np.exp([0, 0.2, -0.4]).sum()
    one_hot = np.array([0, 1, 0])
    binary = -(one_hot * np.log(p) + (1 - one_hot) * np.log(1 - p)).mean()
    found = three_class_binary_loss(hazards((0.2, -0.4)), torch.tensor([1]))
    assert float(found) == pytest.approx(binary, abs=EXACT)


def test_sides_that_agree_lose_nothing_and_one_exam_alone_teaches_nothing() -> None:
    sides = 10 * torch.eye(4)
    assert float(sides_loss(sides, sides, torch.ones(4, dtype=torch.bool), 0.05)) < 1e-6
    swapped = sides_loss(sides, sides.flip(0), torch.ones(4, dtype=torch.bool), 0.05)
    assert float(swapped) > 10
    alone = torch.tensor([True, False, False, False])
    assert float(sides_loss(sides, sides.flip(0), alone, 0.05)) == 0


def test_density_that_was_not_measured_is_left_out() -> None:
    predicted = torch.tensor([0.5, 100.0])
    found = density_loss(predicted, torch.tensor([0.0, float("nan")]))
    assert float(found) == pytest.approx(0.125)


def test_an_unknown_outcome_is_refused() -> None:
    with pytest.raises(ValueError, match="maybe"):
        outcome_code("maybe")
